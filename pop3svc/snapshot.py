"""
The frozen listing of a maildrop, as a store hands it to a session.

A snapshot of 100,000 messages is two columns and two ready-made blocks of
octets, not 100,000 objects, and the same snapshot may serve many sessions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import count

_UNIQUE_ID = re.compile(rb"[\x21-\x7e]{1,70}\Z")


class Snapshot:
    """
    The messages of a maildrop in ascending order of arrival.

    @ivar octets: the size of each message in its canonical form, as
        L{pop3svc.canonical} counts it.
    @ivar uniqueIds: the unique-id of each message: 1 to 70 octets of 0x21 to
        0x7E (RFC 1939 section 7, UIDL), distinct, the same in every session.
    """

    def __init__(self, octets: Iterable[int], uniqueIds: Iterable[bytes]) -> None:
        """
        @raise ValueError: when the columns differ in length, or a unique-id is
            malformed or stands twice.
        """
        self.octets: Sequence[int] = tuple(octets)
        self.uniqueIds: Sequence[bytes] = tuple(uniqueIds)
        if len(self.octets) != len(self.uniqueIds):
            raise ValueError(
                f"{len(self.octets)} sizes and {len(self.uniqueIds)} unique-ids are no snapshot"
            )
        wrong = next((each for each in self.uniqueIds if not _UNIQUE_ID.match(each)), None)
        if wrong is not None:
            raise ValueError(f"{wrong!r} is not a unique-id")
        if len(set(self.uniqueIds)) != len(self.uniqueIds):
            raise ValueError("a unique-id stands twice in the snapshot")

    def __len__(self) -> int:
        return len(self.octets)

    @cached_property
    def totalOctets(self) -> int:
        """The size of all messages together."""
        return sum(self.octets)

    @cached_property
    def scanListing(self) -> bytes:
        """All scan listings (RFC 1939 section 5, LIST), a line each."""
        return b"".join(map(b"%d %d\r\n".__mod__, zip(count(1), self.octets)))

    @cached_property
    def uniqueIdListing(self) -> bytes:
        """All unique-id listings (RFC 1939 section 7, UIDL), a line each."""
        return b"".join(map(b"%d %s\r\n".__mod__, zip(count(1), self.uniqueIds)))
