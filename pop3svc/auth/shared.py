"""
One outcome for everybody who asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

T = TypeVar("T")


class Shared(Generic[T]):
    """
    Work that is done once, while any number of callers wait for it. One who
    stops waiting (a client that hangs up) takes nothing from the others.
    """

    def __init__(self, work: Deferred[T]) -> None:
        """@param work: nobody else may add callbacks to it."""
        self._outcomes: list[T | Failure] = []
        self._waiting: list[Deferred[T]] = []
        work.addBoth(self._end)

    def wait(self) -> Deferred[T]:
        """
        @return: a new Deferred with the outcome, fired already if that is known.
        """
        waiter: Deferred[T] = Deferred()
        if self._outcomes:
            waiter.callback(self._outcomes[0])
        else:
            self._waiting.append(waiter)
        return waiter

    def _end(self, outcome: T | Failure) -> None:
        self._outcomes.append(outcome)
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(outcome)


class InFlight(Generic[T]):
    """Equal pieces of work that are wanted at the same time are done once."""

    def __init__(self) -> None:
        self._works: dict[Hashable, Shared[T]] = {}

    def join(self, key: Hashable, start: Callable[[], Deferred[T]]) -> Deferred[T]:
        """
        @param key: equal for equal work.
        @param start: begins the work, if none with this key is under way.
        @return: a new Deferred with the outcome of the one or the other.
        """
        shared = self._works.get(key)
        if shared is None:
            shared = self._works[key] = Shared(start())
            shared.wait().addBoth(lambda _: self._works.pop(key))
        return shared.wait()
