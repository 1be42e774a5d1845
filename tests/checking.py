"""
What tests of checkers need.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, fail, maybeDeferred

from pop3svc.pools import Pool, PoolFull


class HeldPool(Pool):
    """
    A pool without threads: the work waits until the test has it done.

    @ivar held: the pieces of work, as callable and arguments.
    @ivar full: refuse every further piece.
    @ivar bounds: what the last C{resize} said.
    """

    def __init__(self) -> None:
        self.held: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []
        self.full = False
        self.bounds: tuple[int, int] | None = None
        self._outcomes: list[Deferred[Any]] = []

    def resize(self, threads: int, queue: int) -> None:
        self.bounds = threads, queue

    def run(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Deferred[Any]:
        if self.full:
            return fail(PoolFull("as many as may wait"))
        self.held.append((work, args))
        self._outcomes.append(Deferred())
        return self._outcomes[-1]

    def work(self) -> None:
        """Do what is held, and what that leads to."""
        while self.held:
            work, args = self.held.pop(0)
            maybeDeferred(work, *args).chainDeferred(self._outcomes.pop(0))


class DirectPool(HeldPool):
    """A pool that works at once."""

    def run(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Deferred[Any]:
        return maybeDeferred(work, *args, **kwargs)
