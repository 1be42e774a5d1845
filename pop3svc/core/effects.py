"""
What a Session asks for. The driver performs these in order, one by one.

The four waits (L{CheckClaim}, L{SendMessage}, L{SendListing}, L{Commit}) stand
last in their list, and each is answered by one outcome of the Session.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Reply:
    """Write these octets."""

    octets: bytes


@dataclass(frozen=True)
class StartTLS:
    """
    Write the opening and begin a TLS handshake (RFC 2595 section 4) with a new
    Session, so that what was said before is forgotten. When something has been
    received behind STLS already, do neither -> C{injected}.
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
class CheckClaim:
    """Check a claim and open the maildrop -> C{authenticated} or C{refused}."""

    claim: PasswordClaim


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

    @ivar listing: the lines between the first line and the termination octet.
    """

    opening: bytes
    listing: bytes


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


Effect = Reply | StartTLS | CheckClaim | SendMessage | SendListing | Commit | Disconnect
