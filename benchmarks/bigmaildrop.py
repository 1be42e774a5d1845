"""
What a maildrop of very many messages costs, step by step.

    .venv/bin/python benchmarks/bigmaildrop.py [MESSAGES [DIRECTORY]]

A real service on loopback; a client that logs in, asks for STAT and UIDL and quits
tells the wall time, the kernel the service's processor time and memory. Another
session sends NOOP all the while. All is done twice: with mail that lies in C{cur}, and
with mail that lies in C{new} and has sizes, C{W=}, in the names of its files.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.running import RunningService, freePort

MESSAGE = b"Subject: number %d\r\nFrom: a@example.org\r\n\r\n" + b"one of many lines\r\n" * 30
TICKS = os.sysconf("SC_CLK_TCK")


def makeMaildir(path: Path, messages: int, noted: bool) -> None:
    for folder in ("tmp", "cur", "new"):
        (path / folder).mkdir(parents=True)
    for number in range(messages):
        deliver(path, number, noted, *(("new",) if noted else ("cur", ":2,S")))


def deliver(path: Path, number: int, noted: bool, folder: str = "new", flags: str = "") -> None:
    octets = (MESSAGE % number).replace(b"\r\n", b"\n")
    sizes = f",S={len(octets)},W={len(MESSAGE % number)}" if noted else ""
    micro = number * 7919 % 1_000_000
    name = f"{1_700_000_000 + 7 * number}.M{micro}P{number % 9999}.mx.example.org{sizes}{flags}"
    with open(path / folder / name, "wb") as file:
        file.write(octets)


class Client:
    def __init__(self, port: int, user: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self.lines = self.socket.makefile("rb")
        self.lines.readline()
        self.ask(f"USER {user}")
        self.ask("PASS x")

    def ask(self, command: str) -> bytes:
        self.socket.sendall(command.encode() + b"\r\n")
        reply = self.lines.readline()
        assert reply.startswith(b"+OK"), reply
        return reply

    def listing(self, command: str) -> int:
        self.ask(command)
        count = 0
        while self.lines.readline() != b".\r\n":
            count += 1
        return count

    def quit(self) -> None:
        self.ask("QUIT")
        self.lines.close()
        self.socket.close()


class Bystander(threading.Thread):
    """How long NOOP takes for somebody else."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.seconds: list[float] = []
        self._client = Client(port, "other")
        self._ended = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._ended.wait(0.002):
            began = time.perf_counter()
            self._client.ask("NOOP")
            self.seconds.append(time.perf_counter() - began)
        self._client.quit()

    def end(self) -> str:
        self._ended.set()
        self.join()
        self.seconds.sort()
        last = len(self.seconds) - 1
        half, most, all_ = (1000 * self.seconds[int(part * last)] for part in (0.5, 0.99, 1))
        return f"NOOP p50 {half:.1f}, p99 {most:.1f}, longest {all_:.1f} ms"


class Trial:
    def __init__(self, directory: Path, messages: int, noted: bool) -> None:
        self.directory, self.messages, self.noted = directory, messages, noted
        self.maildir = directory / "big"
        self.folder = self.maildir / ("new" if noted else "cur")
        makeMaildir(directory / "other", 1, False)
        makeMaildir(self.maildir, messages, noted)
        self.next = messages
        self.service: RunningService | None = None

    def start(self) -> None:
        if self.service is not None:
            self.service.stop(60)
        self.port = freePort()
        self.service = RunningService(
            self.directory / "log",
            *("--pop3", f"tcp:{self.port}:interface=127.0.0.1"),
            *("--auth", "memory:big:x:other:x", "--maildrop", f"maildir:{self.directory}/{{user}}"),
        )
        self.service.waitFor(f"tcp:{self.port}:")
        for _ in range(3):
            Client(self.port, "other").quit()

    def status(self, name: str) -> int:
        assert self.service is not None
        text = Path(f"/proc/{self.service.process.pid}/status").read_text()
        found = re.search(rf"{name}:\s+([0-9]+)", text)
        assert found is not None
        return int(found.group(1))

    def processor(self) -> float:
        assert self.service is not None
        stat = Path(f"/proc/{self.service.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(stat[11]) + int(stat[12])) / TICKS

    def poll(self, label: str, times: int = 1, change: Callable[[], object] | None = None) -> None:
        best, cost, login = 9e9, 0.0, 0.0
        for _ in range(times):
            if change is not None:
                change()
                time.sleep(0.1)
            before, began = self.processor(), time.perf_counter()
            client = Client(self.port, "big")
            login = min(login or 9e9, time.perf_counter() - began)
            client.ask("STAT")
            count = client.listing("UIDL")
            client.quit()
            best = min(best, time.perf_counter() - began)
            cost += self.processor() - before
        print(
            f"  {label:34} login {1000 * login:7.1f} ms, poll {1000 * best:7.1f} ms,"
            f" processor {1000 * cost / times:6.0f} ms, {count} messages"
        )

    def memory(self) -> None:
        before = self.status("VmRSS")
        client = Client(self.port, "big")
        client.listing("UIDL")
        client.listing("LIST")
        during = self.status("VmRSS")
        client.quit()
        time.sleep(0.3)
        after = self.status("VmRSS")
        print(
            f"  memory before {before} KiB, in use +{during - before}, after +{after - before},"
            f" most ever {self.status('VmHWM')}"
        )

    def deliver(self) -> None:
        self.next += 1
        deliver(self.maildir, self.next, self.noted)

    def flag(self) -> None:
        name = self.someName()
        base = name.partition(":")[0]
        os.rename(self.folder / name, self.maildir / "cur" / f"{base}:2,RS")

    def remove(self) -> None:
        os.unlink(self.folder / self.someName())

    def someName(self) -> str:
        with os.scandir(self.folder) as entries:
            return next(iter(entries)).name

    def forget(self) -> None:
        for path in self.maildir.glob("pop3svc-*"):
            path.unlink()

    def run(self) -> None:
        print(
            f"{self.messages} messages in {self.folder.name},"
            f" sizes {'in' if self.noted else 'not in'} the names"
        )
        self.start()
        bystander = Bystander(self.port)
        self.poll("first open")
        print(f"  meanwhile: {bystander.end()}")
        self.start()
        self.memory()
        self.start()
        self.poll("unchanged, from the ledger")
        self.poll("unchanged", 5)
        bystander = Bystander(self.port)
        self.poll("unchanged, with another session", 5)
        print(f"  meanwhile: {bystander.end()}")
        self.poll("one delivered", 5, self.deliver)
        bystander = Bystander(self.port)
        self.poll("one delivered, another session", 5, self.deliver)
        print(f"  meanwhile: {bystander.end()}")
        self.poll("one flagged", 3, self.flag)
        self.poll("one removed", 3, self.remove)
        self.memory()
        self.forget()
        self.poll("ledger removed")
        self.memory()
        if self.service is not None:
            self.service.stop(60)


def main(messages: int, directory: str | None = None) -> None:
    for noted in (False, True):
        place = Path(tempfile.mkdtemp(dir=directory))
        try:
            Trial(place, messages, noted).run()
        finally:
            shutil.rmtree(place)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000, *sys.argv[2:3])
