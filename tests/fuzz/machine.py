"""
Lines and outcomes into a C{Session}, effects out of it: Hypothesis chooses, and
L{naive} says what must come of it.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pop3svc.core import effects
from pop3svc.core.capabilities import Situation, withheld
from pop3svc.core.replies import Refusal
from pop3svc.core.session import Session
from pop3svc.interfaces import ScramVerifier
from pop3svc.limits import Limits
from pop3svc.snapshot import Snapshot

from .machinelines import LINES, MECHANISMS, ORDERS, SAID_WELL
from .machineworld import MachineWorld
from .naive import NaiveServer
from .naiveanswers import TooLong, Wrong
from .naiveworld import AFTER, BEFORE, linesOf, wire
from .plans import MESSAGES, NAMES

_VERSION = b"1.2.3"
_REFUSALS = {
    "wrong": Refusal.WRONG,
    "in-use": Refusal.IN_USE,
    "temporary": Refusal.TEMPORARY,
    "permanent": Refusal.PERMANENT,
}
_OUTCOMES = st.sampled_from(["good", "good", "good", *_REFUSALS])
_WAITS = (
    effects.FetchVerifier,
    effects.CheckClaim,
    effects.SendMessage,
    effects.SendListing,
    effects.Commit,
)
_READABLE = {b"USER", b"PLAIN", b"LOGIN", b"OAUTHBEARER", b"XOAUTH2"}
# What lies in them is for others to check.
_MAILDROPS = {"none": MESSAGES["none"], "two": MESSAGES["two"], "odd": MESSAGES["odd"]}


class SessionMachine(RuleBasedStateMachine):
    """
    A driver without a network. It writes what it is told to, and when a wait opens,
    the next rule that fits is the one with its outcome.
    """

    @initialize(
        situation=st.builds(
            Situation,
            secure=st.booleans(),
            startTLS=st.booleans(),
            passwords=st.booleans() | st.just(True),
            passwordsHere=st.booleans() | st.just(True),
            digests=st.booleans(),
            apop=st.booleans(),
            tokens=st.booleans(),
            certificates=st.booleans(),
            certificateNames=st.sampled_from([(), (b"karl@example.org",)]),
            scramHashes=st.sampled_from(
                [frozenset(), frozenset({"SHA-256"}), frozenset({"SHA-1", "SHA-256"})]
            ),
            bindings=st.sampled_from([{}, {"tls-exporter": b"x" * 32}]),
            wanted=st.sampled_from([None, None, frozenset({b"PLAIN"}), frozenset({b"USER"})]),
        ),
        messages=st.sampled_from(["two", "odd", "odd", "none"]),
        readOnly=st.booleans() | st.just(False),
        patient=st.booleans(),
        loggedIn=st.booleans() | st.just(True),
    )
    def begin(
        self, situation: Situation, messages: str, readOnly: bool, patient: bool, loggedIn: bool
    ) -> None:
        self.situation = situation
        most = 1000 if patient else 3
        self.limits = Limits(
            badCommandsBeforeLogin=most, badCommandsInARow=most + 2, loginAttempts=most
        )
        self.stored = _MAILDROPS[messages]
        self.world = MachineWorld(self.stored)
        self.world.readOnly = readOnly
        self.naive = NaiveServer(self.world, most, most + 2, most)
        self.session = Session(situation, self.limits, _notRandom, _VERSION)
        self.line: bytes | TooLong = b""
        self.written = b""
        self.wait: Any = None
        self.committed: tuple[int, ...] | None = None
        self.over = False
        self._perform(self.session.greet())
        greeting, self.written = self.written, b""
        if not greeting.startswith(b"+OK") or (b"<" in greeting) != situation.apop:
            raise Wrong(f"{greeting!r} is no greeting")
        self.world.timestamp = greeting[greeting.find(b"<") : -2] if situation.apop else b""
        if loggedIn and withheld(b"USER", situation) is None:
            self.giveLine(b"USER karl", False)
            self.giveLine(b"PASS secret", False)
            self.judge("good")

    def free(self) -> bool:
        """A line may be given."""
        return self.wait is None and not self.over

    @precondition(free)
    @rule(line=LINES, unread=st.booleans())
    def giveLine(self, line: bytes, unread: bool) -> None:
        if self.naive.state == BEFORE and self.naive.exchange is None:
            self._askCapabilities()
        self.line = line
        self.naive.unread = unread
        self._perform(self.session.receiveLine(line))
        self._compare()

    @precondition(lambda self: self.free() and self.naive.state == BEFORE)
    @rule(mechanism=MECHANISMS)
    def goOnWithLogin(self, mechanism: bytes) -> None:
        """What a mail program says next."""
        exchange = self.naive.exchange
        if exchange is not None:
            said = SAID_WELL.get(exchange.mechanism, ())
            at = len(exchange.answers)
            self.giveLine(b64encode(said[at] if at < len(said) else b""), False)
        elif self.naive.user is not None:
            self.giveLine(b"PASS secret", False)
        else:
            self.giveLine(b"AUTH " + mechanism if mechanism else b"USER karl", False)

    @precondition(lambda self: self.free() and self.naive.user and self.situation.startTLS)
    @rule()
    def startTLSMidway(self) -> None:
        """What was said before counts no more."""
        self.giveLine(b"STLS", False)
        if self.free():
            self.giveLine(b"PASS secret", False)

    @precondition(lambda self: self.free() and self.naive.state == AFTER)
    @rule(line=ORDERS)
    def giveOrder(self, line: bytes) -> None:
        """With a number that may well be one."""
        self.giveLine(line, False)

    @precondition(free)
    @rule(start=st.sampled_from([b"AUTH ", b"RETR ", b"xxxxx"]))
    def giveLongLine(self, start: bytes) -> None:
        sasl = self.naive.exchange is not None
        sasl = sasl or (start == b"AUTH " and self.naive.state == BEFORE)
        most = self.limits.saslLineOctets if sasl else self.limits.commandOctets
        if self.session.lineOctets(start) != most:
            raise Wrong(f"a line that begins with {start!r} may have other than {most} octets")
        self.line = TooLong(start)
        self._perform(self.session.receiveLongLine())
        self._compare()

    @precondition(lambda self: isinstance(self.wait, effects.FetchVerifier))
    @rule(outcome=st.sampled_from(["good", "good", "temporary"]))
    def fetch(self, outcome: str) -> None:
        verifier = ScramVerifier(b"salt", 4096, b"k" * 32, b"k" * 32)
        if outcome == "good":
            self._end(outcome, lambda: self.session.verifierFetched(verifier))
        else:
            self._end(outcome, lambda: self.session.refused(_REFUSALS[outcome]))

    @precondition(lambda self: isinstance(self.wait, effects.CheckClaim))
    @rule(outcome=_OUTCOMES)
    def judge(self, outcome: str) -> None:
        if outcome == "good":
            octets = [sum(len(each) + 2 for each in linesOf(data)) for data in self.stored]
            messages = Snapshot(octets, NAMES[: len(octets)])
            readOnly = self.world.readOnly
            self._end(outcome, lambda: self.session.authenticated(messages, readOnly))
        else:
            self._end(outcome, lambda: self.session.refused(_REFUSALS[outcome]))

    @precondition(lambda self: isinstance(self.wait, effects.SendListing))
    @rule()
    def list(self) -> None:
        self.written += self.wait.opening + b"".join(self.wait.listing) + b".\r\n"
        self._end("good", self.session.transferred)

    @precondition(lambda self: isinstance(self.wait, effects.SendMessage))
    @rule(outcome=st.sampled_from(["whole", "whole", "before", "midway"]))
    def send(self, outcome: str) -> None:
        wait = self.wait
        body = wire(linesOf(self.stored[wait.number - 1]), wait.lines)
        if outcome == "before":
            self._end(outcome, lambda: self.session.transferFailed(begun=False))
            return
        self.written += wait.opening + (body if outcome == "whole" else body[: len(body) // 3])
        if outcome == "whole":
            self._end(outcome, self.session.transferred)
        else:
            self._end(outcome, lambda: self.session.transferFailed(begun=True))

    @precondition(lambda self: isinstance(self.wait, effects.Commit))
    @rule(outcome=st.sampled_from(["good", "good", "some", "failed"]))
    def commit(self, outcome: str) -> None:
        if self.naive.state != AFTER or self.line[:4].upper() != b"QUIT":  # type: ignore[index]
            raise Wrong(f"UPDATE out of {self.naive.state} by {self.line!r}")
        marked = [n for n, each in enumerate(self.naive.messages, 1) if each.deleted]
        if list(self.wait.numbers) != marked or self.committed is not None:
            raise Wrong(f"{self.wait.numbers} are to be removed, and {marked} are marked")
        self.committed = self.wait.numbers
        if outcome == "good" or not marked:
            self._end("good", lambda: self.session.committed(0))
        elif outcome == "some":
            self._end(outcome, lambda: self.session.committed(len(marked)))
        else:
            self._end(outcome, self.session.commitFailed)

    @precondition(lambda self: self.wait is not None)
    @rule()
    def lineDuringAWait(self) -> None:
        """Nobody may give one: it is refused loudly, and changes nothing."""
        for give in (lambda: self.session.receiveLine(b"NOOP"), self.session.receiveLongLine):
            try:
                give()
            except RuntimeError:
                continue
            raise Wrong("a line is taken while a wait is open")

    @precondition(lambda self: self.over)
    @rule(line=LINES)
    def lineAfterTheEnd(self, line: bytes) -> None:
        if self.session.receiveLine(line) or self.session.receiveLongLine():
            raise Wrong(f"an answer to {line!r} after the end")

    @invariant()
    def statesAgree(self) -> None:
        if not hasattr(self, "over") or self.wait is not None:
            return
        if self.over != self.naive.ended:
            raise Wrong(f"the session is {'' if self.over else 'not '}over after {self.line!r}")
        if self.written:
            raise Wrong(f"nobody has asked for {self.written!r}")

    def _perform(self, wanted: effects.Effects) -> None:
        """Each in turn; a wait or the end stands last."""
        for place, effect in enumerate(wanted, 1):
            last = place == len(wanted)
            if isinstance(effect, effects.Reply):
                self.written += effect.octets
            elif isinstance(effect, effects.Disconnect):
                self.over = True
            elif isinstance(effect, effects.StartTLS):
                self._startTLS(effect)
            elif isinstance(effect, _WAITS) and self.wait is None:
                self.wait = effect
            else:
                raise Wrong(f"{effect} while {self.wait} is open")
            if not last and (self.over or self.wait is not None):
                raise Wrong(f"{wanted[place:]} behind the end, or behind a wait")

    def _startTLS(self, effect: effects.StartTLS) -> None:
        if self.naive.unread:
            self._perform(self.session.injected())
            return
        self.written += effect.opening
        inside = replace(self.situation, secure=True, startTLS=False, passwordsHere=True)
        self.session = Session(inside, self.limits, _notRandom, _VERSION, before=self.session)

    def _end(self, outcome: str, tell: Any) -> None:
        """The wait is over."""
        self.wait = None
        self.world.outcome = outcome
        self._perform(tell())
        self._compare()

    def _compare(self) -> None:
        """Once no wait is open, the answer is whole."""
        if self.wait is None:
            written, self.written = self.written, b""
            self.written = self.naive.check(self.line, written, self.over)
            self.world.outcome = ""

    def _askCapabilities(self) -> None:
        """What is offered now is what must be accepted, and nothing else."""
        [reply] = self.session.receiveLine(b"CAPA")
        assert isinstance(reply, effects.Reply)
        first, *lines, dot, rest = reply.octets.split(b"\r\n")
        if not first.startswith(b"+OK") or (dot, rest) != (b".", b""):
            raise Wrong(f"{reply.octets!r} is no answer to CAPA")
        self.world.offer(lines, b"-" + _VERSION)
        offered = {*self.world.mechanisms} | ({b"USER"} if self.world.offers(b"USER") else set())
        if not self.session.situation.passwordsHere and offered & _READABLE:
            raise Wrong(f"{offered} where everybody can read it")


def _notRandom(octets: int) -> bytes:
    return b"\xab" * octets
