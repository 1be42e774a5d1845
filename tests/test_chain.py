"""
L{pop3svc.auth.chain}.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

from twisted.cred.checkers import (
    ANONYMOUS,
    AllowAnonymousAccess,
    FilePasswordDB,
    ICredentialsChecker,
    InMemoryUsernamePasswordDatabaseDontUse,
)
from twisted.cred.credentials import (
    Anonymous,
    CramMD5Credentials,
    IAnonymous,
    IUsernameHashedPassword,
    IUsernamePassword,
    UsernamePassword,
)
from twisted.cred.error import UnauthorizedLogin, UnhandledCredentials
from twisted.cred.portal import Portal
from twisted.cred.strcred import makeChecker
from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from pop3svc.account import Account
from pop3svc.auth.chain import CheckerChain, avatarIdOf
from pop3svc.auth.credentials import IBearerToken, IScramProof, credentialsOf
from pop3svc.auth.hashing import hashPassword
from pop3svc.auth.scram import makeVerifier
from pop3svc.core.effects import DigestClaim, ScramClaim, TokenClaim
from pop3svc.errors import CheckerUnavailable, LoginRefused, SettingError
from pop3svc.interfaces import ILimited, IScramVerifiers
from pop3svc.limits import Limits
from pop3svc.pools import PoolFull
from pop3svc.testing import CheckerContract


@implementer(ICredentialsChecker)
class Answers:
    """Answers what it is told, and counts how often it is asked."""

    def __init__(self, answer: Any, *kinds: Any) -> None:
        """@param answer: a value, an exception to raise, or a Deferred."""
        self.answer = answer
        self.asked = 0
        self.credentials: list[Any] = []
        self.credentialInterfaces = kinds or (IUsernamePassword,)

    def requestAvatarId(self, credentials: Any) -> Any:
        self.asked += 1
        self.credentials.append(credentials)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@implementer(ILimited)
class Limited(Answers):
    limits: Limits | None = None

    def useLimits(self, limits: Limits) -> None:
        self.limits = limits


KARL = UsernamePassword(b"karl", b"secret")


class ChainTests(SynchronousTestCase):
    """Who is asked, and whose answer counts."""

    def test_interfaces(self) -> None:
        chain = CheckerChain([])
        verifyObject(ICredentialsChecker, chain)
        verifyObject(ILimited, chain)

    def test_union(self) -> None:
        """What any can check, each once, in their order."""
        chain = CheckerChain(
            [
                Answers(b"", IUsernamePassword),
                Answers(b"", IAnonymous, IUsernamePassword),
                Answers(b"", IUsernameHashedPassword),
            ]
        )
        self.assertEqual(
            chain.credentialInterfaces, (IUsernamePassword, IAnonymous, IUsernameHashedPassword)
        )

    def test_firstThatKnowsDecides(self) -> None:
        """At once or later, raised or failed; the third is not asked."""
        for unknown, known in (
            (UnauthorizedLogin(), b"karl"),
            (fail(UnauthorizedLogin()), succeed(b"karl")),
        ):
            checkers = [Answers(unknown), Answers(known), Answers(b"joe")]
            answer = CheckerChain(checkers).requestAvatarId(KARL)
            self.assertEqual(self.successResultOf(answer), b"karl")
            self.assertEqual([each.asked for each in checkers], [1, 1, 0])

    def test_nobodyKnows(self) -> None:
        checkers = [Answers(UnauthorizedLogin()), Answers(fail(UnauthorizedLogin()))]
        error = self.failureResultOf(CheckerChain(checkers).requestAvatarId(KARL)).value
        self.assertIs(type(error), UnauthorizedLogin)
        self.assertEqual([each.asked for each in checkers], [1, 1])

    def test_refusalStops(self) -> None:
        """Else a wrong password here might be a right one there."""
        for make in (LoginRefused, lambda text: fail(LoginRefused(text))):
            checkers = [Answers(make("wrong")), Answers(b"karl"), Answers(KeyError("a fault"))]
            answer = CheckerChain(checkers).requestAvatarId(KARL)
            self.assertEqual(str(self.failureResultOf(answer, LoginRefused).value), "wrong")

    def test_refusalTakesAsLong(self) -> None:
        """
        The others are asked about a stranger, with a password that nobody has: else
        whoever is quickly refused would be known to the first.
        """
        pending: Deferred[bytes] = Deferred()
        later = Answers(pending)
        refused = CheckerChain([Answers(LoginRefused("wrong")), later]).requestAvatarId(KARL)
        self.assertNoResult(refused)
        [asked] = later.credentials
        self.assertNotIn(b"karl", asked.username)
        self.assertNotIn(b"secret", asked.password)
        pending.errback(CheckerUnavailable("it is down"))
        self.failureResultOf(refused, LoginRefused)

    def test_refusalOfDigests(self) -> None:
        """Likewise with what is not a password; tokens have no users to be told apart."""
        for claim, count in (
            (DigestClaim("CRAM-MD5", b"karl", b"<x>", b"0" * 32), 1),
            (ScramClaim("SCRAM-SHA-1", b"karl", "SHA-1", b"x", b"y"), 1),
            (TokenClaim("OAUTHBEARER", b"karl", b"token"), 0),
        ):
            kinds = (IUsernameHashedPassword, IScramProof, IBearerToken)
            checkers = [Answers(LoginRefused("wrong"), *kinds), Answers(b"karl", *kinds)]
            answer = CheckerChain(checkers).requestAvatarId(credentialsOf(claim, "192.0.2.7"))
            self.failureResultOf(answer, LoginRefused)
            asked = checkers[1].credentials
            self.assertEqual([each.username == b"karl" for each in asked], [False] * count)
            self.assertEqual([each.peer for each in asked], ["192.0.2.7"] * count)

    def test_faultStops(self) -> None:
        """A checker that is down is neither a wrong password nor left out."""
        for fault in (CheckerUnavailable("down"), PoolFull("full"), OSError("gone"), KeyError("x")):
            for answer in (fault, fail(fault)):
                checkers = [Answers(answer), Answers(b"karl")]
                failure = self.failureResultOf(CheckerChain(checkers).requestAvatarId(KARL))
                self.assertIs(failure.value, fault)
                self.assertEqual(checkers[1].asked, 0)

    def test_waits(self) -> None:
        """One is asked at a time."""
        pending: Deferred[bytes] = Deferred()
        checkers = [Answers(pending), Answers(b"karl")]
        answer = CheckerChain(checkers).requestAvatarId(KARL)
        self.assertNoResult(answer)
        self.assertEqual(checkers[1].asked, 0)
        pending.errback(UnauthorizedLogin())
        self.assertEqual(self.successResultOf(answer), b"karl")

    def test_onlyWhoCan(self) -> None:
        """Others are not asked about credentials that they cannot read."""
        checkers = [
            Answers(b"x", IUsernameHashedPassword),
            AllowAnonymousAccess(),
            Answers(b"karl"),
        ]
        chain = CheckerChain(checkers)
        self.assertEqual(self.successResultOf(chain.requestAvatarId(KARL)), b"karl")
        digest = CramMD5Credentials(b"host")
        self.assertEqual(self.successResultOf(chain.requestAvatarId(digest)), b"x")

    def test_nobodyCan(self) -> None:
        chain = CheckerChain([Answers(b"karl")])
        self.failureResultOf(chain.requestAvatarId(Anonymous()), UnhandledCredentials)

    def test_limits(self) -> None:
        """They reach whoever keeps to them."""
        limited, limits = Limited(b"karl"), Limits(hashThreads=7)
        CheckerChain([Answers(b"karl"), limited]).useLimits(limits)
        self.assertIs(limited.limits, limits)


@implementer(IScramVerifiers)
class Verifiers(Answers):
    """Has verifiers, or fails as it is told to."""

    def __init__(self, answer: Any, *hashes: str) -> None:
        """@param answer: of C{scramVerifier}."""
        super().__init__(answer, IScramProof)
        self.scramHashes = frozenset(hashes)
        self.scramShape = (len(hashes), 7)

    def scramVerifier(self, hashName: str, username: bytes) -> Deferred[Any]:
        self.asked += 1
        failed = isinstance(self.answer, Exception)
        return fail(self.answer) if failed else succeed(self.answer)


class ScramTests(SynchronousTestCase):
    """The verifiers of several checkers."""

    VERIFIER = makeVerifier("SHA-256", b"secret", b"salt", 1)

    def fetch(self, *checkers: Any) -> Any:
        return CheckerChain(checkers).scramVerifier("SHA-256", b"karl")

    def test_interface(self) -> None:
        verifyObject(IScramVerifiers, CheckerChain([]))

    def test_hashes(self) -> None:
        """All that one of them has; shown as the first that has any shows it."""
        chain = CheckerChain(
            [Answers(b"karl"), Verifiers(None), Verifiers(None, "SHA-1", "SHA-256")]
        )
        self.assertEqual(chain.scramHashes, {"SHA-1", "SHA-256"})
        self.assertEqual(chain.scramShape, (2, 7))

    def test_noHashes(self) -> None:
        chain = CheckerChain([Answers(b"karl")])
        self.assertEqual((chain.scramHashes, chain.scramShape), (frozenset(), (16, 4096)))
        self.assertIsNone(self.successResultOf(self.fetch(Answers(b"karl"))))

    def test_firstThatHasOne(self) -> None:
        last = Verifiers(None, "SHA-256")
        found = self.fetch(
            Answers(b"karl"),
            Verifiers(None, "SHA-256"),
            Verifiers(UnauthorizedLogin("unknown"), "SHA-256"),
            Verifiers(self.VERIFIER, "SHA-256"),
            last,
        )
        self.assertIs(self.successResultOf(found), self.VERIFIER)
        # So that it takes as long as for somebody who has none.
        self.assertEqual(last.asked, 1)

    def test_lastIsDown(self) -> None:
        """That is nothing to somebody whose verifier is found."""
        found = self.fetch(
            Verifiers(self.VERIFIER, "SHA-256"), Verifiers(CheckerUnavailable("down"), "SHA-256")
        )
        self.assertIs(self.successResultOf(found), self.VERIFIER)

    def test_whatStops(self) -> None:
        """A checker that is down is not skipped, nor one that refuses."""
        for error in (CheckerUnavailable("down"), LoginRefused("no")):
            last = Verifiers(self.VERIFIER, "SHA-256")
            failed = self.fetch(Verifiers(error, "SHA-256"), last)
            self.assertIs(self.failureResultOf(failed).value, error)
            self.assertEqual(last.asked, 0)


class AvatarIdTests(SynchronousTestCase):
    """Its one form."""

    def test_octets(self) -> None:
        for answer, avatarId in (
            (b"karl", b"karl"),
            (b"k\xe4rl", b"k\xe4rl"),
            ("karl", b"karl"),
            ("k\u00e4rl", b"k\xc3\xa4rl"),
            ("k\udce4rl", b"k\xe4rl"),
        ):
            self.assertEqual(avatarIdOf(answer), avatarId)

    def test_account(self) -> None:
        """What else is known of the user is kept."""
        account = Account(b"karl", "/srv/karl", True, "phone")
        self.assertIs(avatarIdOf(account), account)
        self.assertRaises(LoginRefused, avatarIdOf, Account(b""))

    def test_nobody(self) -> None:
        for answer in (ANONYMOUS, b"", ""):
            self.assertRaises(LoginRefused, avatarIdOf, answer)

    def test_noAvatarId(self) -> None:
        """A checker that forgot to answer lets nobody in."""
        for answer in (None, True, 7, [b"karl"], bytearray(b"karl")):
            self.assertRaises(TypeError, avatarIdOf, answer)

    def test_inTheChain(self) -> None:
        """Nobody's answer stops: the next checker is not asked."""
        for answer, expected in ((ANONYMOUS, LoginRefused), (None, TypeError)):
            checkers = [Answers(answer), Answers(b"karl")]
            self.failureResultOf(CheckerChain(checkers).requestAvatarId(KARL), expected)
            self.assertEqual(checkers[1].asked, 0)
        answered = CheckerChain([Answers("karl")]).requestAvatarId(KARL)
        self.assertEqual(self.successResultOf(answered), b"karl")


class TwistedCheckersTests(SynchronousTestCase):
    """C{memory:} and C{file:} work as C{--auth} promises."""

    def make(self, content: bytes) -> str:
        path = self.mktemp()
        with open(path, "wb") as file:
            file.write(content)
        return path

    def test_memory(self) -> None:
        chain = CheckerChain([makeChecker("memory:karl:secret:j\u00f6:iluvjane")])
        for name, password in ((b"karl", b"secret"), (b"j\xc3\xb6", b"iluvjane")):
            answer = chain.requestAvatarId(UsernamePassword(name, password))
            self.assertEqual(self.successResultOf(answer), name)
        wrong = chain.requestAvatarId(UsernamePassword(b"karl", b"Secret"))
        self.failureResultOf(wrong, UnauthorizedLogin)

    def test_memoryOfOctets(self) -> None:
        """Made as its documentation says, it stays as it is."""
        checker = InMemoryUsernamePasswordDatabaseDontUse(karl=b"secret")
        chain = CheckerChain([checker])
        self.assertEqual(checker.users, {b"karl": b"secret"})
        self.assertEqual(self.successResultOf(chain.requestAvatarId(KARL)), b"karl")

    def test_memoryDigest(self) -> None:
        """CRAM-MD5 is checked against the same users."""
        from hmac import HMAC

        chain = CheckerChain([makeChecker("memory:karl:secret")])
        credentials = CramMD5Credentials(b"host")
        challenge = credentials.getChallenge()
        digest = HMAC(b"secret", challenge, digestmod="md5").hexdigest().encode()
        credentials.setResponse(b"karl " + digest)
        self.assertEqual(self.successResultOf(chain.requestAvatarId(credentials)), b"karl")

    def test_file(self) -> None:
        chain = CheckerChain([makeChecker(f"file:{self.make(b'karl:secret')}")])
        self.assertEqual(self.successResultOf(chain.requestAvatarId(KARL)), b"karl")

    def test_fileKeepsItsPlace(self) -> None:
        """twistd changes its directory after the start."""
        path = self.make(b"karl:secret")
        checker = FilePasswordDB(os.path.relpath(path))
        CheckerChain([checker])
        self.assertEqual(checker.filename, os.path.abspath(path))

    def test_fileIsMissing(self) -> None:
        """Found at the start, not by the first user."""
        error = self.assertRaises(
            SettingError, CheckerChain, [FilePasswordDB("/nonexistent/users")]
        )
        self.assertEqual(
            str(error),
            "cannot read the password file /nonexistent/users: No such file or directory; make it"
            " readable for the user that the service runs as",
        )

    def test_fileIsReadWhole(self) -> None:
        """Else the time would tell who stands at its beginning."""
        checker = FilePasswordDB(self.make(b"karl:secret\njoe:iluvjane\n"))
        read = []
        lines = checker._loadCredentials

        def counted() -> Iterator[tuple[bytes, bytes]]:
            for line in lines():
                read.append(line)
                yield line

        checker._loadCredentials = counted  # type: ignore[method-assign]
        chain = CheckerChain([checker])
        for name in (b"karl", b"joe", b"nobody"):
            read.clear()
            chain.requestAvatarId(UsernamePassword(name, b"x")).addErrback(lambda _: None)
            self.assertEqual(len(read), 2)

    def test_fileGoesAway(self) -> None:
        """It fails as if the password were wrong; the user must not hear that."""
        path = self.make(b"karl:secret")
        later = Answers(b"karl")
        chain = CheckerChain([FilePasswordDB(path), later])
        os.remove(path)
        failure = self.failureResultOf(chain.requestAvatarId(KARL), CheckerUnavailable)
        self.assertNotIn("secret", str(failure.value))
        self.assertEqual(later.asked, 0)

    def test_severalBehindOnePortal(self) -> None:
        """Which a portal alone would not do."""

        class Realm:
            def requestAvatar(self, avatarId: Any, mind: object, *interfaces: Any) -> Any:
                return interfaces[0], avatarId, None

        hashed = self.make(b"karl:" + hashPassword("secret").encode())
        kinds: list[Callable[[], Any]] = [
            lambda: makeChecker("memory:joe:iluvjane"),
            lambda: makeChecker(f"file:{self.make(b'ann:sesame')}"),
            lambda: makeChecker(f"passwd:{hashed}"),
        ]
        portal = Portal(Realm(), [CheckerChain([make() for make in kinds])])  # type: ignore[arg-type]
        for name, password in ((b"joe", b"iluvjane"), (b"ann", b"sesame")):
            login = portal.login(UsernamePassword(name, password), None, IUsernamePassword)
            self.assertEqual(self.successResultOf(login)[1], name)


class MemoryContractTests(CheckerContract, TestCase):
    """Twisted's own, in the chain."""

    others = ((b"joe", b"iluvjane"),)

    def makeChecker(self) -> CheckerChain:
        return CheckerChain([makeChecker("memory:karl:secret:joe:iluvjane")])


class ChainContractTests(CheckerContract, TestCase):
    """Two that know different users."""

    others = ((b"joe", b"iluvjane"),)

    def makeChecker(self) -> CheckerChain:
        path = self.mktemp()
        with open(path, "wb") as file:
            file.write(b"joe:iluvjane\n")
        return CheckerChain([makeChecker("memory:karl:secret"), FilePasswordDB(path)])
