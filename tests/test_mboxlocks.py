"""L{pop3svc.maildrops.mboxlocks} and L{pop3svc.maildrops.mboxaccess}: who waits for whom."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from pop3svc.errors import MaildropInUse, MaildropUnavailable
from pop3svc.maildrops.mboxfiles import DotFile, MboxFile
from pop3svc.maildrops.mboxlocks import STALE_SECONDS

from .mboxes import MboxTestCase, System, Threadless, deliver, takeAway


@contextmanager
def locked(path: Path, kind: int = fcntl.F_WRLCK) -> Iterator[None]:
    """
    As an MTA locks: by fcntl; for another descriptor of this process, since the
    classic lock of one process excludes only other processes.
    """
    with path.open("r+b") as file:
        shape = struct.pack("hhqqi", kind, os.SEEK_SET, 0, 0, 0)
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, shape)
        yield


class LockTestCase(MboxTestCase):
    """
    Everything happens at once, or when the clock says so.

    @ivar clock: of the source.
    """

    def setUp(self) -> None:
        super().setUp()
        self.clock = Clock()
        self.source = self.makeMboxSource(clock=self.clock)
        self.source._pool = Threadless()  # type: ignore[assignment]
        self.dot = self.root / "karl.lock"
        deliver(self.mbox, b"1\n", b"2\n", b"3\n")

    def pass_(self, waiting: Deferred[Any], seconds: float) -> None:
        """Let time go by, in steps as short as pauses are."""
        self.assertNoResult(waiting)
        for _ in range(int(seconds / 0.05)):
            self.clock.advance(0.05)

    def assertUnlocked(self) -> None:
        """Nothing is left of the locks of those who deliver."""
        self.assertFalse(self.dot.exists())
        with self.mbox.open("r+b") as file:
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0))


class DeliveryLockTests(LockTestCase):
    def test_notInTheSession(self) -> None:
        """Mail is delivered while a session lasts."""
        maildrop = self.successResultOf(self.source.openMaildrop(b"karl"))
        self.assertUnlocked()
        self.successResultOf(maildrop.openMessage(1)).close()
        self.assertUnlocked()
        self.assertEqual(self.successResultOf(maildrop.remove([1])), [])
        self.assertUnlocked()
        self.successResultOf(maildrop.close())

    def test_whileListedAndRewritten(self) -> None:
        """Both locks are held, the one of fcntl first, and freed in reverse order."""
        steps: list[tuple[str, bool, bool]] = []
        for owner, name in ((MboxFile, "read"), (MboxFile, "write"), (DotFile, "create")):
            self.patch(owner, name, self.noting(steps, name, getattr(owner, name)))
        self.patch(MboxFile, "unlock", self.noting(steps, "unlock", MboxFile.unlock))
        maildrop = self.successResultOf(self.source.openMaildrop(b"karl"))
        self.successResultOf(maildrop.remove([1]))
        self.successResultOf(maildrop.close())
        self.assertEqual(
            {name: locks for name, *locks in steps},
            {
                "create": [True, False],
                "read": [True, True],
                "write": [True, True],
                "unlock": [True, False],
            },
        )

    def noting(self, steps: list[Any], name: str, called: Any) -> Any:
        def noting(*args: Any) -> Any:
            try:
                with locked(self.mbox):
                    isLocked = False
            except BlockingIOError:
                isLocked = True
            steps.append((name, isLocked, self.dot.exists()))
            return called(*args)

        return noting

    def test_fcntl(self) -> None:
        """An MTA delivers while somebody logs in: the login comes when it is done."""
        with locked(self.mbox):
            opening = self.source.openMaildrop(b"karl")
            self.pass_(opening, 5)
            self.assertNoResult(opening)
            self.assertFalse(self.dot.exists())
            deliver(self.mbox, b"4\n")
        self.clock.advance(1)
        maildrop = self.successResultOf(opening)
        self.assertEqual(len(maildrop.messages), 4)
        self.successResultOf(maildrop.close())

    def test_dot(self) -> None:
        """The same with one that only makes a dot-lock, empty as those of Postfix are."""
        self.dot.touch()
        opening = self.source.openMaildrop(b"karl")
        self.pass_(opening, 5)
        self.assertNoResult(opening)
        with locked(self.mbox):
            self.dot.unlink()
        self.clock.advance(1)
        self.successResultOf(self.successResultOf(opening).close())
        self.assertUnlocked()

    def test_bound(self) -> None:
        """Nobody waits for ever, and then nothing is left behind."""
        before = self.descriptors()
        self.dot.touch()
        opening = self.source.openMaildrop(b"karl")
        self.pass_(opening, 9.9)
        self.assertNoResult(opening)
        self.clock.advance(1)
        self.failureResultOf(opening, MaildropUnavailable)
        self.dot.unlink()
        self.assertUnlocked()
        self.assertEqual(self.descriptors(), before)
        self.successResultOf(self.successResultOf(self.source.openMaildrop(b"karl")).close())

    def test_boundIsASetting(self) -> None:
        self.source.useLimits(type(self.source._limits)(mboxLockSeconds=2))
        self.dot.touch()
        opening = self.source.openMaildrop(b"karl")
        self.pass_(opening, 1.9)
        self.assertNoResult(opening)
        self.clock.advance(1)
        self.failureResultOf(opening, MaildropUnavailable)

    def test_removal(self) -> None:
        """What cannot be locked is not removed, and the log says why."""
        maildrop = self.successResultOf(self.source.openMaildrop(b"karl"))
        octets = self.mbox.read_bytes()
        with locked(self.mbox, fcntl.F_RDLCK), capturedLogs() as logs:
            removing = maildrop.remove([1, 3])
            self.pass_(removing, 11)
            self.assertEqual(self.successResultOf(removing), [1, 3])
        [event] = logs
        self.assertRegex(event["reason"], "locked for more than 10 seconds")
        self.assertEqual(self.mbox.read_bytes(), octets)
        self.successResultOf(maildrop.close())

    def test_reading(self) -> None:
        """No lock is asked for, unless a message is not where it was."""
        maildrop = self.successResultOf(self.source.openMaildrop(b"karl"))
        with locked(self.mbox):
            self.successResultOf(maildrop.openMessage(3)).close()
            takeAway(self.mbox, lambda part: part.endswith(b"\n1\n\n"))
            opening = maildrop.openMessage(3)
            self.pass_(opening, 11)
            self.failureResultOf(opening, MaildropUnavailable)
        self.successResultOf(maildrop.openMessage(3)).close()
        self.successResultOf(maildrop.close())

    def test_stale(self) -> None:
        """A dot-lock that nobody renews is broken, not before its time."""
        self.dot.touch()
        now = self.dot.stat().st_mtime
        os.utime(self.dot, (now, now - STALE_SECONDS + 60))
        opening = self.source.openMaildrop(b"karl")
        self.pass_(opening, 1)
        self.assertNoResult(opening)
        os.utime(self.dot, (now, now - STALE_SECONDS - 1))
        self.clock.advance(1)
        self.successResultOf(self.successResultOf(opening).close())
        self.assertUnlocked()

    def test_ours(self) -> None:
        """One that a crash of ours has left is broken at once."""
        self.dot.touch(0o400)
        self.successResultOf(self.successResultOf(self.source.openMaildrop(b"karl")).close())
        self.assertUnlocked()

    def test_oursAndAlive(self) -> None:
        """While another process of ours has the lock of fcntl, its dot-lock stays."""
        self.dot.touch(0o400)
        with locked(self.mbox):
            opening = self.source.openMaildrop(b"karl")
            self.pass_(opening, 1)
            self.assertTrue(self.dot.exists())
        self.clock.advance(1)
        self.successResultOf(self.successResultOf(opening).close())

    def test_oursBesideAReader(self) -> None:
        """Who may only read shares the lock of fcntl, and cannot tell who is alive."""
        self.dot.touch(0o400)
        System(self).failFlags(os.O_RDWR, errno.EROFS)
        opening = self.source.openMaildrop(b"karl")
        self.pass_(opening, 1)
        self.assertNoResult(opening)
        self.dot.unlink()
        self.clock.advance(1)
        self.successResultOf(self.successResultOf(opening).close())

    def test_renewed(self) -> None:
        """What takes long does not look abandoned."""
        now = [1000.0]
        self.patch(__import__("time"), "monotonic", lambda: now[0])
        touched: list[float] = []
        self.patch(DotFile, "touch", lambda self: touched.append(now[0]))
        maildrop = self.successResultOf(self.source.openMaildrop(b"karl"))

        def slow(_: object) -> Any:
            for _ in range(5):
                now[0] += 40
                yield

        self.successResultOf(Deferred.fromCoroutine(cast(Any, maildrop)._access.locked(slow)))
        self.assertEqual(touched, [1080.0, 1160.0])
        self.successResultOf(maildrop.close())

    def test_notOurs(self) -> None:
        """If somebody has broken ours and made another, that one stays."""
        maildrop = self.successResultOf(self.source.openMaildrop(b"karl"))

        def broken(_: object) -> Any:
            self.dot.unlink()
            Path(self.root / "other").touch()
            self.dot.touch()
            yield

        self.successResultOf(Deferred.fromCoroutine(cast(Any, maildrop)._access.locked(broken)))
        self.assertTrue(self.dot.exists())
        self.dot.unlink()
        self.successResultOf(maildrop.close())

    def test_replaced(self) -> None:
        """A file that took the place of the one that was locked is what is listed."""
        other = self.root / "other"
        deliver(other, b"another\n")
        lock = MboxFile.lock

        def replacing(this: MboxFile) -> bool:
            if other.exists():
                other.rename(self.mbox)
            return lock(this)

        self.patch(MboxFile, "lock", replacing)
        opening = self.source.openMaildrop(b"karl")
        self.clock.advance(1)
        maildrop = self.successResultOf(opening)
        self.assertEqual(maildrop.messages.octets, [9])
        self.successResultOf(maildrop.close())

    def test_noDotLock(self) -> None:
        """A directory that may not be written to: the lock of fcntl has to do."""
        for code in (errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EDQUOT):
            self.patch(DotFile, "create", self.failing(code))
            maildrop = self.successResultOf(self.source.openMaildrop(b"karl"))
            self.assertEqual(len(maildrop.messages), 3)
            self.successResultOf(maildrop.close())
            # Of somebody who may write there, for all that.
            self.dot.touch()
            opening = self.source.openMaildrop(b"karl")
            self.pass_(opening, 1)
            self.assertNoResult(opening)
            self.dot.unlink()
            self.clock.advance(1)
            self.successResultOf(self.successResultOf(opening).close())

    def test_noWayToLock(self) -> None:
        """Without locks nothing is read: a listing might be cut."""
        self.patch(DotFile, "create", self.failing(errno.EIO))
        self.failureResultOf(self.source.openMaildrop(b"karl"), MaildropUnavailable)
        self.assertUnlocked()
        self.patch(MboxFile, "lock", self.failing(errno.ENOLCK))
        self.failureResultOf(self.source.openMaildrop(b"karl"), MaildropUnavailable)

    def test_dotLockStays(self) -> None:
        """It is told when a dot-lock cannot be removed; the other lock is freed."""
        self.patch(DotFile, "unlink", self.failing(errno.EIO))
        with capturedLogs() as logs:
            maildrop = self.successResultOf(self.source.openMaildrop(b"karl"))
        self.assertRegex(logs[0]["text"], "the dot-lock cannot be removed")
        with locked(self.mbox):
            self.assertTrue(self.dot.exists())
        self.successResultOf(maildrop.close())

    @staticmethod
    def failing(code: int) -> Any:
        def failing(*args: object) -> None:
            raise OSError(code, os.strerror(code))

        return failing


class SessionLockTests(LockTestCase):
    def open(self) -> Any:
        return self.successResultOf(self.source.openMaildrop(b"karl"))

    def assertInUse(self) -> None:
        other = self.makeMboxSource(clock=self.clock)
        other._pool = Threadless()  # type: ignore[assignment]
        for source in (self.source, other):
            self.failureResultOf(source.openMaildrop(b"karl"), MaildropInUse)

    def test_atOnce(self) -> None:
        """Another session is refused without a wait, whatever becomes of the file."""
        maildrop = self.open()
        self.assertInUse()
        self.mbox.rename(self.root / "elsewhere")
        self.assertInUse()
        self.successResultOf(maildrop.close())
        self.successResultOf(maildrop.close())
        self.successResultOf(self.open().close())

    def test_nobodysBusiness(self) -> None:
        """It is on a file of our own, that those who deliver do not look at."""
        maildrop = self.open()
        self.assertUnlocked()
        with self.mbox.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        folder = self.root / ".pop3svc"
        self.assertEqual([each.name for each in folder.iterdir()], ["karl.lock"])
        self.assertEqual(folder.stat().st_mode & 0o777, 0o700)
        self.successResultOf(maildrop.close())

    def test_outside(self) -> None:
        """In a directory for all of them, mboxes of the same name are apart."""
        outside = self.root / "outside"
        outside.mkdir()
        for domain in ("a", "b"):
            (self.root / domain).mkdir()
            deliver(self.root / domain / "karl", b"x\n")
        template = f"/{{domain}}/{{local}}?ledger={outside}"
        source = type(self.source)(f"{self.root}{template}", clock=self.clock)
        source._pool = Threadless()  # type: ignore[assignment]
        names = (b"karl@a", b"karl@b")
        maildrops = [self.successResultOf(source.openMaildrop(each)) for each in names]
        self.assertEqual(len(list(outside.iterdir())), 2)
        self.assertFalse((self.root / "a" / ".pop3svc").exists())
        for each in maildrops:
            self.successResultOf(each.close())

    def test_noPlace(self) -> None:
        """Nothing can be written: the mbox itself is locked, and can be read."""
        (self.root / ".pop3svc").write_bytes(b"no directory")
        with capturedLogs() as logs:
            maildrop = self.open()
        self.assertRegex(logs[0]["text"], "no small files beside it .* by \\?ledger=")
        self.assertInUse()
        self.successResultOf(maildrop.openMessage(2)).close()
        self.successResultOf(maildrop.relent())
        other = self.open()
        self.assertFalse(self.successResultOf(maildrop.reclaim()))
        self.successResultOf(other.close())
        self.assertTrue(self.successResultOf(maildrop.reclaim()))
        self.assertInUse()
        # To remove the last ones needs no journal.
        self.assertEqual(self.successResultOf(maildrop.remove([2, 3])), [])
        self.successResultOf(maildrop.close())
        maildrop = self.open()
        deliver(self.mbox, b"4\n")
        self.assertEqual(self.successResultOf(maildrop.remove([1])), [1])
        self.successResultOf(maildrop.close())
        self.assertEqual(len(self.open().messages), 2)

    def test_fullDisk(self) -> None:
        """The same, the first time that a maildrop is opened."""
        system = System(self)
        for name in ("mkdir", "write", "pwrite"):
            system.failAll(name, errno.ENOSPC)
            maildrop = self.open()
            self.successResultOf(maildrop.openMessage(2)).close()
            self.successResultOf(maildrop.close())

    def test_foreignFolder(self) -> None:
        """Somebody may have laid one there for us, with links in it."""
        folder = self.root / ".pop3svc"
        folder.mkdir()
        os.chown(folder, 12345, 12345)
        self.failureResultOf(self.source.openMaildrop(b"karl"), MaildropUnavailable)
        folder.rmdir()
        folder.symlink_to(self.root)
        self.assertEqual(len(self.open().messages), 3)

    def test_reclaimInTrouble(self) -> None:
        """Who cannot tell what has happened does not keep the lock."""
        maildrop = self.open()
        self.successResultOf(maildrop.relent())
        self.mbox.write_bytes(b"no mbox\n")
        self.failureResultOf(maildrop.reclaim())
        self.mbox.write_bytes(b"")
        self.assertFalse(self.successResultOf(maildrop.reclaim()))
        self.successResultOf(self.open().close())
        self.successResultOf(maildrop.close())
