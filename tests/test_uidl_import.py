"""
L{pop3svc.migration.importing} and L{maildirs}: what C{pop3svc uidl import} writes, and
when it does not.
"""

from __future__ import annotations

import contextlib
import os

from pop3svc.maildrops.files import Directory
from pop3svc.maildrops.journal import Entry, Journal
from pop3svc.maildrops.opened import NewFile
from pop3svc.maildrops.sidefiles import SideFiles
from pop3svc.migration.maildirs import OurMaildir

from .uidl import UidlTestCase


class ImportTests(UidlTestCase):
    async def test_import(self) -> None:
        self.assertEqual(
            self.import_(),
            (0, ["karl: 3 of 3 messages get the unique-id that they had", "karl: written"], ""),
        )
        self.assertEqual(self.imported.read_bytes(), b"17.1 1.a\n17.2 2.a\n17.3 3.a\n")
        # What was measured is kept for the first session.
        self.assertTrue((self.maildir / "pop3svc-ledger").exists())
        self.assertEqual(await self.ids(), [b"17.1", b"17.2", b"17.3"])
        self.assertEqual(self.import_()[1][1], "karl: nothing is to be written")

    async def test_some(self) -> None:
        """Mail that the old server has never seen, or has no more, is told of."""
        self.writeList(b"1 :1.a\n3 :3.a\n9 :9.a\n")
        self.assertEqual(
            self.import_(),
            (
                1,
                [
                    "karl: 2 of 3 messages get the unique-id that they had",
                    "karl: 1 have none there, b'2.a' among them; mail programs that have seen them"
                    " download them again",
                    "karl: 1 others are there, and not in this maildrop",
                    "karl: written",
                ],
                "",
            ),
        )
        self.assertEqual(await self.ids(), [b"17.1", b"2.a", b"17.3"])

    async def test_refused(self) -> None:
        """A unique-id that is none keeps the others from nothing."""
        self.writeList(b"1 :1.a\n2 P%b :2.a\n3 :3.a\n" % (b"x" * 71))
        status, said, _ = self.import_()
        self.assertEqual(
            (status, said[0][:12], said[2][:30]),
            (1, "karl: 2 of 3", "karl: 1 unique-ids are none, b"),
        )
        self.assertEqual(await self.ids(), [b"17.1", b"2.a", b"17.3"])

    def test_dryRun(self) -> None:
        """Nothing at all is written."""
        before = {each.name for each in self.maildir.iterdir()}
        status, said, _ = self.import_("--dry-run")
        self.assertEqual((status, said[-1]), (0, "karl: nothing is written, as this is a dry run"))
        self.assertEqual({each.name for each in self.maildir.iterdir()}, before)

    async def test_another(self) -> None:
        """More is added; what contradicts is not, but by --replace."""
        self.writeList(b"1 :1.a\n")
        self.assertEqual(self.import_()[0], 1)
        self.writeList(b"1 :2.a\n")
        self.assertIn("karl: an import before gave b'2.a' another", self.import_()[2])
        self.writeList(b"2 :2.a\n3 :3.a\n")
        self.assertEqual(self.import_()[0], 1)
        whole = b"17.1 1.a\n17.2 2.a\n17.3 3.a\n"
        self.assertEqual(self.imported.read_bytes(), whole)
        for lines in (b"7 :1.a\n", b"1 :2.a\n2 :1.a\n"):
            self.writeList(lines)
            status, said, complaint = self.import_()
            self.assertEqual((status, said), (2, []))
            self.assertIn("karl: an import before gave b'", complaint)
            self.assertIn("another unique-id, or this one to another message", complaint)
            self.assertEqual(self.imported.read_bytes(), whole)
        self.assertEqual(self.import_("--replace")[0], 1)
        self.assertEqual(self.imported.read_bytes(), b"17.1 2.a\n17.2 1.a\n")

    async def test_damaged(self) -> None:
        self.imported.write_bytes(b"nonsense")
        self.assertEqual(
            self.import_(),
            (
                2,
                [],
                "pop3svc: karl: what was imported before is damaged (line 1 does not end with a"
                " line feed); give it up with --replace\n",
            ),
        )
        self.assertEqual(self.imported.read_bytes(), b"nonsense")
        self.assertEqual(self.import_("--replace")[0], 0)
        self.assertEqual(await self.ids(), [b"17.1", b"17.2", b"17.3"])

    async def test_inUse(self) -> None:
        maildrop = await self.enter()
        status, _, complaint = self.import_()
        self.assertEqual((status, self.imported.exists()), (2, False))
        self.assertEqual(complaint, "pop3svc: karl: another session has the Maildir b'ROOT/karl'\n")
        await maildrop.close()
        # And the lock is ours meanwhile.
        taken: list[str] = []

        def read(maildir: OurMaildir, name: bytes) -> bytes:
            taken.append(self.import_()[2])
            return b"3 V17 N20 G0\n1 :1.a\n"

        self.patch(OurMaildir, "readBeside", read)
        self.import_()
        self.assertIn("another session has the Maildir", taken[0])

    def test_fullDisk(self) -> None:
        """All is as before."""

        def full(file: NewFile, octets: bytes) -> None:
            raise OSError(28, "No space left on device")

        self.patch(NewFile, "write", full)
        status, _, complaint = self.import_()
        self.assertEqual((status, self.imported.exists()), (2, False))
        self.assertIn("karl: the unique-ids cannot be written (No space left on device)", complaint)

    async def test_durable(self) -> None:
        """They outlive a power cut."""
        synced = self.spy(NewFile, "sync")
        self.import_()
        self.assertEqual(len(synced), 1)

    def test_journal(self) -> None:
        """What a crash has left to remove gets no unique-id; in a dry run it is left."""
        with contextlib.ExitStack() as stack:
            maildir = stack.enter_context(Directory.outside(os.fsencode(self.maildir)))
            cur = stack.enter_context(maildir.enter(b"cur"))
            stamp = cur.fileStamp(b"2.a:2,S")
            Journal(lambda: SideFiles(maildir), 9).write([Entry(1, b"2.a:2,S", stamp)])
        self.assertEqual(self.import_("--dry-run")[1][0][:12], "karl: 3 of 3")
        self.assertEqual(self.import_()[1][0][:12], "karl: 2 of 2")
        self.assertFalse((self.maildir / "cur/2.a:2,S").exists())

    async def test_shrunk(self) -> None:
        """A maildrop that may not be mounted is left alone."""
        for number in range(200):
            self.write(f"new/{number + 10}.b")
        await self.ids()
        for path in (self.maildir / "new").iterdir():
            path.unlink()
        self.write("cur/1.a:2,S").unlink()
        status, _, complaint = self.import_()
        self.assertEqual((status, self.imported.exists()), (2, False))
        self.assertIn("has lost 201 of the 203 messages", complaint)

    def test_links(self) -> None:
        """Its owner cannot make us read what only we can read."""
        self.list_.rename(self.root / "elsewhere")
        self.list_.symlink_to(self.root / "elsewhere")
        status, _, complaint = self.import_()
        self.assertEqual(status, 2)
        self.assertIn("ROOT/karl/dovecot-uidlist cannot be read", complaint)
