"""
The CAPA answer, and what is withheld, as functions of the situation.

What CAPA says and what is accepted come from here, so that they cannot differ.
"""

from __future__ import annotations

from dataclasses import dataclass

from .replies import Code, err


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
    """

    secure: bool = False
    startTLS: bool = False
    passwords: bool = True
    passwordsHere: bool = True


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
        if not situation.passwords:
            return _NOT_OFFERED
        if not situation.passwordsHere:
            return _NEEDS_TLS if situation.startTLS else _NEEDS_TLS_PORT
    if keyword == b"STLS" and not situation.startTLS:
        return _NOT_OFFERED
    return None


def capabilities(situation: Situation, loggedIn: bool, version: bytes) -> bytes:
    """
    The lines of a CAPA answer (RFC 2449 section 5), without first line and end.

    TOP, UIDL and USER are told before login and after it, because Thunderbird
    asks only before and mutt only after. One capability a line: fetchmail reads
    them through a buffer of 64 octets.

    @param version: ours, told only after login.
    """
    lines = [b"TOP", b"UIDL"]
    if withheld(b"USER", situation) is None:
        lines.append(b"USER")
    lines += [b"RESP-CODES", b"AUTH-RESP-CODE", b"PIPELINING", b"EXPIRE NEVER", b"UTF8", b"LANG"]
    if not loggedIn and withheld(b"STLS", situation) is None:
        lines.append(b"STLS")
    lines.append(b"IMPLEMENTATION pop3svc" + (b"-" + version if loggedIn else b""))
    return b"".join(line + b"\r\n" for line in lines)
