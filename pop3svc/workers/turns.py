"""
The parent's side of the door that all workers share: it has the one L{Turnstile}.

What a worker says is told to that as if the attempt had been made here; what has changed
for a network or a user by it is published to all workers before the one that said it has
its answer. See L{pop3svc.workers.attempts}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionClosed
from twisted.internet.interfaces import IReactorTime
from twisted.protocols.amp import AmpError
from twisted.python.failure import Failure
from zope.interface import implementer

from ..auth.attempts import Ticket, Verdict
from ..auth.turnstile import Turnstile
from ..interfaces import ILimited
from ..limits import Limits
from .doorcommands import Enter, Join, Leave, Publish, Rights, Turned, Wrong
from .link import Part

# What a worker has not answered; more, and it hangs.
_UNANSWERED_MOST = 1000

# Seconds.
_EXACT = 0.001
_NEVER = (0.0, 0.0)

_Untils = dict[str, float]


@implementer(ILimited)
class Turns:
    """What the parts of all workers' links share."""

    def __init__(self, turnstile: Turnstile, clock: IReactorTime) -> None:
        self.turnstile = turnstile
        self._throttle = turnstile.throttle
        self._clock = clock
        self._joined: set[TurnsPart] = set()

    def part(self) -> TurnsPart:
        """@return: the part of a new worker's link."""
        return TurnsPart(self)

    def useLimits(self, limits: Limits) -> None:
        """From now on, also for those who wait."""
        self.turnstile.useLimits(limits)
        for each in self._joined:
            each.publishAll()

    def join(self, part: TurnsPart) -> None:
        """From now on it is told what is published."""
        self._joined.add(part)
        part.publishAll()

    def quit(self, part: TurnsPart) -> None:
        """Nothing can be told there any more."""
        self._joined.discard(part)

    def leave(self, ticket: Ticket, verdict: Verdict, hurried: bool) -> Deferred[bool]:
        """@see: L{Turnstile.leave}"""
        before = self._untils(ticket)
        left = self.turnstile.leave(ticket, verdict, hurried)
        if before == _NEVER and verdict is not Verdict.WRONG:
            # By far most logins: there was nothing to forgive.
            return left
        return left.addCallback(self._cbLeft, ticket, before)

    def strictUntil(self, network: str) -> float:
        """@see: L{Throttle.strictUntil}"""
        return self._throttle.strictUntil(self._clock.seconds(), network)

    def everybody(self) -> tuple[_Untils, _Untils]:
        """@return: all of whom a worker must know, as L{Publish} takes them."""
        now, throttle = self._clock.seconds(), self._throttle
        networks = (
            (each, throttle.strictUntil(now, each)) for each in throttle.networks.snapshot()[0]
        )
        users = (
            (_text(each), throttle.attackedUntil(now, each))
            for each in throttle.users.snapshot()[0]
        )
        return (
            {name: until for name, until in networks if until > now},
            {name: until for name, until in users if until > now},
        )

    def _untils(self, ticket: Ticket) -> tuple[float, float]:
        """@return: its network's and its user's."""
        now = self._clock.seconds()
        return (
            self._throttle.strictUntil(now, ticket.network),
            self._throttle.attackedUntil(now, ticket.anyCase),
        )

    def _cbLeft(self, banned: bool, ticket: Ticket, before: tuple[float, float]) -> bool:
        network, user = self._untils(ticket)
        # As time goes on they stay the same, but for errors of rounding.
        networks = {ticket.network: network} if abs(network - before[0]) > _EXACT else {}
        users = {_text(ticket.anyCase): user} if abs(user - before[1]) > _EXACT else {}
        if networks or users:
            for each in self._joined:
                each.publish(networks, users)
        return banned


class TurnsPart(Part):
    """One worker's tickets, and what it is told."""

    def __init__(self, turns: Turns) -> None:
        super().__init__()
        self._turns = turns
        self._tickets: dict[int, Ticket] = {}
        self._unanswered = 0
        self._behind = False

    def lost(self) -> None:
        """Nobody there will say what has come of those who are being checked."""
        self._turns.quit(self)
        tickets, self._tickets = self._tickets, {}
        for each in tickets.values():
            self._turns.leave(each, Verdict.UNKNOWN, hurried=False)

    def publishAll(self) -> None:
        """Whatever it knew before."""
        self.publish(*self._turns.everybody())

    def publish(self, networks: _Untils, users: _Untils) -> None:
        """To a worker that hangs not; that one gets all when it goes on."""
        self._behind = self._behind or self._unanswered >= _UNANSWERED_MOST
        if not self._behind:
            self._unanswered += 1
            published = self.link.ask(Publish, networks=networks, users=users)
            published.addBoth(self._cbPublished)

    def _cbPublished(self, answer: object) -> None:
        self._unanswered -= 1
        if isinstance(answer, Failure):
            answer.trap(ConnectionClosed, AmpError)
        elif self._behind and not self._unanswered:
            self._behind = False
            self.publishAll()

    @Join.responder
    def join(self) -> dict[str, Any]:
        """@see: L{Join}"""
        self._turns.join(self)
        return {}

    @Enter.responder
    def enter(
        self, number: int, network: str, name: bytes, secret: bytes | None = None
    ) -> Deferred[dict[str, Any]]:
        """@see: L{Enter}"""
        entered = self._turns.turnstile.enter(network, name, secret)
        return entered.addCallback(self._cbEntered, number)

    def _cbEntered(self, ticket: Ticket, number: int) -> dict[str, Any]:
        self._tickets[number] = ticket
        turned = False
        if ticket.refused is None:
            turn = self._turns.turnstile.turn(ticket)
            turned = turn.called
            if not turned:
                turn.addCallback(self._cbTurned, number)
        return {
            "early": ticket.early,
            "refused": ticket.refused or "",
            "delay": ticket.delay,
            "why": ticket.why,
            "turned": turned,
        }

    def _cbTurned(self, came: bool, number: int) -> None:
        if came and self.link.up:
            self.link.callRemote(Turned, number=number)

    @Leave.responder
    def leave(self, number: int, verdict: str, hurried: bool) -> Deferred[dict[str, bool]]:
        """@see: L{Leave}"""
        left = self._turns.leave(self._tickets.pop(number), Verdict[verdict], hurried)
        return left.addCallback(lambda banned: {"banned": banned})

    @Wrong.responder
    def wrong(
        self, network: str, name: bytes, hurried: bool, secret: bytes | None = None
    ) -> Deferred[dict[str, Any]]:
        """@see: L{Wrong}"""
        counted = self._count(network, name, secret, Verdict.WRONG, hurried)
        return counted.addCallback(self._cbCounted, network)

    def _cbCounted(self, banned: bool, network: str) -> dict[str, Any]:
        return {"banned": banned, "until": self._turns.strictUntil(network)}

    @Rights.responder
    def rights(self, logins: list[list[str]]) -> dict[str, Any]:
        """@see: L{Rights}"""
        for network, name in logins:
            self._count(network, name.encode("latin-1"), None, Verdict.RIGHT, hurried=False)
        return {}

    def _count(
        self, network: str, name: bytes, secret: bytes | None, verdict: Verdict, hurried: bool
    ) -> Deferred[bool]:
        """As if it had asked, and had its turn at once."""
        entered = self._turns.turnstile.enter(network, name, secret)
        return entered.addCallback(lambda ticket: self._turns.leave(ticket, verdict, hurried))


def _text(name: bytes) -> str:
    return name.decode("latin-1")
