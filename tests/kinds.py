"""
A checker for each kind of credentials there is.
"""

from __future__ import annotations

from typing import Any

from twisted.cred.credentials import IUsernameHashedPassword, IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from pop3svc.auth.credentials import IBearerToken, ICertificateName, IScramProof
from pop3svc.auth.scram import makeVerifier
from pop3svc.interfaces import IScramVerifiers, ScramVerifier

from .support import ControlledCred


@implementer(IScramVerifiers)
class EveryKind(ControlledCred):
    """
    As its base, and a checker for each kind of credentials there is. A token is
    C{token-of-} and a name; a certificate for C{karl@example.org} is karl's.

    @ivar verifierError: what a verifier cannot be fetched for.
    """

    credentialInterfaces = (
        IUsernamePassword,
        IUsernameHashedPassword,
        IBearerToken,
        ICertificateName,
        IScramProof,
    )
    scramHashes = frozenset({"SHA-1", "SHA-256"})
    scramShape = (16, 4096)
    verifierError: Exception | None = None

    def requestAvatarId(self, credentials: Any) -> Deferred[bytes | tuple[()]]:
        if IUsernamePassword.providedBy(credentials):
            return super().requestAvatarId(credentials)
        self.logins += 1
        name: bytes = credentials.username
        password = self.users.get(name)
        if IUsernameHashedPassword.providedBy(credentials):
            good = password is not None and credentials.checkPassword(password)
        elif IBearerToken.providedBy(credentials):
            good = credentials.token == b"token-of-" + name
        elif ICertificateName.providedBy(credentials):
            good = b"karl@example.org" in credentials.names and name in (b"", b"karl")
            name = b"karl"
        else:
            good = password is not None and credentials.checkVerifier(
                self._verifier(credentials.hashName, password)
            )
        if not good:
            return fail(UnauthorizedLogin("wrong"))
        return succeed(name)

    def scramVerifier(self, hashName: str, username: bytes) -> Deferred[ScramVerifier | None]:
        if self.verifierError is not None:
            return fail(self.verifierError)
        password = self.users.get(username)
        return succeed(None if password is None else self._verifier(hashName, password))

    def _verifier(self, hashName: str, password: bytes) -> ScramVerifier:
        return makeVerifier(hashName, password, b"salt of 16 octet")
