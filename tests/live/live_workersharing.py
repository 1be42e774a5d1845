"""
Limits with workers: what one process would not allow, two do not allow together.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator

from .guesser import Guesser, login, most
from .harness import LOOPBACK, PASSWORD, USER, LiveService, LiveTestCase
from .messages import Maildir

_HOME, _OTHER, _ATTACKER = "127.0.0.2", "127.0.0.3", "127.0.0.7"
_GREETED = b"+OK"
_CROWDED = b"-ERR [SYS/TEMP] too many connections from your network"
_SECONDS = 10.0


class Client:
    """A connection that has heard its greeting."""

    def __init__(self, service: LiveService, source: str) -> None:
        self._socket = socket.create_connection((LOOPBACK, service.port()), _SECONDS, (source, 0))
        self._lines = self._socket.makefile("rb")
        self.greeting = self._lines.readline()

    def tell(self, password: str) -> tuple[float, bytes]:
        """@return: after how many seconds it is answered, and how."""
        began = time.monotonic()
        self._socket.settimeout(30)
        self._socket.sendall(f"USER {USER}\r\nPASS {password}\r\n".encode())
        self._lines.readline()
        answer = self._lines.readline()
        return time.monotonic() - began, answer

    def isCut(self) -> bool:
        """The service hangs up, or has."""
        with contextlib.suppress(ConnectionResetError):
            return self._lines.readline() == b""
        return True

    def close(self) -> None:
        self._lines.close()
        self._socket.close()


class SharingTestCase(LiveTestCase):
    def workers(self, *arguments: str) -> LiveService:
        """A service with two."""
        service = self.serve("--workers", "2", *arguments)
        Maildir(service.maildirs / USER).deliver(b"Subject: one\n\n")
        service.awaitEvents("worker-started", 2)
        return service

    def pids(self, service: LiveService) -> dict[str, int]:
        started = service.events("worker-started")
        return {each["worker"]: int(each["pid"]) for each in started}

    @contextlib.contextmanager
    def alone(self, service: LiveService, number: int) -> Iterator[None]:
        """All who come now come to that worker."""
        others = [pid for each, pid in self.pids(service).items() if each != str(number)]
        for each in others:
            os.kill(each, signal.SIGSTOP)
        try:
            yield
        finally:
            for each in others:
                os.kill(each, signal.SIGCONT)

    def come(self, service: LiveService, number: int, source: str = _HOME) -> Client:
        """To that worker."""
        with self.alone(service, number):
            client = Client(service, source)
        self.addCleanup(client.close)
        return client

    def greetings(self, service: LiveService, number: int, count: int) -> list[bytes]:
        clients = [self.come(service, number) for _ in range(count)]
        return [each.greeting for each in clients]


class PlacesTests(SharingTestCase):
    _LIMITS = ("--limit", "connections-per-network=4", "--limit", "logging-in-per-network=4")

    def test_network(self) -> None:
        """Four for both, however they are spread; one who leaves makes room in both."""
        service = self.workers(*self._LIMITS)
        first = self.come(service, 1)
        others = [*self.greetings(service, 1, 1), *self.greetings(service, 2, 2)]
        for each in (first.greeting, *others):
            self.assertTrue(each.startswith(_GREETED), each)
        for number in (1, 2):
            self.assertTrue(self.come(service, number).greeting.startswith(_CROWDED))
            other = self.come(service, number, _OTHER)
            self.assertTrue(other.greeting.startswith(_GREETED))
        first.close()
        end = time.monotonic() + _SECONDS
        while not self.come(service, 2).greeting.startswith(_GREETED):
            self.assertLess(time.monotonic(), end)
        self.assertTrue(self.come(service, 1).greeting.startswith(_CROWDED))

    def test_death(self) -> None:
        """With a worker go those who had places there, and nobody else."""
        service = self.workers(*self._LIMITS)
        greetings = [*self.greetings(service, 1, 3), *self.greetings(service, 2, 1)]
        self.assertEqual([each[:3] for each in greetings], [_GREETED] * 4)
        os.kill(self.pids(service)["1"], signal.SIGKILL)
        service.awaitEvents("worker-started", 3)
        greetings = [*self.greetings(service, 1, 2), *self.greetings(service, 2, 1)]
        self.assertEqual([each[:3] for each in greetings], [_GREETED] * 3)
        for number in (1, 2):
            self.assertTrue(self.come(service, number).greeting.startswith(_CROWDED))

    def test_total(self) -> None:
        """Who comes to a worker without strangers is served; one of the other makes room."""
        service = self.workers("--limit", "connections=3")
        silent = [self.come(service, 1) for _ in range(3)]
        newcomer = self.come(service, 2, _OTHER)
        self.assertTrue(newcomer.greeting.startswith(_GREETED))
        self.assertTrue(silent[0].isCut())
        self.assertTrue(newcomer.tell(PASSWORD)[1].startswith(_GREETED))
        [record] = service.events("connection-refused")
        self.assertEqual((record["peer"], record["reason"]), (_HOME, "crowded-out"))


class GuessesTests(SharingTestCase):
    def test_oneDebt(self) -> None:
        """What was wrong at one worker delays at the other; the same again is one mistake."""
        service = self.workers()
        for number, password in ((1, "a"), (2, "a"), (1, "b"), (2, "c")):
            client = self.come(service, number, _ATTACKER)
            self.assertTrue(client.tell(password)[1].startswith(b"-ERR [AUTH]"))
        delays = [float(each["delay"]) for each in service.events("throttled")]
        # Since the one before some tenths have passed.
        self.assertEqual([round(each + 0.3) for each in delays], [1, 1, 2])

    def test_owner(self) -> None:
        """Who has logged in at one worker is not delayed at the other by a neighbour."""
        service = self.workers()
        with self.alone(service, 1):
            login(service.port(), _HOME, PASSWORD)
        for number in (1, 2):
            self.come(service, number).tell(f"wrong {number}")
        with self.alone(service, 2):
            self.assertLess(login(service.port(), _HOME, PASSWORD), 1.0)
        # There was something to wait for.
        self.assertGreater(float(service.events("throttled")[0]["delay"]), 0.5)

    def test_count(self) -> None:
        """As many guesses as at one process; a worker that dies gives no more."""
        service = self.workers("--limit", "logging-in-per-network=50")
        thirty = Guesser(service.port(), _ATTACKER, 30, 25)
        for _ in range(4):
            time.sleep(5)
            self.assertLess(login(service.port(), _HOME, PASSWORD), 1.0)
            if len(service.events("worker-started")) == 2:
                os.kill(self.pids(service)["2"], signal.SIGKILL)
        thirty.wait()
        self.assertGreaterEqual(len(thirty.answered), 5)
        self.assertLessEqual(most(thirty.answered, 20), 30)
