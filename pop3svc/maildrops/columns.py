"""
The messages of a maildrop as columns: a few blocks of octets, however many there
are, so that a hundred thousand are held, stored and changed without an object each.
"""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import NamedTuple

from ..snapshot import Snapshot, UniqueIdLines, scanLines
from .names import split
from .survey import Place

# Rows that are worked on by one call into C: well under a millisecond of them.
PIECE_ROWS = 2000
# Up to so many names are searched for one by one in the block of all.
_FEW = 8


class Columns:
    """
    Messages in the order of arrival. But for signatures nothing changes.

    @ivar octets: canonical sizes.
    @ivar totalOctets: their sum.
    @ivar signatures: L{pop3svc.maildrops.files.Status.signature} of what was
        measured; 0 if the size has not been verified.
    @ivar directories: for each message an index into L{DIRECTORIES}.
    @ivar names: all full names, each with a NUL behind it.
    @ivar starts: where in C{names} each begins, and where the last one ends.
    @ivar lines: the unique-ids.
    @ivar scanListing: the scan listings of all.
    """

    def __init__(
        self,
        octets: array[int],
        totalOctets: int,
        signatures: array[int],
        directories: bytes,
        names: bytes,
        starts: array[int],
        lines: UniqueIdLines,
        scanListing: bytes,
    ) -> None:
        self.octets = octets
        self.totalOctets = totalOctets
        self.signatures = signatures
        self.directories = directories
        self.names = names
        self.starts = starts
        self.lines = lines
        self.scanListing = scanListing

    def __len__(self) -> int:
        return len(self.octets)

    @cached_property
    def snapshot(self) -> Snapshot:
        """What a session is shown."""
        return Snapshot.ofColumns(self.octets, self.totalOctets, self.lines, self.scanListing)

    def name(self, row: int) -> bytes:
        """The full name that a message had."""
        return self.names[self.starts[row] : self.starts[row + 1] - 1]

    def place(self, row: int) -> Place:
        """Where a message was."""
        return self.directories[row], split(self.name(row))[1]

    def base(self, row: int) -> bytes:
        """What of its name stays."""
        return split(self.name(row))[0]

    def fullNames(self, first: int, last: int) -> list[str]:
        """The names of these rows, as L{os.fsdecode} makes them."""
        if first == last:
            return []
        return os.fsdecode(self.names[self.starts[first] : self.starts[last] - 1]).split("\0")

    def pieces(self) -> Iterator[range]:
        """All rows, some at a time."""
        for first in range(0, len(self), PIECE_ROWS):
            yield range(first, min(first + PIECE_ROWS, len(self)))

    def rowsOf(self, bases: Sequence[bytes]) -> dict[bytes, int]:
        """The rows of those of the base names that there are."""
        if not self.names:
            return {}
        if len(bases) > _FEW:
            wanted = {os.fsdecode(base): base for base in bases}
            return {
                wanted[base]: row
                for rows in self.pieces()
                for row, name in zip(rows, self.fullNames(rows.start, rows.stop), strict=True)
                if (base := name.partition(":")[0]) in wanted
            }
        found = {base: self._rowOf(base) for base in bases}
        return {base: row for base, row in found.items() if row is not None}

    def weight(self) -> int:
        """The octets of memory they take."""
        arrays = self.octets, self.signatures, self.starts, self.lines.starts
        blocks = self.directories, self.names, self.lines.block, self.scanListing
        return sum(len(each) * each.itemsize for each in arrays) + sum(map(len, blocks))

    def _rowOf(self, base: bytes) -> int | None:
        for end in (b"\0", b":"):
            if self.names.startswith(base + end):
                return 0
            at = self.names.find(b"\0" + base + end)
            if at >= 0:
                return bisect_left(self.starts, at + 1)
        return None


class Bases:
    """A column: what of each name stays."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns

    def __len__(self) -> int:
        return len(self._columns)

    def __getitem__(self, row: int) -> bytes:
        return self._columns.base(row)


NOTHING = Columns(
    array("Q"), 0, array("q"), b"", b"", array("I", [0]), UniqueIdLines(b"", array("I", [0])), b""
)


class Rows:
    """Messages that are collected one by one, in the order of arrival."""

    def __init__(self) -> None:
        self._octets, self._signatures = array("Q"), array("q")
        self._directories, self._names = bytearray(), bytearray()
        self._starts = array("I", [0])
        self._uniqueIds: list[bytes] = []

    def append(
        self, base: bytes, place: Place, octets: int, signature: int, uniqueId: bytes
    ) -> None:
        """One more; L{Columns} says what the values are."""
        self._octets.append(octets)
        self._signatures.append(signature)
        self._directories.append(place[0])
        self._names += base + place[1] + b"\0"
        self._starts.append(len(self._names))
        self._uniqueIds.append(uniqueId)

    def columns(self) -> Columns:
        """All of them; call it once."""
        lines = UniqueIdLines.of(self._uniqueIds)
        self._uniqueIds = []
        return Columns(
            self._octets,
            sum(self._octets),
            self._signatures,
            bytes(self._directories),
            bytes(self._names),
            self._starts,
            lines,
            b"".join(scanLines(self._octets, 0)),
        )


class Span(NamedTuple):
    """Rows that follow each other: C{first} to before C{last}."""

    source: Columns
    first: int
    last: int


def spans(
    old: Columns, removed: Iterable[int], added: Columns, positions: Iterable[int]
) -> Iterator[Span]:
    """
    What new columns are made of.

    @param removed: rows of C{old} to leave out, ascending.
    @param positions: for each row of C{added} the row of C{old} it stands
        before, ascending.
    """
    at = first = 0
    gone = iter(removed)
    skip = next(gone, len(old))
    for last, position in enumerate(chain(positions, (len(old),))):
        if at < position and first < last:
            yield Span(added, first, last)
            first = last
        while skip < position:
            if at < skip:
                yield Span(old, at, skip)
            at, skip = skip + 1, next(gone, len(old))
        if at < position:
            yield Span(old, at, position)
            at = position
    if first < len(added):
        yield Span(added, first, len(added))


def joined(parts: Sequence[Span]) -> Columns:
    """New columns. What stands at the same row as before is not rendered again."""
    octets, signatures = array("Q"), array("q")
    for source, first, last in parts:
        octets += source.octets[first:last]
        signatures += source.signatures[first:last]
    return Columns(
        octets,
        sum(octets),
        signatures,
        b"".join(source.directories[first:last] for source, first, last in parts),
        *_joinedTexts((each.source.names, each.source.starts, *each[1:]) for each in parts),
        UniqueIdLines(*_joinedTexts(_numbered(parts))),
        _joinedScanListing(parts, octets),
    )


# A block, where its rows begin, and which of them are meant.
_Text = tuple[bytes, "array[int]", int, int]


def _joinedTexts(parts: Iterable[_Text]) -> tuple[bytes, array[int]]:
    """Rows of blocks, and where they begin, as one block."""
    pieces: list[memoryview] = []
    starts, end = array("I", [0]), 0
    for block, old, first, last in parts:
        shift = end - old[first]
        if shift:
            starts.extend([start + shift for start in old[first + 1 : last + 1]])
        else:
            starts += old[first + 1 : last + 1]
        pieces.append(memoryview(block)[old[first] : old[last]])
        end += old[last] - old[first]
    return b"".join(pieces), starts


def _numbered(parts: Iterable[Span]) -> Iterator[_Text]:
    """The lines of unique-ids, with the numbers that they have now."""
    row = 0
    for source, first, last in parts:
        if row == first:
            yield source.lines.block, source.lines.starts, first, last
            row = last
            continue
        for piece in range(first, last, PIECE_ROWS):
            ids = source.lines[piece : min(piece + PIECE_ROWS, last)]
            lines = UniqueIdLines.of(ids, row)
            yield lines.block, lines.starts, 0, len(ids)
            row += len(ids)


def _joinedScanListing(parts: Iterable[Span], octets: array[int]) -> bytes:
    pieces: list[bytes] = []
    row = 0
    for source, first, last in parts:
        end = row + last - first
        # Searching for lines of a few rows would take longer than making them.
        if row == first and last - first > PIECE_ROWS:
            text = source.scanListing
            pieces.append(text[_scanStart(source, first) : _scanStart(source, last)])
        else:
            pieces.extend(scanLines(octets[row:end], row))
        row = end
    return b"".join(pieces)


def _scanStart(source: Columns, row: int) -> int:
    """Where the scan listing of a row begins."""
    if row == 0:
        return 0
    if row == len(source):
        return len(source.scanListing)
    return source.scanListing.index(b"\n%d " % (row + 1)) + 1
