"""
The CAPA answer, and what is withheld, as functions of the situation.

What CAPA says and what is accepted come from here, so that they cannot differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from .mechanisms import MECHANISMS, offered, possible
from .replies import Code, err
from .sasl import Mechanism


@dataclass(frozen=True)
class Situation:
    """
    What a session may do here and now.

    @ivar secure: the channel is inside TLS.
    @ivar startTLS: there is a certificate for STLS (RFC 2595), and TLS has not
        been started yet.
    @ivar passwords: a checker takes passwords.
    @ivar passwordsHere: the channel is fit for them: TLS, or clear text that
        the administrator allowed.
    @ivar digests: a checker holds clear-text secrets, for CRAM-MD5 and APOP.
    @ivar apop: it does, and the administrator wants APOP.
    @ivar tokens: a checker takes bearer tokens.
    @ivar certificates: a checker takes the names of client certificates.
    @ivar certificateNames: those of the client's certificate, once TLS has
        verified it.
    @ivar scramHashes: C{SHA-1} and C{SHA-256}, as far as a checker has
        verifiers.
    @ivar bindings: kinds of channel binding (RFC 5929, RFC 9266) with what
        they say of this channel; none outside TLS.
    @ivar wanted: the names of the SASL mechanisms that the administrator wants,
        C{USER} for USER and PASS among them; C{None} for all.
    @ivar host: our name, for timestamps.
    """

    secure: bool = False
    startTLS: bool = False
    passwords: bool = True
    passwordsHere: bool = True
    digests: bool = False
    apop: bool = False
    tokens: bool = False
    certificates: bool = False
    certificateNames: tuple[bytes, ...] = ()
    scramHashes: frozenset[str] = frozenset()
    bindings: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    wanted: frozenset[bytes] | None = None
    host: bytes = b"localhost"

    @cached_property
    def mechanisms(self) -> tuple[type[Mechanism], ...]:
        """What the SASL line lists and AUTH takes."""
        return tuple(offered(self))

    @property
    def asksChannel(self) -> bool:
        """C{certificateNames} and C{bindings} can make a difference."""
        return self.certificates or bool(self.scramHashes)

    def wants(self, name: bytes) -> bool:
        """@param name: of a SASL mechanism, or C{USER}."""
        return self.wanted is None or name in self.wanted


_NEEDS_TLS = err(b"passwords are taken inside TLS only: give STLS first", Code.AUTH)
_NEEDS_TLS_PORT = err(b"passwords are taken inside TLS only, on another port", Code.AUTH)
_NOT_OFFERED = err(b"this is not offered here")


def withheld(keyword: bytes, situation: Situation) -> bytes | None:
    """
    @param keyword: one of the command table.
    @return: the reply to a command that is not offered in this situation, else
        C{None}.
    """
    if keyword in (b"USER", b"PASS"):
        if not situation.passwords or not situation.wants(b"USER"):
            return _NOT_OFFERED
        if not situation.passwordsHere:
            return _needsTLS(situation)
    if keyword == b"AUTH" and not situation.mechanisms:
        return _needsTLS(situation) if possible(situation) else _NOT_OFFERED
    if keyword == b"APOP" and not situation.apop:
        return _NOT_OFFERED
    if keyword == b"STLS" and not situation.startTLS:
        return _NOT_OFFERED
    return None


def mechanismWithheld(name: bytes, situation: Situation) -> bytes | None:
    """
    @param name: of a SASL mechanism, in capitals, known or not.
    @return: the reply to AUTH with one that is not offered, else C{None}.
    """
    mechanism = MECHANISMS.get(name)
    if mechanism in situation.mechanisms:
        return None
    return _needsTLS(situation) if mechanism in possible(situation) else _NOT_OFFERED


def mechanismNames(situation: Situation) -> list[bytes]:
    """For the SASL line, and for bare AUTH."""
    return [each.name for each in situation.mechanisms]


def capabilities(situation: Situation, loggedIn: bool, version: bytes) -> bytes:
    """
    The lines of a CAPA answer (RFC 2449 section 5), without first line and end.

    TOP, UIDL, USER and SASL are told before login and after it, because
    Thunderbird asks only before and mutt only after. One capability a line:
    fetchmail reads them through a buffer of 64 octets; of a longer SASL line it
    reads a piece at a time (L{pop3svc.core.mechanisms}).

    @param version: ours, told only after login.
    """
    lines = [b"TOP", b"UIDL"]
    if withheld(b"USER", situation) is None:
        lines.append(b"USER")
    if withheld(b"AUTH", situation) is None:
        lines.append(b" ".join([b"SASL", *mechanismNames(situation)]))
    lines += [b"RESP-CODES", b"AUTH-RESP-CODE", b"PIPELINING", b"EXPIRE NEVER", b"UTF8", b"LANG"]
    if not loggedIn and withheld(b"STLS", situation) is None:
        lines.append(b"STLS")
    lines.append(b"IMPLEMENTATION pop3svc" + (b"-" + version if loggedIn else b""))
    return b"".join(line + b"\r\n" for line in lines)


def _needsTLS(situation: Situation) -> bytes:
    return _NEEDS_TLS if situation.startTLS else _NEEDS_TLS_PORT
