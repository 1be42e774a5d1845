"""
L{pop3svc.auth.verifier}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import Clock, LoopingCall
from twisted.trial.unittest import SynchronousTestCase, TestCase

from pop3svc.auth import schemes
from pop3svc.auth.hashing import hashPassword
from pop3svc.auth.scram import makeVerifier
from pop3svc.auth.verifier import PasswordVerifier, sharedVerifier
from pop3svc.errors import CheckerUnavailable
from pop3svc.limits import Limits

from .checking import HeldPool

OTHER = hashPassword("iluvjane", iterations=1, memoryKiB=8).encode()
STORED = hashPassword("secret", iterations=1, memoryKiB=8).encode()


class VerifierTests(SynchronousTestCase):
    """What is handed to the pool, and what is not."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.verifier = PasswordVerifier(Limits(rememberedSeconds=60), self.clock.seconds)
        self.verifier.pool = self.pool = HeldPool()

    def matches(self, password: bytes, name: bytes = b"karl", stored: bytes = STORED) -> Any:
        return Deferred.fromCoroutine(self.verifier.matches(stored, name, password))

    def pretend(self, password: bytes, name: bytes = b"nobody") -> Any:
        return Deferred.fromCoroutine(self.verifier.pretend(STORED, name, password))

    def test_rightAndWrong(self) -> None:
        right, wrong = self.matches(b"secret"), self.matches(b"Secret")
        self.assertNoResult(right)
        self.pool.work()
        self.assertIs(self.successResultOf(right), True)
        self.assertIs(self.successResultOf(wrong), False)

    def test_rightIsRemembered(self) -> None:
        """For a minute there is nothing to do; a minute later there is."""
        self.matches(b"secret")
        self.pool.work()
        self.clock.advance(59)
        self.assertIs(self.successResultOf(self.matches(b"secret")), True)
        self.assertEqual(len(self.pool.held), 0)
        self.clock.advance(1)
        self.assertNoResult(self.matches(b"secret"))
        self.assertEqual(len(self.pool.held), 1)

    def test_wrongIsNot(self) -> None:
        self.matches(b"wrong")
        self.pool.work()
        self.assertNoResult(self.matches(b"wrong"))

    def test_changedHashIsAnother(self) -> None:
        """Whoever has a new password is not known by the old one."""
        self.matches(b"secret")
        self.pool.work()
        other = hashPassword("changed", iterations=1, memoryKiB=8).encode()
        changed = self.matches(b"secret", stored=other)
        self.assertNoResult(changed)
        self.pool.work()
        self.assertIs(self.successResultOf(changed), False)

    def test_pretence(self) -> None:
        """It costs the same and is remembered for nobody, even if it were right."""
        for _ in range(2):
            pretence = self.pretend(b"secret")
            self.assertEqual(self.pool.held, [(schemes.verifyFirst, ([STORED], b"secret"))])
            self.pool.work()
            self.assertIsNone(self.successResultOf(pretence))

    def test_first(self) -> None:
        """Several hashes of a user are one piece of work, and say which one it was."""
        hashes = [OTHER, STORED]
        found = Deferred.fromCoroutine(self.verifier.first(hashes, b"karl", b"secret"))
        self.assertEqual(self.pool.held, [(schemes.verifyFirst, (hashes, b"secret"))])
        self.pool.work()
        self.assertEqual(self.successResultOf(found), 1)

    def test_firstIsRemembered(self) -> None:
        """Who comes back pays for none, in whatever order they stand by then."""
        Deferred.fromCoroutine(self.verifier.first([OTHER, STORED], b"karl", b"secret"))
        self.pool.work()
        for hashes, index in (([OTHER, STORED], 1), ([STORED, OTHER], 0)):
            again = Deferred.fromCoroutine(self.verifier.first(hashes, b"karl", b"secret"))
            self.assertEqual(self.successResultOf(again), index)
        other = Deferred.fromCoroutine(self.verifier.first([OTHER], b"karl", b"secret"))
        self.assertNoResult(other)

    def test_recalled(self) -> None:
        """What stands behind is verified, not remembered: one in front comes first."""
        self.matches(b"secret")
        self.pool.work()
        hashes = [b"{PLAIN}secret", STORED]
        found = Deferred.fromCoroutine(self.verifier.first(hashes, b"karl", b"secret", 1))
        self.pool.work()
        self.assertEqual(self.successResultOf(found), 0)

    def test_noneFits(self) -> None:
        found = Deferred.fromCoroutine(self.verifier.first([OTHER, STORED], b"karl", b"x"))
        self.pool.work()
        self.assertIsNone(self.successResultOf(found))

    def test_scramVerifier(self) -> None:
        """Made in the pool; too many that wait are no answer."""
        made = self.verifier.scramVerifier("SHA-256", b"secret", b"salt", 5)
        self.assertNoResult(made)
        self.pool.work()
        self.assertEqual(self.successResultOf(made), makeVerifier("SHA-256", b"secret", b"salt", 5))
        self.pool.full = True
        refused = self.verifier.scramVerifier("SHA-256", b"secret", b"salt", 5)
        self.failureResultOf(refused, CheckerUnavailable)

    def test_equalAtOnce(self) -> None:
        """Four connections of one mail program cost one verification."""
        answers = [self.matches(b"secret") for _ in range(4)]
        self.assertEqual(len(self.pool.held), 1)
        self.pool.work()
        self.assertEqual([self.successResultOf(each) for each in answers], [True] * 4)

    def test_equalPretencesAtOnce(self) -> None:
        """As for a user: or four at once would tell who is none."""
        for _ in range(4):
            self.pretend(b"guess")
        self.assertEqual(len(self.pool.held), 1)

    def test_otherAtOnce(self) -> None:
        """Another name, password or hash is verified by itself."""
        self.matches(b"secret")
        self.matches(b"Secret")
        self.matches(b"secret", name=b"joe")
        self.matches(b"secret", stored=b"{PLAIN}secret")
        self.assertEqual(len(self.pool.held), 4)

    def test_hangingUpTakesNothing(self) -> None:
        """A client that goes away leaves the answer to the others."""
        first, second = self.matches(b"secret"), self.matches(b"secret")
        first.addErrback(lambda failure: None)
        first.cancel()
        self.pool.work()
        self.assertIs(self.successResultOf(second), True)

    def test_full(self) -> None:
        """Too many wait: that is no wrong password, and passes."""
        self.pool.full = True
        self.failureResultOf(self.matches(b"secret"), CheckerUnavailable)
        self.failureResultOf(self.pretend(b"secret"), CheckerUnavailable)
        self.pool.full = False
        again = self.matches(b"secret")
        self.pool.work()
        self.assertIs(self.successResultOf(again), True)

    def test_memoryIsShort(self) -> None:
        self.patch(schemes, "verifyFirst", self.raiseMemoryError)
        answer = self.matches(b"secret")
        self.pool.work()
        self.failureResultOf(answer, CheckerUnavailable)

    def raiseMemoryError(self, stored: list[bytes], password: bytes) -> int | None:
        raise MemoryError("these parameters require 64 MiB")

    def test_fault(self) -> None:
        """Anything else is not taken for an answer."""
        answer = self.matches(b"secret", stored=b"no hash")
        self.pool.work()
        self.failureResultOf(answer, schemes.UnusableHash)

    def test_limits(self) -> None:
        """New limits reach the threads and what is remembered."""
        self.matches(b"secret")
        self.pool.work()
        self.verifier.useLimits(Limits(hashThreads=3, hashQueue=5, rememberedSeconds=0))
        self.assertEqual(self.pool.bounds, (3, 5))
        self.assertNoResult(self.matches(b"secret"))

    def test_oneForTheProcess(self) -> None:
        self.assertIs(sharedVerifier(), sharedVerifier())


class ThreadsTests(TestCase):
    """With real threads and real costs."""

    async def test_reactorIsFree(self) -> None:
        """While four hashes are computed, everybody else is served."""
        stored = hashPassword("secret").encode()
        verifier = PasswordVerifier(Limits(hashThreads=2, hashQueue=2))
        ticks: list[int] = []
        ticking = LoopingCall(ticks.append, 1)
        verifying = [
            Deferred.fromCoroutine(verifier.matches(stored, b"karl", b"wrong%d" % number))
            for number in range(4)
        ]
        self.assertEqual(verifier.pool.pending, 4)
        ticking.start(0.005)
        outcomes = await DeferredList(verifying)
        ticking.stop()
        self.assertEqual(outcomes, [(True, False)] * 4)
        # Four take 0.4 s at the least; a reactor that they blocked would tick
        # once between them.
        self.assertGreater(len(ticks), 12)

    async def test_bound(self) -> None:
        """As many as threads and queue allow, and not one more."""
        verifier = PasswordVerifier(Limits(hashThreads=1, hashQueue=2))
        verifying = [
            Deferred.fromCoroutine(verifier.matches(STORED, b"karl", b"wrong%d" % number))
            for number in range(3)
        ]
        oneMore = Deferred.fromCoroutine(verifier.matches(STORED, b"karl", b"secret"))
        self.failureResultOf(oneMore, CheckerUnavailable)
        self.assertEqual(await DeferredList(verifying), [(True, False)] * 3)
        self.assertIs(await verifier.matches(STORED, b"karl", b"secret"), True)
