"""
Whole connections to a real service, over each kind of listener: what is sent is
mutated, and it is cut off, half closed, reset or left alone anywhere, inside TLS,
instead of TLS and behind a proxy's header.

What each line is answered with is checked elsewhere, in the process. Here it is the
service that is looked at: that it is still there, that it closes what is to be closed,
and that nothing in its log was a surprise.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl
import struct
import tempfile
import time
from base64 import b64encode
from pathlib import Path
from random import Random
from typing import Any

from tests.live.harness import HOST, PASSWORD, USER

from .case import Case, corpus
from .mutation import mutate
from .naiveanswers import Wrong
from .networkservice import (
    LISTENERS,
    PATIENCE,
    SECONDS,
    SILENT,
    USERS,
    Service,
    proxyHeader,
    tlsContext,
)
from .stream import Stream

_ENDS = ("half-close", "half-close", "close", "reset", "reset", "read", "leave")
# So many may be left alone at a time.
_MOST_LEFT = 250
_MOST_OCTETS = 200_000
_SURPRISES = ("Traceback", "event=fault", "Unhandled")


class Network:
    """
    The target. It starts a service when the first case is checked; L{close} ends it,
    and says what it has left behind.

    The pieces of a case are segments; C{plan} has the listener, how it C{ends}, the
    C{header} of a proxy, whether TLS begins by C{stls}, and what C{garbage} is sent
    instead of a handshake.
    """

    name = "network"
    unit = "sessions"

    def __init__(self) -> None:
        self._stream = Stream()
        self._service: Service | None = None
        self._temporary = tempfile.TemporaryDirectory(prefix="pop3svc-fuzz-")
        self._left: list[tuple[socket.socket, float]] = []
        self._descriptors = 0

    def make(self, dice: Random) -> Case:
        pieces = list(self._stream.make(dice).pieces)
        if dice.randrange(3):
            login = f"USER {USER}\r\nPASS {PASSWORD}\r\n".encode()
            pieces.insert(dice.randrange(2), login)
        end = dice.choice(_ENDS)
        user = dice.choice(SILENT if end == "leave" else USERS).encode()
        pieces = [_asUser(each, user) for each in pieces]
        plan: dict[str, Any] = {"listener": dice.choice(LISTENERS), "end": end}
        if dice.random() < 0.7:
            # Somebody who leaves in the middle.
            pieces = pieces[: dice.randrange(len(pieces) + 1)]
        plan["stls"] = "implicit" not in plan["listener"] and dice.random() < 0.35
        if ("implicit" in plan["listener"] or plan["stls"]) and dice.random() < 0.3:
            plan["garbage"] = dice.choice(("instead", "instead", "cut", "changed"))
            plan["at"] = dice.randrange(600)
        if plan["listener"].startswith("proxied"):
            header = proxyHeader(dice.randrange(1, 255))
            odds = dice.random()
            if odds < 0.3:
                known = [each.data for each in corpus("proxies")]
                header = mutate(dice, dice.choice(known), known)
                # What stands behind such a header may be commands.
                plan["stls"] = False
            elif odds < 0.4:
                # Somebody who never comes to its end.
                header, pieces = header[: dice.randrange(len(header))], []
                plan |= {"stls": False, "end": "leave", "garbage": "instead"}
            plan["header"] = header.decode("latin-1")
        if end == "read" and ("garbage" in plan or "header" in plan):
            # It would be read to the deadline, each time.
            plan["end"] = "leave"
        plan["pause"] = dice.random() < 0.02
        return Case(self.name, tuple(pieces), plan=plan)

    def check(self, case: Case) -> int:
        service = self._running()
        connection = service.connect(case.plan["listener"])
        try:
            # The service may have heard enough before all is said.
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                connection = self._opened(connection, case)
                self._send(connection, case)
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                if connection.fileno() >= 0:
                    self._finish(connection, case.plan["end"])
        except TimeoutError as error:
            raise Wrong(f"it hangs, at {case.plan}") from error
        except OSError as error:
            if error.errno not in (errno.ENOTCONN, errno.EPIPE, errno.ECONNRESET):
                raise
        finally:
            if connection.fileno() >= 0 and not any(connection is each for each, _ in self._left):
                connection.close()
        surprises = [line for line in service.newInLog().splitlines() if _surprises(line)]
        if surprises:
            raise Wrong("\n".join(surprises[:3]))
        self._closeLeft(_MOST_LEFT)
        return 1

    def checkHealth(self) -> None:
        """@raise Wrong: the service does not serve everybody."""
        self._running().checkHealth()

    def close(self) -> None:
        """
        End the service.

        @raise Wrong: it has left something behind, or does not end well.
        """
        service, self._service = self._service, None
        if service is None:
            return
        try:
            self._closeLeft(0)
            self._awaitRest(service)
            service.terminate()
            status = service.wait()
            if status != 0 or service.surprises():
                raise Wrong(f"it ends with status {status}: {service.surprises()[-2000:]}")
        finally:
            service.kill()
            self._temporary.cleanup()

    def _running(self) -> Service:
        if self._service is None:
            self._service = service = Service(Path(self._temporary.name))
            for user in (USER, *USERS, *SILENT):
                service.deliver(user)
            service.start()
            service.checkHealth()
            self._awaitQuiet(service)
            self._descriptors = service.process.descriptors()
        return self._service

    def _opened(self, connection: socket.socket, case: Case) -> socket.socket:
        """With its header, and inside TLS if that is wanted."""
        if "header" in case.plan:
            connection.sendall(case.plan["header"].encode("latin-1"))
        garbage = case.plan.get("garbage")
        if case.plan.get("stls"):
            _startTLS(connection)
        elif "implicit" not in case.plan["listener"]:
            return connection
        if garbage == "instead":
            return connection
        if garbage is None:
            return tlsContext().wrap_socket(connection, server_hostname=HOST)
        hello, at = _clientHello(), case.plan["at"] % 300
        if garbage == "cut":
            connection.sendall(hello[:at])
        else:
            connection.sendall(hello[:at] + bytes([hello[at] ^ 0x41]) + hello[at + 1 :])
        return connection

    def _send(self, connection: socket.socket, case: Case) -> None:
        left = _MOST_OCTETS
        for piece in case.pieces:
            connection.sendall(piece[:left])
            left -= len(piece[:left])
            if case.plan["pause"]:
                time.sleep(0.01)

    def _finish(self, connection: socket.socket, end: str) -> None:
        if end == "leave":
            self._left.append((connection, time.monotonic()))
        elif end == "reset":
            linger = struct.pack("ii", 1, 0)
            if connection.family != socket.AF_UNIX:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        elif end in ("half-close", "read"):
            if end == "half-close":
                connection.shutdown(socket.SHUT_WR)
            else:
                # Whatever it is, it is over by its deadline.
                connection.settimeout(PATIENCE + 2 * SECONDS)
                connection.sendall(b"\r\n*\r\nQUIT\r\n")
            _readAll(connection)

    def _closeLeft(self, most: int) -> None:
        """The service has closed those that were left alone, when it was their time."""
        while len(self._left) > most:
            connection, since = self._left.pop(0)
            with contextlib.closing(connection), contextlib.suppress(ConnectionError, ssl.SSLError):
                deadline = since + 2 * SECONDS + PATIENCE
                connection.settimeout(max(0.1, deadline - time.monotonic()))
                try:
                    _readAll(connection)
                except TimeoutError as error:
                    raise Wrong("it was silent, and nobody has hung up on it") from error

    def _awaitRest(self, service: Service) -> None:
        giveUp = time.monotonic() + 2 * SECONDS + PATIENCE
        while service.process.descriptors() > self._descriptors:
            if time.monotonic() > giveUp:
                now = service.process.descriptors()
                raise Wrong(f"it holds {now} descriptors, and had {self._descriptors}")
            time.sleep(0.1)
        service.checkHealth()

    def _awaitQuiet(self, service: Service) -> None:
        """Until what the first logins have opened is closed."""
        before = -1
        while (now := service.process.descriptors()) != before:
            before = now
            time.sleep(0.3)


def _surprises(line: str) -> bool:
    return any(each in line for each in _SURPRISES)


def _readAll(connection: socket.socket) -> None:
    giveUp = time.monotonic() + PATIENCE + 2 * SECONDS
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while connection.recv(65536):
            if time.monotonic() > giveUp:
                raise Wrong("it sends without end")


def _startTLS(connection: socket.socket) -> None:
    """@raise ConnectionError: the service has ended it, because of a bad header."""
    connection.sendall(b"STLS\r\n")
    received = b""
    while received.count(b"\n") < 2:
        data = connection.recv(1000)
        if not data:
            raise ConnectionError("it is over")
        received += data
    if not received.splitlines()[1].startswith(b"+OK"):
        raise Wrong(f"{received!r} to STLS")


def _clientHello() -> bytes:
    """What a client begins with, without a network."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = tlsContext().wrap_bio(incoming, outgoing, server_hostname=HOST)
    with contextlib.suppress(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()


def _asUser(piece: bytes, user: bytes) -> bytes:
    """Also below base64, where PLAIN has it."""
    whole = b64encode(b"\0" + user + b"\0secret")
    return piece.replace(b"karl", user).replace(b64encode(b"\0karl\0secret"), whole)
