"""
Other protocols, told by how a line begins.

A web page can have a browser post to any port, and what it posts may be POP3
commands on lines of their own: whoever speaks another protocol before login is
cut off before the next line is looked at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Foreign:
    """
    @ivar reason: a word for the log.
    @ivar text: a short sentence for the peer; none for one that reads no text.
    """

    reason: str
    text: bytes


_HTTP = Foreign("http", b"this is POP3, not HTTP")
_SMTP = Foreign("smtp", b"this is POP3, not SMTP")
_SSH = Foreign("ssh", b"this is POP3, not SSH")
_TLS = Foreign("tls-hello", b"")

# Each matches a line's first octets, or it does not, and nothing that follows can
# change that: so a line is judged alike wherever it is cut into segments.
_TABLE = (
    (rb"(?i:GET|POST|HEAD|PUT|DELETE|OPTIONS|CONNECT|TRACE|PATCH|PRI) ", _HTTP),
    # Any other method, such as those of WebDAV; a password may look like the rest.
    (rb"(?!(?i:PASS) )[A-Za-z]+ [^ ]+ HTTP/[0-9]", _HTTP),
    # A field of a header, such as Host.
    (rb"[A-Za-z][A-Za-z0-9-]*:[ \t]", _HTTP),
    (rb"(?i:EHLO|HELO|LHLO) ", _SMTP),
    (rb"SSH-[0-9]", _SSH),
    # A record of TLS that holds a handshake, RFC 8446 section 5.1.
    (rb"\x16\x03", _TLS),
    # A hello in the shape of SSL 2: a length, CLIENT-HELLO, a version of either.
    (rb"(?s:[\x80-\xff].\x01(?:\x00\x02|\x03[\x00-\x04]))", _TLS),
)
# One search for all; what fits is told by its group.
_PATTERN = re.compile(b"|".join(b"(%s)" % pattern for pattern, _ in _TABLE))


def foreign(start: bytes) -> Foreign | None:
    """
    @param start: the first octets of a line, as many as there are. A line that
        has ended has a space behind it.
    @return: what it is, if it is not POP3.
    """
    found = _PATTERN.match(start)
    return _TABLE[found.lastindex - 1][1] if found and found.lastindex else None
