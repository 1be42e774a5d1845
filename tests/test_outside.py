"""
L{pop3svc.auth.outside}.
"""

from __future__ import annotations

from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pop3svc.auth.outside import OutsideLogins, askInThread
from pop3svc.errors import CheckerUnavailable, LoginRefused
from pop3svc.limits import Limits

from .checking import HeldPool


class OutsideLoginsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.asked: list[tuple[bytes, bytes, float]] = []
        self.answers: list[Deferred[bytes]] = []
        self.logins = OutsideLogins("the oracle", self.ask, self.clock, self.clock.seconds)
        self.logins.useLimits(Limits(checkerSeconds=10, rememberedSeconds=60, rememberedLogins=2))

    def ask(self, name: bytes, password: bytes, end: float) -> Deferred[bytes]:
        self.asked.append((name, password, end))
        self.answers.append(Deferred())
        return self.answers[-1]

    def check(self, name: bytes = b"karl", password: bytes = b"x") -> Deferred[bytes | tuple[()]]:
        return self.logins.check(name, password)

    def login(self, name: bytes, avatarId: bytes) -> None:
        """A good login that is asked about."""
        asked = self.check(name)
        self.answers[-1].callback(avatarId)
        self.assertEqual(self.successResultOf(asked), avatarId)

    def test_good(self) -> None:
        asked = self.check()
        self.assertNoResult(asked)
        self.assertEqual(self.asked, [(b"karl", b"x", 10.0)])
        self.answers[0].callback(b"avatar")
        self.assertEqual(self.successResultOf(asked), b"avatar")

    def test_remembered(self) -> None:
        """Also the avatar id; for as long as is set, and not longer by asking."""
        self.login(b"karl", b"avatar")
        self.clock.advance(59)
        self.assertEqual(self.successResultOf(self.check()), b"avatar")
        self.clock.advance(1)
        self.assertNoResult(self.check())
        self.assertEqual(len(self.asked), 2)

    def test_rememberedAtMost(self) -> None:
        """The oldest is forgotten, here as there."""
        for name in (b"a", b"b", b"a", b"c"):
            self.logins.useLimits(Limits(rememberedSeconds=0))
            self.logins.useLimits(Limits(rememberedLogins=2))
            self.login(name, b"avatar of " + name)
        self.login(b"d", b"avatar of d")
        self.assertEqual(self.successResultOf(self.check(b"c")), b"avatar of c")
        self.assertEqual(self.successResultOf(self.check(b"d")), b"avatar of d")
        self.assertEqual(len(self.logins._avatarIds), 2)

    def test_refusedIsNotRemembered(self) -> None:
        for error in (UnauthorizedLogin, LoginRefused, CheckerUnavailable):
            asked = self.check()
            self.answers[-1].errback(error())
            self.failureResultOf(asked, error)
        self.assertEqual(len(self.asked), 3)

    def test_onceAtATime(self) -> None:
        """Equal logins are one question; others are their own."""
        asked = [self.check(), self.check(), self.check(password=b"y")]
        self.assertEqual([each[:2] for each in self.asked], [(b"karl", b"x"), (b"karl", b"y")])
        self.answers[0].callback(b"avatar")
        self.assertEqual([self.successResultOf(each) for each in asked[:2]], [b"avatar"] * 2)
        self.assertNoResult(asked[2])

    def test_nobodys(self) -> None:
        for name, password in (
            (b"", b"x"),
            (b"karl", b""),
            (b"ka\0rl", b"x"),
            (b"karl", b"x\0"),
            (b"karl", b"\0"),
        ):
            error = self.failureResultOf(self.check(name, password), UnauthorizedLogin).value
            self.assertIs(type(error), UnauthorizedLogin)
        self.assertEqual(self.asked, [])

    def test_deadline(self) -> None:
        """An answer that comes late changes nothing."""
        asked = self.check()
        self.clock.advance(9.9)
        self.assertNoResult(asked)
        self.clock.advance(0.1)
        error = self.failureResultOf(asked, CheckerUnavailable).value
        self.assertEqual(str(error), "the oracle gave no answer in 10 seconds")
        self.answers[0].callback(b"avatar")
        self.assertNoResult(self.check())
        self.assertEqual(len(self.asked), 2)

    def test_hungUp(self) -> None:
        """A client that goes away takes nothing from another with the same login."""
        first, second = self.check(), self.check()
        first.addErrback(lambda failure: None)
        first.cancel()
        self.answers[0].callback(b"avatar")
        self.assertEqual(self.successResultOf(second), b"avatar")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_memoriesAreApart(self) -> None:
        other = OutsideLogins("another", self.ask, self.clock, self.clock.seconds)
        self.login(b"karl", b"avatar")
        self.assertNoResult(other.check(b"karl", b"x"))

    def test_unknownTakesAsLong(self) -> None:
        """As one of the last logins of somebody who is known took."""
        asked = self.check(password=b"wrong")
        self.clock.advance(0.25)
        self.answers[-1].errback(LoginRefused("wrong password"))
        self.failureResultOf(asked, LoginRefused)
        for quick, left in ((0.0, 0.25), (0.125, 0.125), (0.25, 0.0), (1.0, 0.0)):
            asked = self.check(b"nobody")
            self.clock.advance(quick)
            self.answers[-1].errback(UnauthorizedLogin("unknown user"))
            if left:
                self.clock.advance(left - 0.01)
                self.assertNoResult(asked)
                self.clock.advance(0.01)
            self.failureResultOf(asked, UnauthorizedLogin)

    def test_unknownAfterSuccess(self) -> None:
        """A good password is verified as a wrong one is."""
        asked = self.check()
        self.clock.advance(0.25)
        self.answers[-1].callback(b"avatar")
        self.successResultOf(asked)
        asked = self.check(b"nobody")
        self.answers[-1].errback(UnauthorizedLogin("unknown user"))
        self.assertNoResult(asked)
        self.clock.advance(0.25)
        self.failureResultOf(asked, UnauthorizedLogin)

    def test_unknownAfterBoth(self) -> None:
        """However many good ones were found quickly, it takes as long as a wrong one."""
        asked = self.check(password=b"wrong")
        self.clock.advance(2)
        self.answers[-1].errback(LoginRefused("wrong password"))
        self.failureResultOf(asked, LoginRefused)
        for number in range(60):
            self.login(b"%d" % number, b"avatar")
        asked = self.check(b"nobody")
        self.answers[-1].errback(UnauthorizedLogin("unknown user"))
        self.clock.advance(1.99)
        self.assertNoResult(asked)
        self.clock.advance(0.01)
        self.failureResultOf(asked, UnauthorizedLogin)


class ThreadTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.pool = HeldPool()
        self.worked: list[tuple[bytes, bytes, float]] = []
        ask = askInThread(self.pool, self.work, self.clock.seconds)
        self.logins = OutsideLogins("the oracle", ask, self.clock, self.clock.seconds)

    def work(self, name: bytes, password: bytes, end: float) -> bytes:
        self.worked.append((name, password, end))
        return b"avatar"

    def test_works(self) -> None:
        asked = self.logins.check(b"karl", b"x")
        self.clock.advance(9)
        self.pool.work()
        self.assertEqual(self.successResultOf(asked), b"avatar")
        self.assertEqual(self.worked, [(b"karl", b"x", 10.0)])

    def test_full(self) -> None:
        self.pool.full = True
        error = self.failureResultOf(self.logins.check(b"karl", b"x"), CheckerUnavailable).value
        self.assertEqual(str(error), "as many as may wait")

    def test_tooLate(self) -> None:
        """Nobody is asked about a login that was given up in the queue."""
        asked = self.logins.check(b"karl", b"x")
        self.clock.advance(10)
        self.failureResultOf(asked, CheckerUnavailable)
        self.pool.work()
        self.assertEqual(self.worked, [])
