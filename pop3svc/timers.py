"""
The deadlines of one connection, each known by the word that the log has for it.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class Deadlines:
    """Deadlines that are running."""

    def __init__(self, clock: IReactorTime, overdue: Callable[[str], None]) -> None:
        """@param overdue: called with the word of a deadline that is missed."""
        self._clock = clock
        self._overdue = overdue
        self._running: dict[str, IDelayedCall] = {}

    def __contains__(self, reason: str) -> bool:
        return reason in self._running

    def start(self, reason: str, seconds: float) -> None:
        """@param reason: a word for the log."""
        self._running[reason] = self._clock.callLater(seconds, self._miss, reason)

    def stop(self, reason: str) -> None:
        """It is met, or was never started."""
        call = self._running.pop(reason, None)
        if call is not None:
            call.cancel()

    def stopAll(self) -> None:
        """Nothing can be missed any more."""
        for reason in list(self._running):
            self.stop(reason)

    def _miss(self, reason: str) -> None:
        del self._running[reason]
        self._overdue(reason)
