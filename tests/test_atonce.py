"""
L{pop3svc.atonce}: coroutines that mostly have nothing to wait for.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from pop3svc.atonce import promise, start


async def asking(*waiting: Deferred[int]) -> int:
    """The sum of what they have; 100 for one that fails."""
    total = 0
    for each in waiting:
        try:
            total += await each
        except KeyError:
            total += 100
    return total


async def failing(*waiting: Deferred[int]) -> int:
    raise ValueError(await asking(*waiting))


class StartTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.done: list[Any] = []

    def test_atOnce(self) -> None:
        start(asking(succeed(1), succeed(2), fail(KeyError())), self.done.append)
        self.assertEqual(self.done, [103])

    def test_later(self) -> None:
        """Each in its turn, whichever comes first."""
        one: Deferred[int] = Deferred()
        two: Deferred[int] = Deferred()
        start(asking(one, succeed(5), two), self.done.append)
        two.callback(2)
        self.assertEqual(self.done, [])
        one.callback(1)
        self.assertEqual(self.done, [8])

    def test_fails(self) -> None:
        one: Deferred[int] = Deferred()
        for waiting in ((), (one,)):
            start(failing(*waiting), self.done.append)
        one.errback(KeyError())
        self.assertEqual([type(each) for each in self.done], [Failure, Failure])
        self.assertEqual([str(each.value) for each in self.done], ["0", "100"])


class PromiseTests(SynchronousTestCase):
    def test_atOnce(self) -> None:
        self.assertEqual(self.successResultOf(promise(asking(succeed(1)))), 1)
        self.failureResultOf(promise(failing()), ValueError)

    def test_later(self) -> None:
        one: Deferred[int] = Deferred()
        two: Deferred[int] = Deferred()
        good, bad = promise(asking(one)), promise(failing(two))
        self.assertNoResult(good)
        self.assertNoResult(bad)
        one.errback(KeyError())
        two.callback(7)
        self.assertEqual(self.successResultOf(good), 100)
        self.assertEqual(str(self.failureResultOf(bad, ValueError).value), "7")
