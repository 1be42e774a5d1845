"""L{pop3svc.maildrops.journal}: what is written down before it is removed."""

from __future__ import annotations

import errno
import os
from functools import partial
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pop3svc.maildrops.files import Directory
from pop3svc.maildrops.journal import BadJournal, Entry, Journal, parse, render
from pop3svc.maildrops.sidefiles import SideFiles

ENTRIES = [
    Entry(0, b"1.M1P2.host", (12, 345, 1_700_000_000_000_000_001, 1_700_000_000_000_000_002)),
    Entry(1, b"2.M1P2.host:2,S", (2**64 - 1, 2**62, -1, 0)),
    Entry(1, b"3 \r\n\xff 4:2,", (1, 0, 0, 0)),
]

MOST = 1000


class FormatTests(SynchronousTestCase):
    def test_roundTrip(self) -> None:
        """Names of any octets come back as they were."""
        for entries in (ENTRIES, ENTRIES[:1], []):
            self.assertEqual(parse(render(entries), MOST), entries)

    def test_wholeBlocks(self) -> None:
        """The file has room for the next journal, which most often is as small."""
        for count, blocks in ((1, 1), (50, 1), (1000, 15)):
            octets = len(render([ENTRIES[0]] * count))
            self.assertEqual(octets, blocks * 4096)

    def test_rest(self) -> None:
        """What an earlier and longer journal has left behind this one does not matter."""
        longer = render([ENTRIES[0]] * 200)
        shorter = render(ENTRIES)
        self.assertEqual(parse(shorter + longer[len(shorter) :], MOST), ENTRIES)

    def test_torn(self) -> None:
        """Cut at any octet, or mixed with another journal at any block, it is none."""
        old, new = (render([each] * 200) for each in ENTRIES[:2])
        end = new.rindex(b"\0", 0, len(new.rstrip(b"\0"))) + 1
        for cut in range(end):
            with self.assertRaises(BadJournal):
                parse(new[:cut], MOST)
        size = min(len(old), len(new))
        for cut in range(512, size, 512):
            for mixed in (old[:cut] + new[cut:], new[:cut] + old[cut:]):
                try:
                    self.assertIn(parse(mixed, MOST), ([ENTRIES[0]] * 200, [ENTRIES[1]] * 200))
                except BadJournal:
                    continue

    def test_flipped(self) -> None:
        """Each octet counts."""
        octets = render(ENTRIES)
        for at in range(len(octets.rstrip(b"\0"))):
            flipped = octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1 :]
            with self.assertRaises(BadJournal):
                parse(flipped, MOST)

    def test_hostile(self) -> None:
        """No entry leads out of the two directories, whoever wrote it."""
        for name in (b"../x", b"/etc/passwd", b"a/b", b".", b"..", b".hidden", b""):
            with self.assertRaises(BadJournal):
                parse(render([*ENTRIES, Entry(0, name, (1, 1, 1, 1))]), MOST)
        for directory in (2, -1):
            with self.assertRaises(BadJournal):
                parse(render([Entry(directory, b"x", (1, 1, 1, 1))]), MOST)
        for octets in (b"", b"\n", b"x" * 5000, b"pop3svc-journal 1\n", b"1 1 1\n" * 9):
            with self.assertRaises(BadJournal):
                parse(octets, MOST)

    def test_most(self) -> None:
        """Nobody's memory is filled by more entries than there may be messages."""
        octets = render(ENTRIES)
        self.assertEqual(parse(octets, len(ENTRIES)), ENTRIES)
        with self.assertRaises(BadJournal):
            parse(octets, len(ENTRIES) - 1)

    def test_notOfThisVersion(self) -> None:
        """A later version's journal is not understood by halves."""
        with self.assertRaises(BadJournal):
            parse(render(ENTRIES).replace(b"pop3svc-journal 1", b"pop3svc-journal 2"), MOST)


class FileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.root = Path(self.mktemp()).absolute()
        self.root.mkdir()
        self.path = self.root / "pop3svc-journal"
        directory = Directory(os.open(self.root, os.O_RDONLY))
        self.addCleanup(directory.close)
        self.journal = Journal(partial(SideFiles, directory), 1000)

    def test_life(self) -> None:
        """It is pending from when it is written to when it is forgotten."""
        self.assertEqual(self.journal.pending(), [])
        for _ in range(2):
            self.journal.write(ENTRIES)
            self.assertEqual(self.journal.pending(), ENTRIES)
            self.journal.forget(durable=True)
            self.assertEqual(self.journal.pending(), [])

    def test_empty(self) -> None:
        """As a full disk leaves it: nothing is pending, and nothing is wrong."""
        self.path.touch()
        self.assertEqual(self.journal.pending(), [])

    def test_kept(self) -> None:
        """The file stays, so that the next one needs no space; a large one goes."""
        self.journal.write(ENTRIES)
        inode = self.path.stat().st_ino
        self.journal.forget(durable=False)
        self.journal.write(ENTRIES[:1])
        self.assertEqual((self.path.stat().st_ino, self.path.stat().st_size), (inode, 4096))
        self.journal.write(ENTRIES * 500)
        self.journal.forget(durable=False)
        self.assertFalse(self.path.exists())

    def test_synced(self) -> None:
        """The content is on the disk before anything is removed, and a new name too."""
        calls: list[str] = []
        for name in ("fdatasync", "fsync"):
            self.patch(os, name, lambda descriptor, name=name: calls.append(name))
        self.journal.write(ENTRIES)
        self.assertEqual(calls, ["fdatasync", "fsync"])
        self.journal.write(ENTRIES)
        self.assertEqual(calls[2:], ["fdatasync"])
        self.journal.forget(durable=False)
        self.assertEqual(calls[3:], [])
        self.journal.forget(durable=True)
        self.assertEqual(calls[3:], ["fdatasync"])

    def test_notWritten(self) -> None:
        """A disk that fills up in the midst of it leaves no journal, nor half of one."""
        self.journal.write(ENTRIES)
        write = os.write

        def full(descriptor: int, octets: Any) -> int:
            if len(octets) > 4096:
                return write(descriptor, octets[:4096])
            if len(octets) == 4096:
                raise OSError(errno.ENOSPC, "no")
            return write(descriptor, octets)

        self.patch(os, "write", full)
        with self.assertRaises(OSError):
            self.journal.write([ENTRIES[0]] * 100)
        self.assertEqual(self.journal.pending(), [])

    def test_links(self) -> None:
        """Whoever links another file to that name has it overwritten neither way."""
        other = self.root / "other"
        for link in (os.link, os.symlink):
            other.write_bytes(b"precious")
            link(other, self.path)
            self.journal.write(ENTRIES)
            self.assertEqual(other.read_bytes(), b"precious")
            self.assertEqual(self.journal.pending(), ENTRIES)
            self.path.unlink()

    def test_fifo(self) -> None:
        """A FIFO of that name holds nobody up."""
        os.mkfifo(self.path)
        self.assertEqual(self.journal.pending(), [])
        self.journal.write(ENTRIES)
        self.assertEqual(self.journal.pending(), ENTRIES)

    def test_somebodyElses(self) -> None:
        """Nothing is removed on the word of somebody who put one of ours there."""
        self.journal.write(ENTRIES)
        os.link(self.path, self.root / "another")
        self.assertEqual(self.journal.pending(), [])

    def test_tooLarge(self) -> None:
        """What could not be a journal of this maildrop is not read into memory."""
        with open(self.path, "wb") as file:
            file.truncate(1 << 40)
        with self.assertRaises(OSError) as caught:
            self.journal.pending()
        self.assertEqual(caught.exception.errno, errno.EFBIG)
