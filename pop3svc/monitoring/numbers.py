"""
The numbers of one moment, as plain lists and numbers, so that JSON can say them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..operations.tally import Histogram
from .measures import MEASURES

Labels = tuple[str, ...]
# A histogram is its counts and its sum.
Number = float | tuple[tuple[int, ...], float]
# Measure -> labels -> number.
Numbers = dict[str, dict[Labels, Number]]


class Taken:
    """
    Numbers that are being taken.

    @ivar numbers: those so far.
    """

    def __init__(self) -> None:
        self.numbers: Numbers = {}

    def put(self, name: str, value: float, *labels: str) -> None:
        """@param name: of a measure, without the prefix; its labels in their order."""
        assert len(labels) == len(MEASURES[name].labels), name
        self.numbers.setdefault(name, {})[labels] = value

    def putAll(self, name: str, values: Mapping[str, float]) -> None:
        """@param values: the one label -> the value."""
        for label, value in values.items():
            self.put(name, value, label)

    def putHistogram(self, name: str, histogram: Histogram) -> None:
        """@param histogram: with the bounds of the measure."""
        self.numbers[name] = {(): (tuple(histogram.counts), histogram.sum)}


def toJSON(numbers: Numbers) -> dict[str, Any]:
    """@return: what L{fromJSON} takes."""
    return {
        name: [[list(labels), value] for labels, value in values.items()]
        for name, values in numbers.items()
    }


def fromJSON(answer: Mapping[str, Any]) -> Numbers:
    """@param answer: of L{toJSON}, by whatever way it came."""
    return {
        name: {tuple(labels): _number(value) for labels, value in values}
        for name, values in answer.items()
    }


def _number(value: Any) -> Number:
    if isinstance(value, list | tuple):
        counts, total = value
        return tuple(counts), total
    return float(value)


def plus(one: Number, other: Number) -> Number:
    """@return: both added up."""
    if isinstance(one, tuple):
        assert isinstance(other, tuple)
        counts = tuple(a + b for a, b in zip(one[0], other[0], strict=True))
        return counts, one[1] + other[1]
    assert not isinstance(other, tuple)
    return one + other
