"""
What logins with argon2id cost somebody who is logged in already.

    .venv/bin/python benchmarks/hashing.py [LOGINS]

starts the demo on loopback, sends NOOP after NOOP in one session, first alone,
then while so many connections log in at once, each with another wrong password
so that no two share a hash, and prints how long the answers took.
"""

from __future__ import annotations

import socket
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import BinaryIO

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.running import RunningService, freePort

Peer = tuple[socket.socket, BinaryIO]


def connect(port: int) -> Peer:
    connection = socket.create_connection(("127.0.0.1", port), timeout=120)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    lines = connection.makefile("rb")
    lines.readline()
    return connection, lines


def ask(pair: Peer, line: bytes) -> bytes:
    connection, lines = pair
    connection.sendall(line + b"\r\n")
    answer: bytes = lines.readline()
    return answer


def noops(pair: Peer, until: threading.Event, least: int) -> list[float]:
    """The seconds that each answer took."""
    taken: list[float] = []
    while len(taken) < least or not until.is_set():
        began = time.perf_counter()
        assert ask(pair, b"NOOP").startswith(b"+OK")
        taken.append(time.perf_counter() - began)
        time.sleep(0.002)
    return taken


def show(name: str, taken: list[float]) -> None:
    taken.sort()
    print(
        f"{name}: {len(taken)} answers, median {taken[len(taken) // 2] * 1000:.2f} ms,"
        f" p99 {taken[len(taken) * 99 // 100] * 1000:.2f} ms, worst {taken[-1] * 1000:.2f} ms"
    )


def main(logins: int) -> None:
    port = freePort()
    with tempfile.TemporaryDirectory() as directory:
        service = RunningService(
            Path(directory, "log"),
            *("--demo", "--demo-directory", f"{directory}/demo"),
            *("--pop3", f"tcp:{port}:interface=127.0.0.1", "--limit", "hash-queue=1000"),
        )
        try:
            service.waitFor("event=listening")
            bystander = connect(port)
            ask(bystander, b"USER karl")
            assert ask(bystander, b"PASS secret").startswith(b"+OK")
            nothing = threading.Event()
            nothing.set()
            show("alone", noops(bystander, nothing, 1000))
            pairs = [connect(port) for _ in range(logins)]
            done = threading.Event()

            def logIn() -> None:
                for number, pair in enumerate(pairs):
                    pair[0].sendall(b"USER joebloggs\r\nPASS wrong%d\r\n" % number)
                for _, lines in pairs:
                    lines.readline()
                    assert b"[AUTH]" in lines.readline()
                done.set()

            began = time.perf_counter()
            threading.Thread(target=logIn).start()
            show(f"with {logins} logins in flight", noops(bystander, done, 1))
            print(f"the logins took {time.perf_counter() - began:.1f} s")
            for connection, lines in (bystander, *pairs):
                lines.close()
                connection.close()
        finally:
            service.stop()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
