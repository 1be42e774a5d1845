"""
Long work in a pool, without holding a thread for minutes.

The work is a generator that yields wherever it may be interrupted. Short slices
after one another are one call in the pool, long ones a call each, so the work of other
sessions comes in between.
"""

from __future__ import annotations

import time
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from ..pools import Pool

T = TypeVar("T")
Slices = Generator[None, None, T]

# How far work goes before it yields: some 20 milliseconds of small messages, or
# one large one, whose reading is what takes the time.
SLICE_FILES = 500
SLICE_OCTETS = 32 * 1024 * 1024
# After less than this there was nothing to be interrupted: a call costs 70 microseconds.
SHORT_SECONDS = 0.002


async def runSlices(pool: Pool, slices: Slices[T]) -> T:
    """
    Run the slices one after another, in threads.

    @return: what the generator returns or raises; L{pop3svc.pools.PoolFull}
        when a slice found no place, and then the generator is closed.
    """
    # No result of a Deferred: one lives on in cycles until these are collected,
    # and a listing may be large.
    result: list[T] = []
    try:
        while not await pool.run(_next, slices, result):
            continue
        return result[0]
    finally:
        slices.close()


def _next(slices: Slices[T], result: list[T]) -> bool:
    """Whether that was the last slice; then the result is there."""
    until = time.monotonic() + SHORT_SECONDS
    try:
        next(slices)
        while time.monotonic() < until:
            next(slices)
    except StopIteration as end:
        result.append(end.value)
        return True
    return False


class Work:
    """
    What runs for one session, so that its end can wait for it.

    @ivar running: how many pieces of work.
    """

    def __init__(self) -> None:
        self.running = 0
        self._waiting: list[Deferred[None]] = []

    def start(self, work: Coroutine[Deferred[Any], Any, T]) -> Deferred[T]:
        """Run this; until its end, L{ended} waits."""
        self.running += 1
        return Deferred.fromCoroutine(work).addBoth(self._end)

    async def ended(self) -> None:
        """Wait until nothing runs."""
        while self.running:
            waiting: Deferred[None] = Deferred()
            self._waiting.append(waiting)
            await waiting

    def _end(self, result: T) -> T:
        self.running -= 1
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None)
        return result
