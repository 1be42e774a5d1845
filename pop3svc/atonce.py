"""
Work that seldom waits for anything.

What is asked for lies in memory, most of the time: then a coroutine comes to its end
at its first step, and needs none of what Deferreds do for those that wait.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

T = TypeVar("T")


def start(work: Coroutine[Any, Any, T], done: Callable[[T | Failure], object]) -> None:
    """
    Run this as far as it comes, and go on with it whenever it can.

    @param work: awaits Deferreds, if anything.
    @param done: called with its result or failure; before this returns, if there was
        nothing to wait for.
    """
    _goOn(None, work, done)


def promise(work: Coroutine[Any, Any, T]) -> Deferred[T]:
    """
    As C{Deferred.fromCoroutine}, of which there is nothing to cancel.

    @param work: as in L{start}.
    """
    outcome: Deferred[T] = Deferred()
    start(work, outcome.callback)
    return outcome


def _goOn(result: Any, work: Coroutine[Any, Any, T], done: Callable[[T | Failure], object]) -> None:
    """@param result: of the Deferred that it awaits; C{None} at its start."""
    try:
        if isinstance(result, Failure):
            waiting = result.throwExceptionIntoGenerator(work)
        else:
            waiting = work.send(result)
    except StopIteration as end:
        done(end.value)
    except Exception:
        done(Failure())
    else:
        waiting.addBoth(_goOn, work, done)
