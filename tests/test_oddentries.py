"""
A Maildir with everything in it that is no mail, or hardly: each has its treatment,
and none spoils the rest.
"""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs

from pop3svc.errors import MessageVanished
from pop3svc.interfaces import IMaildrop
from pop3svc.maildrops import measuring, slices, whereabouts
from pop3svc.maildrops.maildir import MaildirSource

from .maildirs import MaildirTestCase, deliver, makeMaildir

_SLICE_OCTETS = 1 << 20
_LARGE = 64 * _SLICE_OCTETS


class OddEntriesTests(MaildirTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.cur = self.maildir / "cur"
        self.first = deliver(self.maildir, b"first\n")
        self.last = self.write("cur/1900000000.M1P1.host:2,S", b"last\n")

    async def opened(self) -> tuple[IMaildrop, list[str]]:
        """The maildrop, and what is logged about it."""
        with capturedLogs() as logs:
            maildrop = await self.enter()
        return maildrop, [each["text"] for each in logs]

    async def assertLeftOut(self, *names: str) -> None:
        """They are neither listed nor touched, and the log says so once."""
        maildrop, texts = await self.opened()
        self.assertEqual(await self.contents(maildrop), [b"first\n", b"last\n"])
        self.assertEqual(len(texts), 1)
        self.assertTrue(texts[0].startswith(f"{len(names)} entries, "), texts)
        self.assertEqual(await maildrop.remove([1, 2]), [])
        await maildrop.close()
        self.assertEqual({path.name for path in self.cur.iterdir()}, set(names))
        maildrop, texts = await self.opened()
        self.assertEqual((len(maildrop.messages), texts), (0, []))

    async def test_noFiles(self) -> None:
        """FIFO, socket, directory, links to a file in and out, and to nothing."""
        os.mkfifo(self.cur / "1.fifo:2,S")
        with socket.socket(socket.AF_UNIX) as listening:
            # The whole path may be too long for a socket's address.
            here = os.open(self.cur, os.O_RDONLY)
            listening.bind(f"/proc/self/fd/{here}/2.socket")
            os.close(here)
        (self.cur / "3.directory").mkdir()
        (self.cur / "4.link").symlink_to(self.first)
        (self.cur / "5.link").symlink_to("/etc/passwd")
        (self.cur / "6.link").symlink_to("nowhere")
        names = ["1.fifo:2,S", "2.socket", "3.directory", "4.link", "5.link", "6.link"]
        await self.assertLeftOut(*names)

    async def test_hidden(self) -> None:
        """Names with a dot in front are not mail by the rules of Maildir, and no news."""
        self.write("cur/.hidden", b"hidden\n")
        maildrop, texts = await self.opened()
        self.assertEqual((len(maildrop.messages), texts), (2, []))

    async def test_unreadable(self) -> None:
        """It stays listed; RETR fails for it alone; it can be removed."""
        path = self.write("cur/1800000000.M1P1.host:2,", b"secret\n")
        self.failing("open", errno.EACCES, path)
        maildrop, texts = await self.opened()
        self.assertEqual(maildrop.messages.octets, (7, 7, 6))
        self.assertEqual(len(texts), 1)
        self.assertIn("cannot be read (Permission denied)", texts[0])
        with self.assertRaises(MessageVanished):
            await maildrop.openMessage(2)
        self.assertEqual(await self.content(maildrop, 3), b"last\n")
        self.assertEqual(await maildrop.remove([2]), [])
        self.assertFalse(path.exists())

    async def test_empty(self) -> None:
        """A message of no octets."""
        path = self.write("cur/1800000000.M1P1.host:2,", b"")
        maildrop, texts = await self.opened()
        self.assertEqual((maildrop.messages.octets, texts), ((7, 0, 6), []))
        self.assertEqual(await self.content(maildrop, 2), b"")
        self.assertEqual(await maildrop.remove([2]), [])
        self.assertFalse(path.exists())

    async def test_names(self) -> None:
        """Names of any octets are messages; nothing of them gets on the wire as it is."""
        names = [
            b"\xff\xfe.not UTF-8",
            b"1.line\r\nDELE 1\r\n",
            b"2.space and \t tab",
            b"3.\x1b[31mred",
            b"4." + b"x" * 253,
            b":2,S",
            b"-5",
        ]
        for name in names:
            self.write(b"cur/" + name, name + b"\n")
        maildrop, texts = await self.opened()
        self.assertEqual(texts, [])
        self.assertEqual(len(maildrop.messages), len(names) + 2)
        contents = await self.contents(maildrop)
        self.assertEqual(
            {each.removesuffix(b"\n") for each in contents}, {*names, b"first", b"last"}
        )
        for uniqueId in maildrop.messages.uniqueIds:
            self.assertRegex(uniqueId, rb"\A[\x21-\x7e]{1,70}\Z")
        ids = list(maildrop.messages.uniqueIds)
        await maildrop.close()
        # The same in another process, and they can be removed, all but one.
        maildrop = await self.enter(self.makeMaildirSource())
        self.assertEqual(list(maildrop.messages.uniqueIds), ids)
        self.assertEqual(await maildrop.remove(range(2, len(ids) + 1)), [])
        await maildrop.close()
        maildrop, texts = await self.opened()
        self.assertEqual(list(maildrop.messages.uniqueIds), ids[:1])

    async def test_namesInTheLog(self) -> None:
        """What is wrong with such a file is told in one line of printable ASCII."""
        path = self.write(b"cur/1.x\r\nevent=login user=\xffroot", b"x\n")
        self.failing("open", errno.EIO, path)
        os.mkfifo(os.path.join(os.fsencode(self.cur), b"1.\r\n\x1b"))
        _, texts = await self.opened()
        self.assertEqual(len(texts), 2)
        for text in texts:
            self.assertTrue(text.isascii() and text.isprintable(), text)


class HugeTests(MaildirTestCase):
    """Files of many GiB that take no space on the disk."""

    def sparse(self, name: str, octets: int) -> None:
        os.truncate(self.write(name, b""), octets)

    async def test_othersGoOn(self) -> None:
        """While one is measured, or verified before it is sent, others get their turn."""
        for module in (measuring, whereabouts):
            self.patch(module, "SLICE_OCTETS", _SLICE_OCTETS)
        self.patch(slices, "SHORT_SECONDS", 0)
        source = self.makeMaildirSource(storeThreads=1)
        makeMaildir(self.root / "joe")
        deliver(self.root / "joe", b"x\n")
        runs = self.spy(source._pool, "run")
        self.sparse("cur/1.a:2,", _LARGE)
        await (await self.between(source.openMaildrop(b"karl"), source)).close()
        self.assertGreater(len(runs), 64)

        # The size in its name is believed until it is sent.
        self.sparse(f"cur/2.a,W={_LARGE + 2}:2,", _LARGE)
        maildrop = await self.enter(source)
        self.assertEqual(maildrop.messages.octets, (_LARGE + 2, _LARGE + 2))
        runs.clear()
        (await self.between(maildrop.openMessage(2), source)).close()
        self.assertGreater(len(runs), 64)

    async def between(self, long: Deferred[Any], source: MaildirSource) -> Any:
        """Somebody else logs in, reads and goes before this is done."""
        other = await source.openMaildrop(b"joe")
        self.assertEqual(await self.content(other, 1), b"x\n")
        await other.close()
        self.assertNoResult(long)
        return await long

    async def test_sizes(self) -> None:
        """Numbers of more than 32 bits are right in STAT, in LIST and in the ledger."""
        octets = 4 * (1 << 30) + 2
        self.sparse(f"cur/1.a,W={octets}:2,", octets - 2)
        deliver(self.maildir, b"x\n")
        for source in (self.source, self.makeMaildirSource()):
            maildrop = await source.openMaildrop(b"karl")
            self.assertEqual(maildrop.messages.octets, (octets, 3))
            self.assertEqual(maildrop.messages.totalOctets, octets + 3)
            self.assertEqual(bytes(maildrop.messages.scanListing), b"1 %d\r\n2 3\r\n" % octets)
            self.assertEqual(await self.content(maildrop, 2), b"x\n")
            await maildrop.close()
