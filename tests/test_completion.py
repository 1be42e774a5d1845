"""
L{pop3svc.maildrops.completion}: a crash at any point of UPDATE, and the login after it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from twisted.logger import capturedLogs

from pop3svc.errors import MaildropInUse, MaildropUnavailable
from pop3svc.maildrops import slices
from pop3svc.maildrops.files import Directory
from pop3svc.maildrops.journal import Entry, Journal
from pop3svc.maildrops.sidefiles import JOURNAL, SideFiles

from .maildirs import MaildirTestCase, deliver


class Crash(Exception):
    """The process is no more."""


class Disk:
    """
    Lets a process die at one of its calls that change something.

    @ivar calls: how many there were.
    """

    # Where each is looked up when it is called.
    CALLS = ("open", "write", "fdatasync", "fsync", "unlink", "rename", "ftruncate")

    def __init__(
        self,
        test: MaildirTestCase,
        last: int | None = None,
        half: bool = False,
        removed: int | None = None,
    ) -> None:
        """
        @param last: the number of the call at which it dies; nothing after it
            changes the disk.
        @param half: a write is carried out by half before it dies.
        @param removed: it dies when so many messages are removed.
        """
        self.calls = 0
        self._last = last
        self._removed = removed
        self._half = half
        self._patched = [
            test.patch(os, name, partial(self._call, name, getattr(os, name)))
            for name in self.CALLS
        ]

    def restore(self) -> None:
        for each in self._patched:
            each.restore()

    def _call(self, name: str, call: Any, *args: Any, **kwargs: Any) -> Any:
        if name == "open" and not args[1] & (os.O_CREAT | os.O_WRONLY):
            return call(*args, **kwargs)
        if name == "write" and not stat.S_ISREG(os.fstat(args[0]).st_mode):
            # That is how a thread wakes the reactor.
            return call(*args, **kwargs)
        self.calls += 1
        if name == "unlink" and self._removed is not None and args[0][:1].isdigit():
            self._removed -= 1
            if self._removed < 0:
                self._last = self.calls
        if self._last is not None and self.calls >= self._last:
            if name == "write" and self._half and self.calls == self._last:
                call(args[0], args[1][: len(args[1]) // 2])
            raise Crash
        return call(*args, **kwargs)


class CrashTests(MaildirTestCase):
    """Some of six messages are removed, and the process dies."""

    MARKED = (1, 2, 4, 5)
    STAYING = (2, 5)

    def deliverAll(self) -> list[bytes]:
        """Six messages in new and cur."""
        messages = []
        for path in (self.maildir / "new", self.maildir / "cur"):
            for each in path.iterdir():
                each.unlink()
        for number in range(6):
            message = b"%d\n" % number
            path = deliver(self.maildir, message)
            if number % 2:
                path.rename(self.maildir / "cur" / f"{path.name}:2,S")
            messages.append(message)
        return messages

    async def quitAndDie(self, last: int | None = None, **when: Any) -> int:
        """@return: how many calls there were; the lock goes with the process."""
        maildrop = await self.makeMaildirSource().openMaildrop(b"karl")
        disk = Disk(self, last, **when)
        with contextlib.suppress(Crash):
            self.assertEqual(await maildrop.remove(self.MARKED), [])
        disk.restore()
        await maildrop.close()
        return disk.calls

    async def check(self, messages: list[bytes]) -> bool:
        """
        After the next login either none or all of them are gone.

        @return: whether they are.
        """
        maildrop = await self.makeMaildirSource().openMaildrop(b"karl")
        left = await self.contents(maildrop)
        await maildrop.close()
        if len(left) == len(messages):
            self.assertEqual(left, messages)
            return False
        self.assertEqual(left, [messages[row] for row in self.STAYING])
        return True

    async def test_eachCall(self) -> None:
        """
        Dead before the journal is on the disk: nothing has happened. Dead later:
        all that was marked is gone with the next login, and nothing else.
        """
        self.deliverAll()
        calls = await self.quitAndDie()
        for half in (False, True):
            outcomes = []
            for last in range(1, calls + 1):
                messages = self.deliverAll()
                await self.quitAndDie(last, half=half)
                outcomes.append(await self.check(messages))
            # Once it has begun, there is no way back.
            self.assertEqual(outcomes, sorted(outcomes))
            self.assertEqual((outcomes[0], outcomes[-1]), (False, True))
        self.assertGreater(calls, 8)

    async def test_eachCallOfTheCompletion(self) -> None:
        """The login that completes it may die as well, again and again."""
        for last in range(1, 12):
            messages = self.deliverAll()
            await self.quitAndDie(removed=2)
            self.assertEqual(len(list(self.maildir.glob("[nc]*/*"))), 4)
            for _ in range(2):
                disk = Disk(self, last, half=True)
                with contextlib.suppress(Crash):
                    await (await self.makeMaildirSource().openMaildrop(b"karl")).close()
                disk.restore()
            self.assertTrue(await self.check(messages))

    async def test_powerCut(self) -> None:
        """
        The same when the disk has only what it was told to keep: whatever was
        unlinked and not synced may be there again, each for itself.
        """
        self.patch(Directory, "fileStamp", self.stampWithoutTimes)
        self.deliverAll()
        calls = await self.quitAndDie()
        for last in range(1, calls + 1):
            for pattern in (0, 1, 6, 7):
                messages = self.deliverAll()
                with self.losing(pattern):
                    await self.quitAndDie(last)
                await self.check(messages)

    @staticmethod
    def stampWithoutTimes(directory: Directory, name: bytes) -> tuple[int, int, int, int]:
        """A test cannot bring a file back with the time of its last change."""
        status = os.stat(name, dir_fd=directory.descriptor, follow_symlinks=False)
        return status.st_ino, status.st_size, 0, 0

    @contextmanager
    def losing(self, pattern: int) -> Iterator[None]:
        """
        @param pattern: bits; whether every other message comes back, whether the
            others do, and whether the journal does that was forgotten.
        """
        limbo = self.root / "limbo"
        limbo.mkdir(exist_ok=True)
        gone: dict[int, list[tuple[Path, Path]]] = {}
        names, sync = count(), Directory.sync

        def unlink(directory: Directory, name: bytes) -> None:
            path = Path(os.readlink(f"/proc/self/fd/{directory.descriptor}")) / os.fsdecode(name)
            hidden = limbo / str(next(names))
            # Dies where the unlink would have.
            os.rename(path, hidden)
            gone.setdefault(directory.descriptor, []).append((path, hidden))

        def syncing(directory: Directory) -> None:
            sync(directory)
            gone.pop(directory.descriptor, None)

        journal, overwrite = self.maildir / "pop3svc-journal", SideFiles.overwrite
        before = []

        def overwriting(files: SideFiles, name: bytes, octets: bytes, durable: bool) -> None:
            if name == JOURNAL and not durable:
                before.append(journal.read_bytes())
            overwrite(files, name, octets, durable)

        patched = [
            self.patch(Directory, "unlink", unlink),
            self.patch(Directory, "sync", syncing),
            self.patch(SideFiles, "overwrite", overwriting),
        ]
        try:
            yield
        finally:
            for each in patched:
                each.restore()
        for number, (path, hidden) in enumerate(each for paths in gone.values() for each in paths):
            if pattern >> number % 2 & 1:
                hidden.rename(path)
        if before and pattern & 4:
            journal.write_bytes(before[-1])


class PendingTests(MaildirTestCase):
    """What stands in a journal is not always what lies in the maildrop."""

    def setUp(self) -> None:
        super().setUp()
        self.paths = [deliver(self.maildir, b"%d\n" % number) for number in range(3)]
        self.directory = Directory(os.open(self.maildir, os.O_RDONLY))
        self.addCleanup(self.directory.close)
        self.journal = Journal(partial(SideFiles, self.directory), 1000)

    def entry(self, path: Path) -> Entry:
        index = ("new", "cur").index(path.parent.name)
        with self.directory.enter(os.fsencode(path.parent.name)) as directory:
            name = os.fsencode(path.name)
            return Entry(index, name, directory.fileStamp(name))

    def interrupt(self, *paths: Path) -> None:
        """As a session leaves it that died before it removed the first of these."""
        self.journal.write([self.entry(path) for path in paths])

    async def left(self) -> tuple[list[bytes], list[str]]:
        """What the next login lists, and what it logs."""
        with capturedLogs() as logs:
            maildrop = await self.source.openMaildrop(b"karl")
        contents = await self.contents(maildrop)
        await maildrop.close()
        return contents, [each["text"] for each in logs]

    async def test_completed(self) -> None:
        """Before the listing, and once; the log tells it."""
        self.interrupt(self.paths[0], self.paths[2])
        self.paths[0].unlink()
        text = (
            "a removal of 2 messages was interrupted; now it is complete, with the last 1 of them"
        )
        self.assertEqual(await self.left(), ([b"1\n"], [text]))
        self.assertEqual(await self.left(), ([b"1\n"], []))

    async def test_synced(self) -> None:
        """Both directories are safe before the journal goes, also where all was gone already."""
        flagged = self.paths[2].rename(self.maildir / "cur" / f"{self.paths[2].name}:2,S")
        self.interrupt(self.paths[0], flagged)
        self.paths[0].unlink()
        calls: list[str] = []
        sync, overwrite = Directory.sync, SideFiles.overwrite

        def syncing(directory: Directory) -> None:
            calls.append(os.path.basename(os.readlink(f"/proc/self/fd/{directory.descriptor}")))
            sync(directory)

        def overwriting(files: SideFiles, name: bytes, octets: bytes, durable: bool) -> None:
            calls.append(name.decode())
            overwrite(files, name, octets, durable)

        self.patch(Directory, "sync", syncing)
        self.patch(SideFiles, "overwrite", overwriting)
        await self.left()
        self.assertEqual(calls[:3], ["new", "cur", "pop3svc-journal"])

    async def test_restored(self) -> None:
        """A file that was brought back from a backup is not the one that was removed."""
        self.interrupt(*self.paths)
        inode = self.paths[0].stat()
        content = self.paths[0].read_bytes()
        # Most file systems give the same inode number to the next file.
        self.paths[0].unlink()
        self.paths[0].write_bytes(content)
        os.utime(self.paths[0], ns=(inode.st_atime_ns, inode.st_mtime_ns))
        contents, texts = await self.left()
        self.assertEqual(contents, [b"0\n"])
        self.assertTrue(texts[0].endswith("; 1 were changed or restored since, and stay"), texts)

    async def test_changedSince(self) -> None:
        """Nor is it one that is the same but for the time of its last change."""
        self.interrupt(*self.paths)
        away = self.root / "away"
        self.paths[0].rename(away).rename(self.paths[0])
        self.assertEqual((await self.left())[0], [b"0\n"])

    async def test_usedAgain(self) -> None:
        """Nor is another message that got the same name."""
        self.interrupt(*self.paths)
        self.paths[1].unlink()
        self.paths[1].write_bytes(b"another message\n")
        self.assertEqual((await self.left())[0], [b"another message\n"])

    async def test_flagged(self) -> None:
        """Somebody has read and flagged one since: it stays, as its QUIT was not answered."""
        self.interrupt(*self.paths)
        self.paths[2].rename(self.maildir / "cur" / f"{self.paths[2].name}:2,S")
        self.assertEqual((await self.left())[0], [b"2\n"])

    async def test_hostileEntries(self) -> None:
        """The owner can have removed what is a message in his own maildrop, and no more."""
        fifo, folder = self.maildir / "cur" / "1.fifo", self.maildir / "cur" / "2.folder"
        os.mkfifo(fifo)
        folder.mkdir()
        link = self.maildir / "cur" / "3.link"
        secret = self.root / "secret"
        secret.write_bytes(b"secret")
        link.symlink_to(secret)
        self.interrupt(fifo, folder, link, self.paths[0])
        self.assertEqual((await self.left())[0], [b"1\n", b"2\n"])
        self.assertTrue(os.path.lexists(fifo) and folder.exists() and link.is_symlink())
        self.assertTrue(secret.exists())

    async def test_outside(self) -> None:
        """A journal with one entry that leads elsewhere is none at all."""
        victim = self.root / "victim"
        victim.write_bytes(b"precious\n")
        stamp = self.directory.fileStamp(b"../victim")
        for name in (b"../../victim", b"../pop3svc-journal"):
            self.journal.write([self.entry(self.paths[0]), Entry(0, name, stamp)])
            contents, texts = await self.left()
            self.assertEqual(len(contents), 3)
            self.assertEqual(len(texts), 1)
        self.assertTrue(victim.exists())

    async def test_torn(self) -> None:
        """Nothing has begun: nothing is removed, and it is said once."""
        self.interrupt(*self.paths)
        path = self.maildir / "pop3svc-journal"
        path.write_bytes(path.read_bytes()[:100])
        text = "a journal was not written to its end, so its removal had not begun; it is discarded"
        contents = [b"0\n", b"1\n", b"2\n"]
        self.assertEqual(await self.left(), (contents, [text]))
        self.assertEqual(await self.left(), (contents, []))

    async def test_cannotBeRead(self) -> None:
        """It keeps nobody from the mail, unless the host has run out of something."""
        self.interrupt(*self.paths)
        patched = self.failing("open", errno.EACCES, self.maildir / "pop3svc-journal")
        contents, texts = await self.left()
        self.assertEqual(len(contents), 3)
        self.assertEqual(
            texts,
            [
                "the journal cannot be read (Permission denied); correct owner and mode,"
                " or remove it"
            ],
        )
        patched.restore()
        self.failing("open", errno.EMFILE, self.maildir / "pop3svc-journal")
        with self.assertRaises(MaildropUnavailable):
            await self.left()

    async def test_cannotBeRemoved(self) -> None:
        """What is still there is listed, and the next login tries again."""
        self.interrupt(*self.paths)
        patched = self.failing("unlink", errno.EROFS, self.paths[1])
        for _ in range(2):
            contents, texts = await self.left()
            self.assertEqual(contents, [b"1\n"])
            self.assertIn("it cannot be completed (Read-only file system)", texts[0])
        patched.restore()
        self.assertEqual((await self.left())[0], [])

    async def test_underTheLock(self) -> None:
        """Whoever does not get the maildrop completes nothing in it."""
        holder = await self.source.openMaildrop(b"karl")
        self.interrupt(*self.paths)
        with self.assertRaises(MaildropInUse):
            await self.source.openMaildrop(b"karl")
        self.assertTrue(self.paths[0].exists())
        await holder.close()
        self.assertEqual((await self.left())[0], [])

    async def test_inSlices(self) -> None:
        """A large one lets the work of others come in between."""
        paths = [deliver(self.maildir, b"x\n") for _ in range(1100)]
        self.interrupt(*paths)
        self.patch(slices, "SHORT_SECONDS", 0)
        runs = self.spy(self.source._pool, "run")
        self.assertEqual(len((await self.left())[0]), 3)
        self.assertGreater(len(runs), 4)
        self.assertEqual((self.maildir / "pop3svc-journal").exists(), False)

    async def test_severalNames(self) -> None:
        """IMAP servers copy by hard links; removing one name changes the times of the others."""
        other = self.paths[0].with_name(f"{self.paths[0].name}.copy")
        os.link(self.paths[0], other)
        self.interrupt(self.paths[0], other)
        contents, texts = await self.left()
        self.assertEqual(contents, [b"1\n", b"2\n"])
        self.assertEqual(
            texts[-1].partition("; ")[2], "now it is complete, with the last 2 of them"
        )
