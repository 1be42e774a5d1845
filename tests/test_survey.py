"""L{pop3svc.maildrops.survey}: reading directories that others write to."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

from pop3svc.errors import MaildropUnavailable
from pop3svc.maildrops import survey
from pop3svc.maildrops.files import Directory
from pop3svc.maildrops.opened import MessageFile

from .maildirs import MaildirTestCase, deliver


class RaceTests(MaildirTestCase):
    """Others rename, deliver and remove while the Maildir is listed."""

    def setUp(self) -> None:
        super().setUp()
        self.paths = [deliver(self.maildir, b"%d\n" % number) for number in range(3)]
        self.times = count(10**18)
        self.ids = tuple(path.name.encode() for path in self.paths)

    def disturb(self, *actions: object) -> None:
        """
        Let readings of C{new} miss the first message, as a rename makes them,
        and do something after each; the readings after these are true.
        """
        names, left = Directory.names, list(actions)
        new = (self.maildir / "new").stat().st_ino

        def disturbed(directory: Directory, most: int) -> list[str]:
            found = names(directory, most)
            if left and os.fstat(directory.descriptor).st_ino == new:
                found = [each for each in found if not each.startswith(self.ids[0].decode())]
                action = left.pop(0)
                if callable(action):
                    action()
            return found

        self.patch(Directory, "names", disturbed)

    def touch(self) -> None:
        """Change the times of C{new}, however coarse the clock of the file system."""
        changed = next(self.times)
        os.utime(self.maildir / "new", ns=(changed, changed))

    async def test_missed(self) -> None:
        """What a rename hid from some passes is found by another, also if these agree."""
        for times in (1, 2, 3, 4):
            self.disturb(*[self.touch] * times)
            maildrop = await self.source.openMaildrop(b"karl")
            self.assertEqual(maildrop.messages.uniqueIds, self.ids)
            await maildrop.close()

    async def test_missedWithinATick(self) -> None:
        """The same where the times stay the same, as they are too young to tell."""
        now = time.time_ns()
        self.patch(survey, "directoryStamps", lambda directories: ((1, 2, now, now),) * 2)
        self.patch(time, "time_ns", lambda: now)
        self.disturb(None)
        self.assertEqual((await self.enter()).messages.uniqueIds, self.ids)

    async def test_neverQuiet(self) -> None:
        """Where each pass differs, what any of them saw and is still there counts."""
        extra = [deliver(self.maildir, b"%d\n" % number) for number in range(3, 9)]
        names, passes = Directory.names, iter(range(100))

        def restless(directory: Directory, most: int) -> list[str]:
            hidden = extra[next(passes) // 2 % len(extra)].name
            self.touch()
            return [each for each in names(directory, most) if each != hidden]

        self.patch(Directory, "names", restless)
        maildrop = await self.enter()
        self.assertEqual(len(maildrop.messages), 9)
        self.assertEqual(await self.contents(maildrop), [b"%d\n" % n for n in range(9)])

    async def test_removedMeanwhile(self) -> None:
        """What is gone before it could be measured was gone before the snapshot."""
        self.onOpen(self.ids[1], lambda: self.paths[1].unlink())
        maildrop = await self.enter()
        self.assertEqual(maildrop.messages.uniqueIds, (self.ids[0], self.ids[2]))

    async def test_becameSomethingElse(self) -> None:
        """What is no regular file any more when it is opened is no message."""

        def replace(make: Callable[[Path], None]) -> None:
            self.paths[1].unlink()
            make(self.paths[1])

        for make in (os.mkfifo, os.mkdir, lambda path: path.symlink_to(self.paths[0])):
            self.onOpen(self.ids[1], partial(replace, make))
            maildrop = await self.makeMaildirSource().openMaildrop(b"karl")
            self.assertEqual(maildrop.messages.uniqueIds, (self.ids[0], self.ids[2]))
            await maildrop.close()
            if self.paths[1].is_dir():
                self.paths[1].rmdir()
            else:
                self.paths[1].unlink()
            self.paths[1].write_bytes(b"1\n")

    async def test_movedMeanwhile(self) -> None:
        """What was moved before it could be measured is measured there."""
        target = self.maildir / "cur" / f"{self.paths[1].name}:2,S"
        self.onOpen(self.ids[1], lambda: self.paths[1].rename(target))
        maildrop = await self.enter()
        self.assertEqual(maildrop.messages.uniqueIds, self.ids)
        self.assertEqual(await self.contents(maildrop), [b"0\n", b"1\n", b"2\n"])

    async def test_deliveredMeanwhile(self) -> None:
        """What came while others were looked for is listed, now or in the next session."""

        def moveAndDeliver() -> None:
            self.paths[1].unlink()
            deliver(self.maildir, b"late\n")

        self.onOpen(self.ids[1], moveAndDeliver)
        maildrop = await self.enter()
        self.assertEqual(await self.contents(maildrop), [b"0\n", b"2\n", b"late\n"])

    async def test_movedWithoutEnd(self) -> None:
        """A listing that cannot be had is no short listing."""
        opened = Directory.open

        def gone(directory: Directory, name: bytes) -> MessageFile:
            if name.startswith(self.ids[1]):
                raise FileNotFoundError
            return opened(directory, name)

        self.patch(Directory, "open", gone)
        with self.assertRaisesRegex(MaildropUnavailable, "changes faster than it can be listed"):
            await self.source.openMaildrop(b"karl")

    def onOpen(self, base: bytes, action: object) -> None:
        """Do something just before this message is opened for the first time."""
        opened, left = Directory.open, [action]

        def disturbed(directory: Directory, name: bytes) -> MessageFile:
            if name.startswith(base) and left:
                left.pop()()  # type: ignore[operator]
            return opened(directory, name)

        self.patch(Directory, "open", disturbed)


class TickTests(MaildirTestCase):
    """Times of directories are believed only when they are old enough."""

    def test_settled(self) -> None:
        now = 1_700_000_000_500_000_001
        self.patch(time, "time_ns", lambda: now)
        for age, settled in [(0, False), (19_000_000, False), (21_000_000, True), (-5, False)]:
            stamp = (1, 2, now - age, now - age)
            self.assertEqual((age, survey._areSettled((stamp,))), (age, [settled]))
        # Whole seconds: the file system may know no parts of them.
        for age, settled in [(500_000_001, False), (1_500_000_001, False), (2_500_000_001, True)]:
            stamp = (1, 2, now - age, now - age)
            self.assertEqual((age, survey._areSettled((stamp,))), (age, [settled]))

    def test_everyTimeCounts(self) -> None:
        old, young = 10**18 + 1, 2 * 10**18 - 1
        self.patch(time, "time_ns", lambda: 2 * 10**18)
        stamps = [(1, 2, old, young), (1, 2, young, old), (1, 2, old, old)]
        self.assertEqual(survey._areSettled(stamps), [False, False, True])
