"""
A short run of each target, the same each time; C{make fuzz} is the long one.
"""

import contextlib
import io
import random
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from .campaign import Result, Target, counted, run, seeded
from .case import Case, read
from .replay import main
from .targets import COUNTS, named, names

_SEED = 1939


def _quiet(text: str) -> None:
    """What fails is told by the test."""


class ShortRunTests(SynchronousTestCase):
    """One test a target, so that a failure says where."""

    def fuzz(self, name: str) -> None:
        short = next(short for make, _, short in COUNTS if make.name == name)
        result = run(
            named(name), _SEED, counted(short), Path(self.mktemp()), mostFaults=1, tell=_quiet
        )
        if result.faults:
            self.fail(result.faults[0].read_text())
        self.assertGreaterEqual(result.units, short)

    def test_stream(self) -> None:
        self.fuzz("stream")

    def test_exchanges(self) -> None:
        self.fuzz("exchanges")

    def test_bodies(self) -> None:
        self.fuzz("bodies")

    def test_proxies(self) -> None:
        self.fuzz("proxies")

    def test_configurations(self) -> None:
        self.fuzz("configurations")

    def test_limits(self) -> None:
        self.fuzz("limits")

    def test_settingsfiles(self) -> None:
        self.fuzz("settingsfiles")

    def test_passwords(self) -> None:
        self.fuzz("passwords")

    def test_certificates(self) -> None:
        self.fuzz("certificates")

    def test_tokens(self) -> None:
        self.fuzz("tokens")

    def test_keysets(self) -> None:
        self.fuzz("keysets")

    def test_filenames(self) -> None:
        self.fuzz("filenames")

    def test_noTargetIsForgotten(self) -> None:
        tests = {name.removeprefix("test_") for name in dir(self) if name.startswith("test_")}
        self.assertEqual(tests & set(names()), set(names()))


class _Odd:
    """A target that does not like odd octets."""

    name = "odd"
    unit = "octets"

    def make(self, dice: random.Random) -> Case:
        return Case(self.name, (dice.randbytes(1),))

    def check(self, case: Case) -> int:
        if case.data[0] % 2:
            raise AssertionError("odd")
        return 1


class CampaignTests(SynchronousTestCase):
    def test_faultsAreKept(self) -> None:
        """Each with its seed, from which it can be made again."""
        directory = Path(self.mktemp())
        target: Target = _Odd()
        result = run(
            target, 7, lambda result: result.cases == 100, directory, mostFaults=100, tell=_quiet
        )
        self.assertEqual(result.cases, 100)
        self.assertEqual(result.units + len(result.faults), 100)
        self.assertGreater(len(result.faults), 20)
        for path in result.faults:
            case = read(path)
            self.assertEqual(case.data[0] % 2, 1)
            self.assertEqual(seeded(target, case.seed), case)
            self.assertIn("AssertionError: odd", path.read_text())

    def test_enoughFaults(self) -> None:
        result = run(_Odd(), 7, counted(1000), Path(self.mktemp()), mostFaults=3, tell=_quiet)
        self.assertEqual(len(result.faults), 3)

    def test_counted(self) -> None:
        """So many units, or so many minutes."""
        enough = counted(10, minutes=1)
        self.assertFalse(enough(Result("x", "y", units=9, seconds=59)))
        self.assertTrue(enough(Result("x", "y", units=10)))
        self.assertTrue(enough(Result("x", "y", seconds=60)))

    def test_seedsDiffer(self) -> None:
        for make, _, _ in COUNTS:
            target = make()
            self.assertEqual(seeded(target, "1/1"), seeded(target, "1/1"), target.name)
            made = {seeded(target, f"1/{number}").pieces for number in range(9)}
            self.assertGreater(len(made), 3, target.name)


class ReplayTests(SynchronousTestCase):
    def replay(self, text: str) -> tuple[int, str]:
        """@return: the exit status, and what is printed."""
        path = Path(self.mktemp())
        path.write_text(text)
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            status = main([str(path)])
        return status, printed.getvalue().replace(str(path), "FILE")

    def test_well(self) -> None:
        status, printed = self.replay('# A limit.\ntarget = "limits"\nb"idle-seconds=900"\n')
        self.assertEqual((status, printed), (0, "FILE is well\n"))

    def test_failsAgain(self) -> None:
        status, printed = self.replay('# No target.\ntarget = "nothing"\nb""\n')
        self.assertEqual(status, 1)
        self.assertIn("there is no target nothing", printed)
