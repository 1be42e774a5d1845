"""L{pop3svc.maildrops.maildir}: sessions on real Maildirs that others work on too."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

from twisted.logger import capturedLogs
from twisted.trial.unittest import TestCase

from pop3svc.errors import MaildropInUse, MaildropUnavailable, MessageVanished
from pop3svc.maildrops.files import Directory
from pop3svc.maildrops.maildir import MaildirSource
from pop3svc.maildrops.opened import MessageFile
from pop3svc.testing import MaildropContract

from .maildirs import MaildirTestCase, deliver, makeMaildir


class MaildirContractTests(MaildropContract, TestCase):
    """The contract for stores."""

    def makeSource(self, messages: list[bytes]) -> MaildirSource:
        self.root = Path(self.mktemp()).absolute()
        self.maildir = makeMaildir(self.root / "karl")
        for message in messages:
            deliver(self.maildir, message)
        source = MaildirSource(f"{self.root}/{{user}}")
        self.addCleanup(source._pool._stop)
        return source

    async def deliver(self, source: Any, message: bytes) -> None:
        deliver(self.maildir, message)

    async def takeAway(self, source: Any, uniqueId: bytes) -> None:
        (self.maildir / "new" / os.fsdecode(uniqueId)).unlink()


class SessionTests(MaildirTestCase):
    """Other agents at work between login and QUIT."""

    async def test_movedAndFlagged(self) -> None:
        """Messages are found under new names, to be read and to be removed."""
        paths = [deliver(self.maildir, b"%d\n" % number) for number in range(3)]
        maildrop = await self.enter()
        moved = [path.rename(self.maildir / "cur" / f"{path.name}:2,S") for path in paths]
        self.assertEqual(await self.contents(maildrop), [b"0\n", b"1\n", b"2\n"])
        moved[1].rename(self.maildir / "cur" / f"{paths[1].name}:2,RS")
        self.assertEqual(await self.content(maildrop, 2), b"1\n")
        last = moved[2].rename(self.maildir / "new" / paths[2].name)
        self.assertEqual(await maildrop.remove([1, 2]), [])
        self.assertEqual(list((self.maildir / "cur").iterdir()), [])
        self.assertEqual(list((self.maildir / "new").iterdir()), [last])

    async def test_idsOutliveFlags(self) -> None:
        """A mail reader changes neither unique-ids nor order nor sizes."""
        paths = [deliver(self.maildir, b"%d\n" % number) for number in range(4)]
        before = await self.source.openMaildrop(b"karl")
        await before.close()
        for path in paths[::2]:
            path.rename(self.maildir / "cur" / f"{path.name}:2,S")
        after = await self.enter()
        self.assertEqual(after.messages.uniqueIdListing, before.messages.uniqueIdListing)
        self.assertEqual(after.messages.scanListing, before.messages.scanListing)
        self.assertEqual(await self.contents(after), [b"0\n", b"1\n", b"2\n", b"3\n"])

    async def test_unchanged(self) -> None:
        """A maildrop that nobody changed costs neither a survey nor a new snapshot."""
        deliver(self.maildir, b"x\n")
        await self.waitForTick()
        first = await self.source.openMaildrop(b"karl")
        await first.close()
        self.patch(Directory, "names", None)
        self.assertIs((await self.enter()).messages, first.messages)

    async def test_measuredOnce(self) -> None:
        """Only what is new is read."""
        for number in range(5):
            deliver(self.maildir, b"%d\n" % number)
        await (await self.source.openMaildrop(b"karl")).close()
        opened = self.spy(Directory, "open")
        fresh = deliver(self.maildir, b"fresh\n")
        maildrop = await self.enter()
        self.assertEqual(maildrop.messages.octets, (3, 3, 3, 3, 3, 7))
        names = [name for _, name in opened if not name.startswith(b"pop3svc-")]
        self.assertEqual(names, [fresh.name.encode()])

    async def test_writtenInPlace(self) -> None:
        """A message that was changed in its file is not sent with a wrong size, but next time."""
        path = deliver(self.maildir, b"old\n")
        await self.waitForTick()
        await (await self.source.openMaildrop(b"karl")).close()
        path.write_bytes(b"longer than before\n")
        maildrop = await self.source.openMaildrop(b"karl")
        with capturedLogs() as logs:
            for _ in range(2):
                with self.assertRaises(MessageVanished):
                    await maildrop.openMessage(1)
        self.assertEqual(
            [each["text"] for each in logs],
            [f"the message b'{path.name}' was changed in its file"],
        )
        await maildrop.close()
        maildrop = await self.enter()
        self.assertEqual(maildrop.messages.octets, (20,))
        self.assertEqual(await self.content(maildrop, 1), b"longer than before\n")

    async def test_newTimes(self) -> None:
        """rsync or a restored backup gives new times to the same octets."""
        path = deliver(self.maildir, b"the same\n")
        await self.waitForTick()
        await (await self.source.openMaildrop(b"karl")).close()
        os.utime(path, (1, 1))
        maildrop = await self.source.openMaildrop(b"karl")
        self.assertEqual(await self.content(maildrop, 1), b"the same\n")
        counted = self.spy(MessageFile, "blocks")
        self.assertEqual(await self.content(maildrop, 1), b"the same\n")
        self.assertEqual(counted, [])
        await maildrop.close()

    async def test_becameALink(self) -> None:
        """The owner of the account replaces a message by a link to others' mail."""
        path = deliver(self.maildir, b"mine\n")
        maildrop = await self.enter()
        secret = self.root / "secret"
        path.rename(secret)
        path.symlink_to(secret)
        with self.assertRaisesRegex(MessageVanished, "is no regular file now"):
            await maildrop.openMessage(1)
        self.assertEqual(await maildrop.remove([1]), [])
        self.assertTrue(secret.exists())

    async def test_directoryBecameALink(self) -> None:
        """The same with a whole directory: nothing behind it is read or removed."""
        deliver(self.maildir, b"mine\n")
        maildrop = await self.enter()
        (self.maildir / "new").rename(self.root / "others")
        (self.maildir / "new").symlink_to(self.root / "others")
        with self.assertRaises(MessageVanished):
            await maildrop.openMessage(1)
        self.assertEqual(await maildrop.remove([1]), [1])
        self.assertEqual(len(list((self.root / "others").iterdir())), 1)

    async def test_twoNamesOfOneFile(self) -> None:
        """A delivery that was interrupted between link and unlink is one message."""
        path = deliver(self.maildir, b"x\n")
        os.link(path, self.maildir / "cur" / f"{path.name}:2,")
        maildrop = await self.enter()
        self.assertEqual(len(maildrop.messages), 1)
        self.assertEqual(await maildrop.remove([1]), [])
        await maildrop.close()
        self.assertEqual(len((await self.enter()).messages), 0)

    async def test_twoFilesOfOneName(self) -> None:
        """Of two files with one base name one is served, always the same, and removed."""
        first = self.write("new/1.a", b"first\n")
        second = self.write("cur/1.a:2,S", b"the second\n")
        served = min(first, second, key=lambda path: path.stat().st_ino)
        maildrop = await self.enter()
        expected = served.read_bytes()
        self.assertEqual(await self.contents(maildrop), [expected])
        self.assertEqual(await maildrop.remove([1]), [])
        self.assertEqual([path.exists() for path in (first, second)].count(True), 1)
        self.assertFalse(served.exists())

    async def test_numbersAreChecked(self) -> None:
        """0 is not the last message, for nobody."""
        deliver(self.maildir, b"x\n")
        maildrop = await self.enter()
        for number in (0, -1, 2):
            with self.assertRaises(ValueError):
                maildrop.openMessage(number)
            with self.assertRaises(ValueError):
                maildrop.remove([number])
        self.assertEqual(len(list((self.maildir / "new").iterdir())), 1)


class LockTests(MaildirTestCase):
    """When the lock is held, and what its end waits for."""

    async def test_closeWaitsForWork(self) -> None:
        """The lock stays while a thread still works, and close() may come twice."""
        deliver(self.maildir, b"x\n")
        gate = threading.Event()
        self.addCleanup(gate.set)
        self.coldCache()
        maildrop = await self.source.openMaildrop(b"karl")
        openFile = Directory.open
        self.patch(Directory, "open", lambda self, name: gate.wait(10) and openFile(self, name))
        opening = maildrop.openMessage(1)
        closing = [maildrop.close(), maildrop.close()]
        with self.assertRaises(MaildropInUse):
            await self.source.openMaildrop(b"karl")
        self.assertNoResult(closing[0])
        gate.set()
        (await opening).close()
        for each in closing:
            await each
        await (await self.source.openMaildrop(b"karl")).close()

    async def test_failedLoginFreesLock(self) -> None:
        """Who could not be let in leaves neither lock nor descriptor behind."""
        before = self.descriptors()
        (self.maildir / "cur").rmdir()
        with self.assertRaises(MaildropUnavailable):
            await self.source.openMaildrop(b"karl")
        self.assertEqual(self.descriptors(), before)
        (self.maildir / "cur").mkdir()
        await (await self.source.openMaildrop(b"karl")).close()
        self.assertEqual(self.descriptors(), before)

    async def test_cancelledLogin(self) -> None:
        """A login that nobody waits for any more still ends in a maildrop to close."""
        deliver(self.maildir, b"x\n")
        opening = self.source.openMaildrop(b"karl")
        opening.cancel()
        await (await opening).close()
        await (await self.source.openMaildrop(b"karl")).close()

    async def test_lockedBeforeListed(self) -> None:
        """While another session lasts, nothing is even looked at."""
        await self.enter()
        self.patch(Directory, "names", None)
        with self.assertRaisesRegex(MaildropInUse, "^another session has the Maildir b'/"):
            await self.source.openMaildrop(b"karl")
