"""
What a client claims -> Cred credentials for a portal.

The interfaces here and Cred's C{IUsernamePassword} and C{IUsernameHashedPassword}
are all that a checker may name in its C{credentialInterfaces}; what it names
decides which mechanisms are offered.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from copy import copy
from typing import Any

from twisted.cred.credentials import (
    ICredentials,
    IUsernameHashedPassword,
    IUsernamePassword,
    UsernamePassword,
)
from zope.interface import Attribute, Interface, implementer

from ..core.effects import (
    Claim,
    DigestClaim,
    ExternalClaim,
    PasswordClaim,
    ScramClaim,
    TokenClaim,
)
from ..interfaces import ScramVerifier
from .scram import checkProof


class IFromPeer(Interface):
    """What all credentials of ours provide besides: where they come from."""

    peer: str = Attribute("As L{pop3svc.peers.peerName} names it, or C{unknown}.")


class IBearerToken(ICredentials):
    """A token of an authorization server: OAUTHBEARER and XOAUTH2."""

    username: bytes = Attribute("Whom it is for; empty when the token alone is to say it.")
    token: bytes = Attribute("As the client sent it: ASCII, 64 KiB at the most.")


class ICertificateName(ICredentials):
    """
    A client certificate that TLS has verified: EXTERNAL. Whoever checks it
    answers an avatar id that the certificate is good for, or refuses.
    """

    username: bytes = Attribute("As whom the client wants to log in; empty for no wish.")
    names: tuple[bytes, ...] = Attribute(
        "The certificate's mail addresses, then its DNS names, then its common names."
    )


class IScramProof(ICredentials):
    """
    A proof that its sender knows a password: the SCRAM mechanisms. A checker
    that takes it provides L{pop3svc.interfaces.IScramVerifiers} too.
    """

    username: bytes = Attribute("The user's name, as typed.")
    hashName: str = Attribute("C{SHA-1} or C{SHA-256}.")

    def checkVerifier(verifier: ScramVerifier) -> bool:
        """@return: whether the proof is good for the user's verifier."""


@implementer(IFromPeer)
class FromPeer:
    """@see: L{IFromPeer}"""

    peer = "unknown"


class Password(UsernamePassword, FromPeer):
    """A password in clear text."""

    def checkPassword(self, password: bytes) -> bool:
        """
        @param password: in clear text.
        @return: whether it is the same one; asked in a time that does not depend
            on where they differ.
        """
        return isinstance(password, bytes) and hmac.compare_digest(password, self.password)


@implementer(IUsernameHashedPassword)
class DigestedPassword(FromPeer):
    """A digest over a challenge and a password: APOP, CRAM-MD5."""

    def __init__(self, claim: DigestClaim) -> None:
        self.username = claim.name
        self._claim = claim

    def checkPassword(self, password: bytes) -> bool:
        """
        @param password: in clear text.
        @return: whether the digest is made with it; asked in a time that does
            not depend on where they differ.
        """
        made = _DIGESTS[self._claim.mechanism](self._claim.challenge, password)
        return hmac.compare_digest(made.encode(), self._claim.digest)


@implementer(IBearerToken)
class BearerToken(FromPeer):
    """@see: L{IBearerToken}"""

    def __init__(self, claim: TokenClaim) -> None:
        self.username = claim.name
        self.token = claim.token


@implementer(ICertificateName)
class CertificateName(FromPeer):
    """@see: L{ICertificateName}"""

    def __init__(self, claim: ExternalClaim) -> None:
        self.username = claim.authzid
        self.names = claim.names


@implementer(IScramProof)
class ScramProof(FromPeer):
    """@see: L{IScramProof}"""

    def __init__(self, claim: ScramClaim) -> None:
        self.username = claim.name
        self.hashName = claim.hashName
        self._claim = claim

    def checkVerifier(self, verifier: ScramVerifier) -> bool:
        """@see: L{IScramProof.checkVerifier}"""
        return checkProof(verifier, self.hashName, self._claim.authMessage, self._claim.proof)


def credentialsOf(claim: Claim, peer: str = "unknown") -> Any:
    """
    The credentials that a checker for the claim's kind understands.

    @param peer: as L{pop3svc.peers.peerName} names it.
    """
    made = _CREDENTIALS[type(claim)](claim)
    made.peer = peer
    return made


def strangersCredentials(credentials: Any) -> Any | None:
    """
    @return: of the same kind and from the same peer, but of somebody who does not
        exist; C{None} for a kind that is not checked by a user's name.
    """
    nobody = secrets.token_hex(16).encode()
    if IUsernamePassword.providedBy(credentials):
        made: Any = Password(nobody, nobody)
        made.peer = peerOf(credentials)
        return made
    if isinstance(credentials, DigestedPassword | ScramProof):
        made = copy(credentials)
        made.username = nobody
        return made
    return None


def peerOf(credentials: Any) -> str:
    """@return: C{unknown} for credentials that others have made."""
    return credentials.peer if IFromPeer.providedBy(credentials) else FromPeer.peer


def _passwordOf(claim: PasswordClaim) -> Password:
    return Password(claim.name, claim.password)


def _apop(challenge: bytes, password: bytes) -> str:
    """RFC 1939 section 7: MD5 of the timestamp and the password."""
    return hashlib.md5(challenge + password, usedforsecurity=False).hexdigest()


def _cramMD5(challenge: bytes, password: bytes) -> str:
    """RFC 2195 section 2: HMAC-MD5 of the challenge, keyed with the password."""
    return hmac.new(password, challenge, "md5").hexdigest()


_DIGESTS: dict[str, Callable[[bytes, bytes], str]] = {"APOP": _apop, "CRAM-MD5": _cramMD5}

_CREDENTIALS: dict[type, Callable[[Any], Any]] = {
    PasswordClaim: _passwordOf,
    DigestClaim: DigestedPassword,
    TokenClaim: BearerToken,
    ExternalClaim: CertificateName,
    ScramClaim: ScramProof,
}
