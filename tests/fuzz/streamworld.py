"""
A connection of ours as a plan has it, and the world that the naive server believes
to be behind it.
"""

from __future__ import annotations

from functools import cache
from typing import Any, cast

from pop3svc import __version__
from pop3svc.channel import Channel
from tests.support import Connection

from .naiveanswers import Wrong
from .naivelogin import Claim, digestOf, isProof
from .naiveworld import World
from .plans import BLOCK, HOST, MESSAGES, NAMES, USERS, Cred, FuzzMaildrop, Plan, notRandom

_READABLE = {b"PLAIN", b"LOGIN", b"OAUTHBEARER", b"XOAUTH2"}


class StreamWorld(World):
    """What the naive server believes of users and messages."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(list(zip(MESSAGES[plan.messages], NAMES, strict=False)))
        self.plan = plan
        self.readOnly = plan.readOnly
        self.timestamp = STAMP if plan.apop else b""
        self._offer(offeredIn(plan, False), plan.secure or plan.clearTextLogins != "never")
        self.removed: list[int] | None = None

    def startTLS(self) -> None:
        self._offer(offeredIn(self.plan, True), True)

    def _offer(self, capabilities: list[bytes], passwords: bool) -> None:
        """@param passwords: whether what can be read on the way may be offered."""
        self.offer(capabilities, b"-" + __version__.encode())
        readable = self.offers(b"USER") or not _READABLE.isdisjoint(self.mechanisms)
        if readable != passwords:
            raise Wrong(f"{capabilities} are offered, and {self.plan} is planned")

    def login(self, claim: Claim) -> str:
        return self.plan.loginTrouble or "good" if self._isGood(claim) else "wrong"

    def verifier(self) -> str:
        return self.plan.verifierTrouble or "good"

    def transfer(self, number: int, top: int | None) -> str:
        stored, trouble = self.messages[number - 1][0], self.plan.storeTrouble
        if trouble in ("open", "read"):
            return "before"
        if trouble != "second read" or not stored:
            return "whole"
        if len(stored) <= BLOCK:
            # TOP may have what it needs with the first.
            return "before" if top is None else "unsure"
        there = stored[:BLOCK].partition(b"\n\n")[2].count(b"\n")
        return "midway" if top is None or top > there else "whole"

    def remove(self, numbers: list[int]) -> bool:
        self.removed = numbers
        return not numbers or self.plan.storeTrouble not in ("remove", "remove some")

    def _isGood(self, claim: Claim) -> bool:
        kind, *rest = claim
        name = cast(bytes, rest[0])
        if kind == "certificate":
            return name in (b"", b"karl")
        if kind == "token":
            return rest[1] == b"token-of-" + name
        if kind == "scram":
            return isProof(*cast(tuple[bytes, bytes, bytes], tuple(rest)))
        password = USERS.get(name)
        if password is None or kind == "password":
            return password is not None and password == rest[1]
        return rest[-1] == digestOf(kind, STAMP, password)


STAMP = b"<" + b"ab" * 16 + b"@" + HOST + b">"


def connect(plan: Plan) -> Connection:
    """A new connection as the plan has it."""
    channel = Channel((b"karl@example.org",), {"tls-exporter": b"x" * 32}) if plan.secure else None
    connection = Connection(
        (),
        cred=Cred,
        channel=channel,
        limits=plan.limits(),
        tls=None if plan.secure or not plan.startTLS else cast(Any, object()),
        clearTextLogins=plan.clearTextLogins,
        apop=plan.apop,
        random=notRandom,
        host=HOST,
    )
    connection.maildrop = FuzzMaildrop(MESSAGES[plan.messages], plan)
    cred = cast(Cred, connection.cred)
    cred.maildrop = connection.maildrop
    cred.plan(plan)
    return connection


def offeredIn(plan: Plan, afterSTLS: bool) -> list[bytes]:
    """The lines of CAPA, asked once for each sort of plan."""
    return _capabilities(plan.secure, plan.startTLS, plan.clearTextLogins, plan.apop, afterSTLS)


@cache
def _capabilities(
    secure: bool, startTLS: bool, clearTextLogins: str, apop: bool, afterSTLS: bool
) -> list[bytes]:
    connection = connect(
        Plan(secure=secure, startTLS=startTLS, clearTextLogins=clearTextLogins, apop=apop)
    )
    if afterSTLS:
        connection.send(b"STLS\r\n")
    connection.received()
    connection.send(b"CAPA\r\n")
    first, *lines, dot, rest = connection.received().split(b"\r\n")
    assert first.startswith(b"+OK") and (dot, rest) == (b".", b"")
    return lines
