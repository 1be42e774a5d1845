"""L{pop3svc.operations.startup}: the end of a service that cannot serve."""

from __future__ import annotations

import atexit
import sys

from twisted.logger import LogLevel, capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from pop3svc.operations.startup import endRunning


class Reactor:
    """@ivar stops: how often it was told."""

    stops = 0

    def stop(self) -> None:
        self.stops += 1


class Gone:
    """A terminal that is closed, or a pipe whose other end is."""

    def write(self, text: str) -> None:
        raise BrokenPipeError


class EndTests(SynchronousTestCase):
    def test_nobodyReads(self) -> None:
        """It ends all the same, with status 1, and the log has the sentence."""
        registered: list[object] = []
        self.patch(atexit, "register", registered.append)
        self.patch(sys, "__stderr__", Gone())
        reactor = Reactor()
        with capturedLogs() as events:
            endRunning("no worker can be started: why", reactor)
        self.assertEqual((reactor.stops, len(registered)), (1, 1))
        self.assertEqual(
            [(each["log_level"], each["sentence"]) for each in events],
            [(LogLevel.critical, "no worker can be started: why")],
        )
