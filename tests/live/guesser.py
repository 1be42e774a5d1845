"""
Somebody who tries passwords as quickly as he is answered.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Sequence
from threading import Thread

from .harness import LOOPBACK, USER

_WRONG = b"-ERR [AUTH]"


class Guesser:
    """
    Connections from one address, each with guesses of its own.

    @ivar answered: after how many seconds each wrong password was refused; an answer
        that tells nothing about the password does not count.
    """

    def __init__(self, port: int, source: str, connections: int, seconds: float) -> None:
        """@param source: an address of loopback."""
        self.answered: list[float] = []
        self._port = port
        self._source = source
        self._began = time.monotonic()
        self._end = self._began + seconds
        self._threads = [
            Thread(target=self._guess, args=(number,)) for number in range(connections)
        ]
        for each in self._threads:
            each.start()

    def wait(self) -> None:
        """Until the time is over."""
        for each in self._threads:
            each.join()

    def _guess(self, number: int) -> None:
        tried = 0
        while self._left() > 0:
            # A connection is ended after some failures, or because of too many.
            with contextlib.suppress(OSError), self._connect() as connection:
                lines = connection.makefile("rb")
                lines.readline()
                while self._left() > 0:
                    tried += 1
                    password = f"{number}-{tried}"
                    connection.sendall(f"USER {USER}\r\nPASS {password}\r\n".encode())
                    lines.readline()
                    connection.settimeout(max(0.01, self._left()))
                    answer = lines.readline()
                    if answer.startswith(_WRONG):
                        self.answered.append(time.monotonic() - self._began)
                    elif not answer:
                        break

    def _left(self) -> float:
        return self._end - time.monotonic()

    def _connect(self) -> socket.socket:
        return socket.create_connection(
            (LOOPBACK, self._port), max(0.01, self._left()), (self._source, 0)
        )


def most(times: Sequence[float], seconds: float) -> int:
    """@return: how many of them lie within so many seconds, wherever those begin."""
    return max(
        (sum(begin <= each < begin + seconds for each in times) for begin in times), default=0
    )


def login(port: int, source: str, password: str) -> float:
    """
    The owner's, with the right password.

    @return: how many seconds it took, with connecting and all.
    @raise AssertionError: that was not possible.
    """
    began = time.monotonic()
    with socket.create_connection((LOOPBACK, port), 30, (source, 0)) as connection:
        lines = connection.makefile("rb")
        lines.readline()
        connection.sendall(f"USER {USER}\r\nPASS {password}\r\n".encode())
        lines.readline()
        answer, took = lines.readline(), time.monotonic() - began
        connection.sendall(b"QUIT\r\n")
        lines.readline()
    if not answer.startswith(b"+OK"):
        raise AssertionError(f"the owner is told {answer!r}")
    return took
