"""
The replies: +OK, -ERR, response codes, the end of a listing.

A reply is made of our own words and numbers. No octet of a client and no text
of an exception gets into one (RFC 1939 section 3, RFC 2449 section 8).
"""

from __future__ import annotations

from base64 import b64encode
from enum import Enum

# RFC 2449 section 4: the first line of a reply, with its CRLF.
FIRST_LINE_OCTETS = 512

# The termination octet and its CRLF, RFC 1939 section 3.
END = b".\r\n"


class Code(Enum):
    """Response codes: RFC 2449 section 8, RFC 3206 section 4."""

    AUTH = b"[AUTH] "
    IN_USE = b"[IN-USE] "
    TEMPORARY = b"[SYS/TEMP] "
    PERMANENT = b"[SYS/PERM] "
    NONE = b""


class Refusal(Enum):
    """
    Why somebody is not logged in: the code and the sentence.

    No sentence may hold "lock" or "wait": fetchmail takes those words in an
    answer to PASS for a busy maildrop and hides the real reason.
    """

    WRONG = (Code.AUTH, b"user name or password is wrong")
    IN_USE = (Code.IN_USE, b"another session has this maildrop open")
    TEMPORARY = (Code.TEMPORARY, b"login is not possible at the moment; try again later")
    PERMANENT = (Code.PERMANENT, b"this maildrop is damaged; ask your administrator")


def ok(text: bytes) -> bytes:
    """A positive reply of one line, or the first line of one."""
    return b"+OK %s\r\n" % text


def err(text: bytes, code: Code = Code.NONE) -> bytes:
    """A negative reply."""
    return b"-ERR %s%s\r\n" % (code.value, text)


def challenge(octets: bytes) -> bytes:
    """
    A challenge of a SASL exchange (RFC 5034 section 4), C{+ } also before
    nothing: MailKit takes a bare C{+} for no reply at all.
    """
    return b"+ %s\r\n" % b64encode(octets)


def refused(why: Refusal) -> bytes:
    """The reply to a login that failed."""
    code, text = why.value
    return err(text, code)


def messages(count: int) -> bytes:
    """C{1 message}, C{2 messages}."""
    return b"%d message%s" % (count, b"" if count == 1 else b"s")


def size(count: int, octets: int) -> bytes:
    """C{2 messages (320 octets)}, as in the examples of RFC 1939 section 5."""
    return b"%s (%d octets)" % (messages(count), octets)
