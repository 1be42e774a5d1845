"""L{pop3svc.maildrops.mbox}: sessions on real mboxes that others work on too."""

from __future__ import annotations

import errno
import os
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase, TestCase

from pop3svc.account import Account
from pop3svc.errors import (
    MaildropBroken,
    MaildropUnavailable,
    MessageVanished,
    SettingError,
)
from pop3svc.maildrops import mboxmaildrop
from pop3svc.maildrops.mbox import MboxSource, MboxSourceFactory
from pop3svc.maildrops.mboxfiles import MboxFile
from pop3svc.maildrops.mboxids import digestOf
from pop3svc.maildrops.mboxlines import Identity
from pop3svc.maildrops.mboxlisting import listMessages
from pop3svc.maildrops.mboxreader import Section
from pop3svc.testing import MaildropContract

from .mboxes import MboxTestCase, System, deliver, entry, separator, takeAway

BIG = (
    b"Subject: big\n\n"
    + b"a line of 64 octets that is repeated until it fills some blocks\r\n" * 4000
)


class MboxContractTests(MaildropContract, TestCase):
    """The contract for stores."""

    strangerId = b"../joe"

    def makeSource(self, messages: list[bytes]) -> MboxSource:
        root = Path(self.mktemp()).absolute()
        root.mkdir()
        self.mbox = root / "karl"
        self.mbox.touch()
        deliver(self.mbox, *messages)
        source = MboxSource(f"{root}/{{user}}")
        self.addCleanup(source._pool._stop)
        return source

    def asStored(self, message: bytes) -> bytes:
        """In an mbox each message ends with a line end."""
        return message + b"\n" if message and not message.endswith(b"\n") else message

    async def deliver(self, source: Any, message: bytes) -> None:
        deliver(self.mbox, message)

    async def takeAway(self, source: Any, uniqueId: bytes) -> None:
        def wanted(part: bytes) -> bool:
            line, _, rest = part.partition(b"\n")
            return Identity(line + b"\n", rest[:-1]).end()[0] == digestOf(uniqueId)

        takeAway(self.mbox, wanted)


class NeighbourTests(MboxTestCase):
    """Others at work between login and QUIT."""

    async def test_marked(self) -> None:
        """An IMAP server marks a message as read, so that all behind it move."""
        deliver(self.mbox, b"Subject: 1\n\n1\n", b"Subject: 2\n\n2\n", BIG)
        maildrop = await self.enter()
        octets = self.mbox.read_bytes()
        self.mbox.write_bytes(octets.replace(b"\n\n", b"\nStatus: RO\n\n", 1))
        # It is another one now than the client was promised.
        with self.assertRaisesRegex(MessageVanished, "is gone, or was changed"):
            await maildrop.openMessage(1)
        self.assertEqual(await self.content(maildrop, 2), b"Subject: 2\n\n2\n")
        self.assertEqual(await self.content(maildrop, 3), BIG)
        self.assertEqual(await maildrop.remove([1, 2]), [])
        await maildrop.close()
        self.assertEqual(await self.contents(await self.enter()), [BIG])

    async def test_markedInPlace(self) -> None:
        """The same in the room that an earlier mark has: nothing moves."""
        deliver(self.mbox, b"Status: O \n\n1\n")
        maildrop = await self.enter()
        self.mbox.write_bytes(self.mbox.read_bytes().replace(b"O ", b"RO"))
        self.assertEqual(await self.content(maildrop, 1), b"Status: RO\n\n1\n")

    async def test_changedWhileRead(self) -> None:
        """Of a message that changes while it is sent, the last octets are not sent."""
        deliver(self.mbox, BIG)
        maildrop = await self.enter()
        reader = await maildrop.openMessage(1)
        await reader.read(65536)
        octets = self.mbox.read_bytes()
        self.mbox.write_bytes(octets[:-20] + b"?" + octets[-19:])
        read = 65536
        with self.assertRaisesRegex(MessageVanished, "was changed while it was read"):
            while data := await reader.read(65536):
                read += len(data)
        reader.close()
        self.assertLess(read, len(BIG))

    async def test_changedBefore(self) -> None:
        """Of one that has changed already, none are."""
        deliver(self.mbox, BIG)
        maildrop = await self.enter()
        octets = self.mbox.read_bytes()
        self.mbox.write_bytes(octets[:-20] + b"?" + octets[-19:])
        with self.assertRaises(MessageVanished):
            await maildrop.openMessage(1)

    async def test_replaced(self) -> None:
        """A mail reader writes a new file, and moves it over the old one."""
        deliver(self.mbox, b"1\n", b"2\n", b"3\n")
        maildrop = await self.enter()
        parts = self.mbox.read_bytes().split(b"From ")
        other = self.root / "other"
        other.write_bytes(b"From " + parts[2] + b"From " + parts[3] + entry(b"4\n"))
        other.rename(self.mbox)
        self.assertEqual(await self.content(maildrop, 2), b"2\n")
        with self.assertRaises(MessageVanished):
            await maildrop.openMessage(1)
        self.assertEqual(await maildrop.remove([1, 2]), [])
        await maildrop.close()
        self.assertEqual(await self.contents(await self.enter()), [b"3\n", b"4\n"])

    async def test_vanished(self) -> None:
        """A mail reader removes the file with the last message."""
        deliver(self.mbox, b"1\n")
        maildrop = await self.enter()
        self.mbox.unlink()
        with self.assertRaises(MessageVanished):
            await maildrop.openMessage(1)
        self.assertEqual(await maildrop.remove([1]), [])
        await maildrop.close()
        self.assertEqual(len((await self.enter()).messages), 0)

    async def test_appendedAtTheVeryLast(self) -> None:
        """By somebody who takes no lock, while we write: it is kept."""
        deliver(self.mbox, b"1\n", b"2\n")
        maildrop = await self.enter()
        sync, late = MboxFile.sync, [entry(b"late\n")]

        def appending(this: MboxFile) -> None:
            if late:
                with self.mbox.open("ab") as file:
                    file.write(late.pop())
            sync(this)

        self.patch(MboxFile, "sync", appending)
        self.assertEqual(await maildrop.remove([1]), [])
        await maildrop.close()
        self.assertEqual(await self.contents(await self.enter()), [b"2\n", b"late\n"])

    async def test_appendedBeforeWeWrite(self) -> None:
        """The same between looking and writing, also where the file is only cut."""
        late = entry(b"late\n")

        def appending(*args: Any) -> Any:
            listing = yield from listMessages(*args)
            with self.mbox.open("ab") as file:
                file.write(late)
            return listing

        for numbers, left in (([1], [b"2\n"]), ([1, 2], [])):
            self.mbox.write_bytes(entry(b"1\n") + entry(b"2\n"))
            maildrop = await self.enter()
            patched = self.patch(mboxmaildrop, "listMessages", appending)
            self.assertEqual(await maildrop.remove(numbers), [])
            patched.restore()
            await maildrop.close()
            after = await self.enter()
            self.assertEqual(await self.contents(after), [*left, b"late\n"])
            await after.close()

    async def test_sameFile(self) -> None:
        """Owner, mode and inode stay: whoever has it open can go on."""
        deliver(self.mbox, b"1\n", b"2\n")
        self.mbox.chmod(0o660)
        os.chown(self.mbox, os.geteuid(), 8)
        before = self.mbox.stat()
        with self.mbox.open("ab") as waiting:
            maildrop = await self.enter()
            self.assertEqual(await maildrop.remove([1]), [])
            await maildrop.close()
            waiting.write(entry(b"3\n"))
        after = self.mbox.stat()
        for name in ("st_ino", "st_mode", "st_uid", "st_gid"):
            self.assertEqual(getattr(after, name), getattr(before, name))
        self.assertEqual(await self.contents(await self.enter()), [b"2\n", b"3\n"])

    async def test_twins(self) -> None:
        """Messages that are the same to the octet keep their ids, also after a restart."""
        line = separator()
        self.mbox.write_bytes(entry(b"same\n", line) * 3 + entry(b"other\n"))
        maildrop = await self.enter()
        ids = list(maildrop.messages.uniqueIds)
        self.assertEqual(ids[1:3], [ids[0] + b".2", ids[0] + b".3"])
        self.assertEqual(await maildrop.remove([1]), [])
        await maildrop.close()
        self.mbox.write_bytes(self.mbox.read_bytes() + entry(b"same\n", line))
        expected = [*ids[1:], ids[0] + b".4"]
        for source in (self.source, self.makeMboxSource()):
            self.assertEqual(list((await self.visit(source)).messages.uniqueIds), expected)

    async def test_numbersAreChecked(self) -> None:
        """0 is not the last message, for nobody."""
        deliver(self.mbox, b"x\n")
        maildrop = await self.enter()
        for number in (0, -1, 2):
            with self.assertRaises(ValueError):
                maildrop.openMessage(number)
            with self.assertRaises(ValueError):
                maildrop.remove([number])
        self.assertEqual(await self.contents(maildrop), [b"x\n"])

    async def test_readOnly(self) -> None:
        """What may not be written to can be read, and nothing is said to be removed."""
        deliver(self.mbox, b"1\n", b"2\n")
        await self.visit()
        system = System(self)
        system.failFlags(os.O_RDWR | os.O_WRONLY, errno.EROFS)
        maildrop = await self.enter()
        self.assertEqual(await self.contents(maildrop), [b"1\n", b"2\n"])
        with capturedLogs() as logs:
            self.assertEqual(await maildrop.remove([1, 2]), [1, 2])
        self.assertEqual(logs[0]["reason"], "the service may not write to it")
        await maildrop.close()
        self.assertEqual(len((await self.visit(self.makeMboxSource())).messages), 2)

    async def test_descriptors(self) -> None:
        """Nothing stays open, also where a message was not read to its end."""
        deliver(self.mbox, b"1\n", BIG)
        before = self.descriptors()
        maildrop = await self.enter()
        reader = await maildrop.openMessage(2)
        await reader.read(10)
        await maildrop.close()
        # A reader has its own.
        self.assertEqual(self.descriptors(), before + 1)
        reader.close()
        self.assertEqual(self.descriptors(), before)
        self.mbox.write_bytes(b"no mbox")
        with self.assertRaises(MaildropBroken):
            await self.enter()
        self.assertEqual(self.descriptors(), before)

    async def test_slowDisk(self) -> None:
        """What is not in the page cache is read in a thread, and verified all the same."""
        deliver(self.mbox, BIG, BIG)
        maildrop = await self.enter()
        self.patch(Section, "readCached", lambda self, octets, offset: None)
        self.assertEqual(await self.contents(maildrop), [BIG, BIG])


class PlaceTests(MboxTestCase):
    """What stands where the mbox should be."""

    async def refused(self, pattern: str, name: bytes = b"karl") -> None:
        with self.assertRaisesRegex(MaildropUnavailable, pattern):
            await self.source.openMaildrop(name)

    async def test_missing(self) -> None:
        """No file is an empty maildrop, as no mail has come yet; it may come now."""
        deliver(self.root / "joe", b"x\n")
        maildrop = await self.enter()
        self.assertEqual(len(maildrop.messages), 0)
        deliver(self.mbox, b"x\n")
        self.assertEqual(await maildrop.remove([]), [])
        await maildrop.close()
        self.assertEqual(len((await self.enter()).messages), 1)

    async def test_notMounted(self) -> None:
        """An empty directory is what a file system leaves that is not mounted."""
        await self.refused("as if its file system were not mounted; mount it")
        self.assertEqual(list(self.root.iterdir()), [])
        (self.root / "any").touch()
        self.assertEqual(len((await self.enter()).messages), 0)

    async def test_noDirectory(self) -> None:
        source = MboxSource(f"{self.root}/{{user}}/mbox")
        self.addCleanup(source._pool._stop)
        with self.assertRaisesRegex(
            MaildropUnavailable, "^the directory of the mbox '.*/karl/mbox'"
        ):
            await source.openMaildrop(b"karl")

    async def test_unreadableDirectory(self) -> None:
        """Where nobody can look, a missing file means nothing."""
        system = System(self)
        system.failAll("scandir", errno.EACCES)
        await self.refused("may not be read by the service")

    async def test_noMailThere(self) -> None:
        """Never opened: links, directories, FIFOs, and files with another name."""

        def link() -> None:
            deliver(self.root / "joe", b"secret\n")
            os.link(self.root / "joe", self.mbox)

        makers: tuple[tuple[Callable[[], object], str], ...] = (
            (lambda: self.mbox.symlink_to("/etc/passwd"), "is a symbolic link"),
            (lambda: self.mbox.symlink_to("/nowhere"), "is a symbolic link"),
            (self.mbox.mkdir, "is no regular file"),
            (lambda: os.mkfifo(self.mbox), "is no regular file"),
            (lambda: os.mknod(self.mbox, 0o140600), "is no regular file"),
            (link, "has a second name"),
        )
        for make, pattern in makers:
            make()
            await self.refused(pattern)
            self.mbox.rmdir() if self.mbox.is_dir() else self.mbox.unlink()

    async def test_owner(self) -> None:
        """Of an account that the system knows, or of the service, or nobody knows."""
        name = pwd.getpwuid(os.stat("/").st_uid + 1).pw_name.encode()
        mbox = self.root / os.fsdecode(name)
        deliver(mbox, b"x\n")
        deliver(self.mbox, b"x\n")
        for owner in (os.geteuid(), pwd.getpwnam(os.fsdecode(name)).pw_uid):
            os.chown(mbox, owner, owner)
            await (await self.source.openMaildrop(name)).close()
        os.chown(mbox, 12345, 12345)
        await self.refused("belongs to the user id 12345, not to the account", name)
        os.chown(self.mbox, 12345, 12345)
        await self.visit()
        named = Account(name, maildrop=str(mbox))
        await (await self.source.openMaildrop(named)).close()

    async def test_names(self) -> None:
        """No name leads out of the directory."""
        for name in (b"..", b"a/b", b".pop3svc", b"", b"a\0b", b"\xff"):
            await self.refused("^no path can be made of the user name", name)

    async def test_named(self) -> None:
        """An account may have its mbox anywhere."""
        other = self.root / "elsewhere"
        other.mkdir()
        deliver(other / "mail", b"x\n")
        maildrop = await self.source.openMaildrop(Account(b"karl", maildrop=str(other / "mail")))
        self.assertEqual(maildrop.messages.octets, [3])
        await maildrop.close()


class FactoryTests(SynchronousTestCase):
    def test_argument(self) -> None:
        factory = MboxSourceFactory()
        self.assertEqual(factory.kind, "mbox")
        self.assertIsInstance(factory.makeSource("/tmp/{user}"), MboxSource)
        for text in ("/tmp/mbox", "/nowhere/{user}", "/tmp/{user}?ledgr=/tmp", "/tmp/{usr}"):
            with self.assertRaises(SettingError):
                factory.makeSource(text)
