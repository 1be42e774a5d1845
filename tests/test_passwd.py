"""
L{pop3svc.auth.passwd}.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.cred.credentials import IUsernamePassword, UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.strcred import ICheckerFactory, makeChecker
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs, eventAsText
from twisted.plugin import IPlugin
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from pop3svc.auth.hashing import hashPassword
from pop3svc.auth.passwd import PasswdChecker, PasswdCheckerFactory
from pop3svc.auth.verifier import PasswordVerifier, sharedVerifier
from pop3svc.errors import CheckerUnavailable, LoginRefused, SettingError
from pop3svc.interfaces import ILimited
from pop3svc.limits import Limits
from pop3svc.testing import CheckerContract

from .checking import HeldPool

HASH = hashPassword("secret", iterations=1, memoryKiB=8).encode()
OTHER = hashPassword("iluvjane", iterations=1, memoryKiB=8).encode()


class PasswdTestCase(SynchronousTestCase):
    """A checker over a file, without threads."""

    users = b"karl:%b\njoe:%b\nlocked:!%b\nshut:%b:nopop3\n" % (HASH, OTHER, HASH, HASH)

    def setUp(self) -> None:
        self.clock = Clock()
        self.path = self.mktemp()
        self.write(self.users)
        self.verifier = PasswordVerifier(clock=self.clock.seconds)
        self.verifier.pool = self.hashes = HeldPool()
        self.files = HeldPool()
        self.checker = PasswdChecker(self.path, self.verifier, self.files, self.clock.seconds)

    def write(self, octets: bytes) -> None:
        with open(self.path + ".new", "wb") as file:
            file.write(octets)
        os.replace(self.path + ".new", self.path)

    def ask(self, name: bytes, password: bytes) -> Deferred[bytes | tuple[()]]:
        return self.checker.requestAvatarId(UsernamePassword(name, password))

    def answer(self, name: bytes, password: bytes) -> Deferred[bytes | tuple[()]]:
        """Ask, and do all the work."""
        asked = self.ask(name, password)
        self.files.work()
        self.hashes.work()
        return asked

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
        self.assertEqual(self.checker.credentialInterfaces, (IUsernamePassword,))

    def test_right(self) -> None:
        self.assertEqual(self.successResultOf(self.answer(b"karl", b"secret")), b"karl")
        self.assertEqual(self.successResultOf(self.answer(b"joe", b"iluvjane")), b"joe")

    def refusal(self, name: bytes, password: bytes) -> tuple[type[BaseException], str]:
        error = self.failureResultOf(self.answer(name, password)).value
        return type(error), str(error)

    def test_wrong(self) -> None:
        """The checker knows the user and has decided."""
        self.assertEqual(self.refusal(b"karl", b"iluvjane"), (LoginRefused, "wrong password"))

    def test_unknown(self) -> None:
        """The next checker may know the user."""
        self.assertEqual(self.refusal(b"nobody", b"x"), (UnauthorizedLogin, "unknown user"))
        self.assertEqual(self.refusal(b"Karl", b"secret"), (UnauthorizedLogin, "unknown user"))

    def test_locked(self) -> None:
        for password in (b"secret", b"", b"!" + HASH):
            self.assertEqual(
                self.refusal(b"locked", password), (LoginRefused, "the user is locked")
            )

    def test_keptFromPOP3(self) -> None:
        """Said only with the right password; a wrong one is wrong."""
        self.assertEqual(self.refusal(b"shut", b"x"), (LoginRefused, "wrong password"))
        self.assertEqual(
            self.refusal(b"shut", b"secret"),
            (LoginRefused, "the user is kept from POP3 by nopop3"),
        )

    def test_everyoneCostsTheSame(self) -> None:
        """Unknown, locked or wrong: one hash with these costs is verified."""
        for name in (b"karl", b"nobody", b"locked", b"shut", b""):
            asked = self.ask(name, b"guess")
            self.assertNoResult(asked)
            [(_, (stored, password))] = self.hashes.held
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
        self.assertEqual(self.logged(events, LogLevel.info), ["read FILE, users: 1"])
        self.assertNotIn(HASH[27:40].decode(), repr(events))


class FactoryTests(SynchronousTestCase):
    """C{--auth passwd:FILE}."""

    def test_factory(self) -> None:
        factory = PasswdCheckerFactory()
        verifyObject(ICheckerFactory, factory)
        self.assertTrue(IPlugin.providedBy(factory))
        self.assertEqual((factory.authType, factory.argStringFormat), ("passwd", "FILE"))
        self.assertEqual(factory.credentialInterfaces, PasswdChecker.credentialInterfaces)

    def test_plugin(self) -> None:
        """It is found by its name, and keeps its file when the directory changes."""
        with open("passwd-in-here", "wb") as file:
            file.write(b"karl:" + HASH)
        self.addCleanup(os.remove, os.path.abspath("passwd-in-here"))
        checker = makeChecker("passwd:passwd-in-here")
        self.assertIsInstance(checker, PasswdChecker)
        self.assertEqual(checker._path, os.path.abspath("passwd-in-here"))
        self.assertIs(checker._verifier, sharedVerifier())

    def test_noFile(self) -> None:
        for argument in ("", " "):
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
