"""
Connections of all kinds that come to nothing, or to little, in great numbers: what a
service keeps of them is a leak.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random

from tests.process import Process, peersOf

LOOPBACK = "127.0.0.1"
PASSWORD = "secret"
THREADS = 4
USERS = [f"churn{number}" for number in range(THREADS)]

_SECONDS = 20.0
# More than one network's logins at once, so that some are refused.
_CROWD = 13
# Of <linux/in.h>; Python does not name it.
_BIND_ADDRESS_NO_PORT = 24

_TALK = (b"", b"CAPA", b"USER %s", b"PASS " + PASSWORD.encode(), b"STAT", b"RETR 1", b"QUIT")
_SASL = (
    b"AUTH PLAIN\r\n",
    b"AUTH PLAIN\r\n*\r\n",
    b"AUTH SCRAM-SHA-256\r\nbiws\r\n",
    b"AUTH x\r\n",
)
_FOREIGN = (
    b"GET / HTTP/1.1\r\nHost: mx\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nUSER karl",
    b"EHLO mx\r\n",
    b"SSH-2.0-x\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x5a" * 506,
    b"A" * 12_000,
    b"\r\n\r\n\r\n",
)


class Churner:
    """
    One thread's worth of clients.

    @ivar done: kind -> how many connections.
    """

    def __init__(self, clear: int, implicit: int, number: int, seed: int = 1) -> None:
        """
        @param clear: the port with STLS.
        @param implicit: the port inside TLS.
        @param number: which thread; it has an address and a user of its own.
        """
        self.done: Counter[str] = Counter()
        self._clear, self._implicit = clear, implicit
        self._source, self._user = f"127.0.5.{number + 1}", USERS[number].encode()
        self._dice = Random(seed * 1000 + number)
        self._context = ssl.create_default_context()
        self._context.check_hostname, self._context.verify_mode = False, ssl.CERT_NONE
        # What costs little comes often, so that many connections are made.
        self._kinds: list[tuple[int, Callable[[], None]]] = [
            (10, self._good),
            (25, self._reset),
            (15, self._sasl),
            (20, self._foreign),
            (20, self._silence),
            (1, self._overLimit),
            (3, self._goodInTLS),
            (6, self._abortedTLS),
        ]

    def run(self, connections: int) -> None:
        """@param connections: how many at the least."""
        weights, kinds = zip(*self._kinds, strict=True)
        while self.done.total() < connections:
            kind = self._dice.choices(kinds, weights)[0]
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                kind()

    def _connect(self, port: int, kind: str) -> socket.socket:
        self.done[kind] += 1
        connection = socket.socket()
        connection.settimeout(_SECONDS)
        connection.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
        connection.bind((self._source, 0))
        try:
            connection.connect((LOOPBACK, port))
        except BaseException:
            connection.close()
            raise
        return connection

    def _talk(self, connection: socket.socket, lines: tuple[bytes, ...]) -> None:
        """Say each when the one before is answered; the answer's end does not matter."""
        for line in lines:
            if line:
                command = line % self._user if b"%s" in line else line
                connection.sendall(command + b"\r\n")
            if not connection.recv(65536):
                return

    def _good(self) -> None:
        with self._connect(self._clear, "good") as connection:
            self._talk(connection, _TALK)

    def _goodInTLS(self) -> None:
        implicit = self._dice.random() < 0.5
        port = self._implicit if implicit else self._clear
        with self._connect(port, "good in TLS") as connection:
            if not implicit:
                self._talk(connection, (b"", b"STLS"))
            with self._context.wrap_socket(connection, server_hostname="localhost") as inside:
                self._talk(inside, _TALK if implicit else _TALK[1:])

    def _reset(self) -> None:
        """At each stage, also between a command and its answer."""
        stage = self._dice.randrange(len(_TALK)) + 1
        with self._connect(self._clear, "reset") as connection:
            self._talk(connection, _TALK[: stage - 1])
            if _TALK[stage - 1]:
                line = _TALK[stage - 1]
                connection.sendall((line % self._user if b"%s" in line else line) + b"\r\n")
            reset(connection)

    def _sasl(self) -> None:
        with self._connect(self._clear, "aborted SASL") as connection:
            connection.recv(4096)
            connection.sendall(self._dice.choice(_SASL))
            if self._dice.random() < 0.5:
                connection.recv(4096)
            if self._dice.random() < 0.5:
                reset(connection)

    def _foreign(self) -> None:
        port = self._dice.choice((self._clear, self._implicit))
        with self._connect(port, "foreign") as connection:
            connection.sendall(self._dice.choice(_FOREIGN))
            if self._dice.random() < 0.7:
                while connection.recv(4096):
                    continue

    def _silence(self) -> None:
        port = self._dice.choice((self._clear, self._implicit))
        with self._connect(port, "silence") as connection:
            if self._dice.random() < 0.5:
                reset(connection)

    def _overLimit(self) -> None:
        with contextlib.ExitStack() as stack:
            for _ in range(_CROWD):
                port = self._dice.choice((self._clear, self._implicit))
                stack.enter_context(self._connect(port, "over the limit"))
            time.sleep(0.01)

    def _abortedTLS(self) -> None:
        """In the middle of a handshake, right behind it, or in the first line."""
        implicit = self._dice.random() < 0.5
        port = self._implicit if implicit else self._clear
        with self._connect(port, "aborted TLS") as connection:
            if not implicit:
                self._talk(connection, (b"", b"STLS"))
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            client = self._context.wrap_bio(incoming, outgoing, server_hostname="localhost")
            with contextlib.suppress(ssl.SSLWantReadError):
                client.do_handshake()
            hello = outgoing.read()
            stage = self._dice.randrange(4)
            connection.sendall(hello[: len(hello) // 2] if stage == 0 else hello)
            if stage >= 2:
                incoming.write(connection.recv(65536))
                with contextlib.suppress(ssl.SSLWantReadError):
                    client.do_handshake()
                connection.sendall(outgoing.read())
            if stage == 3:
                connection.sendall(b"\x17\x03\x03\x00\x20" + b"\0" * 32)
            if self._dice.random() < 0.5:
                reset(connection)


def reset(connection: socket.socket) -> None:
    """Hang up so that the other side hears RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def churn(clear: int, implicit: int, connections: int, seed: int = 1) -> Counter[str]:
    """
    @param clear: the port with STLS.
    @param implicit: the port inside TLS.
    @param connections: how many at the least.
    @return: kind -> how many there were, once the service has let go of all of them.
    """
    churners = [Churner(clear, implicit, number, seed) for number in range(THREADS)]
    with ThreadPoolExecutor(THREADS) as threads:
        for each in [threads.submit(each.run, connections // THREADS) for each in churners]:
            each.result()
    giveUp = time.monotonic() + _SECONDS
    while any(peersOf(port) for port in (clear, implicit)):
        if time.monotonic() > giveUp:
            raise AssertionError("the service does not let go of connections")
        time.sleep(0.05)
    # What waits for a thread or for a turn of the reactor is over then, too.
    time.sleep(0.5)
    return sum((each.done for each in churners), Counter())


def holdings(process: Process) -> tuple[int, int]:
    """@return: its descriptors, and its memory in KiB."""
    return process.descriptors(), process.residentKiB()
