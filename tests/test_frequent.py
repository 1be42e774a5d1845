"""L{pop3svc.operations.frequent}."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from pop3svc.operations.frequent import Frequent, RecentlyFrequent


class FrequentTests(TestCase):
    def test_exact(self) -> None:
        """As long as there are counters for all."""
        frequent = Frequent(3)
        for who in "abcabcaba":
            frequent.add(who)
        self.assertEqual(frequent.counts, {"a": 4, "b": 3, "c": 2})

    def test_bounded(self) -> None:
        """
        Of 2000 strangers that come once each nobody pushes those out that come often, and
        no count is too small.
        """
        frequent = Frequent(10)
        for number in range(2000):
            frequent.add(f"stranger {number}")
            if number % 4 == 0:
                frequent.add("often")
        self.assertEqual(len(frequent.counts), 10)
        self.assertGreaterEqual(frequent.counts["often"], 500)
        self.assertEqual(sum(frequent.counts.values()), 2500)


class RecentlyTests(TestCase):
    def test_hours(self) -> None:
        """The hour before counts, the one before that does not."""
        clock = Clock()
        recently = RecentlyFrequent(5, clock.seconds)
        recently.add("early")
        clock.advance(3599)
        recently.add("early")
        clock.advance(1)
        recently.add("late")
        recently.add("early")
        self.assertEqual(recently.counts(), {"early": 3, "late": 1})
        clock.advance(3600)
        self.assertEqual(recently.counts(), {"early": 1, "late": 1})
        clock.advance(3600)
        self.assertEqual(recently.counts(), {})

    def test_longSilence(self) -> None:
        clock = Clock()
        recently = RecentlyFrequent(5, clock.seconds)
        recently.add("long ago")
        clock.advance(7200)
        recently.add("now")
        self.assertEqual(recently.counts(), {"now": 1})
