"""
A client that does only what a test tells it: a telnet with TLS.
"""

from __future__ import annotations

import socket
import ssl
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable

from .harness import HOST, LOOPBACK, PASSWORD, PLAIN, USER, Served, Way

_SECONDS = 30.0


class Dialogue:
    """
    One line after the other, whatever carries them.
    """

    def send(self, octets: bytes) -> None:
        raise NotImplementedError

    def line(self) -> bytes:
        """
        @return: one line without its CRLF.
        @raise ConnectionError: the connection has ended before its end.
        """
        raise NotImplementedError

    def ask(self, command: bytes, end: bytes = b"\r\n") -> bytes:
        """@return: the first line of the answer to a command."""
        self.send(command + end)
        return self.line()

    def expect(self, command: bytes, begin: bytes) -> bytes:
        """
        @return: the answer's first line.
        @raise AssertionError: it does not begin so.
        """
        answer = self.ask(command)
        if not answer.startswith(begin):
            raise AssertionError(f"the answer to {command[:100]!r} is {answer!r}")
        return answer

    def rest(self) -> bytes:
        """@return: a multi-line answer behind its first line, not stuffed."""
        lines = []
        while (line := self.line()) != b".":
            lines.append(line.removeprefix(b".") + b"\r\n")
        return b"".join(lines)

    def retrieve(self, number: int) -> bytes:
        """@return: a message."""
        self.expect(b"RETR %d" % number, b"+OK")
        return self.rest()

    def login(self, user: str = USER, password: str = PASSWORD) -> bytes:
        """@return: the answer to PASS."""
        self.expect(b"USER " + user.encode(), b"+OK")
        return self.expect(b"PASS " + password.encode(), b"+OK")

    def authenticate(self, mechanism: str, answers: Iterable[Callable[[bytes], bytes]]) -> bytes:
        """
        AUTH without an initial response.

        @param answers: each makes the answer to one challenge; both are without
            base64 here.
        @return: the line behind the last of them.
        """
        line = self.ask(b"AUTH " + mechanism.encode())
        for answer in answers:
            if not line.startswith(b"+ "):
                raise AssertionError(f"{line!r} is no challenge")
            line = self.ask(b64encode(answer(b64decode(line[2:]))))
        return line


class Wire(Dialogue):
    """
    One connection.

    @ivar greeting: what the service said first.
    """

    socket: socket.socket | ssl.SSLSocket

    def __init__(
        self,
        service: Served,
        way: Way = PLAIN,
        context: ssl.SSLContext | None = None,
        source: str = LOOPBACK,
    ) -> None:
        """
        @param context: by default one that trusts the service.
        @param source: the client's own address, any of 127.0.0.0/8.
        """
        self._context = context or ssl.create_default_context(cafile=str(service.authority))
        self.socket = socket.create_connection(
            (LOOPBACK, service.port(way)), _SECONDS, source_address=(source, 0)
        )
        # Each line goes out when it is written: no Nagle between two of them.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if way.implicit:
            self._startTLS()
        self._file = self.socket.makefile("rb")
        self.greeting = self.line()
        if way.stls:
            self.expect(b"STLS", b"+OK")
            self._startTLS()
            self._file = self.socket.makefile("rb")

    def send(self, octets: bytes) -> None:
        self.socket.sendall(octets)

    def line(self) -> bytes:
        line = self._file.readline()
        if not line.endswith(b"\n"):
            raise ConnectionError(f"the connection has ended behind {line!r}")
        if not line.endswith(b"\r\n"):
            raise AssertionError(f"this line of an answer has no CRLF: {line!r}")
        return line.removesuffix(b"\r\n")

    def ended(self) -> bool:
        """The service has ended the connection, and says nothing more."""
        return self._file.read() == b""

    def loginSoon(self) -> None:
        """Log in as L{USER} when a session that was cut off is over."""
        giveUp = time.monotonic() + _SECONDS
        while time.monotonic() < giveUp:
            self.expect(b"USER " + USER.encode(), b"+OK")
            if not self.ask(b"PASS " + PASSWORD.encode()).startswith(b"-ERR [IN-USE]"):
                return
            time.sleep(0.01)
        raise AssertionError("that session does not end")

    def quit(self) -> bytes:
        """
        QUIT, and see the service end the connection.

        @return: its last word.
        """
        answer = self.expect(b"QUIT", b"+OK")
        if not self.ended():
            raise AssertionError("something follows the answer to QUIT")
        self.close()
        return answer

    def close(self) -> None:
        """Hang up without a word."""
        self._file.close()
        self.socket.close()

    def _startTLS(self) -> None:
        self.socket = self._context.wrap_socket(self.socket, server_hostname=HOST)
