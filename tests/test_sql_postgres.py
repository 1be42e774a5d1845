"""
L{pop3svc.auth.sql} and L{pop3svc.auth.sqldatabase}, with a real PostgreSQL.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.cred.credentials import UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.task import deferLater
from twisted.logger import capturedLogs, eventAsText
from twisted.trial.unittest import TestCase

from pop3svc.auth.sql import SQLChecker, SQLCheckerFactory
from pop3svc.errors import CheckerUnavailable
from pop3svc.limits import Limits
from pop3svc.testing import CheckerContract

from .postgres import PASSWORD, sharedPostgres
from .test_sql import CREATE, OTHERS, USERS, WITH_NOPOP3, cheap


class PostgresTestCase(TestCase):
    """A checker over PostgreSQL, as C{--auth} makes it."""

    def setUp(self) -> None:
        self.server = sharedPostgres()
        self.server.execute("DROP TABLE IF EXISTS users", CREATE)
        rows = ", ".join(
            f"({', '.join('NULL' if each is None else repr(str(each)) for each in row)})"
            for row in USERS
        )
        self.server.execute(f"INSERT INTO users VALUES {rows}")

    def makeChecker(self, query: str = WITH_NOPOP3) -> SQLChecker:
        cheap(self)
        path = self.mktemp()
        Path(path).write_text(f'url = "{self.server.url}"\nquery = "{query}"')
        checker = SQLCheckerFactory().generateChecker(path)
        self.addCleanup(checker._database._engine.dispose)
        return checker

    async def refusal(self, checker: SQLChecker, name: bytes = b"karl") -> Any:
        try:
            avatarId = await checker.requestAvatarId(UsernamePassword(name, b"secret"))
        except (UnauthorizedLogin, CheckerUnavailable) as error:
            return type(error), str(error)
        return self.fail(f"let in as {avatarId!r}")


class PostgresContractTests(PostgresTestCase, CheckerContract):
    others = OTHERS


class PostgresTests(PostgresTestCase):
    async def test_injection(self) -> None:
        checker = self.makeChecker()
        for name in (
            b"' OR 1=1 --",
            b"karl'; DROP TABLE users; --",
            b"' UNION SELECT 'karl', '{PLAIN}secret', NULL --",
            b"karl\\' --",
            b"$1",
            b"%(user)s",
            b"E'karl'",
            "karl\u02bc".encode(),
        ):
            self.assertIs((await self.refusal(checker, name))[0], UnauthorizedLogin)
        credentials = UsernamePassword(b"karl", b"secret")
        self.assertEqual(await checker.requestAvatarId(credentials), b"karl")

    async def test_downAndUp(self) -> None:
        """Neither right nor wrong while it is away; back by itself."""
        checker = self.makeChecker()
        credentials = UsernamePassword(b"karl", b"secret")
        self.assertEqual(await checker.requestAvatarId(credentials), b"karl")
        self.server.stop()
        try:
            kind, text = await self.refusal(checker)
            self.assertIs((await self.refusal(checker, b"nobody"))[0], CheckerUnavailable)
        finally:
            self.server.start()
        self.assertIs(kind, CheckerUnavailable)
        self.assertTrue(text.startswith("the database fails: OperationalError: connection"), text)
        self.assertNotIn(PASSWORD, text)
        self.assertEqual(await checker.requestAvatarId(credentials), b"karl")

    async def test_slowStatement(self) -> None:
        """The database itself gives up, so that the thread comes back."""
        from twisted.internet import reactor

        checker = self.makeChecker(
            "SELECT name, password FROM users, pg_sleep(60) WHERE name = :user"
        )
        checker.useLimits(Limits(checkerSeconds=1))
        self.assertIs((await self.refusal(checker))[0], CheckerUnavailable)
        for _ in range(100):
            if checker._pool.pending:
                await deferLater(reactor, 0.02)
        self.assertEqual(checker._pool.pending, 0)

    async def test_frozen(self) -> None:
        """It takes the connection, and says nothing."""
        checker = self.makeChecker()
        checker.useLimits(Limits(checkerSeconds=1))
        self.server.freeze()
        try:
            self.assertIs((await self.refusal(checker))[0], CheckerUnavailable)
        finally:
            self.server.thaw()

    async def test_nameOfAnotherType(self) -> None:
        """What the database cannot compare is nobody's name, and is told."""
        checker = self.makeChecker("SELECT name, password FROM users WHERE length(name) = :user")
        with capturedLogs() as events:
            self.assertEqual(await self.refusal(checker), (UnauthorizedLogin, "unknown user"))
        texts = [eventAsText(each) for each in events]
        self.assertEqual(len([each for each in texts if "a name is none for the dat" in each]), 1)

    async def test_nothingIsWritten(self) -> None:
        """What a query changes is taken back."""
        checker = self.makeChecker(
            "UPDATE users SET nopop3 = '1' WHERE name = :user RETURNING name, password"
        )
        await checker.requestAvatarId(UsernamePassword(b"karl", b"secret"))
        checker = self.makeChecker()
        credentials = UsernamePassword(b"karl", b"secret")
        self.assertEqual(await checker.requestAvatarId(credentials), b"karl")
