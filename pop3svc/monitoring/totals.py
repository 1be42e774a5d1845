"""
The numbers of several processes as those of one service.

A worker that dies takes its counters along, and its successor begins at zero. What
counts up must never go back, or Prometheus takes it for a restart and adds everything
once more: so what was last heard of a process stays in the sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .measures import MEASURES
from .numbers import Number, Numbers, fromJSON, plus

# Of so many that are gone each has its numbers apart, because it may only have been
# too slow to answer; the others' are added up for good.
_GONE_MOST = 64

_MERGES = {"sum": plus, "max": max, "min": min}


class Totals:
    """
    @ivar numbers: of the service, as they were when everybody was asked last.
    """

    def __init__(self) -> None:
        self.numbers: Numbers = {}
        # Process -> what was heard of it, the latest last.
        self._heard: dict[tuple[int, float], Numbers] = {}
        self._buried: Numbers = {}

    def update(self, answers: Sequence[dict[str, Any]]) -> None:
        """@param answers: of L{taking.Taking}, of each process that has answered."""
        present = []
        for each in answers:
            key = each["pid"], each["began"]
            self._heard.pop(key, None)
            self._heard[key] = fromJSON(each["numbers"])
            present.append(key)
        while len(self._heard) > len(present) + _GONE_MOST:
            gone = self._heard.pop(next(iter(self._heard)))
            for name, labels, value in _counting(gone):
                _merge(self._buried, name, labels, value)
        self.numbers = {name: dict(values) for name, values in self._buried.items()}
        for key, heard in self._heard.items():
            for name, values in heard.items():
                if key in present or MEASURES[name].kind != "gauge":
                    for labels, value in values.items():
                        _merge(self.numbers, name, labels, value)

    def value(self, name: str, *labels: str) -> float:
        """@return: of a counter or gauge; 0 if there is none."""
        value = self.numbers.get(name, {}).get(labels, 0.0)
        assert not isinstance(value, tuple)
        return value

    def sum(self, name: str) -> float:
        """@return: over all labels."""
        return sum(self.value(name, *labels) for labels in self.numbers.get(name, {}))


def _counting(numbers: Numbers) -> list[tuple[str, tuple[str, ...], Number]]:
    return [
        (name, labels, value)
        for name, values in numbers.items()
        if MEASURES[name].kind != "gauge"
        for labels, value in values.items()
    ]


def _merge(into: Numbers, name: str, labels: tuple[str, ...], value: Number) -> None:
    values = into.setdefault(name, {})
    before = values.get(labels)
    # Only gauges have another merge than the sum, and they are no tuples.
    values[labels] = value if before is None else _MERGES[MEASURES[name].merge](before, value)  # type: ignore[operator]
