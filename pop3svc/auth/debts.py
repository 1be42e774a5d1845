"""
What is owed for wrong passwords, and tables that forget the oldest.

Debts halve with time, all at the same rate: so the debt of a network is at any
time the sum of what its users have added to it, and the share of one of them can
be taken away exactly.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from ..hits import hit

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Debt:
    """An amount that halves every so often."""

    __slots__ = ("_amount", "_at")

    def __init__(self, amount: float = 0.0, at: float = 0.0) -> None:
        """@param at: when it was so much, in seconds of the caller's clock."""
        self._amount = amount
        self._at = at

    def owed(self, now: float, halfLife: float) -> float:
        """@return: what is left of it."""
        if not self._amount:
            return 0.0
        return self._amount * remains(now - self._at, halfLife)

    def add(self, now: float, halfLife: float, amount: float) -> None:
        """@param amount: may be negative; nobody owes less than nothing."""
        self._amount = max(0.0, self.owed(now, halfLife) + amount)
        self._at = now


def remains(seconds: float, halfLife: float) -> float:
    """@return: how much of one is left after that time."""
    return 0.5 ** (max(0.0, seconds) / halfLife)


class RecentTable(Generic[K, V]):
    """
    Entries in the order in which they were last touched. The oldest are thrown
    out, except for those that are in use.
    """

    def __init__(self, make: Callable[[], V], inUse: Callable[[V], bool]) -> None:
        """@param make: makes an entry for a new key."""
        # Not a dict: that is slow to find its first entry after many that were
        # removed there.
        self._entries: OrderedDict[K, V] = OrderedDict()
        self._make = make
        self._inUse = inUse

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """Looking is not touching."""
        return self._entries.get(key)

    def snapshot(self) -> tuple[list[K], list[V]]:
        """
        Keys and entries, the oldest first. Not in pairs: to make thousands of those
        sets off the garbage collector, which holds up everybody for a third of a second.
        """
        return list(self._entries), list(self._entries.values())

    def touch(self, key: K, most: int) -> V:
        """
        @param most: how many entries there may be besides those in use.
        @return: the entry, which is now the youngest.
        """
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
            return entry
        entry = self._entries[key] = self._make()
        # Each entry in use is looked at once and is then among the young, so that
        # this costs no more than a few steps on the average.
        for _ in range(len(self._entries) - most):
            oldest, old = next(iter(self._entries.items()))
            if self._inUse(old):
                self._entries.move_to_end(oldest)
            elif oldest != key:
                hit("throttleEntries")
                del self._entries[oldest]
        return entry

    def drop(self, key: K) -> V | None:
        """@return: the entry, which is no longer there."""
        return self._entries.pop(key, None)
