"""
File descriptors that run out, for real: whoever is in goes on, whoever comes is told,
the processor is idle, the log is short, and a moment after it is over all is well.
"""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.process import Process, peersOf
from tests.running import FOREGROUND, RunningService, freePort

from . import harness
from .harness import LOOPBACK, USER, LiveTestCase
from .messages import Maildir, canonical
from .wire import Wire

_OUT = b"-ERR [SYS/TEMP] out of resources at the moment; try again later\r\n"
_MAIL = b"Subject: mine\n\nHello.\n"
_SECONDS = 5.0


def knock(port: int, number: int) -> socket.socket:
    """A client of its own, so that no count of a network is in the way."""
    return socket.create_connection((LOOPBACK, port), 10, (f"127.0.4.{number % 250}", 0))


def heard(connection: socket.socket, seconds: float = 10) -> bytes:
    """Its first line; nothing, if there is none in time."""
    connection.settimeout(seconds)
    with contextlib.suppress(TimeoutError, ConnectionError):
        return connection.recv(4096)
    return b""


class StartUpTests(SynchronousTestCase):
    def start(self, limit: str) -> tuple[int, RunningService]:
        """
        @param limit: options of C{ulimit}, for 130 descriptors.
        @return: the port, and the service that listens there.
        """
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        port = freePort()
        service = RunningService(
            directory / "log",
            *("--pop3", f"tcp:{port}:interface={LOOPBACK}"),
            *("--auth", "memory:karl:secret", "--maildrop", "memory:"),
            command=["sh", "-c", f'ulimit {limit} "$0"; exec "$@"', "130", *FOREGROUND],
        )
        self.addCleanup(service.process.wait)
        self.addCleanup(service.process.kill)
        service.waitFor("event=listening")
        return port, service

    def test_fewAllowed(self) -> None:
        """A hard limit that does not suffice is told, and kept to without exhaustion."""
        port, service = self.start("-n")
        service.waitFor(
            "2000 connections need 6100 file descriptors, and 130 are allowed: 10 will be served"
        )
        crowd = []
        for number in range(60):
            crowd.append(knock(port, number))
            self.assertEqual(heard(crowd[-1]), b"+OK pop3svc ready\r\n")
        # Whoever makes room is gone a moment after the newcomer is greeted.
        giveUp = time.monotonic() + _SECONDS
        while len(peersOf(port)) > 10 and time.monotonic() < giveUp:
            time.sleep(0.02)
        self.assertEqual(len(peersOf(port)), 10)
        self.assertLess(Process(service.process.pid).descriptors(), 60)
        for each in crowd:
            each.close()
        self.assertEqual(service.stop(), 0)
        self.assertNotIn("accept-failed", service.output())
        self.assertNotIn("Traceback", service.output())

    def test_raised(self) -> None:
        """The soft limit is no reason for less."""
        _, service = self.start("-S -n")
        soft, hard = resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE)
        self.assertEqual(soft, min(hard, 524_288))
        self.assertEqual(service.stop(), 0)
        self.assertNotIn("descriptors-short", service.output())


class ExhaustionTests(LiveTestCase):
    def setUp(self) -> None:
        # Twisted's one about its reserve is foreseen; the tests count.
        self.patch(harness, "_SURPRISES", ("Unhandled",))
        super().setUp()
        self.service = self.serve()
        Maildir(self.service.maildirs / USER).deliver(_MAIL)
        self.port = self.service.port()
        self.process = self.service.process
        self.owner = Wire(self.service, source="127.0.0.2")
        self.owner.login()
        self.before = resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE)
        self.lines = self.service.log().count("\n")
        self.crowd: list[socket.socket] = []

    def tearDown(self) -> None:
        for each in self.crowd:
            each.close()

    def allow(self, soft: int) -> None:
        resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, (soft, self.before[1]))

    def idleFor(self, seconds: float, knocks: int) -> float:
        """
        @param knocks: how often somebody comes in that time, and stays.
        @return: how much of a core the service used meanwhile.
        """
        began, cpu = time.monotonic(), self.process.cpuSeconds()
        for number in range(knocks):
            self.crowd.append(knock(self.port, number))
            time.sleep(seconds / knocks)
        return (self.process.cpuSeconds() - cpu) / (time.monotonic() - began)

    def checkBack(self) -> None:
        """Within a second somebody logs in, and the log was short."""
        began = time.monotonic()
        answer = b""
        while not answer.startswith(b"+OK") and time.monotonic() - began < 1:
            with knock(self.port, 99) as connection:
                answer = heard(connection, 1)
        self.assertLess(time.monotonic() - began, 1)
        self.assertEqual(answer, b"+OK pop3svc ready\r\n")
        self.assertLess(self.service.log().count("\n") - self.lines, 100)

    def test_fewLeft(self) -> None:
        """
        Eight are kept for those who are in: a newcomer is refused in words, and the owner
        still reads his mail.
        """
        # Numbers count, not how many: the lowest that is free is the next.
        highest = max(map(int, os.listdir(f"/proc/{self.process.pid}/fd")))
        self.allow(highest + 1 + 8 + 5)
        answers = []
        for number in range(20):
            self.crowd.append(knock(self.port, number))
            answers.append(heard(self.crowd[-1]))
        greeted = answers.count(b"+OK pop3svc ready\r\n")
        self.assertLessEqual(greeted, 20)
        self.assertEqual(answers[greeted:], [_OUT] * (20 - greeted))
        self.assertIn(_OUT, answers)
        self.assertEqual(self.owner.retrieve(1), canonical(_MAIL))
        self.assertLess(self.idleFor(_SECONDS, knocks=100), 0.05)
        self.assertEqual(self.owner.retrieve(1), canonical(_MAIL))
        self.assertEqual(self.service.events("accept-failed"), [])
        self.assertNotIn("Traceback", self.service.log())
        # Whoever is in leaves, and there is room.
        for each in self.crowd:
            each.close()
        self.checkBack()
        self.owner.quit()

    def test_noneLeft(self) -> None:
        """Nothing can be accepted at all; those who knock are heard when it is over."""
        self.allow(4)
        self.assertLess(self.idleFor(_SECONDS, knocks=40), 0.05)
        self.assertNotEqual(self.service.events("accept-failed"), [])
        self.assertLessEqual(self.service.log().count("Traceback"), 1)
        self.owner.expect(b"STAT", b"+OK 1 ")
        self.allow(self.before[0])
        self.checkBack()
        last = self.crowd[-1]
        self.assertIn(heard(last, 1), (b"+OK pop3svc ready\r\n", b""))
        self.owner.quit()
