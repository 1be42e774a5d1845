"""
The frozen listing of a maildrop, as a store hands it to a session.

A snapshot of 100,000 messages is two columns and two ready-made blocks of
octets, not 100,000 objects, and the same snapshot may serve many sessions.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate, chain, count
from typing import TypeVar, overload

_UNIQUE_ID = re.compile(rb"[\x21-\x7e]{1,70}\Z")
# Lines made by one call into C, which no other thread can interrupt: well under
# a millisecond of them.
_PIECE_LINES = 1000

T = TypeVar("T")


class Snapshot:
    """
    The messages of a maildrop in ascending order of arrival.

    @ivar octets: the size of each message in its canonical form, as
        L{pop3svc.canonical} counts it.
    @ivar uniqueIds: the unique-id of each message: 1 to 70 octets of 0x21 to
        0x7E (RFC 1939 section 7, UIDL), distinct, the same in every session.
    @ivar uniqueIdListing: all unique-id listings (RFC 1939 section 7, UIDL), a
        line each.
    """

    octets: Sequence[int]
    uniqueIds: Sequence[bytes]
    uniqueIdListing: bytes

    def __init__(self, octets: Iterable[int], uniqueIds: Iterable[bytes]) -> None:
        """
        @raise ValueError: when the columns differ in length, a size is no size,
            or a unique-id is malformed or stands twice.
        """
        try:
            sizes = array("Q", octets)
        except OverflowError as error:
            raise ValueError(f"a size is no number of octets: {error}") from None
        ids = list(uniqueIds)
        if len(sizes) != len(ids):
            raise ValueError(f"{len(sizes)} sizes and {len(ids)} unique-ids are no snapshot")
        wrong = next((each for each in ids if not _UNIQUE_ID.match(each)), None)
        if wrong is not None:
            raise ValueError(f"{wrong!r} is not a unique-id")
        if len(set(ids)) != len(ids):
            raise ValueError("a unique-id stands twice in the snapshot")
        self._use(sizes, UniqueIdLines.of(ids))

    @classmethod
    def ofColumns(
        cls, octets: array[int], totalOctets: int, lines: UniqueIdLines, scanListing: bytes
    ) -> Snapshot:
        """
        A snapshot of what is known to be right.

        @param octets: of type C{Q}.
        @param totalOctets: their sum.
        @param lines: the unique-ids.
        @param scanListing: as L{scanListing} would make it.
        """
        snapshot = cls.__new__(cls)
        snapshot._use(octets, lines)
        vars(snapshot).update(totalOctets=totalOctets, scanListing=scanListing)
        return snapshot

    def _use(self, octets: array[int], lines: UniqueIdLines) -> None:
        self.octets = _Octets(octets)
        self.uniqueIds = lines
        self.uniqueIdListing = lines.block

    def __len__(self) -> int:
        return len(self.octets)

    @cached_property
    def totalOctets(self) -> int:
        """The size of all messages together."""
        return sum(self.octets)

    @cached_property
    def scanListing(self) -> bytes:
        """All scan listings (RFC 1939 section 5, LIST), a line each."""
        return b"".join(scanLines(self.octets, 0))


class _Column(Sequence[T]):
    """A sequence, equal to any with the same items."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    def __repr__(self) -> str:
        return f"<{len(self)} rows: {', '.join(map(repr, self[:5]))}>"


class _Octets(_Column[int]):
    def __init__(self, octets: array[int]) -> None:
        self._octets = octets

    def __len__(self) -> int:
        return len(self._octets)

    def __iter__(self) -> Iterator[int]:
        return iter(self._octets)

    @overload
    def __getitem__(self, rows: int) -> int: ...

    @overload
    def __getitem__(self, rows: slice) -> Sequence[int]: ...

    def __getitem__(self, rows: int | slice) -> int | Sequence[int]:
        return self._octets[rows]


class UniqueIdLines(_Column[bytes]):
    """
    Unique-ids as slices of their listing.

    @ivar block: the listing.
    @ivar starts: where in it each line begins, and where the last one ends.
    """

    def __init__(self, block: bytes, starts: array[int]) -> None:
        self.block = block
        self.starts = starts

    @classmethod
    def of(cls, ids: Sequence[bytes], row: int = 0) -> UniqueIdLines:
        """
        The lines of well-formed unique-ids.

        @param row: where the first of them stands in the listing, from 0.
        """
        pieces = list(_lines(b"%d %s\r\n", ids, row))
        ends = accumulate(chain.from_iterable(map(_lineOctets, pieces)))
        return cls(b"".join(pieces), array("I", chain((0,), ends)))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __iter__(self) -> Iterator[bytes]:
        for first in range(0, len(self), _PIECE_LINES):
            yield from self[first : first + _PIECE_LINES]

    @overload
    def __getitem__(self, rows: int) -> bytes: ...

    @overload
    def __getitem__(self, rows: slice) -> list[bytes]: ...

    def __getitem__(self, rows: int | slice) -> bytes | list[bytes]:
        if isinstance(rows, int):
            row = range(len(self))[rows]
            return self.block[self.starts[row] : self.starts[row + 1]].split()[1]
        first, last, step = rows.indices(len(self))
        if step != 1:
            return [self[row] for row in range(first, last, step)]
        return self.block[self.starts[first] : self.starts[max(first, last)]].split()[1::2]


def scanLines(octets: Sequence[int], row: int) -> Iterator[bytes]:
    """
    Scan listings, in pieces.

    @param row: where the first of C{octets} stands in the listing, from 0.
    """
    return _lines(b"%d %d\r\n", octets, row)


def _lines(line: bytes, column: Sequence[object], row: int) -> Iterator[bytes]:
    for first in range(0, len(column), _PIECE_LINES):
        piece = column[first : first + _PIECE_LINES]
        yield b"".join(map(line.__mod__, zip(count(row + first + 1), piece)))


def _lineOctets(piece: bytes) -> Iterator[int]:
    return map(len, piece.splitlines(keepends=True))
