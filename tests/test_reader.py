"""L{pop3svc.maildrops.reader} and L{pop3svc.maildrops.whereabouts}: RETR from a Maildir."""

from __future__ import annotations

import errno
import os
import threading

from twisted.logger import capturedLogs

from pop3svc.errors import MaildropUnavailable, MessageVanished
from pop3svc.interfaces import IMessageReader, IReadyMessages
from pop3svc.limits import Limits
from pop3svc.maildrops.opened import MessageFile

from .maildirs import MaildirTestCase, deliver

SMALL = b"small\n"
LARGE = bytes(range(256)) * 1024


class ReaderTests(MaildirTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.small = deliver(self.maildir, SMALL)
        self.large = deliver(self.maildir, LARGE)

    async def open(self, number: int) -> IMessageReader:
        maildrop = await self.enter()
        reader = await maildrop.openMessage(number)
        self.addCleanup(reader.close)
        return reader

    async def test_smallIsReadAtOnce(self) -> None:
        """A small message takes one call in the pool and holds no descriptor."""
        self.coldCache()
        maildrop = await self.enter()
        calls, before = self.spy(self.source._pool, "run"), self.descriptors()
        reader = await maildrop.openMessage(1)
        self.assertEqual(self.descriptors(), before)
        self.assertEqual(self.successResultOf(reader.read(4)), b"smal")
        self.assertEqual(self.successResultOf(reader.read(100)), b"l\n")
        self.assertEqual(self.successResultOf(reader.read(100)), b"")
        reader.close()
        self.assertEqual(len(calls), 1)

    async def test_cachedWithoutThread(self) -> None:
        """What is in the page cache comes at once; closing frees the descriptor."""
        maildrop = await self.enter()
        before = self.descriptors()
        reader = await maildrop.openMessage(2)
        self.assertEqual(self.descriptors(), before + 1)
        self.patch(
            MessageFile, "readCached", lambda self, octets, offset: self.read(octets, offset)
        )
        got = b""
        while data := self.successResultOf(reader.read(50_000)):
            got += data
        self.assertEqual(got, LARGE)
        reader.close()
        self.assertEqual(self.descriptors(), before)

    async def test_readCached(self) -> None:
        """The real call gives a piece of the file, or says that it would have to wait."""
        descriptor = os.open(self.large, os.O_RDONLY)
        file = MessageFile(descriptor)
        self.addCleanup(file.close)
        self.assertEqual(file.read(5, 7), LARGE[7:12])
        self.assertIn(file.readCached(5, 7), (LARGE[7:12], None))
        self.assertIn(file.readCached(100, len(LARGE) - 3), (LARGE[-3:], None))
        os.close(descriptor)
        self.assertIs(file.readCached(5, 7), None)
        os.dup2(os.open(os.devnull, os.O_RDONLY), descriptor)

    async def test_notCached(self) -> None:
        """Else the pool waits for the disk."""
        self.patch(MessageFile, "readCached", lambda self, octets, offset: None)
        maildrop = await self.enter()
        self.assertEqual(await self.contents(maildrop), [SMALL, LARGE])

    async def test_diskFails(self) -> None:
        """In the middle of a message: it fails, and is not taken for its end."""
        self.coldCache()
        reader = await self.open(2)
        self.failing("read", errno.EIO, self.large)
        self.patch(MessageFile, "readCached", lambda self, octets, offset: None)
        await reader.read(65536)
        with self.assertRaisesRegex(MessageVanished, "to its end .Input/output error"):
            await reader.read(65536)

    async def test_cutWhileRead(self) -> None:
        reader = await self.open(2)
        os.truncate(self.large, 70_000)
        self.assertEqual(await reader.read(65536), LARGE[:65536])
        self.assertEqual(await reader.read(65536), LARGE[65536:70_000])
        with self.assertRaisesRegex(MessageVanished, "became shorter"):
            await reader.read(65536)

    async def test_grownWhileRead(self) -> None:
        """What is appended was not promised."""
        reader = await self.open(2)
        with self.large.open("ab") as file:
            file.write(b"more")
        got = b""
        while data := await reader.read(65536):
            got += data
        self.assertEqual(got, LARGE)

    async def test_closedUnderAThread(self) -> None:
        """The descriptor is freed when the thread is done with it, not before."""
        gate = threading.Event()
        self.addCleanup(gate.set)
        maildrop = await self.enter()
        before = self.descriptors()
        reader = await maildrop.openMessage(2)
        await reader.read(65536)
        read = MessageFile.read
        self.patch(MessageFile, "readCached", lambda self, octets, offset: None)
        self.patch(MessageFile, "read", lambda self, *args: (gate.wait(10), read(self, *args))[1])
        reading = reader.read(10)
        reader.close()
        self.assertEqual(self.descriptors(), before + 1)
        gate.set()
        self.assertEqual(await reading, LARGE[65536:65546])
        self.assertEqual(self.descriptors(), before)

    async def test_ready(self) -> None:
        """A small message comes whole, without a thread and without a descriptor."""
        maildrop = await self.enter()
        calls, before = self.spy(self.source._pool, "run"), self.descriptors()
        ready = IReadyMessages(maildrop)
        self.assertEqual(ready.readyMessage(1), SMALL)
        self.assertEqual(ready.readyMessage(1), SMALL)
        self.assertEqual((len(calls), self.descriptors()), (0, before))

    async def test_notReady(self) -> None:
        """Whatever is not as it should be is for openMessage to tell, and holds nothing."""
        empty = deliver(self.maildir, b"")
        maildrop = IReadyMessages(await self.enter())
        before = self.descriptors()
        self.assertIsNone(maildrop.readyMessage(2), "large")
        self.assertEqual(maildrop.readyMessage(3), b"")
        empty.unlink()
        self.assertIsNone(maildrop.readyMessage(3), "gone")
        self.small.write_bytes(b"other")
        self.assertIsNone(maildrop.readyMessage(1), "another file than was measured")
        with self.assertRaises(ValueError):
            maildrop.readyMessage(0)
        self.assertEqual(self.descriptors(), before)

    async def test_notInMemory(self) -> None:
        maildrop = IReadyMessages(await self.enter())
        before = self.descriptors()
        self.patch(MessageFile, "readCached", lambda self, octets, offset: None)
        self.assertIsNone(maildrop.readyMessage(1))
        self.assertEqual(self.descriptors(), before)

    async def test_poolFull(self) -> None:
        """Come back later, for each thing that can be asked for."""
        maildrop = await self.enter()
        reader = await maildrop.openMessage(2)
        self.addCleanup(reader.close)
        await reader.read(65536)
        self.patch(MessageFile, "readCached", lambda self, octets, offset: None)
        self.patch(self.source._pool, "most", 0)
        for refused in (
            reader.read(10),
            maildrop.openMessage(1),
            self.source.openMaildrop(b"joe"),
        ):
            self.failureResultOf(refused, MaildropUnavailable)
        self.assertEqual(self.successResultOf(maildrop.remove([1, 2])), [1, 2])
        self.source.useLimits(Limits())
        self.assertEqual(await maildrop.remove([1, 2]), [])


class OpenTests(MaildirTestCase):
    """System calls that fail while a message is opened."""

    async def test_faults(self) -> None:
        path = deliver(self.maildir, b"x\n")
        maildrop = await self.enter()
        before = self.descriptors()
        for call, code, error in [
            ("open", errno.EMFILE, MaildropUnavailable),
            ("open", errno.EACCES, MessageVanished),
            ("open", errno.EIO, MessageVanished),
            ("read", errno.EIO, MessageVanished),
            ("read", errno.ENOMEM, MaildropUnavailable),
        ]:
            patched = self.failing(call, code, path)
            with self.assertRaisesRegex(error, os.strerror(code)):
                await maildrop.openMessage(1)
            patched.restore()
            self.assertEqual(self.descriptors(), before)
        self.assertEqual(await self.content(maildrop, 1), b"x\n")

    async def test_faultsOfDirectories(self) -> None:
        deliver(self.maildir, b"x\n")
        maildrop = await self.enter()
        for code, error in [
            (errno.ENFILE, MaildropUnavailable),
            (errno.EACCES, MessageVanished),
        ]:
            patched = self.failing("enter", code, self.maildir / "cur")
            with self.assertRaises(error):
                await maildrop.openMessage(1)
            patched.restore()
        self.assertEqual(await self.content(maildrop, 1), b"x\n")

    async def test_loggedOnce(self) -> None:
        """A client that asks again and again does not fill the log."""
        path = deliver(self.maildir, b"x\n")
        maildrop = await self.enter()
        self.failing("open", errno.EACCES, path)
        with capturedLogs() as logs:
            for _ in range(3):
                with self.assertRaises(MessageVanished):
                    await maildrop.openMessage(1)
        self.assertEqual(
            [each["text"] for each in logs],
            [f"the message b'{path.name}' cannot be read (Permission denied)"],
        )

    async def test_removedIsNotLogged(self) -> None:
        """Others may remove what they like."""
        path = deliver(self.maildir, b"x\n")
        maildrop = await self.enter()
        path.unlink()
        vanished = self.assertRaisesRegex(MessageVanished, "was removed by somebody else")
        with capturedLogs() as logs, vanished:
            await maildrop.openMessage(1)
        self.assertEqual(list(logs), [])
