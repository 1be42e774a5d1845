"""
Do two series of times differ? The test of Mann and Whitney, which asks only which of
two times is longer: one slow answer among a thousand does not count for more than one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby


def likelihood(one: Sequence[float], other: Sequence[float]) -> float:
    """
    @return: how likely it is that series from one and the same source differ at least
        as much as these two, by the normal approximation, with ties.
    """
    total = len(one) + len(other)
    both = sorted([(each, True) for each in one] + [(each, False) for each in other])
    ranks = ties = 0.0
    before = 0
    for _, group in groupby(both, key=lambda each: each[0]):
        equal = [first for _, first in group]
        # Equal times share the mean of their ranks.
        ranks += sum(equal) * (before + (len(equal) + 1) / 2)
        ties += len(equal) ** 3 - len(equal)
        before += len(equal)
    larger = ranks - len(one) * (len(one) + 1) / 2
    expected = len(one) * len(other) / 2
    variance = len(one) * len(other) / 12 * (total + 1 - ties / (total * (total - 1)))
    if not variance:
        return 1.0
    # Half a step for continuity.
    deviation = max(0.0, abs(larger - expected) - 0.5) / math.sqrt(variance)
    return math.erfc(deviation / math.sqrt(2))
