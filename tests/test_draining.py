"""
L{pop3svc.draining}: who may go on after SIGTERM, and for how long.
"""

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pop3svc.draining import drain
from pop3svc.limits import Limits


class Place:
    """Has connections until it is told that it has none."""

    def __init__(self) -> None:
        self.ended: list[tuple[str, bool]] = []
        self.empty: Deferred[None] = Deferred()

    def endConnections(self, reason: str, alsoLoggedIn: bool) -> None:
        self.ended.append((reason, alsoLoggedIn))

    def whenEmpty(self) -> Deferred[None]:
        return self.empty


class DrainTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.places = [Place(), Place()]
        limits = Limits(drainSeconds=30, drainLoginSeconds=5)
        self.drained = ensureDeferred(drain(self.places, limits, self.clock))

    def test_deadlines(self) -> None:
        self.clock.advance(4.9)
        self.assertEqual([each.ended for each in self.places], [[], []])
        self.clock.advance(0.1)
        self.assertEqual([each.ended for each in self.places], [[("drain", False)]] * 2)
        self.clock.advance(24.9)
        self.assertEqual(len(self.places[0].ended), 1)
        self.clock.advance(0.1)
        self.assertEqual(
            [each.ended for each in self.places], [[("drain", False), ("drain", True)]] * 2
        )
        self.assertNoResult(self.drained)

    def test_whenAllAreOver(self) -> None:
        """Whatever their order, and no timer is left then."""
        self.places[1].empty.callback(None)
        self.assertNoResult(self.drained)
        self.places[0].empty.callback(None)
        self.assertIsNone(self.successResultOf(self.drained))
        self.assertEqual(self.clock.getDelayedCalls(), [])
