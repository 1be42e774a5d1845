"""L{tests.ranks}: against numbers that others have computed."""

from __future__ import annotations

import random

from twisted.trial.unittest import TestCase

from .ranks import likelihood


class LikelihoodTests(TestCase):
    def test_textbook(self) -> None:
        """By hand: U = 0 of 25, expected 12.5, deviation 4.787."""
        self.assertAlmostEqual(likelihood([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]), 0.01219, 5)
        self.assertAlmostEqual(likelihood([6, 7, 8, 9, 10], [1, 2, 3, 4, 5]), 0.01219, 5)

    def test_ties(self) -> None:
        """By hand: U = 6 of 16, expected 8; three and five ties make 2.928 of 3.464."""
        self.assertAlmostEqual(likelihood([1, 1, 2, 2], [1, 2, 2, 2]), 0.6084, 4)

    def test_nothing(self) -> None:
        self.assertEqual(likelihood([7, 7, 7], [7, 7, 7]), 1.0)

    def test_same(self) -> None:
        """Of a hundred pairs from one source about one is below one in a hundred."""
        dice = random.Random(1)
        series = [[dice.gauss(50, 5) for _ in range(100)] for _ in range(200)]
        found = [likelihood(a, b) for a, b in zip(series[::2], series[1::2], strict=True)]
        self.assertLess(sum(each < 0.01 for each in found), 5)
        self.assertGreater(sum(each > 0.5 for each in found), 35)

    def test_different(self) -> None:
        """A fifth of the spread is found among a thousand."""
        dice = random.Random(1)
        one = [dice.gauss(50, 5) for _ in range(1000)]
        other = [dice.gauss(51, 5) for _ in range(1000)]
        self.assertLess(likelihood(one, other), 0.001)
