"""
C{--auth passwd:FILE}: users and hashed passwords from a file.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import cache

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.strcred import ICheckerFactory
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.plugin import IPlugin
from zope.interface import implementer

from ..errors import CheckerUnavailable, LoginRefused, SettingError
from ..interfaces import ILimited
from ..limits import Limits
from ..pools import Pool, PoolFull
from .passwdfile import Signature, Table, normalised, readTable
from .shared import InFlight
from .verifier import PasswordVerifier, sharedVerifier

# How old the knowledge of a file may be: a changed password counts at once for
# an administrator, and a flood of logins costs one stat a second.
_RECHECK_SECONDS = 1.0

# Malformed lines in the log for each reading; the others are counted.
_COMPLAINTS = 20


@implementer(ICredentialsChecker, ILimited)
class PasswdChecker:
    """
    Checks passwords against one file, and reads it again when it changes.

    The file is looked at in a thread of its own, not behind the hashes: while
    somebody guesses passwords, who is remembered still logs in.
    """

    credentialInterfaces = (IUsernamePassword,)
    _log = Logger()

    def __init__(
        self,
        path: str,
        verifier: PasswordVerifier,
        files: Pool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Reads the file at once, before the first connection.

        @param path: taken from the directory of now, whatever it is later.
        @param files: where the file is read.
        @param clock: seconds of a monotonic clock.
        @raise SettingError: the file cannot be read, or a library is missing.
        """
        self._path = os.path.abspath(path)
        self._verifier = verifier
        self._files = files
        self._clock = clock
        self._fault: str | None = None
        self._reading: InFlight[None] = InFlight()
        self._signature: Signature
        self._table: Table
        found = readTable(self._path, None)
        assert found is not None
        self._use(*found)

    def requestAvatarId(self, credentials: IUsernamePassword) -> Deferred[bytes | tuple[()]]:
        """
        @return: the user's name as it stands in the file; fails with
            C{UnauthorizedLogin} for an unknown user, L{LoginRefused} for one
            whose password is wrong or who is locked out, both after the same
            time, and with L{CheckerUnavailable} when too many wait.
        """
        return Deferred.fromCoroutine(
            self._check(normalised(credentials.username), credentials.password)
        )

    def useLimits(self, limits: Limits) -> None:
        """The bounds of hashing, which all checkers of the process share."""
        self._verifier.useLimits(limits)
        self._files.resize(1, limits.hashQueue)

    async def _check(self, name: bytes, password: bytes) -> bytes | tuple[()]:
        await self._refresh()
        entry = self._table.entries.get(name)
        if entry is None or entry.stored is None:
            await self._verifier.pretend(self._table.standIn(name), name, password)
            raise LoginRefused("the user is locked") if entry else UnauthorizedLogin("unknown user")
        if not await self._verifier.matches(entry.stored, name, password):
            raise LoginRefused("wrong password")
        if entry.closedBy is not None:
            raise LoginRefused(f"the user is kept from POP3 by {entry.closedBy}")
        return entry.name

    async def _refresh(self) -> None:
        """Look at the file, if that was not done a moment ago."""
        if self._clock() - self._checkedAt >= _RECHECK_SECONDS:
            await self._reading.join(None, lambda: Deferred.fromCoroutine(self._read()))

    async def _read(self) -> None:
        try:
            found = await self._files.run(readTable, self._path, self._signature)
        except PoolFull as error:
            raise CheckerUnavailable(str(error)) from error
        except SettingError as error:
            self._keep(str(error))
        else:
            if found:
                self._use(*found)
            self._fault = None
        finally:
            self._checkedAt = self._clock()

    def _use(self, signature: Signature, table: Table) -> None:
        self._signature, self._table = signature, table
        self._checkedAt = self._clock()
        for number, sentence in table.complaints[:_COMPLAINTS]:
            self._log.warn(
                "{path} line {number}: {sentence}",
                path=self._path,
                number=number,
                sentence=sentence,
            )
        more = len(table.complaints) - _COMPLAINTS
        if more > 0:
            self._log.warn("{path}: {more} more such lines", path=self._path, more=more)
        self._log.info("read {path}, users: {users}", path=self._path, users=len(table.entries))

    def _keep(self, fault: str) -> None:
        """Go on with the users of before, and say so once."""
        if fault != self._fault:
            self._log.error("{fault}; the users of before still count", fault=fault)
        self._fault = fault


@implementer(ICheckerFactory, IPlugin)
class PasswdCheckerFactory:
    """C{passwd:FILE}."""

    authType = "passwd"
    argStringFormat = "FILE"
    authHelp = """
A file of user:hash lines, one user each; # begins a comment. Hashes are argon2id
(what `pop3svc passwd` writes), and with pop3svc[passwd] installed bcrypt,
sha512-crypt, sha256-crypt, md5-crypt, scrypt and PBKDF2; {PLAIN} stands before a
password in clear text. The file is read again when it changes.
"""
    credentialInterfaces = (IUsernamePassword,)

    def generateChecker(self, argumentText: str) -> PasswdChecker:
        """
        @param argumentText: the path of the file.
        @raise SettingError: with a sentence.
        """
        if not argumentText.strip():
            raise SettingError("--auth passwd needs a file; write --auth passwd:FILE")
        return PasswdChecker(argumentText, sharedVerifier(), _sharedFiles())


@cache
def _sharedFiles() -> Pool:
    return Pool("password files", 1, Limits().hashQueue)
