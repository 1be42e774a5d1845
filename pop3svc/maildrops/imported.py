"""
Unique-ids that a maildrop brings along from another server, so that no mail
program downloads anything again after a move.

They stand in the file C{pop3svc-uidl} of the maildrop: a line each, C{UNIQUE-ID
BASE-NAME}, with LF. In a base name, C{%} and each octet that is no printable ASCII
are written as C{%} and two hexadecimal digits. A message whose base name does not
stand there keeps the unique-id that its name gives it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from .names import digestId, isUniqueId, uniqueId

_LINE = re.compile(rb"([\x21-\x7e]{1,70}) ((?:[\x21-\x24\x26-\x7e]|%[0-9A-Fa-f]{2})+)\Z")
_ESCAPED = re.compile(rb"[^\x21-\x24\x26-\x7e]")


class ImportedIds:
    """Which unique-id each message of one maildrop has."""

    def __init__(self, ids: Mapping[bytes, bytes]) -> None:
        """@param ids: distinct unique-ids by base name; may be empty."""
        self._ids = ids
        self._taken = frozenset(ids.values())

    def uniqueId(self, base: bytes) -> bytes:
        """
        The imported one, else the base name's own. What is imported wins over
        another message's name; that message gets a digest of it.
        """
        found = self._ids.get(base)
        if found is not None:
            return found
        found, octets = uniqueId(base), base
        while found in self._taken:
            found = digestId(octets)
            # No base name has a colon, so this is the digest of no other.
            octets += b":"
        return found


def parseIds(octets: bytes) -> dict[bytes, bytes]:
    """
    @param octets: the whole file.
    @return: unique-ids by base name.
    @raise ValueError: with the number of a line that is wrong, and why.
    """
    lines = octets.split(b"\n")
    if lines.pop():
        raise ValueError(f"line {len(lines) + 1} does not end with a line feed")
    ids: dict[bytes, bytes] = {}
    taken = set()
    for number, line in enumerate(lines, 1):
        found = _LINE.match(line)
        if found is None:
            raise ValueError(f"line {number} is not a unique-id, a space and a base name")
        identity, base = found.groups()
        if b"%" in base:
            base = unquote_to_bytes(base)
        if base in ids or identity in taken:
            raise ValueError(f"line {number} has what an earlier line has already")
        ids[base] = identity
        taken.add(identity)
    return ids


def formatIds(ids: Mapping[bytes, bytes]) -> bytes:
    """
    The whole file.

    @param ids: unique-ids by base name.
    @raise ValueError: one is no unique-id, stands twice, or has no base name.
    """
    if len(set(ids.values())) != len(ids):
        raise ValueError("a unique-id stands twice")
    for base, identity in ids.items():
        if not isUniqueId(identity):
            raise ValueError(f"{identity!r} is not a unique-id")
        if not base:
            raise ValueError(f"there is no base name for {identity!r}")
    return b"".join(
        b"%s %s\n" % (identity, _ESCAPED.sub(_escape, base)) for base, identity in ids.items()
    )


def _escape(found: re.Match[bytes]) -> bytes:
    return b"%%%02X" % found.group()[0]
