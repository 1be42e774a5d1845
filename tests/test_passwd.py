"""
L{pop3svc.auth.passwd}.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from datetime import date
from typing import Any, TypeVar

from twisted.cred.credentials import (
    IUsernameHashedPassword,
    IUsernamePassword,
    UsernamePassword,
)
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.strcred import ICheckerFactory, makeChecker
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs, eventAsText
from twisted.plugin import IPlugin
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from pop3svc.account import Account
from pop3svc.auth.credentials import IScramProof, credentialsOf
from pop3svc.auth.digests import writeScram
from pop3svc.auth.hashing import hashPassword
from pop3svc.auth.names import NameRule
from pop3svc.auth.passwd import PasswdChecker, PasswdCheckerFactory
from pop3svc.auth.scram import DIGESTS, makeVerifier
from pop3svc.auth.verifier import PasswordVerifier, sharedVerifier
from pop3svc.core.effects import Claim, DigestClaim, PasswordClaim, ScramClaim
from pop3svc.errors import CheckerUnavailable, LoginRefused, SettingError
from pop3svc.interfaces import ILimited, IScramVerifiers, ScramVerifier
from pop3svc.limits import Limits
from pop3svc.startfiles import given, keeping
from pop3svc.testing import CheckerContract

from .checking import HeldPool

T = TypeVar("T")

HASH = hashPassword("secret", iterations=1, memoryKiB=8).encode()
OTHER = hashPassword("iluvjane", iterations=1, memoryKiB=8).encode()


class PasswdTestCase(SynchronousTestCase):
    """A checker over a file, without threads."""

    users = b"karl:%b\njoe:%b\nlocked:!%b\nshut:%b:nopop3\n" % (HASH, OTHER, HASH, HASH)
    rule: NameRule = "plain"

    def setUp(self) -> None:
        self.clock = Clock()
        self.path = self.mktemp()
        self.write(self.users)
        self.verifier = PasswordVerifier(clock=self.clock.seconds)
        self.verifier.pool = self.hashes = HeldPool()
        self.files = HeldPool()
        self.today = date(2027, 1, 31)
        self.checker = self.makeChecker()

    def makeChecker(self) -> PasswdChecker:
        return PasswdChecker(
            self.path,
            self.verifier,
            self.files,
            self.clock.seconds,
            self.rule,
            lambda: self.today,
        )

    def write(self, octets: bytes) -> None:
        with open(self.path + ".new", "wb") as file:
            file.write(octets)
        os.replace(self.path + ".new", self.path)

    def ask(self, name: bytes, password: bytes) -> Deferred[bytes | tuple[()]]:
        return self.checker.requestAvatarId(UsernamePassword(name, password))

    def answer(self, name: bytes, password: bytes) -> Deferred[bytes | tuple[()]]:
        """Ask, and do all the work."""
        return self.worked(self.ask(name, password))

    def answerFrom(self, peer: str, claim: Claim) -> Deferred[bytes | tuple[()]]:
        return self.worked(self.checker.requestAvatarId(credentialsOf(claim, peer)))

    def worked(self, asked: Deferred[T]) -> Deferred[T]:
        self.files.work()
        self.hashes.work()
        return asked

    def refusal(self, asked: Deferred[Any]) -> tuple[type[BaseException], str]:
        error = self.failureResultOf(asked).value
        return type(error), str(error)

    def logged(self, events: Any, level: LogLevel) -> list[str]:
        texts = (eventAsText(each, includeTimestamp=False) for each in events)
        found = [
            text.partition("] ")[2]
            for text, each in zip(texts, events, strict=True)
            if each["log_level"] is level
        ]
        return [each.replace(os.path.abspath(self.path), "FILE") for each in found]


class AnswerTests(PasswdTestCase):
    """Who is let in."""

    def test_interfaces(self) -> None:
        verifyObject(ILimited, self.checker)
        verifyObject(IScramVerifiers, self.checker)
        self.assertEqual(self.checker.credentialInterfaces, (IUsernamePassword, IScramProof))

    def test_right(self) -> None:
        self.assertEqual(self.successResultOf(self.answer(b"karl", b"secret")), b"karl")
        self.assertEqual(self.successResultOf(self.answer(b"joe", b"iluvjane")), b"joe")

    def refused(self, name: bytes, password: bytes) -> tuple[type[BaseException], str]:
        return self.refusal(self.answer(name, password))

    def test_wrong(self) -> None:
        """The checker knows the user and has decided."""
        self.assertEqual(self.refused(b"karl", b"iluvjane"), (LoginRefused, "wrong password"))

    def test_unknown(self) -> None:
        """The next checker may know the user."""
        self.assertEqual(self.refused(b"nobody", b"x"), (UnauthorizedLogin, "unknown user"))
        self.assertEqual(self.refused(b"Karl", b"secret"), (UnauthorizedLogin, "unknown user"))

    def test_locked(self) -> None:
        for password in (b"secret", b"", b"!" + HASH):
            self.assertEqual(
                self.refused(b"locked", password),
                (LoginRefused, "the user is locked by the mark before the hash"),
            )

    def test_malformedLine(self) -> None:
        """Known, so that no later checker lets in whom the line was to keep out."""
        self.write(self.users + b"joey:%b:networs=::1" % HASH)
        self.clock.advance(1)
        self.assertEqual(
            self.refused(b"joey", b"secret"),
            (LoginRefused, "the user is locked by a line that is malformed"),
        )

    def test_keptFromPOP3(self) -> None:
        """Said only with the right password; a wrong one is wrong."""
        self.assertEqual(self.refused(b"shut", b"x"), (LoginRefused, "wrong password"))
        self.assertEqual(
            self.refused(b"shut", b"secret"),
            (LoginRefused, "the user is kept from POP3 by nopop3"),
        )

    def test_everyoneCostsTheSame(self) -> None:
        """Unknown, locked or wrong: one hash with these costs is verified."""
        for name in (b"karl", b"nobody", b"locked", b"shut", b""):
            asked = self.ask(name, b"guess")
            self.assertNoResult(asked)
            [(_, ([stored], password))] = self.hashes.held
            self.assertEqual(stored[:27], b"$argon2id$v=19$m=8,t=1,p=1$")
            self.assertEqual(password, b"guess")
            self.hashes.work()
            self.failureResultOf(asked, UnauthorizedLogin)

    def test_standInLetsNobodyIn(self) -> None:
        """Neither the password of the user whose hash stands in, nor a second time."""
        for _ in range(2):
            for password in (b"secret", b"iluvjane"):
                for name in (b"nobody", b"locked"):
                    self.failureResultOf(self.answer(name, password), UnauthorizedLogin)

    def test_full(self) -> None:
        """Too many wait: neither right nor wrong, for users and others alike."""
        self.hashes.full = True
        for name in (b"karl", b"nobody", b"locked"):
            self.failureResultOf(self.ask(name, b"secret"), CheckerUnavailable)

    def test_limits(self) -> None:
        self.checker.useLimits(Limits(hashThreads=3, hashQueue=5))
        self.assertEqual(self.hashes.bounds, (3, 5))
        self.assertEqual(self.files.bounds, (1, 5))


class ApplicationPasswordTests(PasswdTestCase):
    """Several passwords of one user."""

    users = (
        b"karl:%b:networks=192.0.2.0/24:maildrop=/srv/karl\n"
        b"karl:{PLAIN}phone-1:name=phone:expires=2027-01-31\n"
        b"karl:{PLAIN}scan:name=scanner:read-only:networks=[2001:db8::]/32,unix\n"
        b"karl:{PLAIN}secret:name=again:networks=198.51.100.7\n"
        b"joe:%b\n"
    ) % (HASH, OTHER)

    def login(self, password: bytes, peer: str = "192.0.2.7") -> Deferred[Any]:
        return self.answerFrom(peer, PasswordClaim("PLAIN", b"karl", password))

    def test_whichOne(self) -> None:
        """The account says which password it was, and what that may do."""
        for password, peer, expected in (
            (b"secret", "192.0.2.7", ("", False)),
            (b"phone-1", "203.0.113.1", ("phone", False)),
            (b"scan", "2001:db8::9", ("scanner", True)),
            (b"scan", "unix", ("scanner", True)),
        ):
            account = self.successResultOf(self.login(password, peer))
            self.assertIsInstance(account, Account)
            self.assertEqual((account.credential, account.readOnly), expected)
            self.assertEqual((account, account.maildrop), (b"karl", "/srv/karl"))

    def test_networks(self) -> None:
        """Also for who is remembered, and for credentials that say nothing of a peer."""
        self.successResultOf(self.login(b"scan", "unix"))
        kept = (LoginRefused, "the user is kept from POP3 by networks")
        for peer in ("192.0.2.7", "unknown"):
            self.assertEqual(self.refusal(self.login(b"scan", peer)), kept)
        self.assertEqual(self.refusal(self.answer(b"karl", b"scan")), kept)
        self.assertEqual(self.refusal(self.answer(b"karl", b"secret")), kept)

    def test_samePasswordTwice(self) -> None:
        """The one that may be used there is the one."""
        for peer, name in (("192.0.2.7", ""), ("198.51.100.7", "again")):
            self.assertEqual(self.successResultOf(self.login(b"secret", peer)).credential, name)
        self.refusal(self.login(b"secret", "203.0.113.1"))

    def test_expires(self) -> None:
        """From the day after, also for who is remembered."""
        self.successResultOf(self.login(b"phone-1"))
        self.today = date(2027, 2, 1)
        self.assertEqual(
            self.refusal(self.login(b"phone-1")),
            (LoginRefused, "the user is kept from POP3 by expires"),
        )
        self.successResultOf(self.login(b"secret"))

    def test_cost(self) -> None:
        """A wrong password is tried against all, in one piece of work."""
        asked = self.login(b"wrong")
        self.assertEqual(self.refusal(asked), (LoginRefused, "wrong password"))
        self.checker.requestAvatarId(credentialsOf(PasswordClaim("PLAIN", b"karl", b"no"), "unix"))
        [(_, (stored, _))] = self.hashes.held
        self.assertEqual(len(stored), 4)

    def test_limit(self) -> None:
        """Another bound counts from the next login on."""
        self.checker.useLimits(Limits(credentialsPerUser=2))
        self.refusal(self.login(b"scan", "unix"))
        self.successResultOf(self.login(b"phone-1"))
        self.checker.useLimits(Limits(credentialsPerUser=2))
        self.assertEqual(self.files.held, [])
        self.checker.useLimits(Limits(credentialsPerUser=3))
        self.successResultOf(self.login(b"scan", "unix"))

    def test_limitWhileReading(self) -> None:
        """Also if the file, which has changed, is just being read by the old one."""
        self.write(self.users + b"\n")
        self.clock.advance(1)
        asked = self.ask(b"joe", b"iluvjane")
        self.checker.useLimits(Limits(credentialsPerUser=2))
        self.successResultOf(self.worked(asked))
        self.clock.advance(1)
        self.refusal(self.login(b"scan", "unix"))

    def test_nopop3(self) -> None:
        """In the main line it closes the account; elsewhere this one password."""
        self.write(b"karl:%b:nopop3\nkarl:{PLAIN}x:name=a\njoe:{PLAIN}y\n" % HASH)
        self.clock.advance(1)
        self.assertEqual(
            self.refusal(self.login(b"x")), (LoginRefused, "the user is kept from POP3 by nopop3")
        )
        self.write(b"karl:%b\nkarl:{PLAIN}x:name=a:nopop3\n" % HASH)
        self.clock.advance(1)
        self.refusal(self.login(b"x"))
        self.assertEqual(self.successResultOf(self.login(b"secret")).maildrop, None)


class DigestTests(PasswdTestCase):
    """APOP and CRAM-MD5, where passwords are kept in clear text."""

    users = (
        b"karl:%b\nkarl:{PLAIN}secret:name=printer:networks=192.0.2.0/24\nplain:{PLAIN}x\n" % HASH
    )

    def digest(self, name: bytes, password: bytes, peer: str = "192.0.2.7") -> Deferred[Any]:
        made = hmac.new(password, b"<1@x>", "md5").hexdigest().encode()
        return self.answerFrom(peer, DigestClaim("CRAM-MD5", name, b"<1@x>", made))

    def test_interfaces(self) -> None:
        """Decided by what the file has when the service starts."""
        self.assertIn(IUsernameHashedPassword, self.checker.credentialInterfaces)
        self.write(b"karl:" + HASH)
        self.assertNotIn(IUsernameHashedPassword, self.makeChecker().credentialInterfaces)

    def test_right(self) -> None:
        self.assertEqual(self.successResultOf(self.digest(b"plain", b"x")), b"plain")
        account = self.successResultOf(self.digest(b"karl", b"secret"))
        self.assertEqual((account, account.credential), (b"karl", "printer"))

    def test_refused(self) -> None:
        for name, password, peer, error, sentence in (
            (b"plain", b"y", "unix", LoginRefused, "wrong password"),
            (b"nobody", b"x", "unix", UnauthorizedLogin, "unknown user"),
            (b"karl", HASH, "unix", LoginRefused, "wrong password"),
            (b"karl", b"secret", "unix", LoginRefused, "the user is kept from POP3 by networks"),
        ):
            asked = self.digest(name, password, peer)
            self.assertEqual(self.refusal(asked), (error, sentence))


class ScramTests(PasswdTestCase):
    """SCRAM, where verifiers or passwords in clear text are kept."""

    KEPT = makeVerifier("SHA-256", b"secret", b"0123456789abcdef", 9)
    users = b"karl:%b\nkarl:%b:name=phone:networks=192.0.2.0/24\njoe:%b\n" % (
        HASH,
        writeScram("SHA-256", KEPT).encode(),
        OTHER,
    )

    def fetch(self, name: bytes, hashName: str = "SHA-256") -> ScramVerifier | None:
        return self.successResultOf(self.worked(self.checker.scramVerifier(hashName, name)))

    def prove(
        self, name: bytes, password: bytes, hashName: str = "SHA-256", peer: str = "192.0.2.7"
    ) -> Deferred[Any]:
        """As a client does that was shown a verifier's salt."""
        shown = self.fetch(name, hashName) or self.KEPT
        digest = DIGESTS[hashName]
        salted = hashlib.pbkdf2_hmac(digest, password, shown.salt, shown.iterations)
        clientKey = hmac.digest(salted, b"Client Key", digest)
        storedKey = hashlib.new(digest, clientKey).digest()
        signature = hmac.digest(storedKey, b"messages", digest)
        proof = bytes(a ^ b for a, b in zip(clientKey, signature, strict=True))
        return self.answerFrom(
            peer, ScramClaim(f"SCRAM-{hashName}", name, hashName, b"messages", proof)
        )

    def test_offered(self) -> None:
        """By what the file holds now."""
        self.assertEqual(self.checker.scramHashes, frozenset({"SHA-256"}))
        self.assertEqual(self.checker.scramShape, (16, 9))
        for octets, hashes in (
            (b"karl:" + HASH, set()),
            (b"karl:{PLAIN}x", {"SHA-1", "SHA-256"}),
            (b"karl:!{PLAIN}x", set()),
        ):
            self.write(octets)
            self.assertEqual(self.makeChecker().scramHashes, hashes)
        self.assertEqual(self.makeChecker().scramShape, (16, 4096))

    def test_fetch(self) -> None:
        self.assertEqual(self.fetch(b"karl"), self.KEPT)
        for name in (b"joe", b"nobody"):
            self.assertIsNone(self.fetch(name))
        self.assertIsNone(self.fetch(b"karl", "SHA-1"))

    def test_right(self) -> None:
        account = self.successResultOf(self.prove(b"karl", b"secret"))
        self.assertEqual((account, account.credential), (b"karl", "phone"))

    def test_refused(self) -> None:
        networks = "the user is kept from POP3 by networks"
        for name, password, peer, error, sentence in (
            (b"karl", b"wrong", "192.0.2.7", LoginRefused, "wrong password"),
            (b"karl", b"secret", "192.0.3.7", LoginRefused, networks),
            (b"joe", b"iluvjane", "192.0.2.7", LoginRefused, "wrong password"),
            (b"nobody", b"x", "192.0.2.7", UnauthorizedLogin, "unknown user"),
        ):
            asked = self.prove(name, password, peer=peer)
            self.assertEqual(self.refusal(asked), (error, sentence))

    def test_byPassword(self) -> None:
        """A verifier takes the password too, at its cost, in the pool."""
        claim = PasswordClaim("PLAIN", b"karl", b"secret")
        self.assertEqual(self.successResultOf(self.answerFrom("192.0.2.7", claim)), b"karl")

    def test_clearText(self) -> None:
        """A verifier is made; it stays the same, or it would tell who is real."""
        self.write(b"plain:{PLAIN}secret\njoe:%b\n" % OTHER)
        self.clock.advance(1)
        for hashName in ("SHA-1", "SHA-256"):
            first = self.fetch(b"plain", hashName)
            assert first is not None
            self.assertEqual((len(first.salt), first.iterations), (16, 4096))
            self.write(b"plain:{PLAIN}secret\njoe:%b\n# other\n" % OTHER)
            self.clock.advance(1)
            self.assertEqual(self.fetch(b"plain", hashName), first)
            self.assertEqual(
                self.successResultOf(self.prove(b"plain", b"secret", hashName)), b"plain"
            )
            self.refusal(self.prove(b"plain", b"wrong", hashName))

    def test_everyoneCostsTheSame(self) -> None:
        """As soon as one verifier has to be made, a fetch costs that for all."""
        self.write(self.users + b"plain:{PLAIN}secret\n")
        self.clock.advance(1)
        for name in (b"karl", b"joe", b"nobody", b"plain"):
            asked = self.checker.scramVerifier("SHA-256", name)
            self.files.work()
            [(work, (hashName, _, salt, iterations))] = self.hashes.held
            self.assertIs(work, makeVerifier)
            self.assertEqual((hashName, len(salt), iterations), ("SHA-256", 16, 9))
            self.hashes.work()
            self.successResultOf(asked)

    def test_full(self) -> None:
        self.write(b"plain:{PLAIN}secret\n")
        self.clock.advance(1)
        self.fetch(b"plain")
        self.hashes.full = True
        self.failureResultOf(self.checker.scramVerifier("SHA-256", b"plain"), CheckerUnavailable)


class PrecisTests(PasswdTestCase):
    """C{passwd:FILE?names=precis}."""

    rule: NameRule = "precis"
    users = b"Karl:%b\n" % HASH

    def test_otherSpelling(self) -> None:
        """The maildrop is that of the name in the file."""
        for name in (b"karl", b"KARL", "\uff2barl".encode()):
            self.assertEqual(self.successResultOf(self.answer(name, b"secret")), b"Karl")

    def test_unfit(self) -> None:
        """Nobody has such a name, and it takes as long."""
        for name in (b"karl ", b"\xff", b""):
            asked = self.ask(name, b"secret")
            self.assertEqual(len(self.hashes.held), 1)
            self.assertEqual(self.refusal(self.worked(asked)), (UnauthorizedLogin, "unknown user"))


class ReloadTests(PasswdTestCase):
    """The file changes."""

    def test_lookedAtOnceASecond(self) -> None:
        self.clock.advance(0.5)
        self.ask(b"karl", b"secret")
        self.assertEqual(self.files.held, [])
        self.clock.advance(0.5)
        self.ask(b"karl", b"secret")
        self.assertEqual(len(self.files.held), 1)
        self.files.work()
        self.clock.advance(0.5)
        self.ask(b"karl", b"secret")
        self.assertEqual(self.files.held, [])

    def test_fromTheStart(self) -> None:
        """A worker that comes later begins with what stood there then, and looks at once."""
        with keeping() as kept:
            self.makeChecker()
        self.addCleanup(os.close, kept[os.path.abspath(self.path)].descriptor)
        self.write(b"karl:" + OTHER)
        with given(kept):
            self.checker = self.makeChecker()
        self.assertEqual(self.successResultOf(self.answer(b"karl", b"iluvjane")), b"karl")

    def test_lookedAtOnceByMany(self) -> None:
        """Who comes while it is looked at waits for that, not for a look of their own."""
        self.clock.advance(1)
        asked = [self.ask(b"karl", b"secret") for _ in range(3)]
        self.assertEqual(len(self.files.held), 1)
        self.files.work()
        self.hashes.work()
        self.assertEqual([self.successResultOf(each) for each in asked], [b"karl"] * 3)

    def test_newUser(self) -> None:
        self.write(self.users + b"new:" + HASH)
        self.clock.advance(1)
        self.assertEqual(self.successResultOf(self.answer(b"new", b"secret")), b"new")

    def test_changedPassword(self) -> None:
        """It counts a second later, although the old one is remembered."""
        self.successResultOf(self.answer(b"karl", b"secret"))
        self.write(b"karl:" + OTHER)
        self.clock.advance(1)
        self.failureResultOf(self.answer(b"karl", b"secret"), LoginRefused)
        self.assertEqual(self.successResultOf(self.answer(b"karl", b"iluvjane")), b"karl")

    def test_removedUser(self) -> None:
        self.successResultOf(self.answer(b"karl", b"secret"))
        self.write(b"joe:" + OTHER)
        self.clock.advance(1)
        error = self.failureResultOf(self.answer(b"karl", b"secret")).value
        self.assertIs(type(error), UnauthorizedLogin)

    def test_rememberedDoNotQueue(self) -> None:
        """While guesses fill the queue of hashes, who was here before logs in."""
        self.successResultOf(self.answer(b"karl", b"secret"))
        self.hashes.full = True
        self.clock.advance(30)
        asked = self.ask(b"karl", b"secret")
        self.files.work()
        self.assertEqual(self.successResultOf(asked), b"karl")

    def test_unreadable(self) -> None:
        """The users of before are served; it is said once, and again next time."""
        os.rename(self.path, self.path + ".away")
        with capturedLogs() as events:
            for _ in range(3):
                self.clock.advance(1)
                self.assertEqual(self.successResultOf(self.answer(b"karl", b"secret")), b"karl")
        sentence = (
            "cannot read the password file FILE: No such file or directory; make it readable for"
            " the user that the service runs as; the users of before still count"
        )
        self.assertEqual(self.logged(events, LogLevel.error), [sentence])
        os.rename(self.path + ".away", self.path)
        self.clock.advance(1)
        self.successResultOf(self.answer(b"karl", b"secret"))
        os.remove(self.path)
        self.clock.advance(1)
        with capturedLogs() as events:
            self.successResultOf(self.answer(b"karl", b"secret"))
        self.assertEqual(self.logged(events, LogLevel.error), [sentence])

    def test_fileThreadsAreFull(self) -> None:
        self.clock.advance(1)
        self.files.full = True
        self.failureResultOf(self.ask(b"karl", b"secret"), CheckerUnavailable)
        self.files.full = False
        self.clock.advance(1)
        self.assertEqual(self.successResultOf(self.answer(b"karl", b"secret")), b"karl")

    def test_log(self) -> None:
        """What is wrong, with file and line; never a hash, and not without end."""
        damaged = b"joe:" + HASH[:40]
        self.write(b"karl:%b\n%b\n" % (HASH, damaged) + b"no colon\n" * 30)
        self.clock.advance(1)
        with capturedLogs() as events:
            self.successResultOf(self.answer(b"karl", b"secret"))
        warnings = self.logged(events, LogLevel.warn)
        self.assertEqual(
            warnings[:2],
            [
                "FILE line 2: the hash with $argon2id$ is damaged",
                "FILE line 3: there is no colon; write user:hash",
            ],
        )
        self.assertEqual(len(warnings), 21)
        self.assertEqual(warnings[20], "FILE: 11 more such lines")
        self.assertEqual(self.logged(events, LogLevel.info), ["read FILE, users: 2"])
        self.assertNotIn(HASH[27:40].decode(), repr(events))

    def test_mechanismsForSome(self) -> None:
        """Programs that choose one of these do not fall back to the password."""
        self.write(b"karl:{PLAIN}x\njoe:%b\nlocked:!\n" % OTHER)
        self.clock.advance(1)
        with capturedLogs() as events:
            self.successResultOf(self.answer(b"karl", b"x"))
        self.assertEqual(
            self.logged(events, LogLevel.warn),
            [
                f"FILE: {mechanism} serves 1 of 2 users, and a program that chooses it cannot"
                " log in as one of the others"
                for mechanism in ("SCRAM-SHA-1", "SCRAM-SHA-256", "CRAM-MD5")
            ],
        )
        self.write(b"karl:{PLAIN}x\njoe:{PLAIN}y\n")
        self.clock.advance(1)
        with capturedLogs() as events:
            self.successResultOf(self.answer(b"karl", b"x"))
        self.assertEqual(self.logged(events, LogLevel.warn), [])


class FactoryTests(SynchronousTestCase):
    """C{--auth passwd:FILE}."""

    def test_factory(self) -> None:
        factory = PasswdCheckerFactory()
        verifyObject(ICheckerFactory, factory)
        self.assertTrue(IPlugin.providedBy(factory))
        self.assertEqual(
            (factory.authType, factory.argStringFormat), ("passwd", "FILE[?names=precis]")
        )
        self.assertEqual(
            factory.credentialInterfaces, (IUsernamePassword, IScramProof, IUsernameHashedPassword)
        )

    def test_plugin(self) -> None:
        """It is found by its name, and keeps its file when the directory changes."""
        with open("passwd-in-here", "wb") as file:
            file.write(b"karl:" + HASH)
        self.addCleanup(os.remove, os.path.abspath("passwd-in-here"))
        checker = makeChecker("passwd:passwd-in-here")
        self.assertIsInstance(checker, PasswdChecker)
        self.assertEqual(checker._file.path, os.path.abspath("passwd-in-here"))
        self.assertEqual(checker._file.rule, "plain")
        self.assertIs(checker._verifier, sharedVerifier())
        for rule in ("plain", "precis"):
            checker = makeChecker(f"passwd:passwd-in-here?names={rule}")
            self.assertEqual(checker._file.path, os.path.abspath("passwd-in-here"))
            self.assertEqual(checker._file.rule, rule)

    def test_wrongRule(self) -> None:
        error = self.assertRaises(
            SettingError, PasswdCheckerFactory().generateChecker, "/etc/passwd?names=lower"
        )
        self.assertEqual(
            str(error), "names= is plain or precis; write --auth passwd:FILE?names=precis"
        )

    def test_noFile(self) -> None:
        for argument in ("", " ", "?names=precis"):
            error = self.assertRaises(
                SettingError, PasswdCheckerFactory().generateChecker, argument
            )
            self.assertEqual(str(error), "--auth passwd needs a file; write --auth passwd:FILE")

    def test_unreadableFile(self) -> None:
        """Found at the start, in a sentence."""
        error = self.assertRaises(SettingError, makeChecker, "passwd:/nonexistent/passwd")
        self.assertEqual(
            str(error),
            "cannot read the password file /nonexistent/passwd: No such file or directory; make"
            " it readable for the user that the service runs as",
        )


class PasswdContractTests(CheckerContract, TestCase):
    """With real threads, as C{--auth} makes it."""

    others = ((b"joe", b"iluvjane"), (b"plain", b"clear"), (b"k\xe4rl", b"secret"))

    def makeChecker(self) -> PasswdChecker:
        path = self.mktemp()
        with open(path, "wb") as file:
            file.write(b"karl:%b\njoe:%b\nplain:{PLAIN}clear\n" % (HASH, OTHER))
            file.write(b"k\xe4rl:%b\n" % HASH)
        return PasswdCheckerFactory().generateChecker(path)
