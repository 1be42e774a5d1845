"""L{pop3svc.maildrops.removal}: UPDATE on a Maildir."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.logger import capturedLogs
from twisted.python.monkey import MonkeyPatcher

from pop3svc.maildrops.files import Directory

from .maildirs import MaildirTestCase, deliver


class RemovalTests(MaildirTestCase):
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

    async def test_order(self) -> None:
        """All are unlinked before each directory is synced, once, where something was removed."""
        for numbers, expected in [([1, 2], "uus"), ([3, 4], "uuss")]:
            calls: list[str] = []
            patched = [
                self.patch(Directory, name, self.noting(calls, getattr(Directory, name)))
                for name in ("unlink", "sync")
            ]
            maildrop = await self.enter()
            self.assertEqual(await maildrop.remove([n - 2 * (numbers[0] > 2) for n in numbers]), [])
            self.assertEqual("".join(calls), expected)
            await maildrop.close()
            for each in patched:
                each.restore()
        self.assertEqual(self.left(), [False] * 4)

    def noting(self, calls: list[str], call: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any) -> Any:
            calls.append(call.__name__[0])
            return call(*args)

        return noted

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
        entries = Directory.entries

        def broken(directory: Directory) -> Any:
            raise OSError(errno.EIO, "no")

        self.patch(Directory, "entries", broken)
        self.assertEqual(await maildrop.remove([1, 2]), [1])
        self.patch(Directory, "entries", entries)
        self.assertTrue(moved.exists())
        self.assertFalse(self.paths[1].exists())

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
