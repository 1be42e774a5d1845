"""
Somebody who is logged in while others put the server under load.
"""

from __future__ import annotations

import socket
import threading
import time

from .load import PASSWORD

_PAUSE = 0.002


class Bystander:
    """Sends NOOP after NOOP, and remembers how long each answer took."""

    def __init__(self, port: int) -> None:
        """@raise OSError: there is no server, or it refuses."""
        self._taken: list[float] = []
        self._fault = ""
        self._connection = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._lines = self._connection.makefile("rb")
        self._lines.readline()
        for command in (b"USER bystander0", b"PASS " + PASSWORD.encode()):
            self._ask(command)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def begin(self) -> None:
        """From now on."""
        self._thread.start()

    def end(self) -> tuple[float, float]:
        """
        @return: median and 99th percentile, in milliseconds.
        @raise OSError: the server has refused a NOOP, or hung up.
        """
        self._done.set()
        self._thread.join()
        if self._fault:
            raise OSError(self._fault)
        self._ask(b"QUIT")
        self._lines.close()
        self._connection.close()
        ordered = sorted(self._taken)
        return (
            ordered[len(ordered) // 2] * 1000,
            ordered[(len(ordered) - 1) * 99 // 100] * 1000,
        )

    def _watch(self) -> None:
        try:
            while not self._done.is_set():
                began = time.perf_counter()
                self._ask(b"NOOP")
                self._taken.append(time.perf_counter() - began)
                time.sleep(_PAUSE)
        except OSError as error:
            self._fault = str(error)

    def _ask(self, command: bytes) -> None:
        self._connection.sendall(command + b"\r\n")
        answer = self._lines.readline()
        if not answer.startswith(b"+OK"):
            raise OSError(f"{command.split()[0]!r} answered by {answer!r}")
