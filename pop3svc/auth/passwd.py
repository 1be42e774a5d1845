"""
C{--auth passwd:FILE}: users and hashed passwords from a file.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import cache
from hashlib import shake_256
from typing import Any, cast

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernameHashedPassword, IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.strcred import ICheckerFactory
from twisted.internet.defer import Deferred
from twisted.plugin import IPlugin
from zope.interface import implementer

from ..account import Account
from ..atonce import promise
from ..errors import LoginRefused, SettingError
from ..interfaces import ILimited, IScramVerifiers, ScramVerifier
from ..limits import Limits
from ..pools import Pool
from ..servicekey import serviceKey
from .credential import Credential
from .credentials import IScramProof, peerOf
from .names import NameRule, UnfitName, normalised
from .passwdfile import User
from .passwdtable import FollowedTable
from .verifier import PasswordVerifier, sharedVerifier


def _todayUTC() -> date:
    return datetime.now(UTC).date()


@implementer(ICredentialsChecker, ILimited, IScramVerifiers)
class PasswdChecker:
    """
    Checks passwords, digests of them, and SCRAM proofs against one file.

    @ivar credentialInterfaces: without digests (APOP, CRAM-MD5), if the file had
        no password in clear text when it was read first.
    """

    def __init__(
        self,
        path: str,
        verifier: PasswordVerifier,
        files: Pool,
        clock: Callable[[], float] = time.monotonic,
        rule: NameRule = "plain",
        today: Callable[[], date] = _todayUTC,
    ) -> None:
        """
        Reads the file at once, before the first connection.

        @param path: taken from the directory of now, whatever it is later.
        @param files: where the file is read.
        @param clock: seconds of a monotonic clock.
        @param rule: how names are compared.
        @param today: the day, in UTC.
        @raise SettingError: the file cannot be read, or a library is missing.
        """
        self._file = FollowedTable(path, files, clock, rule)
        self._verifier = verifier
        self._today = today
        self._saltKey = serviceKey("salts of SCRAM")
        self.credentialInterfaces: tuple[Any, ...] = (IUsernamePassword, IScramProof)
        if self._file.table.clearText:
            self.credentialInterfaces += (IUsernameHashedPassword,)

    def requestAvatarId(self, credentials: Any) -> Deferred[bytes | tuple[()]]:
        """
        @return: the user as an L{Account}, with the name as it stands in the
            file; fails with C{UnauthorizedLogin} for an unknown user,
            L{LoginRefused} for one whose password is wrong or must not be used,
            both after the same time, and with L{CheckerUnavailable} when too
            many wait.
        """
        return promise(self._check(credentials))

    @property
    def scramHashes(self) -> frozenset[str]:
        """Those that at least one user can use, by what the file holds now."""
        return self._file.table.scramHashes

    @property
    def scramShape(self) -> tuple[int, int]:
        """As most verifiers of the file have it."""
        return self._file.table.scramShape

    def scramVerifier(self, hashName: str, username: bytes) -> Deferred[ScramVerifier | None]:
        """@see: L{IScramVerifiers.scramVerifier}"""
        return promise(self._scramVerifier(hashName, username))

    def useLimits(self, limits: Limits) -> None:
        """The bounds of hashing, which all checkers of the process share."""
        self._verifier.useLimits(limits)
        self._file.useLimits(limits)

    async def _check(self, credentials: Any) -> Account:
        await self._file.refresh()
        user, today = self._user(credentials.username), self._today()
        if IScramProof.providedBy(credentials):
            used = await self._byProof(user, credentials, today)
        elif IUsernameHashedPassword.providedBy(credentials):
            used = self._byDigest(user, credentials, today)
        else:
            used = await self._byPassword(user, credentials, today)
        if user is None:
            raise UnauthorizedLogin("unknown user")
        if user.lockedBy is not None:
            raise LoginRefused(f"the user is locked by {user.lockedBy}")
        if used is None:
            raise LoginRefused("wrong password")
        closedBy = user.closedBy or used.refusedBy(peerOf(credentials), today)
        if closedBy is not None:
            raise LoginRefused(f"the user is kept from POP3 by {closedBy}")
        return user.account(used)

    def _user(self, name: bytes) -> User | None:
        try:
            return self._file.table.users.get(normalised(name, self._file.rule))
        except UnfitName:
            return None

    # Which credential of a user is good; of one who has none, none is.

    async def _byPassword(
        self, user: User | None, credentials: Any, today: date
    ) -> Credential | None:
        name, password = credentials.username, credentials.password
        peer = peerOf(credentials)
        tried = user.inOrder(peer, today) if user else []
        if user is None or not tried:
            await self._verifier.pretend(self._file.table.standIn(name), name, password)
            return None
        stored = [cast(bytes, each.stored) for each in tried]
        good = sum(each.refusedBy(peer, today) is None for each in tried)
        found = await self._verifier.first(stored, user.name, password, good)
        return None if found is None else tried[found]

    def _byDigest(self, user: User | None, credentials: Any, today: date) -> Credential | None:
        for each in user.inOrder(peerOf(credentials), today) if user else []:
            if each.clearText is not None and credentials.checkPassword(each.clearText):
                return each
        return None

    async def _byProof(
        self, user: User | None, proof: IScramProof, today: date
    ) -> Credential | None:
        used = user.scramCredential(proof.hashName, today) if user else None
        verifier = await self._verifierOf(used, proof.hashName, proof.username)
        return used if verifier is not None and proof.checkVerifier(verifier) else None

    # SCRAM verifiers.

    async def _scramVerifier(self, hashName: str, name: bytes) -> ScramVerifier | None:
        await self._file.refresh()
        user = self._user(name)
        used = user.scramCredential(hashName, self._today()) if user else None
        return await self._verifierOf(used, hashName, name)

    async def _verifierOf(
        self, used: Credential | None, hashName: str, name: bytes
    ) -> ScramVerifier | None:
        """What is kept, or what is made of a password in clear text."""
        made: ScramVerifier | None = None
        if self._file.table.clearText:
            # For some it must be made, so it is for all: the time tells nothing.
            password = used.clearText if used else None
            made = await self._verifier.scramVerifier(
                hashName, password or b"nobody's", self._salt(name), self.scramShape[1]
            )
        if used is None:
            return None
        return used.scram[1] if used.scram else made

    def _salt(self, name: bytes) -> bytes:
        """The same for a name as long as the service lives."""
        keyed = hmac.digest(self._saltKey, name, "sha256")
        return shake_256(keyed).digest(self.scramShape[0])


@implementer(ICheckerFactory, IPlugin)
class PasswdCheckerFactory:
    """C{passwd:FILE}."""

    authType = "passwd"
    argStringFormat = "FILE[?names=precis]"
    authHelp = """
A file of user:hash[:key=value...] lines; # begins a comment. The command
`pop3svc passwd` writes it: argon2id, SCRAM verifiers, application passwords with
networks, a last day, or read-only. With pop3svc[passwd] installed it may hold what
others have written: bcrypt, sha512-crypt and the like; {PLAIN} stands before a
password in clear text, for APOP and CRAM-MD5. Dovecot's passwd-files are understood.
The file is read again when it changes. Names are compared octet for octet, or with
?names=precis by RFC 8265, in which Karl and karl are one. See docs/passwd.rst.
"""
    credentialInterfaces = (IUsernamePassword, IScramProof, IUsernameHashedPassword)

    def generateChecker(self, argumentText: str) -> PasswdChecker:
        """
        @param argumentText: the path of the file, and how names are compared.
        @raise SettingError: with a sentence.
        """
        path, rule = argumentText, "plain"
        for each in ("plain", "precis"):
            if argumentText.endswith(f"?names={each}"):
                path, rule = argumentText.removesuffix(f"?names={each}"), each
        if not path.strip():
            raise SettingError("--auth passwd needs a file; write --auth passwd:FILE")
        if "?names=" in path:
            raise SettingError("names= is plain or precis; write --auth passwd:FILE?names=precis")
        return PasswdChecker(path, sharedVerifier(), _sharedFiles(), rule=cast(NameRule, rule))


@cache
def _sharedFiles() -> Pool:
    return Pool("password files", 1, Limits().hashQueue)
