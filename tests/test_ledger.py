"""L{pop3svc.maildrops.ledger}: a listing on disk that never needs to be right."""

from __future__ import annotations

import os
import tempfile
import zlib
from array import array
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.python.monkey import MonkeyPatcher
from twisted.trial.unittest import SynchronousTestCase

from pop3svc.maildrops import ledger
from pop3svc.maildrops.columns import Columns, Rows
from pop3svc.maildrops.files import Directory
from pop3svc.maildrops.ledger import readLedger, writeHeader, writeLedger
from pop3svc.maildrops.listing import Listing
from pop3svc.maildrops.opened import MessageFile
from pop3svc.maildrops.sidefiles import LEDGER, SideFiles
from pop3svc.maildrops.survey import UNKNOWN
from pop3svc.snapshot import UniqueIdLines

STAMPS = ((1, 2, 3, 4), (2**64 - 1, 2**64 - 1, -(2**63), 2**63 - 1))
HEADER = ledger._HEADER.size


def someListing() -> Listing:
    rows = Rows()
    rows.append(b"1.a", (0, b""), 120, -5, b"1.a")
    rows.append(b"2.\xff", (1, b":2,S"), 0, 0, b"digest")
    rows.append(b"3.c", (1, b":2,"), 2**63, 7, b"!~")
    return Listing(
        columns=rows.columns(),
        twins={b"1.a": [(1, b":2,"), (1, b":2,T")]},
        stamps=STAMPS,
        imported=(9, 8, 7, 6),
        doubtful={b"2.\xff", b"3.c"},
        leftOut=5,
        removed=2,
    )


def values(columns: Columns) -> tuple[object, ...]:
    """All that is in columns."""
    return (
        *(columns.octets, columns.totalOctets, columns.signatures, columns.directories),
        *(columns.names, columns.starts, columns.lines.block, columns.lines.starts),
        columns.scanListing,
    )


class LedgerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(tempfile.mkdtemp())
        self.addCleanup(self.path.rmdir)
        directory = Directory(os.open(self.path, os.O_RDONLY))
        self.addCleanup(directory.close)
        self.files = SideFiles(directory)
        self.ledger = self.path / os.fsdecode(LEDGER)
        self.addCleanup(self.ledger.unlink, missing_ok=True)

    def read(self, most: int = 10) -> Listing | None:
        return readLedger(self.files, most)

    def withChecksums(self, octets: bytes) -> bytes:
        """As somebody would write it who knows how."""
        summed = octets[22:26] + octets[26:HEADER]
        body = zlib.crc32(octets[HEADER:])
        summed = body.to_bytes(4, "little") + summed[4:]
        return octets[:18] + zlib.crc32(summed).to_bytes(4, "little") + summed + octets[HEADER:]

    def test_roundTrip(self) -> None:
        for listing in (Listing(), someListing()):
            writeLedger(self.files, listing)
            found = self.read()
            assert found is not None
            self.assertEqual(values(found.columns), values(listing.columns))
            for name in ("twins", "stamps", "imported", "doubtful", "leftOut", "removed"):
                self.assertEqual(getattr(found, name), getattr(listing, name), name)
            self.assertEqual(found.ledger, listing.ledger)
            self.assertEqual(found.ledger, self.files.stamp(LEDGER))
            self.assertEqual(self.ledger.stat().st_mode & 0o777, 0o600)

    def test_holes(self) -> None:
        """Files of holes may claim more octets than a number has room for."""
        rows = Rows()
        for base in (b"1.a", b"2.a"):
            rows.append(base, (0, b""), 2**63, 7, base)
        with self.assertRaises(OSError):
            writeLedger(self.files, Listing(columns=rows.columns(), stamps=STAMPS))

    def test_header(self) -> None:
        """What changes most often is written without the rest."""
        listing = someListing()
        writeLedger(self.files, listing)
        before, inode = self.ledger.read_bytes(), self.ledger.stat().st_ino
        listing.stamps, listing.removed = UNKNOWN, 3
        writeHeader(self.files, listing)
        self.assertEqual(self.ledger.stat().st_ino, inode)
        self.assertEqual(self.ledger.read_bytes()[HEADER:], before[HEADER:])
        found = self.read()
        assert found is not None
        self.assertEqual((found.stamps, found.removed), (UNKNOWN, 3))
        self.assertEqual(found.ledger, listing.ledger)

    def test_headerOfAnother(self) -> None:
        """Into a ledger that another process has written since nothing is written."""
        listing, other = someListing(), someListing()
        writeLedger(self.files, listing)
        other.leftOut = 99
        writeLedger(self.files, other)
        before = self.ledger.read_bytes()
        writeHeader(self.files, listing)
        self.assertEqual(self.ledger.read_bytes(), before)
        self.assertIsNone(listing.ledger)

    def test_none(self) -> None:
        self.assertIsNone(self.read())

    def test_limit(self) -> None:
        """One of more messages than may be is not even read."""
        writeLedger(self.files, someListing())
        self.assertIsNone(self.read(2))
        self.assertIsNotNone(self.read(3))

    @settings(deadline=None, max_examples=100)
    @given(st.data())
    def test_damaged(self, data: st.DataObject) -> None:
        """Whatever is wrong with it, it is no ledger."""
        writeLedger(self.files, someListing())
        octets = bytearray(self.ledger.read_bytes())
        at = data.draw(st.integers(0, len(octets) - 1))
        match data.draw(st.sampled_from(["octet", "short", "long", "zeros"])):
            case "octet":
                octets[at] ^= data.draw(st.integers(1, 255))
            case "short":
                del octets[at:]
            case "long":
                octets += bytes(at + 1)
            case "zeros":
                octets[at:] = bytes(len(octets) - at) if any(octets[at:]) else b"x"
        self.ledger.write_bytes(octets)
        self.assertIsNone(self.read())

    @settings(deadline=None, max_examples=100)
    @given(st.data())
    def test_hostile(self, data: st.DataObject) -> None:
        """With right checksums too, nothing is raised, and little is read."""
        writeLedger(self.files, someListing())
        octets = bytearray(self.ledger.read_bytes())
        for _ in range(data.draw(st.integers(1, 3))):
            at = data.draw(st.integers(18, len(octets) - 1))
            new = data.draw(st.binary(min_size=1, max_size=8) | st.just(b"\xff" * 8))
            octets[at : at + len(new)] = new
        self.ledger.write_bytes(self.withChecksums(bytes(octets)))
        asked: list[int] = []
        read = MessageFile.read

        def reading(file: MessageFile, wanted: int, offset: int) -> bytes:
            asked.append(wanted)
            return read(file, wanted, offset)

        patch = MonkeyPatcher((MessageFile, "read", reading))
        patch.patch()
        try:
            found = self.read()
        finally:
            patch.restore()
        self.assertLess(sum(asked), 10 * 3 * 1500 + HEADER)
        if found is not None:
            columns = found.columns
            self.assertNotIn(b"/", columns.names)
            self.assertRegex(columns.lines.block, rb"\A([!-~]* [!-~]*\r\n)*\Z")
            self.assertRegex(columns.scanListing, rb"\A([0-9]* [0-9]*\r\n)*\Z")

    def test_leadsOut(self) -> None:
        """No name of a ledger leads out of the Maildir, and no line breaks the protocol."""
        good = someListing().columns
        for change in (
            {"names": good.names.replace(b"1.a", b"../")},
            {"directories": b"\0\1\2"},
            {"lines": UniqueIdLines(good.lines.block.replace(b"!~", b"\r\n"), good.lines.starts)},
            {"scanListing": good.scanListing.replace(b"2 0", b".\r\n")},
            {"starts": array("I", [0, 4, 13, 99])},
            {"starts": array("I", [1, 4, 13, len(good.names)])},
        ):
            columns = Columns(**(vars(good) | change))
            writeLedger(self.files, Listing(columns=columns))
            self.assertIsNone(self.read(), change)
        for odd in ({b"../x": [(0, b"")]}, {b"x": [(0, b"/../../y")]}, {b"x": [(2, b"")]}):
            writeLedger(self.files, Listing(columns=good, twins=odd))
            self.assertIsNone(self.read(), odd)

    def test_notOurs(self) -> None:
        """What somebody else has written, or has linked here, is not read."""
        writeLedger(self.files, someListing())
        other = self.path / "other"
        other.hardlink_to(self.ledger)
        self.assertIsNone(self.read())
        self.ledger.unlink()
        self.ledger.symlink_to(other)
        self.assertIsNone(self.read())
        other.rename(self.ledger)
        self.assertIsNotNone(self.read())
        euid = os.geteuid()
        self.patch(os, "geteuid", lambda: euid + 1)
        self.assertIsNone(self.read())

    def test_noFile(self) -> None:
        self.ledger.mkdir()
        self.assertIsNone(self.read())
        self.ledger.rmdir()
        os.mkfifo(self.ledger)
        self.assertIsNone(self.read())

    def test_sparse(self) -> None:
        """A file of a terabyte costs no more than its header."""
        writeLedger(self.files, someListing())
        os.truncate(self.ledger, 1 << 40)
        self.assertIsNone(self.read())

    def test_otherVersion(self) -> None:
        writeLedger(self.files, someListing())
        octets = self.ledger.read_bytes()
        for magic in (b"pop3svc ledger 2 l", b"pop3svc ledger 1 b"):
            self.ledger.write_bytes(magic + octets[18:])
            self.assertIsNone(self.read())
