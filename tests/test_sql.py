"""
L{pop3svc.auth.sql} and L{pop3svc.auth.sqldatabase}, with SQLite.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from pathlib import Path
from unittest.mock import patch

from twisted.cred.credentials import IUsernamePassword, UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.strcred import ICheckerFactory, makeChecker
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs, eventAsText
from twisted.plugin import IPlugin
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from pop3svc.account import Account
from pop3svc.auth import hashing, libraries
from pop3svc.auth.credentials import credentialsOf
from pop3svc.auth.hashing import hashPassword
from pop3svc.auth.sql import QUERY, SQLChecker, SQLCheckerFactory, UnfitAccount
from pop3svc.auth.sqldatabase import Database
from pop3svc.auth.verifier import PasswordVerifier, sharedVerifier
from pop3svc.core.effects import PasswordClaim
from pop3svc.errors import CheckerUnavailable, LoginRefused, SettingError
from pop3svc.interfaces import ILimited
from pop3svc.limits import Limits
from pop3svc.testing import CheckerContract

from .checking import HeldPool

HASH = hashPassword("secret", iterations=1, memoryKiB=8)
OTHER = hashPassword("iluvjane", iterations=1, memoryKiB=8)
USERS: list[tuple[str, str | None, object]] = [
    ("karl", HASH, None),
    ("joe", OTHER, 0),
    ("joe@example.org", "{PLAIN}clear", "no"),
    ("k\xe4rl", HASH, ""),
    ("shut", HASH, 1),
    ("locked", "!" + HASH, None),
    ("empty", None, None),
    ("damaged", HASH[:40], None),
    ("unknown-scheme", "{ROT13}frperg", None),
    ("twin", HASH, None),
    ("twin", OTHER, None),
]
# Those of them who may log in, besides karl, with their passwords.
OTHERS = (
    (b"joe", b"iluvjane"),
    (b"joe@example.org", b"clear"),
    ("k\xe4rl".encode(), b"secret"),
)
CREATE = "CREATE TABLE users (name TEXT, password TEXT, nopop3 TEXT)"
WITH_NOPOP3 = "SELECT name, password, nopop3 FROM users WHERE name = :user"


def sqliteURL(path: str) -> str:
    """A new database with the users."""
    connection = sqlite3.connect(path)
    connection.execute(CREATE)
    connection.executemany("INSERT INTO users VALUES (?, ?, ?)", USERS)
    connection.commit()
    connection.close()
    return "sqlite:///" + os.path.abspath(path)


def cheap(case: SynchronousTestCase) -> None:
    """What is verified for unknown users costs as little as the hashes here."""
    case.patch(hashing, "MEMORY_KIB", 8)
    case.patch(hashing, "ITERATIONS", 1)


class AnswerTests(SynchronousTestCase):
    """Who is let in; over SQLite, without threads."""

    def setUp(self) -> None:
        cheap(self)
        self.path = self.mktemp()
        self.url = sqliteURL(self.path)
        self.checker = self.makeChecker(WITH_NOPOP3)

    def makeChecker(self, query: str) -> SQLChecker:
        self.clock = Clock()
        self.verifier = PasswordVerifier(clock=self.clock.seconds)
        self.verifier.pool = self.hashes = HeldPool()
        self.pool = HeldPool()
        self.database = Database(self.url, query)
        return SQLChecker(
            self.database, self.verifier, self.pool, self.clock, clock=self.clock.seconds
        )

    def execute(self, statement: str) -> None:
        connection = sqlite3.connect(self.path)
        connection.execute(statement)
        connection.commit()
        connection.close()

    def ask(self, name: bytes, password: bytes) -> Deferred[bytes | tuple[()]]:
        return self.checker.requestAvatarId(UsernamePassword(name, password))

    def answer(self, name: bytes, password: bytes) -> Deferred[bytes | tuple[()]]:
        asked = self.ask(name, password)
        self.pool.work()
        self.hashes.work()
        return asked

    def refusal(self, name: bytes, password: bytes) -> tuple[type[BaseException], str]:
        error = self.failureResultOf(self.answer(name, password)).value
        return type(error), str(error)

    def test_interfaces(self) -> None:
        verifyObject(ILimited, self.checker)
        self.assertEqual(self.checker.credentialInterfaces, (IUsernamePassword,))

    def test_right(self) -> None:
        for name, password in (
            ("karl", b"secret"),
            ("joe", b"iluvjane"),
            ("joe@example.org", b"clear"),
            ("k\xe4rl", b"secret"),
        ):
            asked = self.answer(name.encode(), password)
            self.assertEqual(self.successResultOf(asked), name.encode())

    def test_wrong(self) -> None:
        self.assertEqual(self.refusal(b"karl", b"iluvjane"), (LoginRefused, "wrong password"))

    def test_unknown(self) -> None:
        """The next checker may know the user."""
        for name in (b"nobody", b"Karl", b"karl ", b"", b"karl\0", b"k\xe4rl", b"karl\r\n"):
            self.assertEqual(self.refusal(name, b"secret"), (UnauthorizedLogin, "unknown user"))

    def test_impossibleNames(self) -> None:
        """The database does not even see them."""
        for name in (b"", b"karl\0", b"karl\r\n", b"\xff", b"karl\x7f"):
            asked = self.ask(name, b"secret")
            self.assertEqual(self.pool.held, [])
            self.hashes.work()
            self.failureResultOf(asked, UnauthorizedLogin)

    def test_injection(self) -> None:
        """A name is a name, whatever is in it."""
        for name in (
            b"' OR 1=1 --",
            b"' OR '1'='1",
            b"karl' --",
            b"karl'; DROP TABLE users; --",
            b"' UNION SELECT 'karl', '{PLAIN}secret', NULL --",
            b'karl" --',
            b"karl\\",
            b"%",
            b"_arl",
            b":user",
            b":local",
            b"karl/*",
            b"%(user)s",
            b"?",
            b"{user}",
        ):
            self.assertEqual(self.refusal(name, b"secret"), (UnauthorizedLogin, "unknown user"))
        self.assertEqual(self.successResultOf(self.answer(b"karl", b"secret")), b"karl")

    def test_locked(self) -> None:
        for name in (b"locked", b"empty"):
            for password in (b"secret", b"", b"!" + HASH.encode()):
                self.assertEqual(self.refusal(name, password), (LoginRefused, "the user is locked"))

    def test_keptFromPOP3(self) -> None:
        """Said only with the right password; a wrong one is wrong."""
        self.assertEqual(self.refusal(b"shut", b"x"), (LoginRefused, "wrong password"))
        for yes in ("1", "'yes'", "'true'", "x'01'", "'whatever'"):
            self.execute(f"UPDATE users SET nopop3 = {yes} WHERE name = 'shut'")
            self.assertEqual(
                self.refusal(b"shut", b"secret"),
                (LoginRefused, "the user is kept from POP3 by nopop3"),
            )
        for no in ("0", "'No'", "'false'", "'f'", "' '", "x'00'", "NULL"):
            self.execute(f"UPDATE users SET nopop3 = {no} WHERE name = 'shut'")
            self.assertEqual(self.successResultOf(self.answer(b"shut", b"secret")), b"shut")

    def fromPeer(self, peer: str) -> Deferred[bytes | tuple[()]]:
        credentials = credentialsOf(PasswordClaim("USER", b"karl", b"secret"), peer)
        asked = self.checker.requestAvatarId(credentials)
        self.pool.work()
        self.hashes.work()
        return asked

    def test_networks(self) -> None:
        self.checker = self.makeChecker(
            "SELECT name, password, '192.0.2.0/24, ::1' AS networks FROM users WHERE name = :user"
        )
        for peer in ("192.0.2.7", "::1"):
            self.assertEqual(self.successResultOf(self.fromPeer(peer)), b"karl")
        for peer in ("198.51.100.1", "unix", "unknown"):
            error = self.failureResultOf(self.fromPeer(peer)).value
            self.assertEqual(
                (type(error), str(error)),
                (LoginRefused, "the user is kept from POP3 by networks"),
            )

    def test_maildrop(self) -> None:
        self.checker = self.makeChecker(
            "SELECT name, password, CASE name WHEN 'karl' THEN '/mail/karl' END AS maildrop"
            " FROM users WHERE name = :user"
        )
        for name, password, maildrop in (
            (b"karl", b"secret", "/mail/karl"),
            (b"joe", b"iluvjane", None),
        ):
            account = self.successResultOf(self.answer(name, password))
            assert isinstance(account, Account)
            self.assertEqual((account, account.maildrop), (name, maildrop))

    def test_badColumns(self) -> None:
        """Whoever has a network or a maildrop that is none gets none at all."""
        for column, sentence in (
            ("'everywhere' AS networks", "networks are written 192.0.2.0/24, "),
            ("'../karl' AS maildrop", "the maildrop is an absolute path; "),
            ("'/mail/{user}' AS maildrop", "the maildrop is a path as it is, "),
        ):
            self.checker = self.makeChecker(
                f"SELECT name, password, {column} FROM users WHERE name = :user"
            )
            kind, text = self.refusal(b"karl", b"secret")
            self.assertIs(kind, UnfitAccount)
            self.assertEqual(text[: len(sentence)], sentence)

    def test_unfit(self) -> None:
        """That user is refused, an administrator is told, and nobody sees the hash."""
        self.execute("INSERT INTO users SELECT '', password, NULL FROM users WHERE name = 'karl'")
        self.checker = self.makeChecker(
            "SELECT CASE :user WHEN 'nameless' THEN '' ELSE name END AS name, password FROM users"
            " WHERE name = CASE :user WHEN 'nameless' THEN '' ELSE :user END"
        )
        for name, sentence in (
            ("damaged", "the hash with $argon2id$ is damaged"),
            ("twin", "the query answers several rows; make it answer one"),
            ("nameless", "the column name is empty"),
        ):
            with capturedLogs() as events:
                for password in (b"secret", b"iluvjane", HASH.encode()):
                    self.assertEqual(
                        self.refusal(name.encode(), password), (UnfitAccount, sentence)
                    )
            texts = [eventAsText(each, includeTimestamp=False) for each in events]
            self.assertEqual(
                [each.partition("] ")[2] for each in texts],
                [f"user {name.encode()!r} in the database: {sentence}"] * 3,
            )
            self.assertEqual({each["log_level"] for each in events}, {LogLevel.error})
            self.assertNotIn(HASH[27:40], repr(events))
        self.assertIs(self.refusal(b"unknown-scheme", b"secret")[0], UnfitAccount)
        self.assertEqual(self.successResultOf(self.answer(b"karl", b"secret")), b"karl")

    def test_everyoneCostsTheSame(self) -> None:
        """Unknown, locked, unfit or wrong: one hash like the user's before is verified."""
        self.refusal(b"karl", b"guess")
        for name in (b"karl", b"nobody", b"locked", b"damaged", b"twin", b"shut", b"", b"\xff"):
            asked = self.ask(name, b"guess at " + name)
            self.pool.work()
            self.assertNoResult(asked)
            [(_, ([stored], password))] = self.hashes.held
            self.assertEqual(stored, HASH.encode())
            self.assertEqual(password, b"guess at " + name)
            self.hashes.work()
            self.failureResultOf(asked, UnauthorizedLogin)

    def test_firstStandIn(self) -> None:
        """Before anybody was seen it costs what C{pop3svc passwd} makes."""
        self.ask(b"nobody", b"guess")
        self.pool.work()
        [(_, ([stored], _))] = self.hashes.held
        self.assertEqual(stored[:27], hashing.standIn()[:27])
        self.assertNotEqual(stored, hashing.standIn())

    def test_standInLetsNobodyIn(self) -> None:
        """Neither the password of the user whose hash stands in, nor a second time."""
        self.successResultOf(self.answer(b"karl", b"secret"))
        for _ in range(2):
            for name in (b"nobody", b"locked", b"damaged"):
                self.failureResultOf(self.answer(name, b"secret"), UnauthorizedLogin)

    def test_changedPassword(self) -> None:
        """It counts at once, although the old one is remembered."""
        self.successResultOf(self.answer(b"karl", b"secret"))
        self.execute(f"UPDATE users SET password = '{OTHER}' WHERE name = 'karl'")
        self.assertEqual(self.refusal(b"karl", b"secret"), (LoginRefused, "wrong password"))
        self.assertEqual(self.successResultOf(self.answer(b"karl", b"iluvjane")), b"karl")

    def test_remembered(self) -> None:
        """A good password is hashed once a minute, the database is asked each time."""
        self.successResultOf(self.answer(b"karl", b"secret"))
        asked = self.ask(b"karl", b"secret")
        self.pool.work()
        self.assertEqual(self.hashes.held, [])
        self.assertEqual(self.successResultOf(asked), b"karl")

    def test_atOnce(self) -> None:
        """The database is asked once for a user who logs in twice at once."""
        asked = [self.ask(b"karl", b"secret") for _ in range(2)]
        self.assertEqual(len(self.pool.held), 1)
        self.pool.work()
        self.hashes.work()
        self.assertEqual([self.successResultOf(each) for each in asked], [b"karl"] * 2)

    def test_full(self) -> None:
        """Too many wait for the database, or for the hashes."""
        for pool in (self.pool, self.hashes):
            pool.full = True
            for name in (b"karl", b"nobody"):
                asked = self.ask(name, b"secret")
                self.pool.work()
                self.failureResultOf(asked, CheckerUnavailable)
            pool.full = False

    def test_slow(self) -> None:
        """Nobody waits longer than the limit, and what nobody waits for is not asked."""
        asked = self.ask(b"karl", b"secret")
        self.clock.advance(9.9)
        self.assertNoResult(asked)
        self.clock.advance(0.1)
        error = self.failureResultOf(asked).value
        self.assertEqual(
            (type(error), str(error)),
            (CheckerUnavailable, "the database gave no answer in 10 seconds"),
        )
        names: list[str] = []
        self.patch(self.database, "rowsOf", names.append)
        self.pool.work()
        self.assertEqual(names, [])

    def test_limits(self) -> None:
        self.checker.useLimits(
            Limits(hashThreads=3, hashQueue=5, checkerThreads=7, checkerQueue=9, checkerSeconds=4)
        )
        self.assertEqual((self.hashes.bounds, self.pool.bounds), ((3, 5), (7, 9)))
        self.assertEqual(self.database.seconds, 4)

    def test_columns(self) -> None:
        """One too few or too many: nobody is let in on a guess of what was meant."""
        must = "; it must be name and password, and may be nopop3, networks and maildrop"
        for columns in ("password", "name", "name, password, nopop3 AS nopop"):
            self.checker = self.makeChecker(f"SELECT {columns} FROM users WHERE name = :user")
            kind, text = self.refusal(b"karl", b"secret")
            self.assertIs(kind, CheckerUnavailable)
            self.assertTrue(text.endswith(must), text)
        self.checker = self.makeChecker("SELECT NAME, PASSWORD FROM users WHERE name = :user")
        self.assertEqual(self.successResultOf(self.answer(b"karl", b"secret")), b"karl")

    def test_canonicalName(self) -> None:
        """The name is the database's, however it was typed."""
        self.checker = self.makeChecker(
            "SELECT name, password FROM users WHERE name = lower(:user)"
        )
        self.assertEqual(self.successResultOf(self.answer(b"KARL", b"secret")), b"karl")

    def test_parts(self) -> None:
        """C{:local} and C{:domain} are those of a Maildir's template."""
        self.checker = self.makeChecker(
            "SELECT name, password FROM users"
            " WHERE name = :local || (CASE :domain WHEN '' THEN '' ELSE '@' || :domain END)"
        )
        self.assertEqual(self.successResultOf(self.answer(b"karl", b"secret")), b"karl")
        asked = self.answer(b"joe@example.org", b"clear")
        self.assertEqual(self.successResultOf(asked), b"joe@example.org")

    def test_octets(self) -> None:
        """A column of octets serves as one of text."""
        self.execute("UPDATE users SET password = CAST(password AS BLOB)")
        self.assertEqual(self.successResultOf(self.answer(b"karl", b"secret")), b"karl")

    def test_missingLibrary(self) -> None:
        """Neither right nor wrong; it says what to install."""
        self.execute("UPDATE users SET password = '$2b$04$' || hex(zeroblob(27))")
        libraries._handler.cache_clear()
        self.addCleanup(libraries._handler.cache_clear)
        with patch.dict(sys.modules, {"passlib": None, "passlib.hash": None}):
            kind, text = self.refusal(b"karl", b"secret")
        self.assertIs(kind, CheckerUnavailable)
        self.assertIn("pip install", text)

    def test_broken(self) -> None:
        """The database is away, or the query is none; nothing is made in its place."""
        os.rename(self.path, self.path + ".away")
        self.assertEqual(
            self.refusal(b"karl", b"secret"),
            (
                CheckerUnavailable,
                "the database fails: OperationalError: unable to open database file",
            ),
        )
        self.assertFalse(os.path.exists(self.path))
        os.rename(self.path + ".away", self.path)
        self.assertEqual(self.successResultOf(self.answer(b"karl", b"secret")), b"karl")
        self.checker = self.makeChecker("SELECT name, pass FROM users WHERE name = :user")
        self.assertEqual(
            self.refusal(b"karl", b"secret"),
            (CheckerUnavailable, "the database fails: OperationalError: no such column: pass"),
        )

    def test_readOnly(self) -> None:
        """A checker writes nothing, whatever the query says."""
        self.checker = self.makeChecker("DELETE FROM users WHERE name = :user")
        self.assertIs(self.refusal(b"karl", b"secret")[0], CheckerUnavailable)
        self.checker = self.makeChecker(WITH_NOPOP3)
        self.assertEqual(self.successResultOf(self.answer(b"karl", b"secret")), b"karl")


class FactoryTests(SynchronousTestCase):
    """C{--auth sql:FILE} and C{sql:URL}."""

    def refusal(self, argument: str) -> str:
        error = self.assertRaises(SettingError, SQLCheckerFactory().generateChecker, argument)
        return str(error)

    def write(self, text: str) -> str:
        path = os.path.abspath(self.mktemp())
        Path(path).write_text(text)
        return path

    def test_factory(self) -> None:
        factory = SQLCheckerFactory()
        verifyObject(ICheckerFactory, factory)
        self.assertTrue(IPlugin.providedBy(factory))
        self.assertEqual((factory.authType, factory.argStringFormat), ("sql", "FILE | URL"))
        self.assertEqual(factory.credentialInterfaces, SQLChecker.credentialInterfaces)
        self.assertIn(QUERY, factory.authHelp)

    def test_plugin(self) -> None:
        url = sqliteURL(self.mktemp())
        for argument in (url, self.write(f'url = "{url}"\nquery = "{WITH_NOPOP3}"')):
            checker = makeChecker("sql:" + argument)
            self.assertIsInstance(checker, SQLChecker)
            self.assertIs(checker._verifier, sharedVerifier())

    def test_noArgument(self) -> None:
        for argument in ("", " "):
            self.assertEqual(
                self.refusal(argument), "--auth sql needs a file or a URL; write --auth sql:FILE"
            )

    def test_file(self) -> None:
        self.assertEqual(
            self.refusal("/nonexistent/sql.toml"),
            "cannot read /nonexistent/sql.toml: No such file or directory; make it readable for"
            " the user that starts the service",
        )
        path = self.write('quary = "x"')
        self.assertEqual(self.refusal(path), f"{path}: quary is no setting; did you mean query?")
        path = self.write("")
        self.assertEqual(self.refusal(path), f"{path}: url is missing; write it into the file")

    def test_passwordOnTheCommandLine(self) -> None:
        """Everybody could read it; in a file it is welcome."""
        for url in (
            "postgresql+psycopg://pop3svc:hush-hush@db.example.org/mail",
            "postgresql+psycopg://db.example.org/mail?user=pop3svc&password=hush-hush",
        ):
            self.assertEqual(
                self.refusal(url),
                "everybody on this machine can read what stands on a command line; write the"
                " database's URL into a file, and --auth sql:FILE",
            )
            makeChecker("sql:" + self.write(f'url = "{url}"'))
        makeChecker("sql:postgresql+psycopg://pop3svc@/mail?host=/run/postgresql")

    def test_urls(self) -> None:
        """Said without the URL, in which a password may stand."""
        wrong = (
            "the URL of the database is wrong; write it as in"
            " postgresql+psycopg://USER:PASSWORD@HOST/NAME or sqlite:////PATH"
        )
        for url in ("://", "xyzzy://u:hush@h/d", "postgresql+psycopg://u:hush@h:port/d"):
            self.assertEqual(self.refusal(self.write(f'url = "{url}"')).rpartition(": ")[2], wrong)
        self.assertEqual(
            self.refusal("sqlite:////nonexistent/users.db"),
            "there is no database in /nonexistent/users.db; write sqlite:////PATH",
        )
        for url in ("sqlite://", "sqlite:///:memory:"):
            self.assertIn("there is no database in ", self.refusal(url))

    def test_drivers(self) -> None:
        # SQLAlchemy's own modules are to be imported once.
        makeChecker("sql:postgresql+psycopg://h/d")
        with patch.dict(sys.modules, {"psycopg": None, "MySQLdb": None}):
            self.assertEqual(
                self.refusal("mysql://h/d"),
                "the driver for mysql:// is not installed (MySQLdb); install it with pip, or name"
                " one that is, as in postgresql+psycopg://",
            )
            self.assertIn(
                "the driver for postgresql+psycopg:// is not installed",
                self.refusal("postgresql+psycopg://h/d"),
            )
        self.assertEqual(
            self.refusal("postgresql+psycopg_async://h/d"),
            "postgresql+psycopg_async:// is an asynchronous driver; name another one",
        )

    def test_missingLibrary(self) -> None:
        with patch.dict(sys.modules, {"pop3svc.auth.sqldatabase": None}):
            self.assertEqual(
                self.refusal("sqlite:////etc/users.db"),
                "databases are asked by another library; run: pip install 'pop3svc[sql]'",
            )

    def test_queries(self) -> None:
        """What every user would have in common is no query for one."""
        url = sqliteURL(self.mktemp())
        hint = "; write :user, or :local and :domain, where the name belongs"
        for query, taken in (
            ("SELECT name, password FROM users", "nothing of the user"),
            ("SELECT name, password FROM users WHERE name = '%u'", "nothing of the user"),
            ("SELECT name, password FROM users WHERE name = :usr", ":usr"),
            ("SELECT name, password FROM users WHERE name = :user AND x = :y", ":y"),
        ):
            path = self.write(f'url = "{url}"\nquery = "{query}"')
            self.assertEqual(self.refusal(path), f"the query takes {taken}{hint}")


class SQLiteContractTests(CheckerContract, TestCase):
    """With real threads, as C{--auth} makes it."""

    others = OTHERS

    def makeChecker(self) -> SQLChecker:
        cheap(self)
        return SQLCheckerFactory().generateChecker(sqliteURL(self.mktemp()))
