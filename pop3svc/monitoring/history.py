"""
What happened lately: by minutes for the pictures, and in the last one for the health.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

# Sums that only go up, by their names.
Sums = Mapping[str, float]

_MINUTE = 60.0
_STEP = 1.0
MINUTES = 60


class History:
    """
    It is told the sums every few seconds.

    @ivar minutes: how much was added in each of the last sixty minutes, the oldest first;
        the last has just begun.
    """

    def __init__(self, now: float) -> None:
        """@param now: in seconds of the caller's clock."""
        self.minutes: deque[dict[str, float]] = deque(({} for _ in range(MINUTES)), maxlen=MINUTES)
        self._began = now
        self._told: deque[tuple[float, Sums]] = deque([(now, {})])

    def add(self, now: float, sums: Sums) -> None:
        """@param sums: since the start of the service."""
        while now - self._began >= _MINUTE:
            self._began += _MINUTE
            self.minutes.append({})
        before = self._told[-1][1]
        minute = self.minutes[-1]
        for name, value in sums.items():
            minute[name] = minute.get(name, 0) + value - before.get(name, 0)
        then = self._told[-1][0]
        if len(self._told) > 1 and now - then < _STEP:
            # However often it is told, no more than sixty are kept.
            self._told[-1] = (then, dict(sums))
        else:
            self._told.append((now, dict(sums)))
        # One from before the last minute stays, so that the minute is whole.
        while len(self._told) > 2 and now - self._told[1][0] >= _MINUTE:
            self._told.popleft()

    def lastMinute(self) -> dict[str, float]:
        """How much was added in the last minute, and perhaps a little before it."""
        then, now = self._told[0][1], self._told[-1][1]
        return {name: value - then.get(name, 0) for name, value in now.items()}
