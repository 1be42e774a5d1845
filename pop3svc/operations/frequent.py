"""
Who comes most often, of however many, in bounded memory.

The space-saving algorithm: when all counters are taken, a newcomer gets the smallest
and goes on from there. Whoever makes more than one part in so many of all there is has
a counter for certain, and no count is too small.
"""

from __future__ import annotations

from collections.abc import Callable

_HOUR = 60 * 60


class Frequent:
    """
    @ivar counts: who -> how often, at the most.
    """

    def __init__(self, most: int) -> None:
        """@param most: counters there are."""
        self.counts: dict[str, int] = {}
        self._most = most

    def add(self, who: str) -> None:
        """Once more."""
        count = self.counts.get(who)
        if count is None and len(self.counts) >= self._most:
            rarest = min(self.counts, key=self.counts.__getitem__)
            count = self.counts.pop(rarest)
        self.counts[who] = (count or 0) + 1


class RecentlyFrequent:
    """
    Of the hour that has begun and the one before it: who comes no more is forgotten.
    """

    def __init__(self, most: int, seconds: Callable[[], float]) -> None:
        """@param seconds: a monotonic clock."""
        self._most = most
        self._seconds = seconds
        self._began = seconds()
        self._now, self._before = Frequent(most), Frequent(most)

    def add(self, who: str) -> None:
        """Once more."""
        self._turn()
        self._now.add(who)

    def counts(self) -> dict[str, int]:
        """Who -> how often, at the most; in no order."""
        self._turn()
        counts = dict(self._before.counts)
        for who, count in self._now.counts.items():
            counts[who] = counts.get(who, 0) + count
        return counts

    def _turn(self) -> None:
        hours = (self._seconds() - self._began) // _HOUR
        if hours >= 1:
            self._before = self._now if hours < 2 else Frequent(self._most)
            self._now = Frequent(self._most)
            self._began += hours * _HOUR
