"""
The real service for L{network}: with a listener of each kind, short deadlines, and
users enough.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.live.harness import HOST, LOOPBACK, PASSWORD, USER, LiveService
from tests.running import freePorts

from .naiveanswers import Wrong
from .plans import MESSAGES

LISTENERS = ("clear", "implicit", "unix", "proxied", "proxied implicit")
# The service's own deadlines, short ones; and what this machine may add to them.
SECONDS = 5
PATIENCE = 10.0
# Names as long as karl's, who is left to those who look whether all is well. A
# session that is left alone keeps others from its maildrop for a while.
USERS = tuple(f"usr{number}" for number in range(8))
SILENT = tuple(f"lef{number}" for number in range(4))

_HEADER = b"PROXY TCP4 127.0.0.%d 192.0.2.1 50001 110\r\n"
_SETTINGS = {
    **dict.fromkeys(("login-seconds", "handshake-seconds", "idle-seconds"), SECONDS),
    "proxy-seconds": SECONDS,
    "close-seconds": 2,
    # This is one peer that logs in wrongly all the time, which others look at.
    "penalty-seconds-most": 0,
    "answer-grid-milliseconds": 0,
    "connections-per-network": 1000,
    "logging-in-per-network": 1000,
    "takeover-seconds": 0,
}


class Service(LiveService):
    """The service with a listener of each kind."""

    def __init__(self, directory: Path) -> None:
        ports = freePorts(2)
        self.addresses: dict[str, Any] = dict(
            zip(("proxied", "proxied implicit"), ports, strict=True)
        )
        self.addresses["unix"] = str(directory / "socket")
        end = f":interface={LOOPBACK}"
        super().__init__(
            directory,
            (
                *("--maildrop", f"maildir:{directory}/maildirs/{{user}}"),
                *("--auth", f"passwd:{directory}/passwd"),
                *("--pop3", f"haproxy:tcp:{ports[0]}{end}"),
                *("--pop3s", f"haproxy:tcp:{ports[1]}{end}"),
                *("--pop3", f"unix:{self.addresses['unix']}"),
                *(word for key, n in _SETTINGS.items() for word in ("--limit", f"{key}={n}")),
            ),
        )
        lines = [f"{user}:{{PLAIN}}{PASSWORD}\n" for user in (USER, *USERS, *SILENT)]
        (directory / "passwd").write_text("".join(lines))
        self.addresses |= {"clear": self._ports[False], "implicit": self._ports[True]}
        self._read = 0

    def connect(self, listener: str) -> socket.socket:
        address = self.addresses[listener]
        if isinstance(address, int):
            return socket.create_connection((LOOPBACK, address), PATIENCE)
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE)
        connection.connect(address)
        return connection

    def newInLog(self) -> str:
        """What it has printed since this was last called."""
        with self._log.open(errors="replace") as file:
            file.seek(self._read)
            text = file.read()
            self._read = file.tell()
        return text

    def checkHealth(self) -> None:
        """
        Somebody with a mail program is served, over each listener, and no mail is
        damaged.

        @raise Wrong: that is not so.
        """
        for listener in LISTENERS:
            giveUp = time.monotonic() + PATIENCE + 2 * SECONDS
            while not self._logsIn(listener):
                # Somebody who was left alone may have the maildrop for a while.
                if time.monotonic() > giveUp:
                    raise Wrong("the maildrop is locked for good")
                time.sleep(0.05)
        for user in (USER, *USERS, *SILENT):
            stored = set(self._stored(user))
            if not stored <= set(MESSAGES["odd"]):
                raise Wrong(f"mail is damaged: {stored - set(MESSAGES['odd'])}")
            if len(stored) < 3:
                self.deliver(user)

    def deliver(self, user: str) -> None:
        """Give a user all the mail that there is."""
        folder = self.maildirs / user
        for name in ("tmp", "new", "cur"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for number, message in enumerate(MESSAGES["odd"]):
            (folder / "new" / f"{time.time_ns()}.M{number}P1.fuzz").write_bytes(message)

    def _logsIn(self, listener: str) -> bool:
        """@return: not while the maildrop is in use."""
        with self._client(listener) as file:
            _expect(file, None, b"+OK")
            _expect(file, f"USER {USER}".encode(), b"+OK")
            answer = _expect(file, f"PASS {PASSWORD}".encode(), b"")
            if answer.startswith(b"-ERR [IN-USE]"):
                return False
            if not answer.startswith(b"+OK"):
                raise Wrong(f"a good login gets {answer!r}")
            _expect(file, b"STAT", b"+OK")
            _expect(file, b"QUIT", b"+OK")
        return True

    @contextlib.contextmanager
    def _client(self, listener: str) -> Iterator[Any]:
        connection = self.connect(listener)
        if listener.startswith("proxied"):
            connection.sendall(proxyHeader(9))
        if "implicit" in listener:
            connection = tlsContext().wrap_socket(connection, server_hostname=HOST)
        with contextlib.closing(connection), connection.makefile("rwb") as file:
            yield file

    def _stored(self, user: str) -> Iterator[bytes]:
        for folder in ("new", "cur"):
            for path in (self.maildirs / user / folder).iterdir():
                yield path.read_bytes()


def proxyHeader(number: int) -> bytes:
    """@param number: tells the clients of the proxy from each other."""
    return _HEADER % number


def tlsContext() -> ssl.SSLContext:
    """It takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _expect(file: Any, line: bytes | None, begin: bytes) -> bytes:
    if line is not None:
        file.write(line + b"\r\n")
        file.flush()
    answer: bytes = file.readline()
    if not answer.startswith(begin):
        raise Wrong(f"{answer!r} to {line!r}")
    return answer
