"""
Under what circumstances a session of L{stream} runs: what is offered, what lies in
the maildrop, and what goes wrong there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed

from pop3svc.account import Account
from pop3svc.auth.scram import makeVerifier
from pop3svc.canonical import canonicalOctets
from pop3svc.errors import (
    CheckerUnavailable,
    MaildropBroken,
    MaildropInUse,
    MaildropUnavailable,
    MessageVanished,
)
from pop3svc.interfaces import IMessageReader, ScramVerifier
from pop3svc.limits import Limits
from pop3svc.snapshot import Snapshot
from tests.kinds import EveryKind
from tests.support import FIRST, SECOND, ControlledMaildrop, Reader

HOST = b"mx"
SALT = b"salt of 16 octet"
USERS = {b"karl": b"secret", b"joe": b"a b "}
_HEAD = b"From: walter@example.org\nSubject: fuzz\n\n"
MESSAGES: dict[str, tuple[bytes, ...]] = {
    "two": (FIRST, SECOND),
    "none": (),
    "odd": (
        *(b"", b".", b"\n", b"\r", b".\r\n.", b"a\r\n.\r\nb\n", _HEAD + b".\n..\n\0\n\xff"),
        *(_HEAD + b"no end", b"\r\n" * 40, _HEAD + b"x\rx\r\r\n.\n"),
    ),
    "big": (FIRST, _HEAD + b"." * 70 + b"\n" * 2000 + (b"." * 990 + b"\n") * 320, SECOND),
    "many": tuple(b"%d\n" % number for number in range(1, 1201)),
}
NAMES = [b"id-%d" % number for number in range(1, 1 + max(map(len, MESSAGES.values())))]
# So much of a message is read at once.
BLOCK = (256 - 128) * 1024 // 3
ROOM = 1 << 60

_LOGIN_TROUBLES = {
    "in-use": MaildropInUse,
    "temporary": MaildropUnavailable,
    "permanent": MaildropBroken,
}
_STORE_TROUBLES = ("open", "read", "second read", "remove", "remove some")
_HELD = ((), ("open",), ("read",), ("remove", "close"), ("open", "read", "remove", "close"))
_LOGINS = (
    b"USER karl\r\nPASS secret\r\n",
    b"user joe\r\npass a b \r\n",
    b"AUTH PLAIN AGthcmwAc2VjcmV0\r\n",
    b"AUTH PLAIN\r\nAGthcmwAc2VjcmV0\r\n",
    b"AUTH LOGIN\r\na2FybA==\r\nc2VjcmV0\r\n",
    b"AUTH XOAUTH2 dXNlcj1rYXJsAWF1dGg9QmVhcmVyIHRva2VuLW9mLWthcmwBAQ==\r\n",
    b"AUTH EXTERNAL =\r\n",
)


def notRandom(octets: int) -> bytes:
    """So that challenges are the same each time."""
    return b"\xab" * octets


@dataclass(frozen=True)
class Plan:
    """
    @ivar startTLS: there is a certificate, and TLS has not begun.
    @ivar messages: a key of L{MESSAGES}.
    @ivar loginTrouble: why nobody gets in, if nobody does: C{in-use},
        C{temporary}, C{permanent}.
    @ivar verifierTrouble: C{temporary} when none can be fetched.
    @ivar storeTrouble: what fails: C{open}, C{read}, C{second read}, C{remove},
        C{remove some}.
    @ivar held: the operations that do not end at once.
    @ivar room: how many octets the peer takes at a time.
    @ivar lost: the connection is lost while the last segment is being worked on.
    @ivar patient: it takes many bad commands to end the session.
    """

    secure: bool = True
    startTLS: bool = False
    clearTextLogins: Any = "loopback"
    apop: bool = False
    readOnly: bool = False
    messages: str = "two"
    loginTrouble: str = ""
    verifierTrouble: str = ""
    storeTrouble: str = ""
    held: Sequence[str] = ()
    room: int = ROOM
    lost: bool = False
    patient: bool = False

    @classmethod
    def make(cls, dice: Random) -> Plan:
        """Mostly everything is well."""
        often = ("two", "two", "two", "two", "odd", "odd", "odd", "none", "big")
        messages = "many" if dice.random() < 0.004 else dice.choice(often)
        secure = dice.random() < 0.6
        return cls(
            secure=secure,
            startTLS=not secure and dice.random() < 0.7,
            clearTextLogins=dice.choice(("loopback", "loopback", "never", "always")),
            apop=dice.random() < 0.3,
            readOnly=dice.random() < 0.1,
            messages=messages,
            loginTrouble=dice.choice(tuple(_LOGIN_TROUBLES)) if dice.random() < 0.05 else "",
            verifierTrouble="temporary" if dice.random() < 0.05 else "",
            storeTrouble=dice.choice(_STORE_TROUBLES) if dice.random() < 0.2 else "",
            held=dice.choice(_HELD),
            room=dice.choice((10, 3000, 100_000)) if dice.random() < 0.2 else ROOM,
            lost=dice.random() < 0.1,
            patient=dice.random() < 0.5,
        )

    def asJSON(self) -> dict[str, Any]:
        """What is not as by default."""
        default = {each.name: each.default for each in fields(self)}
        return {key: getattr(self, key) for key in default if getattr(self, key) != default[key]}

    def limits(self) -> Limits:
        if self.patient:
            return Limits(badCommandsBeforeLogin=500, badCommandsInARow=500, loginAttempts=500)
        return Limits()

    def login(self, dice: Random) -> tuple[list[bytes], bytes]:
        """@return: segments of their own, and what begins the next."""
        segments = [b"STLS\r\n"] if self.startTLS and dice.random() < 0.8 else []
        return segments, dice.choice(_LOGINS)


class FuzzMaildrop(ControlledMaildrop):
    """
    A maildrop that fares as planned.

    @ivar opened: the messages that were opened.
    """

    def __init__(self, messages: Sequence[bytes], plan: Plan) -> None:
        super().__init__(())
        self.stored, self.messages = list(messages), _snapshot(tuple(messages))
        self.opened: list[Reader] = []
        self._reads = 0
        self._plan = plan
        self.held = set(plan.held)

    def openMessage(self, number: int) -> Deferred[IMessageReader]:
        self._reads = 0
        opening = super().openMessage(number)
        if self._plan.storeTrouble != "open":
            self.opened.append(self.readers[-1])
        return opening

    def answer(self, operation: str, result: Any) -> Deferred[Any]:
        trouble = self._plan.storeTrouble
        self._reads += operation == "read"
        second = operation == "read" and self._reads == 2
        if operation == trouble or (trouble == "second read" and second):
            result = MessageVanished("it is gone")
        elif operation == "remove" and trouble == "remove some":
            result = self.calls[-1][1][:1]
        if operation in self.held:
            waiting: Deferred[Any] = Deferred()
            self.waiting[operation] = waiting, result
            return waiting
        return fail(result) if isinstance(result, Exception) else succeed(result)

    def goOn(self) -> None:
        """Let what waits end, one way or the other."""
        operation = next(iter(self.waiting))
        waiting, result = self.waiting.pop(operation)
        if isinstance(result, Exception):
            waiting.errback(result)
        else:
            waiting.callback(result)


class Cred(EveryKind):
    """@ivar granted: how many logins ended with a maildrop."""

    granted = 0
    readOnly = False

    def plan(self, plan: Plan) -> None:
        """Logins go as planned."""
        self.users = USERS
        self.readOnly = plan.readOnly
        if plan.loginTrouble:
            self.error = _LOGIN_TROUBLES[plan.loginTrouble]("as planned")
        if plan.verifierTrouble:
            self.verifierError = CheckerUnavailable("as planned")

    def requestAvatar(self, avatarId: Any, mind: Any, *interfaces: Any) -> Deferred[Any]:
        mind.loggedInAs(Account(avatarId, readOnly=self.readOnly))
        self.granted += self.error is None
        return super().requestAvatar(avatarId, mind, *interfaces)

    def _verifier(self, hashName: str, password: bytes) -> ScramVerifier:
        return _cachedVerifier(hashName, password)


@cache
def _snapshot(messages: tuple[bytes, ...]) -> Snapshot:
    return Snapshot([canonicalOctets([each]) for each in messages], NAMES[: len(messages)])


@cache
def _cachedVerifier(hashName: str, password: bytes) -> ScramVerifier:
    return makeVerifier(hashName, password, SALT)
