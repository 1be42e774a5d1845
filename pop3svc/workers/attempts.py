"""
A worker's side of the door that all workers share.

Who has to wait, and how long, is decided by the parent alone (L{pop3svc.workers.turns}),
so that an attacker gains nothing by coming to several workers. But an ordinary login asks
nobody: the parent publishes which networks owe something for wrong passwords, or are
banned, and which users are under attack. All others are let pass here, a few of one network
at a time, so many that the workers together let pass what one process would. What came of
them is reported: a success soon, together with others; a wrong password at once, and
before the guesser is told.

Nothing is let pass while the parent cannot be told what came of it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionClosed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.protocols.amp import AmpError, Command
from twisted.python.failure import Failure

from ..auth.attempts import Ticket, Verdict
from ..auth.throttle import short
from ..limits import Limits
from .doorcommands import Enter, Join, Leave, Publish, Rights, Turned, Wrong
from .link import Part

K = TypeVar("K", bound=Hashable)

_Answer = dict[str, Any]

# How long a success may stay unknown to the parent.
_REPORT_SECONDS = 0.1

# What the parent has not answered; more, and it hangs.
_UNANSWERED_MOST = 1000

# A value of AMP has no more than 65,535 octets, and a name may come from a SASL line.
_NAME_OCTETS = 255


class Published(Generic[K]):
    """Names until when; the oldest go first."""

    def __init__(self) -> None:
        self._until: OrderedDict[K, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._until)

    def tell(self, key: K, until: float, now: float, most: int) -> None:
        """@param most: how many there may be."""
        self._until.pop(key, None)
        if until > now:
            self._until[key] = until
            while len(self._until) > most:
                self._until.popitem(last=False)

    def holds(self, key: K, now: float) -> bool:
        until = self._until.get(key)
        if until is None:
            return False
        if until <= now:
            del self._until[key]
            return False
        return True


@dataclass(slots=True)
class _Asked:
    """What the parent knows by this number, and when its turn comes."""

    number: int
    turn: Deferred[bool] = field(default_factory=Deferred)


class SharedTurnstile(Part):
    """
    The same as L{pop3svc.auth.turnstile.Turnstile}, for one worker of several.

    @ivar passed: how many attempts asked nobody.
    @ivar asked: how many were the parent's to decide.
    """

    def __init__(self, limits: Limits, clock: IReactorTime, workers: int) -> None:
        """@param workers: how many share the door."""
        super().__init__()
        self.passed = self.asked = 0
        self._limits = limits
        self._clock = clock
        self._workers = workers
        self._networks: Published[str] = Published()
        self._users: Published[bytes] = Published()
        # Those who were let pass, with their names as typed, and how many of each network.
        self._passing: dict[Ticket, bytes] = {}
        self._fromNetwork: dict[str, int] = {}
        self._tickets: dict[Ticket, _Asked] = {}
        self._byNumber: dict[int, _Asked] = {}
        self._rights: dict[tuple[str, bytes], None] = {}
        self._reporting: IDelayedCall | None = None
        self._unanswered = 0
        self._joined = False

    def join(self) -> Deferred[None]:
        """@return: fires when all that is published is known; nobody passes before."""
        return self._tell(Join).addCallback(self._cbJoined)

    def useLimits(self, limits: Limits) -> None:
        """From now on."""
        self._limits = limits

    def report(self) -> Deferred[None]:
        """
        Tell the parent now who has logged in.

        @return: fires when it knows, or never will.
        """
        logins, self._rights = self._rights, {}
        reporting, self._reporting = self._reporting, None
        if reporting is not None and reporting.active():
            reporting.cancel()
        if not logins or self._parentHangs:
            return succeed(None)
        told = self._tell(Rights, logins=[[each, _text(name)] for each, name in logins])
        return told.addCallback(lambda answer: None)

    def lost(self) -> None:
        """Nobody has a turn any more."""
        self._joined = False
        self.report()
        for each in list(self._byNumber.values()):
            if not each.turn.called:
                each.turn.callback(False)

    # What Turnstile does.

    def enter(self, network: str, name: bytes, secret: bytes | None) -> Deferred[Ticket]:
        """@see: L{pop3svc.auth.throttle.Throttle.enter}"""
        ticket = Ticket(network, short(name), short(name.lower()), secret)
        if not self._joined or self._parentHangs:
            return succeed(_refused(ticket))
        if len(name) > _NAME_OCTETS:
            name = blake2b(name.lower(), digest_size=32).hexdigest().encode()
        if not self._mayPass(ticket):
            return self._ask(ticket, name)
        self.passed += 1
        self._passing[ticket] = name
        self._fromNetwork[network] = self._fromNetwork.get(network, 0) + 1
        return succeed(ticket)

    def turn(self, ticket: Ticket) -> Deferred[bool]:
        """@see: L{pop3svc.auth.turnstile.Turnstile.turn}"""
        asked = self._tickets.get(ticket)
        return succeed(True) if asked is None else asked.turn

    def leave(self, ticket: Ticket, verdict: Verdict, hurried: bool = False) -> Deferred[bool]:
        """
        @return: whether the network is banned for it. For a wrong password it does not
            fire before the parent has counted it.
        @see: L{pop3svc.auth.throttle.Throttle.leave}
        """
        if ticket in self._passing:
            return self._leavePassing(ticket, verdict, hurried)
        asked = self._tickets.pop(ticket, None)
        if asked is None:
            # It was refused without asking.
            return succeed(False)
        del self._byNumber[asked.number]
        if not asked.turn.called:
            asked.turn.callback(False)
        return self._leaveAsked(asked.number, verdict, hurried)

    # Those who ask nobody.

    def _mayPass(self, ticket: Ticket) -> bool:
        now = self._clock.seconds()
        return (
            not self._networks.holds(ticket.network, now)
            and not self._users.holds(ticket.anyCase, now)
            and self._fromNetwork.get(ticket.network, 0)
            < max(1, self._limits.attemptsAtOnce // self._workers)
        )

    def _leavePassing(self, ticket: Ticket, verdict: Verdict, hurried: bool) -> Deferred[bool]:
        network, name = ticket.network, self._passing.pop(ticket)
        left = self._fromNetwork.pop(network) - 1
        if left:
            self._fromNetwork[network] = left
        if verdict is Verdict.RIGHT and self._joined:
            self._rights[network, name] = None
            if self._reporting is None:
                self._reporting = self._clock.callLater(_REPORT_SECONDS, self.report)
        if verdict is not Verdict.WRONG:
            return succeed(False)
        # A success takes back what was wrong before it, and not what is wrong after it.
        self.report()
        # Until the parent says exactly how long.
        self._hold(network, self._clock.seconds() + self._limits.forgetSeconds)
        told = self._tell(Wrong, network=network, name=name, secret=ticket.secret, hurried=hurried)
        return told.addCallback(self._cbCounted, network)

    def _cbCounted(self, answer: _Answer | None, network: str) -> bool:
        if answer is None:
            return False
        self._hold(network, answer["until"])
        return bool(answer["banned"])

    # Those of whom the parent decides.

    def _ask(self, ticket: Ticket, name: bytes) -> Deferred[Ticket]:
        # Who has just logged in is known to the parent when it looks for that.
        self.report()
        self.asked += 1
        asked = self._tickets[ticket] = self._byNumber[self.asked] = _Asked(self.asked)
        entered = self._tell(
            Enter, number=asked.number, network=ticket.network, name=name, secret=ticket.secret
        )
        return entered.addCallback(self._cbEntered, ticket, asked)

    def _cbEntered(self, answer: _Answer | None, ticket: Ticket, asked: _Asked) -> Ticket:
        if answer is None:
            del self._tickets[ticket], self._byNumber[asked.number]
            return _refused(ticket)
        ticket.early, ticket.delay = answer["early"], answer["delay"]
        ticket.refused, ticket.why = answer["refused"] or None, answer["why"]
        if answer["turned"]:
            asked.turn.callback(True)
        return ticket

    def _leaveAsked(self, number: int, verdict: Verdict, hurried: bool) -> Deferred[bool]:
        told = self._tell(Leave, number=number, verdict=verdict.name, hurried=hurried)
        if verdict is Verdict.WRONG:
            return told.addCallback(lambda answer: answer is not None and answer["banned"])
        return succeed(False)

    @Turned.responder
    def turned(self, number: int) -> dict[str, Any]:
        """@see: L{Turned}"""
        asked = self._byNumber.get(number)
        # It may have left while this was on its way.
        if asked is not None and not asked.turn.called:
            asked.turn.callback(True)
        return {}

    # What the parent is told, and tells.

    @property
    def _parentHangs(self) -> bool:
        return self._unanswered >= _UNANSWERED_MOST

    def _tell(self, command: type[Command], **arguments: Any) -> Deferred[_Answer | None]:
        """@return: the answer; C{None} if there will be none."""
        self._unanswered += 1
        return self.link.ask(command, **arguments).addBoth(self._cbAnswered)

    def _cbAnswered(self, answer: _Answer | Failure) -> _Answer | None:
        self._unanswered -= 1
        if isinstance(answer, Failure):
            answer.trap(ConnectionClosed, AmpError)
            return None
        return answer

    def _cbJoined(self, answer: _Answer | None) -> None:
        self._joined = answer is not None

    @Publish.responder
    def publish(self, networks: dict[str, float], users: dict[str, float]) -> dict[str, Any]:
        """@see: L{Publish}"""
        for network, until in networks.items():
            self._hold(network, until)
        now, most = self._clock.seconds(), self._limits.throttleEntries
        for user, until in users.items():
            self._users.tell(user.encode("latin-1"), until, now, most)
        return {}

    def _hold(self, network: str, until: float) -> None:
        now, most = self._clock.seconds(), self._limits.throttleEntries
        self._networks.tell(network, until, now, most)


def _refused(ticket: Ticket) -> Ticket:
    """Temporarily, and with nothing for the log: this is no matter of the throttle."""
    ticket.refused = "crowded"
    return ticket


def _text(name: bytes) -> str:
    # One letter an octet: names are any octets.
    return name.decode("latin-1")
