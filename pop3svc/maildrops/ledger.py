"""
The ledger: the listing of a maildrop on disk, for the next session, whichever
process serves it.

It never needs to be right. What it says of the directories holds only while they
have the times that it names; sizes are checked when a message is sent; and if it
is missing, torn, of another version or not of our own making, all is made anew
from the mail, with the same unique-ids in the same order. So nobody waits until
it is safely on the disk.
"""

from __future__ import annotations

import errno
import os
import sys
import zlib
from array import array
from struct import Struct

from ..snapshot import UniqueIdLines
from .columns import Columns
from .files import Stamp
from .listing import Listing
from .opened import MessageFile
from .sidefiles import LEDGER, SideFiles
from .survey import DIRECTORIES, Place, Stamps

# Arrays are stored as they lie in memory. Another order of octets, like another
# version of this layout or of L{arrival}, is another file.
_MAGIC = b"pop3svc ledger 1 " + sys.byteorder[:1].encode()
# A checksum of the rest of the header, and one of all behind it; the numbers of
# messages, of those that we have removed since, and of entries left out; the
# octets of all messages, of names, of lines, of scan listings and of oddities; whether there are
# stamps, of each directory and of the imported unique-ids, and these.
_HEADER = Struct("=18sII3Q5Q3?QQqqQQqqQQqq")
_SUMMED = slice(len(_MAGIC) + 4, None)
_NO_STAMP: Stamp = (0, 0, 0, 0)

_PRINTABLE = bytes(range(0x21, 0x7F))
_DIGITS = b"0123456789"
# What a message takes at the most: names of 255 octets, numbers of 20 digits,
# unique-ids of 70, and a second name and a doubt for each.
_NAME_OCTETS, _LINE_OCTETS, _ODD_OCTETS = 256, 93, 1024


class Unusable(Exception):
    """It is not ours, or not whole; all is to be made anew."""


def writeLedger(files: SideFiles, listing: Listing) -> None:
    """
    Notes the ledger's stamp in the listing.

    @raise OSError: there is the ledger of an earlier session, or none.
    """
    columns, odd = listing.columns, _oddities(listing)
    sections = (
        columns.octets.tobytes(),
        columns.signatures.tobytes(),
        columns.starts.tobytes(),
        columns.lines.starts.tobytes(),
        columns.directories,
        columns.names,
        columns.lines.block,
        columns.scanListing,
        odd,
    )
    listing.checksum = 0
    for section in sections:
        listing.checksum = zlib.crc32(section, listing.checksum)
    listing.ledger = None
    files.writePieces(LEDGER, (_header(listing), *sections), durable=False)
    listing.ledger = listing.seen = files.stamp(LEDGER)


def writeHeader(files: SideFiles, listing: Listing) -> None:
    """
    Write only what changes without the messages: stamps, and what we removed.
    Being cut off in the middle of it would make the ledger useless, no worse.

    @param listing: the one in the ledger but for that; it has its stamp.
    @raise OSError: it cannot be written.
    """
    stamp, listing.ledger = listing.ledger, None
    if stamp is not None and files.stamp(LEDGER) == stamp:
        files.overwrite(LEDGER, _header(listing), durable=False)
        listing.ledger = listing.seen = files.stamp(LEDGER)


def _header(listing: Listing) -> bytes:
    columns = listing.columns
    stamps = (*listing.stamps, listing.imported)
    if columns.totalOctets >= 1 << 64:
        # Files of holes, and of nothing else, can claim as much.
        raise OSError(errno.EOVERFLOW, os.strerror(errno.EOVERFLOW))
    header = _HEADER.pack(
        _MAGIC,
        0,
        listing.checksum,
        len(columns),
        listing.removed,
        listing.leftOut,
        columns.totalOctets,
        len(columns.names),
        len(columns.lines.block),
        len(columns.scanListing),
        len(_oddities(listing)),
        *(stamp is not None for stamp in stamps),
        *(number for stamp in stamps for number in stamp or _NO_STAMP),
    )
    return _MAGIC + _ownChecksum(header) + header[_SUMMED]


def _ownChecksum(header: bytes) -> bytes:
    return zlib.crc32(header[_SUMMED]).to_bytes(4, sys.byteorder)


def readLedger(files: SideFiles, most: int) -> Listing | None:
    """
    @param most: how many messages there may be.
    @return: what the ledger says; L{None} if there is none of any use.
    @raise OSError: it cannot be read.
    """
    file = files.openOurs(LEDGER)
    if file is None:
        return None
    try:
        listing = _read(file, most)
    except Unusable:
        return None
    finally:
        file.close()
    listing.ledger = listing.seen = files.stamp(LEDGER)
    listing.kept = True
    return listing


def _read(file: MessageFile, most: int) -> Listing:
    header = file.read(_HEADER.size, 0)
    if len(header) != _HEADER.size or not header.startswith(_MAGIC + _ownChecksum(header)):
        raise Unusable
    fields = _HEADER.unpack(header)
    checksum, count, removed, leftOut, total, names, lines, scan, odd = fields[2:11]
    # Before any of it is read: no more memory than so many messages need.
    if (
        count > most
        or names > count * _NAME_OCTETS
        or max(lines, scan) > count * _LINE_OCTETS
        or odd > count * _ODD_OCTETS
    ):
        raise Unusable
    reading = _Reading(file, len(header))
    octets, signatures = reading.numbers("Q", count), reading.numbers("q", count)
    starts, lineStarts = reading.numbers("I", count + 1), reading.numbers("I", count + 1)
    directories = reading.octets(count)
    columns = Columns(
        octets,
        total,
        signatures,
        directories,
        reading.octets(names),
        starts,
        UniqueIdLines(reading.octets(lines), lineStarts),
        reading.octets(scan),
    )
    twins, doubtful = _readOddities(reading.octets(odd))
    if reading.offset != file.octets or reading.checksum != checksum:
        raise Unusable
    _check(columns)
    stamps = _stamps(fields[11:14], fields[14:])
    return Listing(
        columns=columns,
        twins=twins,
        stamps=stamps[:-1],
        imported=stamps[-1],
        doubtful=doubtful,
        leftOut=leftOut,
        removed=removed,
        checksum=checksum,
    )


class _Reading:
    """
    The sections of a ledger, one after the other.

    @ivar offset: where the next one begins.
    @ivar checksum: of what was read.
    """

    def __init__(self, file: MessageFile, offset: int) -> None:
        self.offset = offset
        self.checksum = 0
        self._file = file

    def octets(self, octets: int) -> bytes:
        """@raise Unusable: there are fewer."""
        section = self._file.read(octets, self.offset)
        if len(section) != octets:
            raise Unusable
        self.offset += octets
        self.checksum = zlib.crc32(section, self.checksum)
        return section

    def numbers(self, kind: str, count: int) -> array[int]:
        """@raise Unusable: there are fewer."""
        numbers = array(kind)
        numbers.frombytes(self.octets(count * numbers.itemsize))
        return numbers


def _check(columns: Columns) -> None:
    """
    A checksum is no signature: what could lead out of the Maildir, or say
    anything but a listing to a client, is looked at too.
    """
    names, lines, count = columns.names, columns.lines, len(columns)
    if (
        b"/" in names
        or columns.directories.translate(None, bytes(range(len(DIRECTORIES))))
        or (columns.starts[0], columns.starts[-1]) != (0, len(names))
        or (lines.starts[0], lines.starts[-1]) != (0, len(lines.block))
        or lines.block.translate(None, _PRINTABLE) != b" \r\n" * count
        or columns.scanListing.translate(None, _DIGITS) != b" \r\n" * count
    ):
        raise Unusable


def _stamps(there: tuple[bool, ...], numbers: tuple[int, ...]) -> Stamps:
    return tuple(
        (numbers[at], numbers[at + 1], numbers[at + 2], numbers[at + 3]) if isThere else None
        for at, isThere in zip(range(0, len(numbers), 4), there, strict=True)
    )


def _oddities(listing: Listing) -> bytes:
    """Further names, and doubts: base, directory and rest of each, or only the base."""
    fields: list[bytes] = []
    for base, places in listing.twins.items():
        for index, rest in places:
            fields += base, b"%d" % index, rest
    for base in listing.doubtful:
        fields += base, b"", b""
    return b"".join(field + b"\0" for field in fields)


def _readOddities(octets: bytes) -> tuple[dict[bytes, list[Place]], set[bytes]]:
    """@raise Unusable: these are none."""
    fields = octets.split(b"\0")
    if fields.pop() or len(fields) % 3 or b"/" in octets:
        raise Unusable
    twins: dict[bytes, list[Place]] = {}
    doubtful = set()
    for base, index, rest in zip(fields[::3], fields[1::3], fields[2::3], strict=True):
        if not index:
            doubtful.add(base)
        elif index in (b"0", b"1"):
            twins.setdefault(base, []).append((int(index), rest))
        else:
            raise Unusable
    return twins, doubtful
