"""
Good passwords, remembered for a little while.

A mail program that asks every minute would pay for argon2 every minute, and
so would we. What is kept is a keyed digest: neither the password nor anything
that a password can be tried against without the key, which lives and dies with
the process.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from hashlib import blake2b

from ..hits import hit


class RememberedLogins:
    """Digests of good logins, each for a bounded time after it was verified."""

    def __init__(self, clock: Callable[[], float], seconds: int, entries: int) -> None:
        """
        @param clock: seconds of a monotonic clock, so that a clock set back
            prolongs nothing.
        @param seconds: how long a login is remembered; with 0 none is.
        @param entries: how many are, at the most; the oldest goes first.
        """
        self._clock = clock
        self._seconds = seconds
        self._entries = entries
        self._key = secrets.token_bytes(32)
        self._since: dict[bytes, float] = {}  # in the order of their age

    def __len__(self) -> int:
        return len(self._since)

    def resize(self, seconds: int, entries: int) -> None:
        """New bounds, for what is remembered already too."""
        self._seconds, self._entries = seconds, entries
        self._forget()

    def digest(self, *parts: bytes) -> bytes:
        """
        @param parts: what a login consists of: the stored hash (so that a
            changed password is forgotten at once), the name, the password.
        """
        # With their lengths, or "ab" + "c" would be "a" + "bc".
        framed = b"".join([len(each).to_bytes(8, "big") + each for each in parts])
        return blake2b(framed, key=self._key, digest_size=32).digest()

    def remember(self, digest: bytes) -> None:
        """@param digest: of a login that was verified just now."""
        self._since.pop(digest, None)
        self._since[digest] = self._clock()
        self._forget()

    def holds(self, digest: bytes) -> bool:
        """Asking does not prolong."""
        since = self._since.get(digest)
        return since is not None and self._isYoung(since)

    def _isYoung(self, since: float) -> bool:
        return self._clock() - since < self._seconds

    def _forget(self) -> None:
        while self._since:
            oldest = next(iter(self._since))
            if len(self._since) <= self._entries and self._isYoung(self._since[oldest]):
                return
            if len(self._since) > self._entries:
                hit("rememberedLogins")
            del self._since[oldest]
