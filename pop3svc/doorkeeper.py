"""
Between a claim and the checkers: whoever knocks waits as L{pop3svc.auth.throttle}
says, and learns nothing from the time that a refusal takes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

from .auth.attempts import Ticket, Verdict
from .auth.throttle import Throttle
from .auth.turnstile import AnyTurnstile, Turnstile
from .core.effects import Claim, ExternalClaim, PasswordClaim, TokenClaim
from .core.replies import Refusal
from .hits import hit
from .interfaces import ILimited
from .limits import Limits
from .operations.audit import Audit, Subject
from .peers import networkOf
from .servicekey import serviceKey

T = TypeVar("T")

# Told what to call when the checker has said who it is; returns why nobody is in, or
# what somebody has who is.
Check = Callable[[Callable[[], None]], Awaitable[T | Refusal]]


@implementer(ILimited)
class Doorkeeper:
    """What all connections of a service share; L{Audit.counts} counts what it does."""

    def __init__(
        self,
        limits: Limits,
        clock: IReactorTime,
        audit: Audit,
        turnstile: AnyTurnstile | None = None,
    ) -> None:
        """@param turnstile: perhaps one of several processes."""
        self.limits = limits
        self.clock = clock
        self.audit = audit
        self.turnstile = turnstile or Turnstile(Throttle(limits), clock)
        # The same wrong password is known again in all processes of a service.
        self._key = serviceKey("attempts")

    @property
    def throttle(self) -> Throttle:
        """What is known, where no other process decides."""
        assert isinstance(self.turnstile, Turnstile)
        return self.turnstile.throttle

    def useLimits(self, limits: Limits) -> None:
        """From now on, also for those who wait."""
        self.limits = limits
        self.turnstile.useLimits(limits)

    def knock(self, subject: Subject, changed: Callable[[], None] = lambda: None) -> Knock:
        """
        @param subject: who it is, as far as it is known.
        @param changed: called when C{Knock.kept} has changed.
        """
        return Knock(self, subject, changed)

    def digest(self, claim: Claim) -> bytes | None:
        """@return: equal for equal secrets; C{None} where the client shows none."""
        if isinstance(claim, PasswordClaim):
            parts: tuple[bytes, ...] = (b"password", claim.password)
        elif isinstance(claim, TokenClaim):
            parts = (b"token", claim.token)
        elif isinstance(claim, ExternalClaim):
            parts = (b"certificate", claim.authzid, *claim.names)
        else:
            return None
        return blake2b(b"\0".join(parts), key=self._key, digest_size=16).digest()


class Knock:
    """
    One attempt to log in, or one question that comes before.

    @ivar kept: the peer is kept waiting, and may have hung up meanwhile.
    """

    def __init__(self, keeper: Doorkeeper, subject: Subject, changed: Callable[[], None]) -> None:
        self.kept = False
        self._keeper = keeper
        self._turnstile = keeper.turnstile
        self._clock = keeper.clock
        self._subject = subject
        self._changed = changed
        self._came = keeper.clock.seconds()
        self._gone = False
        self._ticket: Ticket | None = None
        self._verdict = Verdict.UNKNOWN
        self._checking = False
        self._sleeping: tuple[IDelayedCall, Deferred[None]] | None = None

    async def login(self, claim: Claim, check: Check[T]) -> T | Refusal:
        """
        @return: what C{check} does, when its time has come; or why it was not even
            asked.
        """
        secret = self._keeper.digest(claim)
        network = networkOf(self._subject.peer) or self._subject.peer
        ticket = self._ticket = await self._turnstile.enter(network, claim.name, secret)
        if self._gone:
            # While another process was asked.
            self._leave(hurried=True)
            return Refusal.TEMPORARY
        try:
            outcome = await (self._early if ticket.early else self._inTurn)(ticket, check)
        finally:
            left = self._leave()
        if isinstance(outcome, Refusal):
            if left is not None:
                # Whoever hears that it was wrong may try the next at once, anywhere.
                await left
            await self.onGrid()
        self._keeper.audit.tally.loginSeconds.observe(self._clock.seconds() - self._came)
        return outcome

    async def onGrid(self) -> None:
        """
        Until the next line of the grid, which began when the peer knocked: no
        smaller difference of time is to be seen from outside.
        """
        grid = self._keeper.limits.answerGridMilliseconds / 1000
        if grid:
            lines = (self._clock.seconds() - self._came) // grid + 1
            await self._until(self._came + lines * grid)

    def hangUp(self) -> None:
        """The peer is gone, or is not served any more: nothing is waited for."""
        self._gone = True
        if not self._checking:
            self._leave(hurried=True)
        if self._sleeping is not None:
            call, sleeping = self._sleeping
            call.cancel()
            sleeping.callback(None)

    # One for each sort of attempt.

    async def _inTurn(self, ticket: Ticket, check: Check[T]) -> T | Refusal:
        self._tellDelay(ticket)
        if ticket.refused is not None:
            await self._keep(self._until(self._came + ticket.delay))
            return Refusal.TEMPORARY
        turn = self._turnstile.turn(ticket)
        if not await (turn if turn.called else self._keep(turn)):
            return Refusal.TEMPORARY
        return await self._check(check)

    async def _early(self, ticket: Ticket, check: Check[T]) -> T | Refusal:
        """
        What is not right must look as if it were checked in its turn: that comes,
        and then as much time passes as it took.
        """
        refused, began = ticket.refused is not None, self._clock.seconds()
        turnedAt = None if refused else self._turnAt(ticket)
        outcome = await self._check(check)
        if self._verdict is Verdict.RIGHT:
            return outcome
        took = self._clock.seconds() - began
        self._tellDelay(ticket)
        if self._gone:
            self._leave(hurried=True)
        elif turnedAt is None:
            await self._keep(self._until(self._came + ticket.delay))
            return Refusal.TEMPORARY
        else:
            await self._until(await (turnedAt if turnedAt.called else self._keep(turnedAt)) + took)
        return outcome

    def _turnAt(self, ticket: Ticket) -> Deferred[float]:
        return self._turnstile.turn(ticket).addCallback(self._cbTurned)

    def _cbTurned(self, came: bool) -> float:
        return self._clock.seconds()

    async def _check(self, check: Check[T]) -> T | Refusal:
        self._checking = True
        try:
            outcome = await check(self._prove)
        finally:
            self._checking = False
        if self._verdict is not Verdict.RIGHT:
            self._verdict = _VERDICTS.get(outcome, Verdict.RIGHT)
        return outcome

    def _prove(self) -> None:
        """The password is right; what is still to be done makes nobody else wait."""
        self._verdict = Verdict.RIGHT
        self._leave()

    # Waiting, and its end.

    async def _keep(self, waiting: Awaitable[T]) -> T:
        self.kept = True
        self._changed()
        try:
            return await waiting
        finally:
            self.kept = False
            self._changed()

    async def _until(self, time: float) -> None:
        seconds = time - self._clock.seconds()
        if self._gone or seconds <= 0:
            return
        sleeping: Deferred[None] = Deferred()
        call = self._clock.callLater(seconds, sleeping.callback, None)
        self._sleeping = (call, sleeping)
        await sleeping
        self._sleeping = None

    def _leave(self, hurried: bool = False) -> Deferred[None] | None:
        """
        Once; it does not matter how often this is called.

        @return: fires when everybody knows what came of it; L{None} if that was left
            to an earlier call.
        """
        ticket, self._ticket = self._ticket, None
        if ticket is None:
            return None
        left = self._turnstile.leave(ticket, self._verdict, hurried)
        return left.addCallback(self._cbLeft, ticket.network)

    def _cbLeft(self, banned: bool, network: str) -> None:
        if banned:
            seconds = self._keeper.limits.banSeconds
            self._keeper.audit.banned(self._subject, network, seconds)

    def _tellDelay(self, ticket: Ticket) -> None:
        if ticket.delay > 0:
            if ticket.delay >= self._keeper.limits.penaltySecondsMost:
                hit("penaltySecondsMost")
            self._keeper.audit.throttled(self._subject, ticket.delay, ticket.why)


_VERDICTS: dict[object, Verdict] = {
    Refusal.WRONG: Verdict.WRONG,
    Refusal.TEMPORARY: Verdict.UNKNOWN,
}
