"""
What a Session asks for. The driver performs these in order, one by one.

The five waits (L{FetchVerifier}, L{CheckClaim}, L{SendMessage}, L{SendListing},
L{Commit}) stand last in their list, and each is answered by one outcome of the
Session. What is secret in a claim is in no C{repr}.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Reply:
    """Write these octets."""

    octets: bytes


@dataclass(frozen=True)
class StartTLS:
    """
    Write the opening and begin a TLS handshake (RFC 2595 section 4) with a
    Session that succeeds this one, so that what was said before is forgotten.
    When something has been received behind STLS already, do neither ->
    C{injected}.
    """

    opening: bytes


@dataclass(frozen=True)
class PasswordClaim:
    """
    A user name with a password.

    @ivar mechanism: for the log: C{USER}, or the SASL mechanism's name.
    """

    mechanism: str
    name: bytes
    password: bytes = field(repr=False)


@dataclass(frozen=True)
class DigestClaim:
    """
    A user name with a digest over a challenge of ours and the password.

    @ivar mechanism: C{APOP} or C{CRAM-MD5}, which differ in how it is made.
    @ivar digest: 32 hexadecimal digits, lower case.
    """

    mechanism: str
    name: bytes
    challenge: bytes
    digest: bytes = field(repr=False)


@dataclass(frozen=True)
class TokenClaim:
    """
    A token of an authorization server (RFC 7628).

    @ivar name: whom it is for; empty when the token alone is to say it.
    """

    mechanism: str
    name: bytes
    token: bytes = field(repr=False)


@dataclass(frozen=True)
class ExternalClaim:
    """
    A client certificate that TLS has verified (RFC 4422 appendix A).

    @ivar name: for the log: the authzid, or else the certificate's first name.
    @ivar authzid: as whom the client wants to log in; empty when the
        certificate alone is to say it.
    @ivar names: the certificate's names.
    """

    mechanism: str
    name: bytes
    authzid: bytes
    names: tuple[bytes, ...]


@dataclass(frozen=True)
class ScramClaim:
    """
    A user name with a proof over both sides' messages (RFC 5802 section 3).

    @ivar hashName: C{SHA-1} or C{SHA-256}.
    @ivar authMessage: what the proof is over.
    """

    mechanism: str
    name: bytes
    hashName: str
    authMessage: bytes = field(repr=False)
    proof: bytes = field(repr=False)


Claim = PasswordClaim | DigestClaim | TokenClaim | ExternalClaim | ScramClaim


@dataclass(frozen=True)
class FetchVerifier:
    """
    Fetch what a server keeps instead of a user's password, or for an unknown
    user something that looks the same -> C{verifierFetched} or C{refused}.

    @ivar hashName: C{SHA-1} or C{SHA-256}.
    """

    mechanism: str
    name: bytes
    hashName: str


@dataclass(frozen=True)
class CheckClaim:
    """Check a claim and open the maildrop -> C{authenticated} or C{refused}."""

    claim: Claim


@dataclass(frozen=True)
class SendMessage:
    """
    Send a message -> C{transferred} or C{transferFailed}.

    @ivar opening: the first line, to be written once the message is open.
    @ivar lines: TOP's lines of the body; C{None} for the whole message.
    """

    number: int
    opening: bytes
    lines: int | None = None


@dataclass(frozen=True)
class SendListing:
    """
    Send a listing, which may be megabytes -> C{transferred}.

    @ivar listing: the lines between the first line and the termination octet, in
        pieces of whole lines; taken once.
    """

    opening: bytes
    listing: Iterable[bytes]


@dataclass(frozen=True)
class Commit:
    """
    Remove messages and free the lock -> C{committed} or C{commitFailed}.
    """

    numbers: tuple[int, ...]


@dataclass(frozen=True)
class Disconnect:
    """
    Close the connection once everything is written; perform nothing after it.

    @ivar reason: a word for the log.
    """

    reason: str


Effect = (
    Reply | StartTLS | FetchVerifier | CheckClaim | SendMessage | SendListing | Commit | Disconnect
)
Effects = list[Effect]
