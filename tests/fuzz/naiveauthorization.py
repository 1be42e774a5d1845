"""
The naive server before login: USER and PASS, APOP, AUTH, STLS.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field

from .naiveanswers import Answer, TooLong
from .naivelogin import Claim, judge
from .naiveworld import AFTER, BEFORE, Message, World

_CODES = {"in-use": b"IN-USE", "temporary": b"SYS/TEMP", "permanent": b"SYS/PERM", "wrong": b"AUTH"}


@dataclass
class Exchange:
    """@ivar outcome: of the claim, when the exchange goes on behind it."""

    mechanism: bytes
    answers: list[bytes] = field(default_factory=list)
    outcome: str = ""


class NaiveAuthorization:
    """
    @ivar ended: nothing is answered any more.
    @ivar unread: there is more behind the line that is looked at.
    """

    def __init__(self, world: World, badBefore: int, badAfter: int, attempts: int) -> None:
        """
        @param badBefore: how many lines that make no sense end it before login.
        @param badAfter: and how many in a row after it.
        @param attempts: how many wrong logins do.
        """
        self.world = world
        self.state = BEFORE
        self.user: bytes | None = None
        self.messages: list[Message] = []
        self.exchange: Exchange | None = None
        self.bad = self.wrong = 0
        self.ended = self.unread = False
        self._most = {BEFORE: badBefore, AFTER: badAfter}
        self._attempts = attempts

    # Commands. None: the argument does not fit.

    def _USER(self, rest: bytes) -> list[Answer] | None:
        name = rest.strip(b" ")
        return [Answer(b"+OK", then=lambda: setattr(self, "user", name))] if name else None

    def _PASS(self, rest: bytes) -> list[Answer] | None:
        if not rest or self.user is None:
            return None
        return self._claim(("password", self.user, rest))

    def _APOP(self, rest: bytes) -> list[Answer] | None:
        words = re.fullmatch(rb" *([^ ].*?) +([0-9A-Fa-f]{32}) *", rest)
        if words is None:
            return None
        return self._claim(("apop", words[1], self.world.timestamp, words[2].lower()))

    def _AUTH(self, rest: bytes) -> list[Answer] | None:
        words = rest.strip(b" ").split(b" ", 1)
        name = words[0].upper()
        if not name:
            listing = b"".join(each + b"\r\n" for each in self.world.mechanisms)
            return [Answer(b"+OK", body=listing + b".\r\n")]
        if not re.fullmatch(rb"[A-Z0-9_-]{1,20}", name):
            return None
        if name not in self.world.mechanisms:
            return [Answer(b"-ERR", (b"", b"AUTH"))]
        self.user = None
        self.exchange = Exchange(name)
        initial = words[1].strip(b" ") if len(words) > 1 else b""
        if not initial:
            return self._judge(self.exchange)
        if name == b"CRAM-MD5":
            return [self._bad()]
        return self._exchangeLine(self.exchange, b"" if initial == b"=" else initial)

    def _STLS(self, rest: bytes) -> list[Answer]:
        if self.unread:
            # Whatever follows STLS in the clear may come from somebody else.
            return [Answer(b"-ERR", ends=True)]
        return [Answer(b"+OK", then=self._startTLS)]

    # What they share.

    def _bad(self) -> Answer:
        """A line that makes no sense."""
        self.exchange = None
        self.bad += 1
        return Answer(b"-ERR", ends=self.bad >= self._most[self.state])

    def _startTLS(self) -> None:
        """All that was said before counts no more (RFC 2595 section 4)."""
        self.user = None
        self.world.startTLS()

    def _claim(self, claim: Claim, exchange: Exchange | None = None) -> list[Answer]:
        """@param exchange: the one that the claim belongs to, if it is not USER or APOP."""
        self.user = None
        mechanism = exchange.mechanism if exchange else b""
        outcome = self.world.login(claim)
        goesOn = (outcome == "good" and mechanism.startswith(b"SCRAM")) or (
            outcome == "wrong" and mechanism in (b"OAUTHBEARER", b"XOAUTH2")
        )
        if goesOn and exchange is not None:
            exchange.outcome = outcome
            return [Answer(b"+ ")]
        return [self._conclude(outcome)]

    def _conclude(self, outcome: str) -> Answer:
        self.exchange = None
        if outcome == "good":
            self.state, self.bad = AFTER, 0
            self.messages = [Message.of(*each) for each in self.world.messages]
            return Answer(b"+OK")
        self.wrong += outcome == "wrong"
        ends = outcome == "wrong" and self.wrong >= self._attempts
        return Answer(b"-ERR", (_CODES[outcome],), ends=ends)

    def _exchangeLine(self, exchange: Exchange, line: bytes | TooLong) -> list[Answer]:
        if exchange.outcome == "wrong":
            # RFC 7628 section 3.2.3: whatever it is answered with.
            return [self._conclude("wrong")]
        answer = None if isinstance(line, TooLong) else _strictBase64(line)
        if exchange.outcome == "good":
            if answer == b"":
                return [self._conclude("good")]
            return [Answer(b"-ERR", ends=True)]
        if line == b"*":
            self.exchange = None
            return [Answer(b"-ERR")]
        if answer is None:
            return [self._bad()]
        exchange.answers.append(answer)
        return self._judge(exchange)

    def _judge(self, exchange: Exchange) -> list[Answer]:
        found: list[Answer] = []
        bad, wrong = self.bad, self.wrong
        for verdict in judge(exchange.mechanism, exchange.answers, self.world):
            if verdict == "challenge":
                found.append(Answer(b"+ "))
            elif verdict == "verifier":
                outcome = self.world.verifier()
                found.append(Answer(b"+ ") if outcome == "good" else self._conclude(outcome))
            elif verdict == "bad":
                found.append(self._bad())
            elif isinstance(verdict, tuple):
                found += self._claim(verdict, exchange)
        if len(found) > 1:
            # Nothing has happened yet: what was answered will tell.
            self.bad, self.wrong, self.exchange = bad, wrong, exchange
            for each in found:
                each.then = self._follow(each)
        return found

    def _follow(self, answer: Answer) -> Callable[[], None]:
        def follow() -> None:
            if answer.status == b"-ERR":
                self.exchange = None
                if b"AUTH" in answer.codes:
                    self.wrong += 1
                elif b"" in answer.codes:
                    self.bad += 1

        return follow


def _strictBase64(line: bytes) -> bytes | None:
    try:
        octets = b64decode(line, validate=True)
    except binascii.Error:
        return None
    return octets if b64encode(octets) == line else None
