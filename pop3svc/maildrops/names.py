"""
What the name of a file in a Maildir tells: who it is, and when it came.

A mail reader changes the part of a name behind the colon when it sets flags, and
moves files from C{new} to C{cur}. What stays is the base name, so that alone
decides the unique-id and the order.
"""

from __future__ import annotations

import re
from hashlib import blake2b

# RFC 1939 section 7 (UIDL).
_UNIQUE_ID = re.compile(rb"[\x21-\x7e]{1,70}\Z")
_DIGEST_OCTETS = 24
_DIGEST = re.compile(rb"digest=[0-9a-f]{%d}\Z" % (2 * _DIGEST_OCTETS))
# Seconds, and microseconds in the second part: M27964P3453 as Dovecot, Courier
# and Postfix write it, H27964P3453 as Exim does.
_ARRIVAL = re.compile(rb"([0-9]+)(?:\.[^.]*?[MH]([0-9]+))?")
# Octets as stored, and with CRLF at the end of each line, as Dovecot and others
# note them; no file is so large that it has more digits.
_SIZES = re.compile(rb",([SW])=([0-9]{1,15})(?=,|\Z)")


def split(name: bytes) -> tuple[bytes, bytes]:
    """
    The base name, which stays, and the rest, which changes.

    @param name: for example C{b"1204680122.M27964P3453.host:2,S"}.
    """
    base = name.partition(b":")[0]
    return base, name[len(base) :]


def isUniqueId(octets: bytes) -> bool:
    """Whether RFC 1939 allows it."""
    return _UNIQUE_ID.match(octets) is not None


def uniqueId(base: bytes) -> bytes:
    """
    The base name itself where RFC 1939 allows it, else a digest of it.

    A base name that looks like such a digest gets a digest too, so that the two
    sorts never meet.
    """
    if _UNIQUE_ID.match(base) and not _DIGEST.match(base):
        return base
    return digestId(base)


def digestId(octets: bytes) -> bytes:
    """A unique-id for any octets."""
    return b"digest=" + blake2b(octets, digest_size=_DIGEST_OCTETS).hexdigest().encode()


def arrival(base: bytes) -> tuple[int, int, bytes]:
    """
    A key that sorts base names by arrival, the same in every session.

    The seconds in front, then the microseconds if the name tells them, then the
    octets of the name. A name without seconds does not come from a delivery
    agent: it stands before all others, so that new mail is always at the end.
    """
    found = _ARRIVAL.match(base)
    if found is None:
        return -1, 0, base
    seconds, microseconds = found.groups(b"0")
    return int(seconds), int(microseconds), base


def notedOctets(base: bytes, stored: int) -> int | None:
    """
    The octets of the canonical form that the name notes as C{W=}; L{None} if it
    notes none, or if they cannot be those of this file.

    @param stored: the file's size. An C{S=} of another number says that the
        file was changed after it was named.
    """
    noted = {kind: int(octets) for kind, octets in _SIZES.findall(base)}
    octets = noted.get(b"W")
    if octets is None or noted.get(b"S", stored) != stored:
        return None
    # At the most each octet is a line end, and the last line lacks one.
    return octets if stored <= octets <= 2 * stored + 2 else None
