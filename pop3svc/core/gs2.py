"""
What SCRAM and OAUTHBEARER share: the GS2 header (RFC 5801 section 4), and names
in which comma and equals sign are escaped (RFC 5802 section 5.1).
"""

from __future__ import annotations

import re

from .sasl import BadAnswer

_FLAG = re.compile(rb"n|y|p=[A-Za-z0-9.-]{1,40}")
_ESCAPE = re.compile(rb"=(..)?", re.DOTALL)
_CODES = {b"2C": b",", b"3D": b"="}


def gs2Header(octets: bytes) -> tuple[bytes, bytes]:
    """
    @param octets: C{n,a=name,}.
    @return: the flag for channel binding, and the authzid, which may be empty.
    @raise BadAnswer: it is made otherwise.
    """
    parts = octets.split(b",")
    if len(parts) != 3 or parts[2] or not _FLAG.fullmatch(parts[0]):
        raise BadAnswer(b"the answer has no GS2 header")
    if parts[1] and not parts[1].startswith(b"a="):
        raise BadAnswer(b"the answer has no GS2 header")
    return parts[0], unescaped(parts[1][2:])


def unescaped(name: bytes) -> bytes:
    """
    @return: the name with C{=2C} and C{=3D} made comma and equals sign again.
    @raise BadAnswer: an equals sign stands for something else.
    """
    if any(found[1] not in _CODES for found in _ESCAPE.finditer(name)):
        raise BadAnswer(b"this is no user name")
    return _ESCAPE.sub(lambda found: _CODES[found[1]], name)
