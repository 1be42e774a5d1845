"""
L{pop3svc.auth.pam}, with the PAM of this system.
"""

from __future__ import annotations

import os
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import patch

from twisted.cred.credentials import IUsernamePassword, UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.strcred import ICheckerFactory, makeChecker
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.plugin import IPlugin
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from pop3svc.auth.pam import PamChecker, PamCheckerFactory
from pop3svc.errors import CheckerUnavailable, LoginRefused, SettingError
from pop3svc.interfaces import ILimited
from pop3svc.limits import Limits
from pop3svc.testing import CheckerContract

from .live.programs import unavailable

# Made by crypt(3), for "secret" and "iluvjane", with the fewest rounds.
USERS = """\
karl:$5$rounds=1000$pop3svc$UunC5tLRi1QcF5xJh4QLrHvBCHBZFWna33ICRQSDwlA
joe:$5$rounds=1000$pop3svc$h006bKUCXxE0xyxHjgZLgP91Or7WG4O6SyJa4vAjRU1
"""

# The module of Linux-PAM that answers what it is told to.
ANSWERS = "auth required pam_debug.so auth={auth}\naccount required pam_debug.so acct={account}\n"


def needsLibrary() -> None:
    """@raise SkipTest: python-pam is not installed."""
    if find_spec("pam") is None:
        unavailable("python-pam is not installed; run: pip install 'pop3svc[pam]'")


class PamTestCase(TestCase):
    """Writes services into F{/etc/pam.d}, and removes them."""

    def setUp(self) -> None:
        needsLibrary()
        if not os.access("/etc/pam.d", os.W_OK):
            unavailable("only root may write services into /etc/pam.d")

    def write(self, rules: str) -> str:
        """@return: the name of a service with these rules."""
        name = f"pop3svc-test-{os.getpid()}"
        path = Path("/etc/pam.d", name)
        path.write_text(rules)
        self.addCleanup(path.unlink, missing_ok=True)
        return name

    def make(self, rules: str, **limits: int) -> PamChecker:
        checker = PamCheckerFactory().generateChecker(self.write(rules))
        checker.useLimits(Limits(**limits))
        return checker

    def answering(self, auth: str = "success", account: str = "success") -> PamChecker:
        return self.make(ANSWERS.format(auth=auth, account=account))

    def withUsers(self) -> PamChecker:
        """@raise SkipTest: the module that has users of its own is not there."""
        modules = "/lib/*/security/pam_pwdfile.so"
        if not any(Path("/").glob(modules[1:])):
            unavailable("pam_pwdfile is not installed")
        path = Path(self.mktemp()).absolute()
        path.write_text(USERS)
        return self.make(
            f"auth required pam_pwdfile.so nodelay pwdfile={path}\naccount required pam_permit.so\n"
        )

    def ask(
        self, checker: PamChecker, name: bytes = b"karl", password: bytes = b"secret"
    ) -> Deferred[bytes | tuple[()]]:
        return checker.requestAvatarId(UsernamePassword(name, password))

    async def refusal(
        self, checker: PamChecker, name: bytes = b"karl", password: bytes = b"secret"
    ) -> tuple[type[BaseException], str]:
        asked = self.ask(checker, name, password)
        error: Any = await self.assertFailure(asked, UnauthorizedLogin)
        return type(error), str(error)


class UserTests(PamTestCase):
    """A module with users of its own."""

    async def test_answers(self) -> None:
        checker = self.withUsers()
        self.assertEqual(await self.ask(checker), b"karl")
        self.assertEqual(await self.ask(checker, b"joe", b"iluvjane"), b"joe")
        self.assertEqual(
            await self.refusal(checker, b"karl", b"wrong"), (LoginRefused, "wrong password")
        )
        self.assertEqual(
            await self.refusal(checker, b"nobody", b"secret"), (UnauthorizedLogin, "unknown user")
        )

    async def test_cannotTake(self) -> None:
        """Simply wrong, and PAM is not asked: it would say yes."""
        checker = self.answering()
        unfit = (UnauthorizedLogin, "a name or a password that PAM cannot take")
        self.assertEqual(await self.ask(checker, b"karl", b"x" * 511), b"karl")
        for name, password in (
            (b"karl", b"x" * 512),
            (b"k" * 512, b"secret"),
            (b"k\xe4rl", b"secret"),
            (b"karl", b"\xff"),
        ):
            self.assertEqual(await self.refusal(checker, name, password), unfit)
        for name, password in ((b"karl\0", b"x"), (b"karl", b"x\0"), (b"", b"x"), (b"karl", b"")):
            self.assertEqual(
                await self.refusal(checker, name, password),
                (UnauthorizedLogin, "an empty name or password, or one with a NUL"),
            )

    async def test_remembered(self) -> None:
        checker = self.answering()
        await self.ask(checker)
        self.answering("auth_err")
        self.assertEqual(await self.ask(checker), b"karl")
        self.assertEqual(await self.refusal(checker, b"joe"), (LoginRefused, "wrong password"))
        checker.useLimits(Limits(rememberedSeconds=0))
        await self.refusal(checker)


class AnswerTests(PamTestCase):
    """Each answer that modules have."""

    async def test_good(self) -> None:
        self.assertEqual(await self.ask(self.answering()), b"karl")

    async def test_refused(self) -> None:
        for auth, sentence in (
            ("auth_err", "wrong password"),
            ("perm_denied", "PAM denies permission"),
            ("maxtries", "PAM has counted too many tries"),
        ):
            self.assertEqual(await self.refusal(self.answering(auth)), (LoginRefused, sentence))

    async def test_unknown(self) -> None:
        self.assertEqual(
            await self.refusal(self.answering("user_unknown")),
            (UnauthorizedLogin, "unknown user"),
        )

    async def test_account(self) -> None:
        """The password is right, and the account may not be used."""
        for account, sentence in (
            ("acct_expired", "the account has expired"),
            ("new_authtok_reqd", "the password has expired"),
            ("authtok_expired", "the password has expired"),
            ("cred_expired", "the credentials have expired"),
            ("perm_denied", "PAM denies permission"),
        ):
            checker = self.answering(account=account)
            self.assertEqual(await self.refusal(checker), (LoginRefused, sentence))

    async def test_unavailable(self) -> None:
        """Whatever is no answer is not a wrong password either."""
        for auth in (
            "authinfo_unavail",
            "system_err",
            "abort",
            "service_err",
            "buf_err",
            "cred_insufficient",
            "open_err",
            "try_again",
        ):
            error = await self.assertFailure(self.ask(self.answering(auth)), CheckerUnavailable)
            self.assertIn(f"the PAM service pop3svc-test-{os.getpid()} failed with '", str(error))
        for account in ("system_err", "authinfo_unavail"):
            checker = self.answering(account=account)
            await self.assertFailure(self.ask(checker), CheckerUnavailable)

    async def test_noModule(self) -> None:
        checker = self.make("auth required pam_that_is_not_there.so\n")
        await self.assertFailure(self.ask(checker), CheckerUnavailable)

    async def test_serviceVanished(self) -> None:
        """libpam takes "other" then, which refuses on a system that is set up well."""
        checker = self.answering()
        Path("/etc/pam.d", f"pop3svc-test-{os.getpid()}").unlink()
        asked = self.ask(checker)
        await self.assertFailure(asked, UnauthorizedLogin, CheckerUnavailable)


class BoundsTests(PamTestCase):
    """What it may cost."""

    async def test_timeout(self) -> None:
        """Nobody waits for a module that hangs; its thread stays taken until it ends."""
        from twisted.internet import reactor

        checker = self.make(
            "auth required pam_exec.so quiet /bin/sleep 2\naccount required pam_permit.so\n",
            checkerSeconds=1,
            checkerThreads=1,
            checkerQueue=1,
        )
        began = time.monotonic()
        asked = [self.ask(checker, b"user%d" % number) for number in range(3)]
        full = await self.assertFailure(asked.pop(), CheckerUnavailable)
        self.assertEqual(str(full), "2 operations are pending in PAM")
        for each in asked:
            late = await self.assertFailure(each, CheckerUnavailable)
            self.assertEqual(
                str(late),
                f"the PAM service pop3svc-test-{os.getpid()} gave no answer in 1 seconds",
            )
        self.assertLess(time.monotonic() - began, 2)
        while checker._pool.pending:
            await deferLater(IReactorTime(reactor), 0.05)
        # The second was not even begun.
        self.assertLess(time.monotonic() - began, 4)


class FactoryTests(SynchronousTestCase):
    """C{--auth pam:SERVICE}."""

    def refused(self, argument: str) -> str:
        return str(self.assertRaises(SettingError, makeChecker, f"pam:{argument}"))

    def test_factory(self) -> None:
        factory = PamCheckerFactory()
        verifyObject(ICheckerFactory, factory)
        self.assertTrue(IPlugin.providedBy(factory))
        self.assertEqual((factory.authType, factory.argStringFormat), ("pam", "[SERVICE]"))
        self.assertEqual(factory.credentialInterfaces, (IUsernamePassword,))

    def test_plugin(self) -> None:
        needsLibrary()
        checker: Any = makeChecker("pam:other")
        self.assertIsInstance(checker, PamChecker)
        verifyObject(ILimited, checker)

    def test_noService(self) -> None:
        for argument, name in (("not-there", "not-there"), ("", "pop3svc")):
            if os.path.exists(f"/etc/pam.d/{name}"):
                unavailable(f"/etc/pam.d/{name} is there")
            self.assertEqual(
                self.refused(argument),
                f"there is no PAM service {name}; write its rules into /etc/pam.d/{name}"
                " (etc/pam.d/pop3svc is an example)",
            )

    def test_noName(self) -> None:
        for argument in ("../passwd", "/etc/pam.d/other", "Other", "-x", "a b", "other\n/x"):
            self.assertEqual(
                self.refused(argument),
                f"{argument!r} is no name of a PAM service; write --auth pam:SERVICE with small"
                " letters, digits, dots, dashes and underscores",
            )

    def test_noLibrary(self) -> None:
        with patch.dict(sys.modules, {"pam": None}):
            self.assertEqual(
                self.refused("other"),
                "--auth pam needs a library; run: pip install 'pop3svc[pam]'",
            )

    def test_sample(self) -> None:
        """It has both kinds of rules, and the options that the service depends on."""
        sample = Path(__file__).parent.parent / "etc" / "pam.d" / "pop3svc"
        rules = [line.split() for line in sample.read_text().splitlines() if line[:1] not in "#"]
        self.assertEqual(
            rules,
            [
                ["auth", "required", "pam_unix.so", "nodelay", "noreap"],
                ["account", "required", "pam_unix.so", "noreap"],
            ],
        )


class PamContractTests(CheckerContract, PamTestCase):
    others = ((b"joe", b"iluvjane"),)

    def makeChecker(self) -> PamChecker:
        return self.withUsers()
