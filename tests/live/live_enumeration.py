"""
Which users exist? A stranger tries to find out by time, as well as statistics can.
"""

from __future__ import annotations

import os
import random
import socket
import time
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pop3svc.auth.digests import writeScram
from pop3svc.auth.hashing import hashPassword
from pop3svc.auth.scram import makeVerifier
from tests.ranks import likelihood

from .harness import LOOPBACK, USER, LiveService, LiveTestCase

# As long as the other.
_NOBODY = "kurt"
_SAMPLES = 1000
_CONNECTIONS = 20
_DIFFERENT = 0.001
# Once in a thousand times chance alone looks like a difference: then it has to come
# again, and again.
_TIMES = 3
# One that never stops asking, and is never delayed.
_OPEN = (
    *("--limit", "penalty-seconds-most=0", "--limit", "attempts-at-once=100"),
    *("--limit", "login-attempts=1000000", "--limit", "login-seconds=3600"),
    *("--limit", "logging-in-per-network=50"),
)
# Finer than a hash takes, so that the grid does not hide that one is left out.
_FINE_GRID = ("--limit", "answer-grid-milliseconds=1")
_CHEAP = {"iterations": 1, "memoryKiB": 2048}

# A checker that tells by its time who is somebody special, and by nothing else.
_LEAKY = """
from twisted.cred import checkers, credentials, error, strcred
from twisted.internet import reactor, task
from twisted.plugin import IPlugin
from zope.interface import implementer

@implementer(checkers.ICredentialsChecker)
class Leaky:
    credentialInterfaces = (credentials.IUsernamePassword,)

    def requestAvatarId(self, claimed):
        took = 0.003 if claimed.username == b"kurt" else 0
        return task.deferLater(reactor, took, self.refuse)

    def refuse(self):
        raise error.UnauthorizedLogin()

@implementer(strcred.ICheckerFactory, IPlugin)
class LeakyFactory:
    authType, argStringFormat, authHelp = "leaky", "", ""
    credentialInterfaces = Leaky.credentialInterfaces

    def generateChecker(self, argumentText):
        return Leaky()

leaky = LeakyFactory()
"""

# Sends something that begins with a question, and returns when it is answered. Given
# the lines of a connection, a name and a number that is new.
Ask = Callable[["Asker", str, int], None]


class Asker:
    """One connection."""

    def __init__(self, service: LiveService) -> None:
        self._socket = socket.create_connection((LOOPBACK, service.port()), 30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._lines = self._socket.makefile("rb")
        self.line()

    def send(self, line: bytes) -> None:
        self._socket.sendall(line + b"\r\n")

    def line(self) -> bytes:
        return self._lines.readline()

    def expect(self, begin: bytes) -> None:
        line = self.line()
        assert line.startswith(begin), line

    def close(self) -> None:
        self._lines.close()
        self._socket.close()

    def time(self, ask: Ask, name: str, number: int) -> float:
        began = time.perf_counter()
        ask(self, name, number)
        return time.perf_counter() - began


def _pass(asker: Asker, name: str, number: int) -> None:
    asker.send(b"USER %s\r\nPASS wrong%d" % (name.encode(), number))
    asker.expect(b"+OK")
    asker.expect(b"-ERR [AUTH]")


def _plain(asker: Asker, name: str, number: int) -> None:
    asker.send(b"AUTH PLAIN " + b64encode(b"\0%s\0wrong%d" % (name.encode(), number)))
    asker.expect(b"-ERR [AUTH]")


def _scram(asker: Asker, name: str, number: int) -> None:
    first = b"n,,n=%s,r=nonce%d" % (name.encode(), number)
    asker.send(b"AUTH SCRAM-SHA-256 " + b64encode(first))
    asker.expect(b"+ ")


def _cancel(asker: Asker, name: str, number: int) -> None:
    """What ends an exchange of SCRAM; not timed."""
    asker.send(b"*")
    asker.expect(b"-ERR")


class EnumerationTests(LiveTestCase):
    def test_password(self) -> None:
        """PASS and PLAIN; users as C{pop3svc passwd} makes them, but for the price."""
        lines = (f"{name}:{hashPassword(name, **_CHEAP)}\n" for name in (USER, "joe", "ann"))
        service = self.open(*self.passwd(*lines), *_FINE_GRID)
        self.checkSame(service, _pass, connections=2)
        self.checkSame(service, _plain, connections=2)

    def test_severalCheckers(self) -> None:
        """Whom the first of two knows the second is not to decide about."""
        names = ((USER, "joe"), ("ann", "eve"))
        arguments = [
            word
            for group in names
            for word in self.passwd(*(f"{each}:{hashPassword(each, **_CHEAP)}\n" for each in group))
        ]
        self.checkSame(self.open(*arguments, *_FINE_GRID), _pass, connections=2)

    def test_scram(self) -> None:
        """The first answer of SCRAM; some users have verifiers, others clear text."""
        verifier = makeVerifier("SHA-256", b"sesame", b"x" * 16, 4096)
        stored = writeScram("SHA-256", verifier)
        lines = (f"{USER}:{{PLAIN}}secret\n", f"joe:{stored}\n")
        service = self.open(*self.passwd(*lines), *_FINE_GRID)
        self.checkSame(service, _scram, _cancel, connections=2)
        self.checkSame(service, _scram, _cancel, connections=2, known="joe")

    def test_grid(self) -> None:
        """
        A checker that gives somebody away by three milliseconds does so no longer on
        the grid; and without the grid this here finds out.
        """
        plugins = self.directory / "twisted" / "plugins"
        plugins.mkdir(parents=True)
        (plugins / "leaky.py").write_text(_LEAKY)
        before = os.environ.get("PYTHONPATH", "")
        self.addCleanup(os.environ.__setitem__, "PYTHONPATH", before)
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(self.directory), before)))
        self.checkSame(self.open("--auth", "leaky:"), _pass)
        self.directory = self.directory / "next"
        self.directory.mkdir()
        service = self.open("--auth", "leaky:", "--limit", "answer-grid-milliseconds=0")
        # Side by side they would wait for each other longer than for the checker.
        self.assertLess(self.measure(service, _pass, connections=1), _DIFFERENT)

    def passwd(self, *lines: str) -> tuple[str, str]:
        path = Path(self.mktemp()).absolute()
        path.write_text("".join(lines))
        return "--auth", f"passwd:{path}"

    def open(self, *arguments: str) -> LiveService:
        return self.serve(*arguments, *_OPEN)

    def checkSame(
        self,
        service: LiveService,
        ask: Ask,
        *after: Ask,
        connections: int = _CONNECTIONS,
        known: str = USER,
    ) -> None:
        found: list[float] = []
        while len(found) < _TIMES and (not found or found[-1] < _DIFFERENT):
            found.append(self.measure(service, ask, *after, connections=connections, known=known))
        self.assertGreaterEqual(found[-1], _DIFFERENT, f"{ask.__name__} {found}")

    def measure(
        self, service: LiveService, ask: Ask, *after: Ask, connections: int, known: str = USER
    ) -> float:
        """
        So many samples a side, in random order, so that both sides have the same
        weather.

        @return: the likelihood that there is no difference.
        """
        dice = random.Random()
        names = [known, _NOBODY] * (_SAMPLES // connections)

        def sample(connection: int) -> list[tuple[str, float]]:
            asker, order = Asker(service), dice.sample(names, len(names))
            times = []
            for number, name in enumerate(order):
                unique = connection * len(names) + number
                times.append((name, asker.time(ask, name, unique)))
                for each in after:
                    each(asker, name, unique)
            asker.close()
            return times

        with ThreadPoolExecutor(connections) as threads:
            times = [each for found in threads.map(sample, range(connections)) for each in found]
        sides = [[took for name, took in times if name == side] for side in (known, _NOBODY)]
        self.assertEqual([len(each) for each in sides], [_SAMPLES] * 2)
        return likelihood(*sides)
