"""L{pop3svc.monitoring.monitor}: asking, and what is shown when nobody answers."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from pop3svc.errors import CheckerUnavailable

from .monitored import Monitored


class MonitorTests(TestCase):
    def setUp(self) -> None:
        self.web = Monitored()
        self.asked = 0

    def health(self) -> tuple[int, list[str]]:
        """The status, and why."""
        told = json.loads(self.web.get(b"/healthz"))
        self.assertEqual(told["status"], "well" if self.web.status == 200 else "not well")
        return self.web.status, told["why"]

    def test_well(self) -> None:
        self.assertEqual(self.health(), (200, []))

    def test_draining(self) -> None:
        self.web.draining = True
        self.assertEqual(self.health(), (503, ["draining: nobody new is let in"]))
        self.assertIn(b"pop3svc_healthy 0.0", self.web.get(b"/metrics"))

    def test_closed(self) -> None:
        self.web.closed = ["tcp:110"]
        self.assertEqual(self.health(), (503, ["nobody listens on tcp:110"]))

    def test_checkerDown(self) -> None:
        """Three logins that nobody can decide; a minute later nobody knows of them any more."""
        self.web.mail.cred.error = CheckerUnavailable("down")
        for number in range(3):
            self.assertEqual(self.health(), (200, []))
            mail = self.web.connect(f"127.0.0.{number + 2}")
            mail.dataReceived(b"USER karl\r\nPASS secret\r\n")
            self.web.clock.advance(1)
        status, (why,) = self.health()
        self.assertEqual(status, 503)
        self.assertEqual(
            why, "logins cannot be checked: 3 faults in the last minute, and no success"
        )
        self.web.clock.advance(55)
        self.assertEqual(self.health(), (503, [why]))
        self.web.clock.advance(6)
        self.assertEqual(self.health(), (200, []))

    def test_oneSuccess(self) -> None:
        """Is enough, in the same minute."""
        self.test_checkerDown()
        self.web.mail.cred.error = CheckerUnavailable("down")
        for number in range(3):
            mail = self.web.connect(f"127.0.0.{number + 2}")
            mail.dataReceived(b"USER karl\r\nPASS secret\r\n")
            self.web.clock.advance(1)
        self.web.mail.cred.error = None
        self.web.connect("127.0.0.77").dataReceived(b"USER karl\r\nPASS secret\r\n")
        self.assertEqual(self.health(), (200, []))

    def learnSlow(self) -> list[Deferred[Any]]:
        """The processes are asked, and their answers are up to the test."""
        waiting: list[Deferred[Any]] = []

        def answer(argument: dict[str, Any]) -> Deferred[Any]:
            waiting.append(Deferred())
            return waiting[-1]

        self.web.questions.learn("measures", answer)
        return waiting

    def test_nobodyAnswers(self) -> None:
        """First the page shows what was known; when it is clear that nobody answers, that."""
        waiting = self.learnSlow()
        channel, transport = self.web.open()
        channel.dataReceived(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertEqual(transport.value(), b"")
        self.web.clock.advance(2)
        self.assertIn(b"HTTP/1.1 200 ", transport.value())
        self.web.clock.advance(5)
        self.assertEqual(len(waiting), 1)
        channel, transport = self.web.open()
        channel.dataReceived(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.web.clock.advance(2)
        self.assertIn(b"HTTP/1.1 503 ", transport.value())
        self.assertIn(b"0 of 1 serving processes answer", transport.value())
        self.web.clock.advance(5)
        self.assertEqual(len(self.web.faults), 2)

    def test_askedOnce(self) -> None:
        """However many want to know."""
        waiting = self.learnSlow()
        transports = []
        for _ in range(5):
            channel, transport = self.web.open()
            channel.dataReceived(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            transports.append(transport)
        self.assertEqual(len(waiting), 1)
        waiting[0].callback(self.web.taking.answer({}))
        for transport in transports:
            self.assertIn(b"HTTP/1.1 200 ", transport.value())

    def test_byItself(self) -> None:
        """It asks every five seconds, until it is stopped."""
        answer = self.web.taking.answer

        def count(argument: dict[str, Any]) -> dict[str, Any]:
            self.asked += 1
            return answer(argument)

        self.web.questions.learn("measures", count)
        self.web.monitor.startService()
        self.web.clock.pump([1] * 16)
        self.assertEqual(self.asked, 3)
        self.web.monitor.stopService()
        self.web.clock.pump([1] * 16)
        self.assertEqual(self.asked, 3)

    def test_delays(self) -> None:
        """A turn of the reactor that takes half a second makes a timer late."""
        self.web.clock.advance(1.0)
        self.web.clock.advance(1.5)
        text = self.web.get(b"/metrics").decode()
        self.assertIn('pop3svc_reactor_delay_seconds_bucket{le="0.001"} 1.0\n', text)
        self.assertIn('pop3svc_reactor_delay_seconds_bucket{le="0.3"} 1.0\n', text)
        self.assertIn('pop3svc_reactor_delay_seconds_bucket{le="1.0"} 2.0\n', text)
        self.web.taking.stopService()
        self.assertEqual(
            [], [each for each in self.web.clock.getDelayedCalls() if "_look" in str(each)]
        )
