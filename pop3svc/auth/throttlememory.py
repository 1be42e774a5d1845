"""
What a throttle knows, as the octets of a file: who owes how much, who is trusted
where, and bans. No digest of a password is in it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from .attempts import Network
from .debts import Debt
from .throttle import Throttle

# What is written otherwise is not understood.
_VERSION = 1

# Less than this is as good as nothing after another minute.
_LEAST_DEBT = 0.05


class Memory:
    """
    A throttle's knowledge of one moment; made in the reactor's thread, quickly, and
    turned into octets in another.
    """

    def __init__(self, throttle: Throttle, now: float, wall: float) -> None:
        """
        @param now: in seconds of the throttle's clock.
        @param wall: the same in seconds since 1970, which a restart does not change.
        """
        self._limits = throttle.limits
        self._now, self._wall = now, wall
        self._networks = throttle.networks.snapshot()
        self._users = throttle.users.snapshot()
        self._trusted = throttle.trusted.snapshot()

    def octets(self) -> bytes:
        """A line of JSON for each, the oldest first. Takes a while when it is much."""
        lines = [json.dumps([_VERSION, self._wall])]
        lines += (json.dumps(each) for each in self._records())
        return "".join(line + "\n" for line in lines).encode()

    def _records(self) -> Iterator[list[object]]:
        now, halfLife = self._now, self._limits.forgetSeconds
        for network, here in zip(*self._networks, strict=True):
            age = now - here.strikesSince
            strikes = here.strikes if age < self._limits.banSeconds else 0.0
            left = max(0.0, here.bannedUntil - now)
            owed = here.debt.owed(now, halfLife)
            if owed >= _LEAST_DEBT or strikes or left:
                yield ["network", network, owed, strikes, age, left]
        for name, debt in zip(*self._users, strict=True):
            if debt.owed(now, halfLife) >= _LEAST_DEBT:
                yield ["user", _text(name), debt.owed(now, halfLife)]
        for (name, network), since in zip(*self._trusted, strict=True):
            if now - since[0] < self._limits.trustedSeconds:
                yield ["trusted", _text(name), network, now - since[0]]


def remember(throttle: Throttle, octets: bytes, now: float, wall: float) -> None:
    """
    Give a new throttle the knowledge of an old one.

    @param now: as L{Memory}.
    @raise ValueError: these are not octets of a L{Memory}; nothing is changed then.
    """
    most = throttle.limits.throttleEntries
    networks: list[tuple[str, Network]] = []
    users: list[tuple[bytes, float]] = []
    trusted: list[tuple[tuple[bytes, str], float]] = []
    try:
        first, *lines = octets.splitlines()
        version, saved = json.loads(first)
        if version != _VERSION:
            raise ValueError("it is of another version")
        # A wall clock may have been set back.
        then = now - max(0.0, wall - _number(saved))
        for line in lines:
            kind, name, *rest = json.loads(line)
            if kind == "network":
                networks.append((_name(name), _networkOf(then, *map(_number, rest))))
            elif kind == "user":
                (owed,) = rest
                users.append((_octets(name), _number(owed)))
            else:
                network, age = rest
                trusted.append(((_octets(name), _name(network)), then - _number(age)))
    except (KeyError, TypeError, UnicodeError, RecursionError) as error:
        raise ValueError(f"it was written by something else ({type(error).__name__})") from error
    for network, made in networks[-most:]:
        entry = throttle.networks.touch(network, most)
        for slot in ("debt", "lastWrong", "strikes", "strikesSince", "bannedUntil"):
            setattr(entry, slot, getattr(made, slot))
    for user, owed in users[-most:]:
        throttle.users.touch(user, most).add(then, 1, owed)
    for key, since in trusted[-most:]:
        throttle.trusted.touch(key, most)[0] = since


def _networkOf(then: float, owed: float, strikes: float, age: float, left: float) -> Network:
    made = Network()
    # When the last one was is not known exactly: not after this.
    made.debt, made.lastWrong = Debt(owed, then), then
    made.strikes, made.strikesSince = strikes, then - age
    made.bannedUntil = then + left
    return made


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("not a number")
    if not 0 <= value < math.inf:
        raise ValueError("a number is too small or too large")
    return float(value)


def _name(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _text(name: bytes) -> str:
    # One letter an octet: names are any octets.
    return name.decode("latin-1")


def _octets(value: Any) -> bytes:
    return _name(value).encode("latin-1")
