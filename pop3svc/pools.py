"""
Bounded thread pools, for work that burns the processor or may wait for a disk.

Twisted's own pool queues without end. Here one piece of work more than the
bound fails at once, and the client is told to come back later.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar, cast
from weakref import WeakSet

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

P = ParamSpec("P")
T = TypeVar("T")

# Less than the reactor gets, and more than nothing on a busy host.
_NICENESS = 10


class PoolFull(Exception):
    """As many pieces of work wait for a thread as may wait, or the pool has ended."""


class _Outcome(Deferred[T]):
    """
    What a thread will have done. A thread cannot be called back: cancelling
    changes nothing, so that whoever owns a descriptor never frees it under a
    thread that still works with it, and nobody frees a place in the queue early.
    """

    def cancel(self) -> None:
        """The outcome is waited for all the same."""


class _ModestThread(threading.Thread):
    """A thread that gives way to the reactor, where the system knows of threads."""

    def run(self) -> None:
        # Linux keeps a niceness for each thread, under the thread's own id. Where a
        # filter of system calls forbids it, the work must be done all the same.
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
        super().run()


class _ModestThreadPool(ThreadPool):
    threadFactory = _ModestThread


# All of this process, for whoever watches how full they are.
POOLS: WeakSet[Pool] = WeakSet()


class Pool:
    """
    Threads that are started with the first piece of work and end with the
    reactor. It is called from the reactor's thread only.

    @ivar name: how the threads are named.
    @ivar most: how many pieces of work there may be.
    @ivar pending: the pieces of work running or waiting now.
    @ivar refused: how many there were for which there was no place.
    """

    def __init__(self, name: str, threads: int, queue: int, modest: bool = False) -> None:
        """
        @param name: how the threads are named.
        @param threads: how many run at once.
        @param queue: how many pieces of work may wait besides.
        @param modest: the work burns the processor, and the reactor comes first.
        """
        self.name = name
        self.pending = 0
        self.refused = 0
        self._stopped = False
        self.most = threads + queue
        kind = _ModestThreadPool if modest else ThreadPool
        self._threads = kind(0, threads, name=name)
        POOLS.add(self)

    def resize(self, threads: int, queue: int) -> None:
        """New bounds; what runs or waits already is not touched."""
        self.most = threads + queue
        self._threads.adjustPoolsize(0, threads)

    def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """
        @return: what C{work} returns or raises, or L{PoolFull}.
        """
        # Late, so that importing this module installs no reactor.
        from twisted.internet import reactor

        if self._stopped:
            return fail(PoolFull(f"the threads of {self._threads.name} have ended"))
        if self.pending >= self.most:
            self.refused += 1
            return fail(PoolFull(f"{self.pending} operations are pending in {self._threads.name}"))
        if not self._threads.started:
            self._threads.start()
            reactor.addSystemEventTrigger("during", "shutdown", self._stop)
        self.pending += 1
        outcome: Deferred[T] = _Outcome()
        threaded = cast(IReactorFromThreads, reactor)
        running = deferToThreadPool(threaded, self._threads, work, *args, **kwargs)
        running.addBoth(self._end).chainDeferred(outcome)
        return outcome

    def _stop(self) -> None:
        self._stopped = True
        if self._threads.started:
            self._threads.stop()

    def _end(self, result: Any) -> Any:
        self.pending -= 1
        return result
