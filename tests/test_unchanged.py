"""L{pop3svc.maildrops.unchanged}: what the reactor's thread does, and what it leaves alone."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from typing import Any

from twisted.trial.unittest import SkipTest

from pop3svc.errors import MaildropInUse, MaildropUnavailable
from pop3svc.interfaces import IMaildrop
from pop3svc.maildrops import cached, files, unchanged
from pop3svc.maildrops.cached import DEVICES
from pop3svc.maildrops.files import Directory
from pop3svc.maildrops.journal import Entry, render
from pop3svc.maildrops.listing import Listing
from pop3svc.maildrops.maildir import MaildirSource
from pop3svc.maildrops.opened import MessageFile
from pop3svc.maildrops.sidefiles import IMPORTED, JOURNAL

from .maildirs import MaildirTestCase, deliver

LARGE = b"0123456789abcdef" * 20_000


class UnchangedCase(MaildirTestCase):
    """A maildrop with a small and a large message, known to the source."""

    async def know(self, source: Any = None) -> None:
        """Open and close until nothing is news; skip where it never is."""
        source = source or self.source
        for _ in range(4):
            await self.waitForTick()
            opening = source.openMaildrop(b"karl")
            atOnce = opening.called
            await (await opening).close()
            if atOnce:
                return
        with Directory(os.open(self.root, os.O_RDONLY)) as root:
            root.findOut()
            if root.local and DEVICES.knows(os.stat(self.root).st_dev):
                self.fail("an unchanged maildrop is opened in a thread")
        raise SkipTest("the file system of the tests is none that never waits for others")

    def listing(self) -> Listing:
        """What the source remembers."""
        listing = self.source._remembered.get(os.fsencode(self.maildir))
        assert listing is not None
        return listing

    async def deliverTwo(self) -> None:
        self.paths = [deliver(self.maildir, b"small\n"), deliver(self.maildir, LARGE)]
        await self.know()


class NothingWaitsTests(UnchangedCase):
    async def test_noThread(self) -> None:
        """Login, RETR and the end, and what comes between, of what is in memory."""
        await self.deliverTwo()
        before = self.descriptors()
        calls = self.spy(self.source._pool, "run")
        maildrop = self.successResultOf(self.source.openMaildrop(b"karl"))
        self.assertEqual(self.descriptors(), before + 1)
        for number, message in enumerate((b"small\n", LARGE), 1):
            reader = self.successResultOf(maildrop.openMessage(number))
            got = b""
            while data := self.successResultOf(reader.read(40_000)):
                got += data
            reader.close()
            self.assertEqual(got, message)
        self.successResultOf(maildrop.close())
        self.assertEqual(calls, [])
        self.assertEqual(self.descriptors(), before)

    async def test_noCallThatWaits(self) -> None:
        """No call that may look on the disk is made in the reactor's thread."""
        await self.deliverTwo()
        here, made = threading.get_ident(), []

        def watch(owner: Any, name: str) -> None:
            called = getattr(owner, name)

            def watching(*args: Any, **kwargs: Any) -> Any:
                if threading.get_ident() == here:
                    made.append(name)
                return called(*args, **kwargs)

            self.patch(owner, name, watching)

        for name in ("open", "stat", "lstat", "pread", "read", "listdir", "scandir", "fsync"):
            watch(os, name)
        maildrop = await self.source.openMaildrop(b"karl")
        for number in (1, 2):
            reader = await maildrop.openMessage(number)
            while await reader.read(40_000):
                continue
            reader.close()
        await maildrop.close()
        self.assertEqual(made, [])

    async def test_lockIsHeld(self) -> None:
        """As by any session, and free as soon as it is closed."""
        await self.deliverTwo()
        maildrop = self.successResultOf(self.source.openMaildrop(b"karl"))
        other = self.makeMaildirSource()
        for source in (self.source, other):
            with self.assertRaises(MaildropInUse):
                await source.openMaildrop(b"karl")
        await maildrop.close()
        await maildrop.close()
        await (await other.openMaildrop(b"karl")).close()

    async def test_outsideLedger(self) -> None:
        """The small files may lie elsewhere."""
        deliver(self.maildir, b"x\n")
        (self.root / "ledgers").mkdir()
        source = MaildirSource(f"{self.root}/{{user}}?ledger={self.root}/ledgers")
        self.addCleanup(source._pool._stop)
        await self.know(source)
        maildrop = self.successResultOf(source.openMaildrop(b"karl"))
        self.assertEqual(await self.contents(maildrop), [b"x\n"])
        await maildrop.close()


class BareTests(UnchangedCase):
    """What was not there is not looked for until something is added."""

    async def lookedFor(self) -> list[bytes]:
        """The small files that one more login looks for; it waits for nothing."""
        names: list[bytes] = []

        def opening(descriptor: int, path: bytes, *rest: Any, **more: Any) -> int:
            names.append(path)
            return cached.openCachedBelow(descriptor, path, *rest, **more)

        patched = self.patch(files, "openCachedBelow", opening)
        maildrop = self.successResultOf(self.source.openMaildrop(b"karl"))
        await maildrop.close()
        patched.restore()
        return [each for each in names if each in (JOURNAL, IMPORTED)]

    async def test_onlyOnce(self) -> None:
        await self.deliverTwo()
        self.listing().bare = None
        self.assertEqual(await self.lookedFor(), [JOURNAL, IMPORTED])
        self.assertEqual(await self.lookedFor(), [])

    async def test_added(self) -> None:
        """Anything may be what was looked for."""
        await self.deliverTwo()
        self.assertEqual(await self.lookedFor(), [])
        (self.maildir / "subscriptions").write_bytes(b"x")
        await self.waitForTick()
        self.assertEqual(await self.lookedFor(), [JOURNAL, IMPORTED])
        self.assertEqual(await self.lookedFor(), [])

    async def test_tick(self) -> None:
        """What is added within the tick of the last change leaves the same times."""
        await self.deliverTwo()
        self.listing().bare = None
        patched = self.patch(unchanged, "isSettled", lambda stamp, now: False)
        for _ in range(2):
            self.assertEqual(await self.lookedFor(), [JOURNAL, IMPORTED])
        patched.restore()
        self.assertEqual(await self.lookedFor(), [JOURNAL, IMPORTED])
        self.assertEqual(await self.lookedFor(), [])

    async def test_keptJournal(self) -> None:
        """One that is there is written over, and no directory shows that."""
        await self.deliverTwo()
        journal = self.maildir / os.fsdecode(JOURNAL)
        journal.write_bytes(b"")
        await self.waitForTick()
        for _ in range(2):
            self.assertEqual(await self.lookedFor(), [JOURNAL, IMPORTED])
        with Directory(os.open(self.maildir / "new", os.O_RDONLY)) as new:
            name = os.fsencode(self.paths[0].name)
            journal.write_bytes(render([Entry(0, name, new.fileStamp(name))]))
        maildrop = await self.source.openMaildrop(b"karl")
        self.assertEqual(len(maildrop.messages), 1)
        await maildrop.close()

    async def test_outside(self) -> None:
        """Where they lie elsewhere, the Maildir tells nothing of them."""
        deliver(self.maildir, b"x\n")
        (self.root / "ledgers").mkdir()
        source = self.source = MaildirSource(f"{self.root}/{{user}}?ledger={self.root}/ledgers")
        self.addCleanup(source._pool._stop)
        await self.know(source)
        self.assertIsNone(self.listing().bare)


class ThreadTests(UnchangedCase):
    """Whatever is not as it was, or not in memory, is a thread's."""

    async def enterLater(self) -> IMaildrop:
        opening = self.source.openMaildrop(b"karl")
        self.assertNoResult(opening)
        maildrop = await opening
        self.addCleanup(maildrop.close)
        return maildrop

    async def test_eachCallMayWait(self) -> None:
        """Whichever name is not in memory: nothing is half done, and all is right."""
        await self.deliverTwo()
        before = self.descriptors()
        opened: list[int] = []
        failing = -1

        def patched(called: Any) -> Any:
            def opening(*args: Any, **kwargs: Any) -> int:
                opened.append(0)
                if len(opened) - 1 == failing:
                    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
                found: int = called(*args, **kwargs)
                return found

            return opening

        self.patch(files, "openCached", patched(cached.openCached))
        self.patch(files, "openCachedBelow", patched(cached.openCachedBelow))
        self.listing().bare = None
        maildrop = self.successResultOf(self.source.openMaildrop(b"karl"))
        await maildrop.close()
        calls = len(opened)
        # The prefix, the Maildir, the journal, the imported unique-ids, new and cur.
        self.assertEqual(calls, 6)
        for failing in range(calls):
            opened.clear()
            self.listing().bare = None
            maildrop = await self.enterLater()
            self.assertEqual(len(opened), failing + 1)
            self.assertEqual(self.descriptors(), before + 1)
            self.assertEqual(maildrop.messages.octets, (7, len(LARGE) + 2))
            await maildrop.close()
            self.assertEqual(self.descriptors(), before)

    async def test_messageNotInMemory(self) -> None:
        """Neither its name, nor its octets."""
        await self.deliverTwo()
        maildrop = self.successResultOf(self.source.openMaildrop(b"karl"))
        patched = self.patch(MessageFile, "readCached", lambda *_: None)
        opening = maildrop.openMessage(1)
        self.assertNoResult(opening)
        self.assertEqual(await (await opening).read(10), b"small\n")
        self.patch(MessageFile, "readCached", lambda *_: b"sma")
        opening = maildrop.openMessage(1)
        self.assertNoResult(opening)
        self.assertEqual(await (await opening).read(10), b"small\n")
        patched.restore()
        self.coldCache()
        opening = maildrop.openMessage(1)
        self.assertNoResult(opening)
        self.assertEqual(await (await opening).read(10), b"small\n")
        await maildrop.close()
        self.assertEqual(self.descriptors(), 0)

    async def test_delivered(self) -> None:
        await self.deliverTwo()
        deliver(self.maildir, b"third\n")
        maildrop = await self.enterLater()
        self.assertEqual(len(maildrop.messages), 3)

    async def test_flagged(self) -> None:
        await self.deliverTwo()
        self.paths[0].rename(self.maildir / "cur" / f"{self.paths[0].name}:2,S")
        self.assertEqual(await self.content(await self.enterLater(), 1), b"small\n")

    async def test_journal(self) -> None:
        """A removal that a crash has interrupted is completed first."""
        await self.deliverTwo()
        with Directory(os.open(self.maildir / "new", os.O_RDONLY)) as new:
            name = os.fsencode(self.paths[0].name)
            octets = render([Entry(0, name, new.fileStamp(name))])
        (self.maildir / os.fsdecode(JOURNAL)).write_bytes(octets)
        self.assertEqual(len((await self.enterLater()).messages), 1)
        self.assertFalse(self.paths[0].exists())

    async def test_journalIsALink(self) -> None:
        """To somebody else's file: it is not read here either."""
        await self.deliverTwo()
        (self.root / "other").write_bytes(b"x")
        (self.maildir / os.fsdecode(JOURNAL)).symlink_to(self.root / "other")
        self.assertEqual(len((await self.enterLater()).messages), 2)

    async def test_imported(self) -> None:
        await self.deliverTwo()
        line = b"other-id %s\n" % os.fsencode(self.paths[0].name)
        (self.maildir / os.fsdecode(IMPORTED)).write_bytes(line)
        self.assertEqual((await self.enterLater()).messages.uniqueIds[0], b"other-id")

    async def test_becameALink(self) -> None:
        await self.deliverTwo()
        self.maildir.rename(self.root / "away")
        self.maildir.symlink_to(self.root / "away")
        with self.assertRaisesRegex(MaildropUnavailable, "symbolic link"):
            await self.enterLater()

    async def test_gone(self) -> None:
        """A maildrop that is not mounted is not empty."""
        await self.deliverTwo()
        self.maildir.rename(self.root / "away")
        with self.assertRaisesRegex(MaildropUnavailable, "not there"):
            await self.enterLater()

    async def test_notOfThisMachine(self) -> None:
        """There the lock is asked for in a thread, and messages are opened in one."""
        await self.deliverTwo()
        self.patch(DEVICES, "knows", lambda device: False)
        self.patch(DEVICES, "learn", lambda descriptor: False)
        here, locked = threading.get_ident(), []
        flock = fcntl.flock

        def spying(descriptor: int, operation: int) -> None:
            if operation & fcntl.LOCK_EX:
                locked.append(threading.get_ident() == here)
            flock(descriptor, operation)

        self.patch(fcntl, "flock", spying)
        maildrop = await self.enterLater()
        self.assertEqual(locked, [False])
        opening = maildrop.openMessage(1)
        self.assertNoResult(opening)
        self.assertEqual(await (await opening).read(10), b"small\n")

    async def test_doubtful(self) -> None:
        """What has been found changed is measured by the next session, whose it is."""
        await self.deliverTwo()
        self.paths[0].write_bytes(b"longer\n")
        maildrop = self.successResultOf(self.source.openMaildrop(b"karl"))
        with self.assertRaisesRegex(Exception, "changed in its file"):
            await maildrop.openMessage(1)
        await maildrop.close()
        other = await self.enter(self.makeMaildirSource())
        self.assertEqual(other.messages.octets[0], 8)
