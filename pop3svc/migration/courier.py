"""
Unique-ids out of C{courierpop3dsizelist}, of versions 2 and 3.

Courier writes the list before it shows a message, and makes the unique-id from two
numbers in it; messages of its oldest versions have the second one, or both, as 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..maildrops.names import split
from .found import damaged

_HEADER = re.compile(rb"/[23] [0-9]+(?: [0-9]+)?\Z")
# The name with its flags, its size, the two numbers, and since version 3 whether
# its header is UTF-8.
_LINE = re.compile(rb"(.+) [0-9]+ ([0-9]+):([0-9]+)(?::[0-9]+)?\Z", re.DOTALL)
_ESCAPED = re.compile(rb"""[^\x21-\x7e]|['"+]""")


def parseSizeList(octets: bytes, path: str) -> Iterator[tuple[bytes, bytes]]:
    """
    @param octets: the whole file.
    @param path: of it, for messages.
    @return: base names with their unique-ids.
    @raise pop3svc.errors.SettingError: it is none, or damaged.
    """
    lines = octets.split(b"\n")
    if not _HEADER.match(lines[0]):
        raise damaged(path, 1, "no header of a courierpop3dsizelist of version 2 or 3")
    for number, line in enumerate(lines[1:], 2):
        if not line:
            continue
        found = _LINE.match(line)
        if found is None:
            raise damaged(path, number, "not a file name, a size and a unique-id")
        base, uid, validity = split(found[1])[0], int(found[2]), int(found[3])
        if not uid:
            yield base, _ESCAPED.sub(_escape, base)
        elif validity:
            yield base, b"UID%d-%d" % (uid, validity)
        else:
            yield base, b"UID%d" % uid


def _escape(found: re.Match[bytes]) -> bytes:
    return b"+%02X" % found[0][0]
