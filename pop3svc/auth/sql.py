"""
C{--auth sql:FILE} or C{sql:URL}: users and hashed passwords from a database.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.strcred import ICheckerFactory
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.plugin import IPlugin
from zope.interface import implementer

from ..account import Account
from ..errors import CheckerUnavailable, LoginRefused, SettingError
from ..hits import hit
from ..interfaces import ILimited
from ..limits import Limits
from ..pools import Pool, PoolFull
from . import hashing, schemes
from .credential import Credential, maildropPath, makeCredential
from .credentials import peerOf
from .names import normalised
from .networks import Networks
from .settingsfile import SettingsFile
from .shared import InFlight
from .verifier import PasswordVerifier, sharedVerifier

if TYPE_CHECKING:
    from .sqldatabase import Database

QUERY = "SELECT name, password FROM users WHERE name = :user"

# The columns that a query may answer; another one may be a misspelt "nopop3",
# and is not passed over.
_NEEDED = {"name", "password"}
_COLUMNS = _NEEDED | {"nopop3", "networks", "maildrop"}
_NO = ("", "0", "\0", "f", "false", "n", "no")


class UnfitAccount(LoginRefused):
    """An administrator must mend what stands in the database. Quotes no hash."""


@implementer(ICredentialsChecker, ILimited)
class SQLChecker:
    """
    Asks the database at each login, so that a changed password counts at once.
    """

    credentialInterfaces = (IUsernamePassword,)
    _log = Logger()

    def __init__(
        self,
        database: Database,
        verifier: PasswordVerifier,
        pool: Pool,
        reactor: IReactorTime | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        @param pool: where the database is asked; no other checker uses it.
        @param reactor: that of the process unless given.
        @param clock: seconds of a monotonic clock.
        """
        self._database = database
        self._verifier = verifier
        self._pool = pool
        self._reactor = reactor
        self._clock = clock
        self._asking: InFlight[Credential | None] = InFlight()
        # What is verified for somebody who has no hash: one that costs as much as
        # those in the database, once one was seen.
        self._standIn = hashing.standIn()
        self._useBounds(Limits())

    def requestAvatarId(self, credentials: IUsernamePassword) -> Deferred[bytes | tuple[()]]:
        """
        @return: the user as an L{Account}, with the name as the database has it;
            fails with C{UnauthorizedLogin} for an unknown user, L{LoginRefused}
            for one whose password is wrong or must not be used, both after the
            same time, and with L{CheckerUnavailable} when the database does not
            answer.
        """
        return Deferred.fromCoroutine(self._check(credentials))

    def useLimits(self, limits: Limits) -> None:
        """The bounds of asking, and of hashing."""
        self._verifier.useLimits(limits)
        self._useBounds(limits)

    def _useBounds(self, limits: Limits) -> None:
        self._pool.resize(limits.checkerThreads, limits.checkerQueue)
        self._seconds = self._database.seconds = limits.checkerSeconds

    async def _check(self, credentials: IUsernamePassword) -> bytes | tuple[()]:
        name, password = normalised(credentials.username), credentials.password
        refusal = UnauthorizedLogin("unknown user")
        try:
            found = await self._find(name)
        except UnfitAccount as error:
            self._log.error("user {name!r} in the database: {error}", name=name, error=error)
            found, refusal = None, error
        if found is None or found.stored is None:
            await self._verifier.pretend(self._standIn, name, password)
            raise LoginRefused("the user is locked") if found else refusal
        self._standIn = found.stored
        if not await self._verifier.matches(found.stored, name, password):
            raise LoginRefused("wrong password")
        closedBy = found.refusedBy(peerOf(credentials), datetime.now(UTC).date())
        if closedBy is not None:
            raise LoginRefused(f"the user is kept from POP3 by {closedBy}")
        return Account(found.user, found.maildrop)

    async def _find(self, name: bytes) -> Credential | None:
        try:
            text = name.decode("utf-8")
        except UnicodeDecodeError:
            return None
        # Databases disagree about a NUL, and nobody is named like that.
        if not text or not text.isprintable():
            return None
        end = self._clock() + self._seconds
        asked = self._asking.join(name, lambda: self._pool.run(self._ask, text, end))
        try:
            return await asked.addTimeout(self._seconds, self._timer())
        except TimeoutError as error:
            hit("checkerSeconds")
            raise CheckerUnavailable(
                f"the database gave no answer in {self._seconds} seconds"
            ) from error
        except PoolFull as error:
            raise CheckerUnavailable(str(error)) from error

    def _ask(self, name: str, end: float) -> Credential | None:
        """In a thread."""
        if self._clock() >= end:
            # Or a slow database would be asked for logins long given up.
            raise CheckerUnavailable("the login has waited for the database too long")
        rows = self._database.rowsOf(name)
        if len(rows) > 1:
            raise UnfitAccount("the query answers several rows; make it answer one")
        return credentialOf(rows[0]) if rows else None

    def _timer(self) -> IReactorTime:
        if self._reactor is None:
            # Late, so that importing this module installs no reactor.
            from twisted.internet import reactor

            self._reactor = IReactorTime(reactor)
        return self._reactor


def credentialOf(row: Mapping[str, Any]) -> Credential:
    """
    @param row: the values of the columns, by their names.
    @raise UnfitAccount: one of the values is not what it should be.
    @raise CheckerUnavailable: a column is missing or has another name, or the
        library for the hash is.
    """
    columns = {key.lower(): _octets(value) for key, value in row.items()}
    if not _NEEDED <= columns.keys() <= _COLUMNS:
        raise CheckerUnavailable(
            f"the query answers the columns {', '.join(columns)}; it must be name and password,"
            " and may be nopop3, networks and maildrop"
        )
    name, stored = columns["name"], columns["password"]
    if not name:
        raise UnfitAccount("the column name is empty")
    try:
        found = makeCredential(name, stored) if stored else Credential(name, None)
        networks, maildrop = (columns.get(key, b"").decode() for key in ("networks", "maildrop"))
        return replace(
            found,
            closedBy="nopop3" if _isYes(columns.get("nopop3", b"")) else None,
            networks=Networks(re.split("[, ]+", networks)) if networks else None,
            maildrop=maildropPath(maildrop) if maildrop else None,
        )
    except schemes.UnusableHash as error:
        raise UnfitAccount(str(error)) from None
    except SettingError as error:
        raise CheckerUnavailable(str(error)) from error
    except ValueError as error:
        raise UnfitAccount(str(error)) from error


def _octets(value: Any) -> bytes:
    """Of a text, of octets in whatever the driver has for them, or of a number."""
    if value is None:
        return b""
    return bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()


def _isYes(value: bytes) -> bool:
    """Databases write it in many ways; what is not plainly a no is a yes."""
    return value.strip().lower().decode("latin-1") not in _NO


@implementer(ICheckerFactory, IPlugin)
class SQLCheckerFactory:
    """C{sql:FILE} and C{sql:URL}."""

    authType = "sql"
    argStringFormat = "FILE | URL"
    authHelp = f"""
Users in a database; needs pop3svc[sql] and the database's driver. FILE is TOML:

    url = "postgresql+psycopg://pop3svc:PASSWORD@db.example.org/mail"
    query = "{QUERY}"

The query, of which this is the default, may take :user, :local and :domain, and
answers the columns name, password (a hash, as passwd: has them) and, if you like,
nopop3, networks and maildrop. A URL without a password may stand here in place of FILE, such as
sqlite:////etc/pop3svc/users.db. See docs/auth-sql.rst.
"""
    credentialInterfaces = (IUsernamePassword,)

    def generateChecker(self, argumentText: str) -> SQLChecker:
        """
        The database need not be up yet.

        @param argumentText: the path of the file, or a URL.
        @raise SettingError: with a sentence.
        """
        try:
            from .sqldatabase import Database
        except ImportError as error:
            raise SettingError(
                "databases are asked by another library; run: pip install 'pop3svc[sql]'"
            ) from error
        if not argumentText.strip():
            raise SettingError("--auth sql needs a file or a URL; write --auth sql:FILE")
        if "://" in argumentText:
            database = Database(argumentText, QUERY)
            if database.hasPassword:
                raise SettingError(
                    "everybody on this machine can read what stands on a command line; write"
                    " the database's URL into a file, and --auth sql:FILE"
                )
        else:
            file = SettingsFile(argumentText, ("url", "query"))
            database = Database(file.text("url"), file.text("query", QUERY))
        bounds = Limits()
        pool = Pool("databases", bounds.checkerThreads, bounds.checkerQueue)
        return SQLChecker(database, sharedVerifier(), pool)
