"""
A parent and its workers in one process: their links are in memory, and carry nothing
before somebody says so.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.test.iosim import IOPump, connect, makeFakeClient, makeFakeServer

from pop3svc.auth.throttle import Throttle
from pop3svc.auth.turnstile import Turnstile
from pop3svc.limits import Limits
from pop3svc.workers.attempts import SharedTurnstile
from pop3svc.workers.link import Link, Part
from pop3svc.workers.turns import Turns


class Links:
    """Between a parent and workers."""

    def __init__(self) -> None:
        self._pumps: list[IOPump] = []

    def make(self, parent: Sequence[Part], worker: Sequence[Part]) -> IOPump:
        """@return: what carries octets between those two alone."""
        above = Link(parent, lambda: above.tellLost())
        below = Link(worker, lambda: below.tellLost())
        pump = connect(above, makeFakeServer(above), below, makeFakeClient(below), greet=False)
        self._pumps.append(pump)
        return pump

    def settle(self) -> None:
        """Until nobody says anything more."""
        while any(each.pump() for each in self._pumps):
            pass

    def cut(self, pump: IOPump) -> None:
        """One of the two is gone."""
        self._pumps.remove(pump)
        for each in (pump.server, pump.client):
            each.connectionLost(Failure(ConnectionLost()))


class Crew:
    """
    Workers that share a door.

    @ivar throttle: the parent's.
    """

    def __init__(self, clock: Clock, limits: Limits, workers: int) -> None:
        self.clock = clock
        self.limits = limits
        self.throttle = Throttle(limits)
        self.turns = Turns(Turnstile(self.throttle, clock), clock)
        self.links = Links()
        self.pumps: list[IOPump] = []
        self.doors = [self.hire(workers) for _ in range(workers)]

    def hire(self, workers: int) -> SharedTurnstile:
        """@return: a new worker's side."""
        door = SharedTurnstile(self.limits, self.clock, workers)
        self.pumps.append(self.links.make([self.turns.part()], [door]))
        joined = door.join()
        self.links.settle()
        assert joined.called
        return door

    def kill(self, number: int) -> None:
        """That worker is gone."""
        self.links.cut(self.pumps[number])

    def advance(self, seconds: float) -> None:
        """Time passes, and what is said meanwhile is heard."""
        end = self.clock.seconds() + seconds
        self.links.settle()
        while True:
            calls = [each.getTime() for each in self.clock.getDelayedCalls()]
            following = min([*calls, end])
            self.clock.advance(max(0.0, following - self.clock.seconds()))
            self.links.settle()
            if following >= end:
                return
