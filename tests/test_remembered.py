"""
L{pop3svc.auth.remembered}.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pop3svc.auth.remembered import RememberedLogins


class RememberedLoginsTests(SynchronousTestCase):
    """How long, how many, and of whom."""

    def setUp(self) -> None:
        self.clock = Clock()

    def make(self, seconds: int = 60, entries: int = 3) -> RememberedLogins:
        return RememberedLogins(self.clock.seconds, seconds, entries)

    def test_nothingAtFirst(self) -> None:
        remembered = self.make()
        self.assertIs(remembered.holds(remembered.digest(b"hash", b"karl", b"secret")), False)

    def test_forSoManySeconds(self) -> None:
        remembered = self.make()
        digest = remembered.digest(b"hash", b"karl", b"secret")
        remembered.remember(digest)
        self.clock.advance(59.5)
        self.assertIs(remembered.holds(digest), True)
        self.clock.advance(0.5)
        self.assertIs(remembered.holds(digest), False)

    def test_askingDoesNotProlong(self) -> None:
        remembered = self.make()
        digest = remembered.digest(b"karl")
        remembered.remember(digest)
        for _ in range(6):
            self.assertIs(remembered.holds(digest), True)
            self.clock.advance(10)
        self.assertIs(remembered.holds(digest), False)

    def test_verifiedAgainProlongs(self) -> None:
        remembered = self.make()
        digest = remembered.digest(b"karl")
        remembered.remember(digest)
        self.clock.advance(40)
        remembered.remember(digest)
        self.assertEqual(len(remembered), 1)
        self.clock.advance(40)
        self.assertIs(remembered.holds(digest), True)

    def test_everyPartCounts(self) -> None:
        """Another hash, name or password is another login, and so is another cut."""
        remembered = self.make()
        remembered.remember(remembered.digest(b"hash", b"karl", b"secret"))
        for other in (
            (b"another", b"karl", b"secret"),
            (b"hash", b"joe", b"secret"),
            (b"hash", b"karl", b"Secret"),
            (b"hash", b"karls", b"ecret"),
            (b"hashk", b"arl", b"secret"),
            (b"hash", b"karlsecret"),
            (b"hash", b"karl", b"secret", b""),
        ):
            self.assertIs(remembered.holds(remembered.digest(*other)), False, other)

    def test_oldestGoesFirst(self) -> None:
        """Three are held; the fourth pushes out the first."""
        remembered = self.make()
        digests = [remembered.digest(b"%d" % number) for number in range(4)]
        for digest in digests[:3]:
            remembered.remember(digest)
        self.assertEqual([remembered.holds(each) for each in digests], [True, True, True, False])
        remembered.remember(digests[0])
        remembered.remember(digests[3])
        self.assertEqual([remembered.holds(each) for each in digests], [True, False, True, True])
        self.assertEqual(len(remembered), 3)

    def test_forgottenIsFreed(self) -> None:
        """Memory is not held for logins that are too old."""
        remembered = self.make()
        remembered.remember(remembered.digest(b"one"))
        remembered.remember(remembered.digest(b"two"))
        self.clock.advance(60)
        remembered.remember(remembered.digest(b"three"))
        self.assertEqual(len(remembered), 1)

    def test_off(self) -> None:
        remembered = self.make(seconds=0)
        digest = remembered.digest(b"karl")
        remembered.remember(digest)
        self.assertIs(remembered.holds(digest), False)
        self.assertEqual(len(remembered), 0)

    def test_resize(self) -> None:
        """New bounds count for what is remembered already."""
        remembered = self.make()
        digests = [remembered.digest(b"%d" % number) for number in range(3)]
        for digest in digests:
            remembered.remember(digest)
            self.clock.advance(10)
        remembered.resize(60, 2)
        self.assertEqual([remembered.holds(each) for each in digests], [False, True, True])
        remembered.resize(15, 2)
        self.assertEqual([remembered.holds(each) for each in digests], [False, False, True])
        remembered.resize(0, 2)
        self.assertEqual(len(remembered), 0)

    def test_keyOfItsOwn(self) -> None:
        """A digest says nothing to another process."""
        self.assertNotEqual(self.make().digest(b"karl"), self.make().digest(b"karl"))

    def test_passwordIsNotKept(self) -> None:
        remembered = self.make()
        remembered.remember(remembered.digest(b"hash", b"karl", b"very-secret"))
        self.assertNotIn("very-secret", repr(vars(remembered)))
