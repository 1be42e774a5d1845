"""
L{pop3svc.auth.shared}.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from pop3svc.auth.shared import InFlight, Shared


class SharedTests(SynchronousTestCase):
    """One outcome for everybody."""

    def test_whoWaits(self) -> None:
        """Before and after, everybody hears the same."""
        work: Deferred[int] = Deferred()
        shared = Shared(work)
        first, second = shared.wait(), shared.wait()
        self.assertNoResult(first)
        work.callback(7)
        self.assertEqual([self.successResultOf(each) for each in (first, second)], [7, 7])
        self.assertEqual(self.successResultOf(shared.wait()), 7)

    def test_failure(self) -> None:
        shared: Shared[None] = Shared(fail(KeyError("lost")))
        for _ in range(2):
            self.assertEqual(self.failureResultOf(shared.wait()).value.args, ("lost",))

    def test_answersAreApart(self) -> None:
        """What one caller makes of the outcome is not what the next one gets."""
        shared = Shared(succeed(7))
        shared.wait().addCallback(lambda number: number + 1)
        self.assertEqual(self.successResultOf(shared.wait()), 7)

    def test_oneStopsWaiting(self) -> None:
        work: Deferred[int] = Deferred()
        shared = Shared(work)
        first, second = shared.wait(), shared.wait()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.assertNoResult(second)
        work.callback(7)
        self.assertEqual(self.successResultOf(second), 7)


class InFlightTests(SynchronousTestCase):
    """Equal work at the same time is done once."""

    def setUp(self) -> None:
        self.inFlight: InFlight[int] = InFlight()
        self.started: list[Deferred[int]] = []

    def start(self) -> Deferred[int]:
        self.started.append(Deferred())
        return self.started[-1]

    def test_equalKeys(self) -> None:
        first, second = (self.inFlight.join(b"key", self.start) for _ in range(2))
        self.assertEqual(len(self.started), 1)
        self.started[0].callback(7)
        self.assertEqual([self.successResultOf(each) for each in (first, second)], [7, 7])

    def test_otherKeys(self) -> None:
        first, second = (self.inFlight.join(key, self.start) for key in (b"one", b"two"))
        self.started[1].callback(2)
        self.assertNoResult(first)
        self.assertEqual(self.successResultOf(second), 2)

    def test_doneIsForgotten(self) -> None:
        """Who comes afterwards starts anew, after a failure too."""
        self.inFlight.join(b"key", self.start)
        self.started[0].callback(7)
        second = self.inFlight.join(b"key", self.start)
        self.assertEqual(len(self.started), 2)
        self.started[1].errback(KeyError())
        self.failureResultOf(second, KeyError)
        self.inFlight.join(b"key", self.start)
        self.assertEqual(len(self.started), 3)

    def test_doneAtOnce(self) -> None:
        """Work that never had to wait leaves nothing behind."""
        self.failureResultOf(self.inFlight.join(b"key", lambda: fail(KeyError())), KeyError)
        self.assertEqual(self.successResultOf(self.inFlight.join(b"key", lambda: succeed(7))), 7)
