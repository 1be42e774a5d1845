"""
What others feel while the service is attacked in many ways at once.

    .venv/bin/python benchmarks/attack.py [SECONDS]

holds 1,000 idle sessions, 400 connections that send an octet a second, 100
readers that ask for 64 MiB and read nothing, and 30 addresses that guess
passwords without a pause, all on loopback and within the limits of one network.
Meanwhile another client connects, asks CAPA and QUIT fifty times a second, and
logs in once a second; what it waits for, and what the service holds, is printed.
"""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import os
import re
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.synchronize import Event
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from pop3svc.auth.hashing import hashPassword
from tests.running import RunningService, freePort

IDLE, SLOW, STALLED, GUESSING = 1000, 400, 100, 30
# How many share one address: below connections-per-network, and below
# logging-in-per-network for those that never log in.
TOGETHER, SLOW_TOGETHER = 40, 8
PASSWORD = "correct horse"
SMALL = b"Subject: small\n\nA line.\n"
BIG = b"Subject: big\n\n" + b"A line of the large message, again and again.\n" * (64 << 20 >> 6)

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def makeMaildirs(directory: Path) -> None:
    (directory / "small").write_bytes(SMALL)
    (directory / "big").write_bytes(BIG)
    users = [(f"idle{n}", "small") for n in range(IDLE)]
    users += [(f"stalled{n}", "big") for n in range(STALLED)]
    users += [("victim", "small"), ("friend", "small")]
    for user, message in users:
        for folder in ("tmp", "cur", "new"):
            os.makedirs(directory / "mail" / user / folder)
        # One file with many names, to spare the disk.
        os.link(directory / message, directory / "mail" / user / "new/1700000000.M1P1.host")


def makePasswords(directory: Path) -> None:
    """Those who wait have cheap passwords, or the preparation would take minutes."""
    cheap = [f"idle{n}" for n in range(IDLE)] + [f"stalled{n}" for n in range(STALLED)]
    lines = [f"{user}:{{PLAIN}}{PASSWORD}" for user in cheap]
    lines += [f"{user}:{hashPassword(PASSWORD)}" for user in ("victim", "friend")]
    (directory / "passwd").write_text("\n".join(lines) + "\n")


class Attack:
    """All peers that wish us ill, in one process of their own."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._held: list[Pair] = []
        self.guesses = 0

    async def run(self, ready: Event, done: Event) -> None:
        """Prepare everything, tell, and go on until the end is told."""
        await self._each(IDLE, TOGETHER, 1, self._idle)
        await self._each(STALLED, TOGETHER, 2, self._stall)
        slow = [self._drip(number) for number in range(SLOW)]
        guessing = [self._guess(number) for number in range(GUESSING)]
        tasks = [asyncio.create_task(each) for each in (*slow, *guessing)]
        await asyncio.sleep(3)
        ready.set()
        while not done.is_set():
            await asyncio.sleep(0.2)
        for task in tasks:
            task.cancel()
        print(f"{self.guesses} guesses were answered")

    async def _each(self, count, together, block, work) -> None:  # type: ignore[no-untyped-def]
        for first in range(0, count, 5):
            numbers = range(first, min(first + 5, count))
            await asyncio.gather(
                *(work(each, f"127.{block}.{each // together}.1") for each in numbers)
            )

    async def _connect(self, address: str) -> Pair:
        pair = await asyncio.open_connection("127.0.0.1", self._port, local_addr=(address, 0))
        await pair[0].readline()
        return pair

    async def _logIn(self, user: str, address: str) -> Pair:
        reader, writer = await self._connect(address)
        writer.write(f"USER {user}\r\nPASS {PASSWORD}\r\n".encode())
        answers = [await reader.readline() for _ in range(2)]
        assert all(each.startswith(b"+OK") for each in answers), (user, answers)
        return reader, writer

    async def _idle(self, number: int, address: str) -> None:
        self._held.append(await self._logIn(f"idle{number}", address))

    async def _stall(self, number: int, address: str) -> None:
        pair = await self._logIn(f"stalled{number}", address)
        pair[1].write(b"RETR 1\r\n" * 100)
        pair[1].transport.pause_reading()  # type: ignore[attr-defined]
        self._held.append(pair)

    async def _drip(self, number: int) -> None:
        """A connection that sends an octet a second, and another when that is cut."""
        address = f"127.3.{number // SLOW_TOGETHER}.1"
        while True:
            try:
                reader, writer = await self._connect(address)
                while not reader.at_eof():
                    writer.write(b"A")
                    await writer.drain()
                    await asyncio.sleep(1)
                writer.close()
            except OSError:
                await asyncio.sleep(1)

    async def _guess(self, number: int) -> None:
        address = f"127.4.{number}.1"
        for guess in itertools.count():
            try:
                reader, writer = await self._connect(address)
                writer.write(b"USER victim\r\nPASS %d-%d\r\n" % (number, guess))
                await reader.readline()
                self.guesses += (await reader.readline()).startswith(b"-ERR [AUTH]")
                writer.close()
            except OSError:
                await asyncio.sleep(0.1)


def attack(port: int, ready: Event, done: Event) -> None:
    asyncio.run(Attack(port).run(ready, done))


def asked(port: int, lines: tuple[bytes, ...]) -> float:
    """
    Connect, say these lines one after another, and QUIT.

    @return: how long the slowest answer took.
    """
    worst = 0.0
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        received = connection.makefile("rb")
        received.readline()
        for line in (*lines, b"QUIT"):
            began = time.perf_counter()
            connection.sendall(line + b"\r\n")
            first = received.readline()
            assert first.startswith(b"+OK"), (line, first)
            while line == b"CAPA" and received.readline() != b".\r\n":
                pass
            worst = max(worst, time.perf_counter() - began)
    return worst


def probes(port: int, seconds: float) -> Iterator[tuple[bool, float]]:
    """Whether it was a login, and the seconds that its slowest answer took."""
    end, login = time.monotonic() + seconds, 0.0
    while time.monotonic() < end:
        if time.monotonic() >= login:
            login = time.monotonic() + 1
            yield True, asked(port, (b"USER friend", b"PASS " + PASSWORD.encode(), b"STAT"))
        yield False, asked(port, (b"CAPA",))
        time.sleep(0.02)


def show(name: str, taken: list[float]) -> None:
    taken.sort()
    milliseconds = [1000 * taken[min(len(taken) * p // 100, len(taken) - 1)] for p in (50, 99, 100)]
    print("{}: {} times, median {:.1f} ms, p99 {:.1f} ms, worst {:.1f} ms".format(
        name, len(taken), *milliseconds
    ))  # fmt: skip


def residentMiB(service: RunningService) -> float:
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+([0-9]+)", status)
    assert found is not None
    return int(found.group(1)) / 1024


def measure(name: str, service: RunningService, port: int, seconds: float) -> None:
    taken = list(probes(port, seconds))
    print(f"{name}: the service holds {residentMiB(service):.0f} MiB")
    show("  CAPA ", [each for login, each in taken if not login])
    show("  login", [each for login, each in taken if login])


def main(seconds: float) -> None:
    port = freePort()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        makeMaildirs(directory)
        makePasswords(directory)
        service = RunningService(
            directory / "log",
            *("--pop3", f"tcp:{port}:interface=127.0.0.1"),
            *("--auth", f"passwd:{directory}/passwd"),
            *("--maildrop", f"maildir:{directory}/mail/{{user}}"),
        )
        try:
            service.waitFor("event=listening")
            measure("alone", service, port, 10)
            ready, done = multiprocessing.Event(), multiprocessing.Event()
            process = multiprocessing.Process(target=attack, args=(port, ready, done))
            process.start()
            try:
                assert ready.wait(300), "the attack could not be prepared"
                measure("attacked", service, port, seconds)
            finally:
                done.set()
                process.join()
        finally:
            service.stop(60)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 45)
