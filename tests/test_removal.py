"""L{pop3svc.maildrops.removal}: UPDATE on a Maildir."""

from __future__ import annotations

import errno
import os
import shutil
from itertools import count
from pathlib import Path
from typing import Any

from twisted.internet.defer import fail
from twisted.logger import capturedLogs
from twisted.python.monkey import MonkeyPatcher

from pop3svc.errors import MaildropUnavailable
from pop3svc.maildrops import removal, slices
from pop3svc.maildrops.files import Directory
from pop3svc.maildrops.maildir import MaildirSource
from pop3svc.maildrops.opened import NewFile
from pop3svc.pools import PoolFull

from .maildirs import MaildirTestCase, deliver


class RemovalTests(MaildirTestCase):
    names = count()

    def setUp(self) -> None:
        super().setUp()
        self.paths = [deliver(self.maildir, b"%d\n" % number) for number in range(4)]
        target = self.maildir / "cur" / f"{self.paths[3].name}:2,S"
        self.paths[3] = self.paths[3].rename(target)

    def left(self) -> list[bool]:
        """Which of the four are still there."""
        return [path.exists() for path in self.paths]

    def failingUnlink(self, code: int, *paths: Path) -> MonkeyPatcher:
        unlink, names = Directory.unlink, [os.fsencode(path.name) for path in paths]

        def failing(directory: Directory, name: bytes) -> None:
            if name in names:
                raise OSError(code, os.strerror(code))
            unlink(directory, name)

        return self.patch(Directory, "unlink", failing)

    def failingSync(self, code: int, directory: str) -> None:
        inode, sync = (self.maildir / directory).stat().st_ino, os.fsync

        def failing(descriptor: int) -> None:
            if os.fstat(descriptor).st_ino == inode:
                raise OSError(code, os.strerror(code))
            sync(descriptor)

        self.patch(os, "fsync", failing)

    def noting(self) -> list[str]:
        """
        What is done to the disk from now on: C{u}nlink of a message, C{s}ync of
        its directory; C{w}rite of the journal, C{d}isk has it, C{n}ame as well.
        """
        calls: list[str] = []
        letters = {path.stat().st_ino: "s" for path in self.maildir.iterdir()}
        letters[self.maildir.stat().st_ino] = "n"
        unlink, sync = Directory.unlink, Directory.sync
        write, syncFile = NewFile.write, NewFile.sync

        def noteUnlink(directory: Directory, name: bytes) -> None:
            calls.extend("u" * (not name.startswith(b"pop3svc")))
            unlink(directory, name)

        def noteSync(directory: Directory) -> None:
            calls.append(letters[os.fstat(directory.descriptor).st_ino])
            sync(directory)

        def noteWrite(file: NewFile, octets: bytes) -> None:
            calls.extend("w" * (not octets.startswith(b"pop3svc ledger")))
            write(file, octets)

        def noteSyncFile(file: NewFile) -> None:
            calls.append("d")
            syncFile(file)

        self.patch(Directory, "unlink", noteUnlink)
        self.patch(Directory, "sync", noteSync)
        self.patch(NewFile, "write", noteWrite)
        self.patch(NewFile, "sync", noteSyncFile)
        return calls

    async def test_order(self) -> None:
        """
        The journal is on the disk before the first is unlinked; all are unlinked
        before each directory is synced, once; then the journal is forgotten.
        """
        maildrop = await self.enter()
        calls = self.noting()
        self.assertEqual(await maildrop.remove([1, 2]), [])
        self.assertEqual("".join(calls), "wdnuusw")
        calls.clear()
        # The file is there already.
        self.assertEqual(await maildrop.remove([3, 4]), [])
        self.assertEqual("".join(calls), "wduussw")
        self.assertEqual(self.left(), [False] * 4)

    async def test_oneMessage(self) -> None:
        """It is there or not, so a journal would tell nothing."""
        maildrop = await self.enter()
        calls = self.noting()
        self.assertEqual(await maildrop.remove([2]), [])
        self.assertEqual("".join(calls), "us")

    async def test_refusedStay(self) -> None:
        """What the client is told to be still there is not removed after a crash either."""
        self.failingUnlink(errno.EACCES, self.paths[1])
        maildrop = await self.enter()
        calls = self.noting()
        self.assertEqual(await maildrop.remove([1, 2, 3]), [2])
        self.assertEqual("".join(calls), "wdnuuuswd")

    async def test_noJournal(self) -> None:
        """
        Where no journal can be written, messages are removed all the same, and
        the log tells it: nobody could make room else.
        """
        create = Directory.create
        for row, code in enumerate((errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)):

            def failing(directory: Directory, name: bytes, code: int = code) -> NewFile:
                raise OSError(code, os.strerror(code))

            other = deliver(self.maildir, b"other\n")
            maildrop = await self.source.openMaildrop(b"karl")
            self.patch(Directory, "create", failing)
            with capturedLogs() as logs:
                last = len(maildrop.messages)
                self.assertEqual(await maildrop.remove([1, last]), [])
            self.patch(Directory, "create", create)
            await maildrop.close()
            self.assertEqual((self.left()[row], other.exists()), (False, False))
            self.assertEqual(
                [each["text"] for each in logs],
                [
                    f"there is no room for a journal ({os.strerror(code)}), so 2 messages are"
                    " removed without; should the service be killed meanwhile, some of them"
                    " will be left"
                ],
            )

    async def test_fullDiskAfterwards(self) -> None:
        """The journal of an earlier session needs no more space."""
        maildrop = await self.source.openMaildrop(b"karl")
        await maildrop.remove([1, 2])
        await maildrop.close()
        deliver(self.maildir, b"last\n")
        maildrop = await self.enter()
        self.patch(Directory, "create", None)
        with capturedLogs() as logs:
            self.assertEqual(await maildrop.remove([1, 2, 3]), [])
        self.assertEqual(logs, [])

    async def test_journalElsewhere(self) -> None:
        """Where the Maildir is not to be written to, nothing is laid beside the mail."""
        outside = self.root / "outside"
        outside.mkdir()
        source = MaildirSource(f"{self.root}/{{user}}?ledger={outside}")
        self.addCleanup(source._pool._stop)
        maildrop = await self.enter(source)
        self.assertEqual(await maildrop.remove([1, 2]), [])
        self.assertEqual({path.name for path in self.maildir.iterdir()}, {"new", "cur", "tmp"})
        names = [path.name for path in outside.iterdir() if path.name.endswith("-journal")]
        self.assertEqual(len(names), 1)

    async def test_placeElsewhereGone(self) -> None:
        """
        Without that directory nobody is let in, as unique-ids may be in it; who is
        in is not kept from removing mail.
        """
        outside = self.root / "outside"
        outside.mkdir()
        source = MaildirSource(f"{self.root}/{{user}}?ledger={outside}")
        self.addCleanup(source._pool._stop)
        maildrop = await source.openMaildrop(b"karl")
        shutil.rmtree(outside)
        self.assertEqual(await maildrop.remove([1, 2]), [])
        await maildrop.close()
        with self.assertRaisesRegex(MaildropUnavailable, "^the directory .* bring it back$"):
            await self.enter(source)
        self.assertEqual(self.left(), [False, False, True, True])

    async def test_tooMuchToDo(self) -> None:
        """What cannot be done now, the next login does; the answer says what is left."""
        self.patch(removal, "SLICE_FILES", 1)
        self.patch(slices, "SHORT_SECONDS", 0)
        maildrop = await self.source.openMaildrop(b"karl")
        run, runs = self.source._pool.run, count()

        def full(*args: Any) -> Any:
            # The rows are looked at one by one, and then removed one by one.
            return fail(PoolFull("no")) if next(runs) == 6 else run(*args)

        self.source._pool.run = full  # type: ignore[assignment]
        with capturedLogs() as logs:
            self.assertEqual(await maildrop.remove([1, 2, 3, 4]), [1, 2, 3, 4])
        self.assertEqual(logs[0]["reason"], "no; the next login goes on with it")
        self.assertEqual(sorted(self.left()), [False, False, True, True])
        await maildrop.close()
        self.assertEqual(len((await self.enter()).messages), 0)

    async def test_tooMuchToBegin(self) -> None:
        """Before there is a journal, nothing is promised and nothing is done later."""
        self.patch(removal, "SLICE_FILES", 1)
        self.patch(slices, "SHORT_SECONDS", 0)
        maildrop = await self.source.openMaildrop(b"karl")
        run, runs = self.source._pool.run, count()

        def full(*args: Any) -> Any:
            return fail(PoolFull("no")) if next(runs) == 2 else run(*args)

        self.source._pool.run = full  # type: ignore[assignment]
        with capturedLogs() as logs:
            self.assertEqual(await maildrop.remove([1, 2, 3, 4]), [1, 2, 3, 4])
        self.assertEqual(logs[0]["reason"], "no")
        await maildrop.close()
        self.assertEqual(len((await self.enter()).messages), 4)

    async def test_singleFailures(self) -> None:
        """One that cannot be removed does not keep the others; the log says why, once."""
        self.failingUnlink(errno.EACCES, self.paths[1], self.paths[3])
        maildrop = await self.enter()
        with capturedLogs() as logs:
            self.assertEqual(await maildrop.remove([1, 2, 4]), [2, 4])
        self.assertEqual(self.left(), [False, True, True, True])
        self.assertEqual(
            [(each["left"], each["all"], each["reason"]) for each in logs],
            [(2, 3, "Permission denied")],
        )

    async def test_everyErrno(self) -> None:
        """Whatever the kernel says, it is a number in the answer, and no exception."""
        maildrop = await self.enter()
        for code in (errno.EROFS, errno.EPERM, errno.EIO, errno.EISDIR, errno.ESTALE):
            patched = self.failingUnlink(code, self.paths[0])
            self.assertEqual(await maildrop.remove([1]), [1])
            patched.restore()
        self.assertEqual(await maildrop.remove([1]), [])

    async def test_notSafelyRemoved(self) -> None:
        """What may come back after a crash is not called removed."""
        self.failingSync(errno.EIO, "cur")
        maildrop = await self.enter()
        with capturedLogs() as logs:
            self.assertEqual(await maildrop.remove([1, 4]), [1, 4])
        self.assertEqual(logs[0]["reason"], "Input/output error")

    async def test_noSyncThere(self) -> None:
        """Some file systems cannot sync a directory at all; then unlinking has to do."""
        self.failingSync(errno.EINVAL, "new")
        self.assertEqual(await (await self.enter()).remove([1]), [])

    async def test_directoryFails(self) -> None:
        """Without new or cur nothing can be removed, and nothing is."""
        maildrop = await self.enter()
        patched = self.failing("enter", errno.EMFILE, self.maildir / "cur")
        self.assertEqual(await maildrop.remove([1, 2, 3, 4]), [1, 2, 3, 4])
        patched.restore()
        self.assertEqual(self.left(), [True] * 4)

    async def test_searchFails(self) -> None:
        """What is missing is not taken for removed when nobody can look for it."""
        maildrop = await self.enter()
        moved = self.paths[0].rename(self.maildir / "cur" / self.paths[0].name)
        names = Directory.names

        def broken(directory: Directory, most: int) -> Any:
            raise OSError(errno.EIO, "no")

        self.patch(Directory, "names", broken)
        self.assertEqual(await maildrop.remove([1, 2]), [1])
        self.patch(Directory, "names", names)
        self.assertTrue(moved.exists())
        self.assertFalse(self.paths[1].exists())

    async def test_tooManyOthers(self) -> None:
        """Nor when there are more messages by now than anybody wants to look at."""
        source = self.makeMaildirSource(maildropMessages=4)
        maildrop = await self.enter(source)
        moved = self.paths[0].rename(self.maildir / "cur" / self.paths[0].name)
        for _ in range(1100):
            self.write(f"new/{next(self.names)}")
        self.assertEqual(await maildrop.remove([1, 2]), [1])
        self.assertTrue(moved.exists())

    async def test_movedAllTheTime(self) -> None:
        """What escapes each time is reported as not removed, for it is still there."""
        maildrop = await self.enter()
        self.failingUnlink(errno.ENOENT, self.paths[2])
        self.assertEqual(await maildrop.remove([1, 2, 3]), [3])
        self.assertEqual(self.left(), [False, False, True, True])

    async def test_twinFails(self) -> None:
        """A message with a second name that stays would come back: it is not removed."""
        twin = self.maildir / "cur" / f"{self.paths[0].name}:2,S"
        os.link(self.paths[0], twin)
        maildrop = await self.enter()
        self.failingUnlink(errno.EACCES, self.paths[0])
        self.assertEqual(await maildrop.remove([1]), [1])
        self.assertTrue(twin.exists())

    async def test_nothing(self) -> None:
        """Nothing to remove touches nothing."""
        maildrop = await self.enter()
        calls = self.spy(self.source._pool, "run")
        self.assertEqual(await maildrop.remove([]), [])
        self.assertEqual(calls, [])
