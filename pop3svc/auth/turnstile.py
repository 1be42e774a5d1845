"""
The waiting that L{pop3svc.auth.throttle} decides on.

Whoever asks gets Deferreds, so that it may as well stand in another process, with
all the workers of a service in its lines.
"""

from __future__ import annotations

import math
from typing import Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from ..limits import Limits
from .attempts import Ticket, Verdict
from .throttle import Throttle

# No timer is more exact than that.
_SOON = 0.001


class AnyTurnstile(Protocol):
    """A L{Turnstile}, or somebody who asks one."""

    def enter(self, network: str, name: bytes, secret: bytes | None) -> Deferred[Ticket]:
        """@see: L{Turnstile.enter}"""

    def turn(self, ticket: Ticket) -> Deferred[bool]:
        """@see: L{Turnstile.turn}"""

    def leave(self, ticket: Ticket, verdict: Verdict, hurried: bool = False) -> Deferred[bool]:
        """@see: L{Turnstile.leave}"""

    def useLimits(self, limits: Limits) -> None:
        """@see: L{Turnstile.useLimits}"""


class Turnstile:
    """Lines of attempts, one a network."""

    def __init__(self, throttle: Throttle, clock: IReactorTime) -> None:
        self.throttle = throttle
        self._clock = clock
        self._turns: dict[Ticket, Deferred[bool]] = {}
        self._timers: dict[str, IDelayedCall] = {}
        self._looking: set[str] = set()

    def enter(self, network: str, name: bytes, secret: bytes | None) -> Deferred[Ticket]:
        """@see: L{Throttle.enter}"""
        ticket = self.throttle.enter(self._clock.seconds(), network, name, secret)
        if ticket.refused is None:
            self._turns[ticket] = Deferred()
        return succeed(ticket)

    def turn(self, ticket: Ticket) -> Deferred[bool]:
        """
        Called once for each ticket that is not refused.

        @return: C{True} when its turn has come, C{False} when it has left first.
        """
        turn = self._turns[ticket]
        self._look(ticket.network)
        return turn

    def leave(self, ticket: Ticket, verdict: Verdict, hurried: bool = False) -> Deferred[bool]:
        """@see: L{Throttle.leave}"""
        banned = self.throttle.leave(self._clock.seconds(), ticket, verdict, hurried)
        turn = self._turns.pop(ticket, None)
        if turn is not None and not turn.called:
            turn.callback(False)
        self._look(ticket.network)
        return succeed(banned)

    def useLimits(self, limits: Limits) -> None:
        """From now on, also for those who wait."""
        self.throttle.limits = limits

    def _look(self, network: str) -> None:
        """Whose turn it is may have changed."""
        if network in self._looking:
            # A turn that ends at once comes back here; the loop below goes on.
            return
        self._looking.add(network)
        try:
            timer = self._timers.pop(network, None)
            if timer is not None and timer.active():
                timer.cancel()
            while (following := self.throttle.next(self._clock.seconds(), network)) is not None:
                seconds, ticket = following
                if seconds > _SOON:
                    self._lookIn(seconds, network)
                    break
                self.throttle.begin(self._clock.seconds(), ticket)
                self._turns[ticket].callback(True)
        finally:
            self._looking.discard(network)

    def _lookIn(self, seconds: float, network: str) -> None:
        # Infinity: first another one has to leave, and that looks again.
        if math.isfinite(seconds):
            self._timers[network] = self._clock.callLater(seconds, self._look, network)
