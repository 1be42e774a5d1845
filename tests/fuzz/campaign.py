"""
Making cases out of a seed, one after the other, and keeping those that fail.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Protocol

from .case import Case, write

# A case that takes longer hangs, whatever its answer is in the end.
_CASE_SECONDS = 20.0


class Target(Protocol):
    """
    What is fuzzed.

    @ivar name: also of its folder in the corpus.
    @ivar unit: what it counts, for people.
    """

    name: str
    unit: str

    def make(self, dice: Random) -> Case:
        """A case that depends on the dice alone."""

    def check(self, case: Case) -> int:
        """
        @return: how many units of its own were checked.
        @raise Exception: something is wrong; whatever it is.
        """


@dataclass
class Result:
    """
    @ivar faults: the files of the cases that failed.
    """

    target: str
    unit: str
    cases: int = 0
    units: int = 0
    seconds: float = 0.0
    faults: tuple[Path, ...] = ()

    def __str__(self) -> str:
        rate = self.units / self.seconds if self.seconds else 0
        return (
            f"{self.target}: {self.units} {self.unit} in {self.cases} cases,"
            f" {self.seconds:.1f} s, {rate:.0f} a second, {len(self.faults)} faults"
        )


def seeded(target: Target, seed: str) -> Case:
    """@param seed: as it stands in a case: another one makes another case."""
    made = target.make(Random(f"{target.name}/{seed}"))
    return Case(made.target, made.pieces, seed, made.plan)


def run(
    target: Target,
    seed: int,
    enough: Callable[[Result], bool],
    directory: Path,
    mostFaults: int = 10,
    tell: Callable[[str], None] = print,
) -> Result:
    """
    Go on until it is enough.

    @param directory: where the cases that fail are written.
    @param mostFaults: after so many it is enough in any case.
    @param tell: hears of each fault.
    """
    result = Result(target.name, target.unit)
    began = time.monotonic()
    while not enough(result) and len(result.faults) < mostFaults:
        case = seeded(target, f"{seed}/{result.cases}")
        result.cases += 1
        caseBegan = time.monotonic()
        try:
            result.units += target.check(case)
            taken = time.monotonic() - caseBegan
            if taken > _CASE_SECONDS:
                raise AssertionError(f"it took {taken:.1f} s")
        except Exception:
            path = _keep(case, directory)
            result.faults += (path,)
            tell(f"{path}\n{traceback.format_exc(limit=-3)}")
        result.seconds = time.monotonic() - began
    return result


def counted(most: int, minutes: float = float("inf")) -> Callable[[Result], bool]:
    """So many units, or so many minutes."""
    return lambda result: result.units >= most or result.seconds >= minutes * 60


def _keep(case: Case, directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{case.target}-{case.seed.replace('/', '-')}.txt"
    write(case, path, traceback.format_exc(limit=-1))
    return path
