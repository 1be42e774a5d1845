"""
L{pop3svc.doorkeeper} in a worker: all that holds in a service of one process holds here.
"""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.task import Clock

from pop3svc.auth.throttle import Throttle
from pop3svc.doorkeeper import Doorkeeper
from pop3svc.limits import Limits

from . import test_doorkeeper
from .sharing import Crew
from .test_doorkeeper import GRID, HOME, TEMPORARY, WRONG, DoorTestCase, Guest, SlowCred

SEND_PASS = b"+OK send PASS\r\n"


class WorkersDoorkeeper(Doorkeeper):
    """Whose throttle is the parent's."""

    crew: Crew

    @property
    def throttle(self) -> Throttle:
        return self.crew.throttle

    def useLimits(self, limits: Limits) -> None:
        super().useLimits(limits)
        self.crew.turns.useLimits(limits)
        self.crew.links.settle()


class CrewClock(Clock):
    """What is said over links takes no time."""

    crew: Crew | None = None

    def advance(self, amount: float) -> None:
        if self.crew is None:
            super().advance(amount)
            return
        self.crew.links.settle()
        super().advance(amount)
        self.crew.links.settle()


class WorkersGuest(Guest):
    def send(self, data: bytes) -> None:
        super().send(data)
        cast(CrewClock, self.clock).advance(0)

    def lose(self) -> None:
        super().lose()
        cast(CrewClock, self.clock).advance(0)


class InWorker(DoorTestCase):
    """Each test's service is the first of three workers."""

    def serve(self, limits: Limits, cred: Any = SlowCred) -> None:
        super().serve(limits, cred)
        clock = self.clock = self.cred.clock = CrewClock()
        self.crew = clock.crew = Crew(clock, self.factory.limits, 3)
        keeper = WorkersDoorkeeper(self.factory.limits, clock, self.audit, self.crew.doors[0])
        keeper.crew = self.crew
        self.factory.clock, self.factory.doorkeeper = clock, keeper

    def connect(self, peer: str = HOME) -> Guest:
        return WorkersGuest(self.factory, self.clock, peer)

    def owe(self, *arguments: Any) -> None:
        super().owe(*arguments)
        self.crew.turns.useLimits(self.factory.limits)
        self.crew.links.settle()


class GridTests(InWorker, test_doorkeeper.GridTests):
    def test_parentIsSlow(self) -> None:
        """Nobody is told that it was wrong before the parent has counted it."""
        guest = self.connect()
        guest.received()
        Guest.send(guest, b"USER karl\r\nPASS wrong\r\n")
        Clock.advance(self.clock, 1.125)
        self.assertEqual(guest.received(), SEND_PASS)
        self.assertEqual(guest.answered(), (0.125, WRONG))


class DelayTests(InWorker, test_doorkeeper.DelayTests):
    pass


class HangUpTests(InWorker, test_doorkeeper.HangUpTests):
    pass


class TrustTests(InWorker, test_doorkeeper.TrustTests):
    pass


class BanTests(InWorker, test_doorkeeper.BanTests):
    pass


class LogTests(InWorker, test_doorkeeper.LogTests):
    def test_faultOfTheChecker(self) -> None:
        """The parent need not know, but it gives the place back."""
        self.cred.users = None
        for _ in range(5):
            self.assertEqual(self.connect().login(), (GRID, TEMPORARY))
        door = self.crew.doors[0]
        self.assertEqual((door.passed, door.asked, door._passing), (5, 0, {}))


class UnauthorizedTests(InWorker, test_doorkeeper.UnauthorizedTests):
    pass
