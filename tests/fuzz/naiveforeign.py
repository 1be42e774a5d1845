"""
Other protocols, by how a line begins: which must be cut off before login, and which
may be.
"""

from __future__ import annotations

import re

# TLS is cut off without a word.
_MUST = re.compile(rb"(GET|POST|HEAD|PUT|DELETE|OPTIONS|CONNECT|TRACE) |\x16\x03", re.IGNORECASE)
# No client of POP3 sends these.
_MAY = re.compile(
    rb"[a-z0-9-]+:|[^ ]+ [^ ]+ HTTP/|[EHL]+LO |SSH-|PATCH |PRI |[\x16\x80-\xff]", re.IGNORECASE
)


def mustBeCutOff(start: bytes) -> bool:
    """@param start: how the line begins; where it has ended, with a space behind it."""
    return _MUST.match(start) is not None


def mayBeCutOff(start: bytes) -> bool:
    """As L{mustBeCutOff}. A password may look like anything."""
    return _MAY.match(start) is not None and start[:5].upper() != b"PASS "
