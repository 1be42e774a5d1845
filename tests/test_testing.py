"""
L{pop3svc.testing}: the contract for stores bites.

Each store of L{tests.faultystores} is the memory store with one fault; the tests
of the contract that are named for it must fail.
"""

from __future__ import annotations

import inspect
from unittest import TestResult

from twisted.trial.unittest import SynchronousTestCase, TestCase

from pop3svc.maildrops import memory
from pop3svc.maildrops.memory import MemoryMaildrop, MemoryMaildropSource, MemoryReader
from pop3svc.testing import MaildropContract

from . import faultyrelenting, faultystores

FAULTS = {**faultystores.FAULTS, **faultyrelenting.FAULTS}

TESTS = sorted(name for name, _ in inspect.getmembers(MaildropContract) if name.startswith("test_"))


def run(case: type[TestCase], name: str) -> TestResult:
    """Run one test of a case as trial does."""
    result = TestResult()
    case(name).run(result)
    return result


class ContractTests(SynchronousTestCase):
    def test_goodStore(self) -> None:
        """A store without a fault passes all tests."""
        self.assertGreater(len(TESTS), 20)
        for name in TESTS:
            result = run(faultystores.Case, name)
            self.assertEqual((name, result.failures + result.errors), (name, []))
            self.assertEqual(result.skipped, [])

    def test_optionalHooks(self) -> None:
        """Without hooks, what needs them is skipped, and the rest passes."""
        skipped = []
        for name in TESTS:
            result = run(faultystores.WithoutHooks, name)
            self.assertEqual((name, result.failures + result.errors), (name, []))
            skipped += [name] * len(result.skipped)
        self.assertEqual(
            skipped,
            [
                "test_deliveredBeforeRemove",
                "test_deliveredInSession",
                "test_reclaimAfterDelivery",
                "test_stranger",
                "test_takenAway",
                "test_uniqueIdsAreNotUsedAgain",
            ],
        )

    def test_optionalInterface(self) -> None:
        """A store that keeps its lock to the end owes nothing about relenting."""
        relenting = [name for name in TESTS if "eclaim" in name or "relent" in name]
        self.assertEqual(len(relenting), 6)
        for name in relenting:
            result = run(faultyrelenting.WithoutRelenting, name)
            self.assertEqual((name, len(result.skipped)), (name, 1))

    def test_faultyStores(self) -> None:
        """Each fault is found by the tests that are about it."""
        unnoticed = [
            (fault.__name__, name)
            for fault, names in FAULTS.items()
            for name in names
            if run(self.caseFor(fault), name).wasSuccessful()
        ]
        self.assertEqual(unnoticed, [])

    def test_everyTestBites(self) -> None:
        """No test of the contract is there that no fault can make fail."""
        self.assertEqual(set(TESTS) - set().union(*FAULTS.values()), set())

    def caseFor(self, fault: type) -> type[TestCase]:
        """The contract over a store with this fault."""
        if issubclass(fault, MemoryMaildropSource):
            return type(fault.__name__, (faultystores.Case,), {"source": fault})
        replaced = "MemoryMaildrop" if issubclass(fault, MemoryMaildrop) else "MemoryReader"
        self.patch(memory, "MemoryMaildrop", MemoryMaildrop)
        self.patch(memory, "MemoryReader", MemoryReader)
        self.patch(memory, replaced, fault)
        return faultystores.Case
