"""L{pop3svc.workers.worker}: how a worker's process begins and ends, without one."""

from __future__ import annotations

import os
import socket
from typing import Any, cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pop3svc.service import Made
from pop3svc.workers import orders
from pop3svc.workers.worker import _join, _keepInherited


class FakeReactor(Clock):
    """@ivar stop: what is to be done before the end."""

    def adoptStreamConnection(self, descriptor: int, family: int, factory: Any) -> None:
        """The link never comes up."""

    def addSystemEventTrigger(self, phase: str, event: str, call: Any) -> None:
        assert (phase, event) == ("before", "shutdown")
        self.stop = call

    def callWhenRunning(self, call: Any) -> None:
        """It never does."""


class FakeService:
    def __init__(self) -> None:
        self.drained: Deferred[None] = Deferred()

    def stopService(self) -> Deferred[None]:
        return self.drained


class EndTests(SynchronousTestCase):
    def test_parentKnows(self) -> None:
        """Who has logged in last is told when nobody is served, and before the process ends."""
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.patch(orders, "LINK", theirs.detach())
        service, reactor, told = FakeService(), FakeReactor(), Deferred[None]()
        left: list[bool] = []

        def leave() -> Deferred[None]:
            left.append(True)
            return told

        _join(reactor, Made(cast(Any, service), [], lambda: succeed(None), leave))
        ended = reactor.stop()
        self.assertEqual(left, [])
        service.drained.callback(None)
        self.assertEqual(left, [True])
        self.assertNoResult(ended)
        told.callback(None)
        self.successResultOf(ended)


class DescriptorTests(SynchronousTestCase):
    def test_notInherited(self) -> None:
        """Programs that libraries start get none of ours, however they are started."""
        descriptor = os.open(os.devnull, os.O_RDONLY)
        self.addCleanup(os.close, descriptor)
        os.set_inheritable(descriptor, True)
        _keepInherited()
        self.assertFalse(os.get_inheritable(descriptor))
        self.assertTrue(os.get_inheritable(2))
