"""
What the throttle keeps of an attempt to log in, of a network, and of a user in one.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal

from .debts import Debt, remains

# How many wrong passwords of a user in a network are known again. A mail program
# tries one of them in several ways.
_KNOWN_SECRETS = 4

Why = Literal["network", "user", "crowded", "banned"]


class Verdict(Enum):
    """What came of an attempt; C{UNKNOWN} if nobody has said anything about it."""

    RIGHT = auto()
    WRONG = auto()
    UNKNOWN = auto()


@dataclass(eq=False, slots=True)
class Ticket:
    """
    One attempt to log in.

    @ivar user: whose password it is said to be; a short form of the name. Letter for
        letter: for most checkers Karl is not karl, and must not be forgiven what karl
        owes.
    @ivar anyCase: the same of the name in small letters.
    @ivar secret: a keyed digest of the password, or C{None} if it is not shown.
    @ivar early: it may be checked before its turn.
    @ivar refused: why it is not checked at all, unless it is early.
    @ivar delay: how many seconds it will wait, as far as can be told when it
        comes, for its turn or for being refused.
    @ivar why: what the delay is for.
    """

    network: str
    user: bytes
    anyCase: bytes
    secret: bytes | None
    early: bool = False
    refused: Why | None = None
    delay: float = 0.0
    why: Why = "network"


class Network:
    """
    @ivar debt: for wrong passwords.
    @ivar early: the same, for those that were checked early.
    @ivar lastWrong: when a check began that was not right.
    @ivar waiting: for their turn.
    @ivar checking: those whose turn has come, and since when.
    @ivar openEarly: early checks of which nothing is known yet.
    @ivar strikes: wrong passwords since C{strikesSince}.
    """

    __slots__ = (
        "bannedUntil",
        "checking",
        "debt",
        "early",
        "lastWrong",
        "openEarly",
        "strikes",
        "strikesSince",
        "waiting",
    )

    def __init__(self) -> None:
        self.debt, self.early = Debt(), Debt()
        self.lastWrong = self.bannedUntil = -math.inf
        self.waiting: dict[Ticket, None] = {}
        self.checking: dict[Ticket, float] = {}
        self.openEarly: Counter[bytes] = Counter()
        self.strikes = self.strikesSince = 0.0

    @property
    def crowd(self) -> int:
        """How many cannot be checked before their turn."""
        return sum(not each.early for each in self.waiting)

    @property
    def inUse(self) -> bool:
        """Somebody holds a ticket."""
        return bool(self.waiting or self.checking or self.openEarly)


class Pair:
    """
    A user in a network.

    @ivar debt: what the user's wrong passwords have added to the network's.
    @ivar secrets: digests of them, and when each was counted; the oldest first.
    """

    __slots__ = ("debt", "secrets")

    def __init__(self) -> None:
        self.debt = Debt()
        self.secrets: dict[bytes, float] = {}

    def news(self, secret: bytes | None, now: float, halfLife: float) -> float:
        """
        @return: how much of a failure this one is: all of it, or for a password
            that is known to be wrong what has been forgotten of it since.
        """
        if secret is None:
            return 1.0
        since = self.secrets.pop(secret, None)
        self.secrets[secret] = now
        if len(self.secrets) > _KNOWN_SECRETS:
            del self.secrets[next(iter(self.secrets))]
        return 1.0 if since is None else 1.0 - remains(now - since, halfLife)
