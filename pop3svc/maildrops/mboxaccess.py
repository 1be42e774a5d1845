"""
One session's way to one mbox: its directory, the small files of ours, the lock of
the session, and the locks of those who deliver.

The lock of the session is on a small file of our own, by flock, for as long as the
session lasts; mail is delivered meanwhile. The locks of those who deliver are held
only while the mbox is listed or rewritten.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeVar

from twisted.internet.defer import DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from ..errors import MaildropInUse, MaildropUnavailable
from ..hits import hit
from ..pools import Pool
from .files import Directory
from .mboxfiles import LockFile, MboxFile, NotAnMbox, sideFolder
from .mboxids import Known, read
from .mboxjournal import MboxJournal
from .mboxlocks import DeliveryLocks, LockBusy
from .sidefiles import SideFiles
from .slices import Slices, runSlices

T = TypeVar("T")

_SIDE_FOLDER = b".pop3svc"
_LOCK, _IDS, _JOURNAL = b"lock", b"ids", b"journal"
# Between two attempts to lock; each one takes longer than the one before.
_FIRST_PAUSE, _LAST_PAUSE = 0.05, 1.0


@dataclass(frozen=True)
class Where:
    """
    Which mbox, and whose.

    @ivar prefix: as in L{pop3svc.maildrops.paths.Place}.
    @ivar components: the directories below it, and the file.
    @ivar outside: a directory for our small files, or L{None} for one beside the
        mbox.
    @ivar account: whose it has to be, if the system knows an account of that name.
    """

    prefix: bytes
    components: tuple[bytes, ...]
    outside: bytes | None = None
    account: bytes | None = None

    @property
    def path(self) -> bytes:
        """For the log and as a key; never to be opened."""
        return os.path.join(self.prefix, *self.components)

    def __str__(self) -> str:
        return f"the mbox {os.fsdecode(self.path)!a}"


class MboxAccess:
    """
    What one session holds. But for L{locked}, call it in a thread.

    @ivar where: which one.
    @ivar file: the mbox, or L{None} while there is none.
    @ivar troubles: sentences for the log, to be taken out.
    """

    def __init__(self, where: Where, pool: Pool, clock: IReactorTime, seconds: int) -> None:
        """@param seconds: how long to wait for those who deliver."""
        self.file: MboxFile | None = None
        self.troubles: list[str] = []
        self.where = where
        self._name = where.components[-1]
        self._pool = pool
        self._clock = clock
        self._seconds = seconds
        # Two attempts of one session would keep each other out.
        self._turn = DeferredLock()
        self._directory: Directory
        self._sides: Directory | None = None
        self._prefix = self._name + b"."
        self._lock: LockFile | None = None
        self._flocked: MboxFile | None = None

    def enter(self) -> None:
        """
        Open the directory, and have the session's lock.

        @raise MaildropInUse: another session has it.
        @raise MaildropUnavailable: it is not there, or not what it should be.
        @raise OSError: something cannot be opened.
        """
        self._directory = self._parent()
        try:
            self._open()
            if self.file is None:
                self._checkMounted()
            try:
                self._openSides()
            except OSError as error:
                # Reading needs none of our files; removing says what it needs.
                self.troubles.append(
                    f"there are no small files beside it ({os.strerror(error.errno or 0)});"
                    " give the service a directory of its own by ?ledger="
                )
            self.lockSession()
        except BaseException:
            self.leave()
            raise

    def lockSession(self) -> None:
        """
        Without any place for a lock file, the mbox itself is locked: those who
        deliver do not use flock on Linux.

        @raise MaildropInUse: another session has it.
        """
        try:
            if self._lock is not None:
                self._lock.lock()
            elif self.file is not None:
                self.file.flock()
                self._flocked = self.file
        except BlockingIOError:
            raise MaildropInUse(f"another session has {self.where}") from None

    def unlockSession(self) -> None:
        """For good, or until L{lockSession}."""
        if self._lock is not None:
            self._lock.unlock()
        elif self._flocked is not None:
            self._flocked.unflock()

    def leave(self) -> None:
        """Free the lock and close everything; a second call changes nothing."""
        held = [self._directory, self.file, self._flocked, self._sides, self._lock]
        with ExitStack() as stack:
            for each in held:
                if each is not None:
                    stack.callback(each.close)
            self.unlockSession()
        self.file = self._flocked = self._sides = self._lock = None

    async def locked(self, work: Callable[[MboxFile | None], Slices[T]]) -> T:
        """
        Do this in threads while nobody delivers.

        @param work: takes the mbox, or L{None} where there is none; it runs again
            from its beginning if the locks could not be had.
        @return: fails with L{MaildropUnavailable} when they cannot be had in time:
            C{[IN-USE]} would be as true, but an administrator should see why.
        """
        await self._turn.acquire()
        try:
            giveUp = self._clock.seconds() + self._seconds
            pause = _FIRST_PAUSE
            while True:
                try:
                    return await runSlices(self._pool, self._attempt(work))
                except LockBusy:
                    left = giveUp - self._clock.seconds()
                    if left <= 0:
                        hit("mboxLockSeconds")
                        raise MaildropUnavailable(
                            f"another program keeps {self.where} locked for more than"
                            f" {self._seconds} seconds; see who it is, or raise the limit"
                            " mbox-lock-seconds"
                        ) from None
                await deferLater(self._clock, min(pause, left), lambda: None)
                pause = min(2 * pause, _LAST_PAUSE)
        finally:
            self._turn.release()

    def isChanged(self) -> bool:
        """Whether another file has the name now."""
        return self.file is None or not self.file.isAt(self._directory, self._name)

    @property
    def journal(self) -> MboxJournal | None:
        """Where removals are written down first; L{None} if there is no place."""
        return None if self._sides is None else MboxJournal(self._sides, self._prefix + _JOURNAL)

    def known(self) -> Known:
        """@raise OSError: nobody can tell twins apart now."""
        if self._sides is None:
            return {}
        return read(SideFiles(self._sides, self._prefix).read(_IDS))

    def remember(self, octets: bytes) -> None:
        """Write what L{known} reads; not for eternity, so nothing is waited for."""
        if self._sides is not None:
            SideFiles(self._sides, self._prefix).write(_IDS, octets, durable=False)

    def _attempt(self, work: Callable[[MboxFile | None], Slices[T]]) -> Slices[T]:
        if self.isChanged():
            self._open()
        if self.file is None:
            return (yield from work(None))
        locks = DeliveryLocks(self._directory, self._name, self.file)
        locks.acquire()
        try:
            if self.isChanged():
                # Replaced between opening and locking: these locks mean nothing.
                raise LockBusy
            slices = work(self.file)
            while True:
                try:
                    next(slices)
                except StopIteration as end:
                    return end.value
                locks.renew()
                yield
        finally:
            locks.release()
            if locks.trouble:
                self.troubles.append(locks.trouble)

    def _parent(self) -> Directory:
        """The directory of the mbox, to look things up in it."""
        with ExitStack() as passed:
            directory = passed.enter_context(Directory.root(self.where.prefix))
            for component in self.where.components[:-1]:
                directory = passed.enter_context(directory.passThrough(component))
            return directory.passThrough(b".")

    def _open(self) -> None:
        """Have in C{file} what has the name now."""
        old, self.file = self.file, None
        if old is not None and old is not self._flocked:
            old.close()
        try:
            self.file = MboxFile.open(self._directory, self._name)
        except FileNotFoundError:
            return
        except NotAnMbox as error:
            raise MaildropUnavailable(
                f"{self.where} {error}; put a file of the user's own there"
            ) from error
        self._checkOwner(self.file.owner)

    def _checkOwner(self, owner: int) -> None:
        """
        Who may write to the directory could have laid a file there for somebody
        else; Postfix delivers into no such file either.
        """
        if owner == os.geteuid() or self.where.account is None:
            return
        try:
            rightful = pwd.getpwnam(os.fsdecode(self.where.account)).pw_uid
        except (KeyError, ValueError):
            return
        if owner != rightful:
            raise MaildropUnavailable(
                f"{self.where} belongs to the user id {owner}, not to the account of that name;"
                " correct its owner"
            )

    def _checkMounted(self) -> None:
        """
        No file means no mail: MTAs make it with the first message, and mail
        readers may remove it with the last. But an empty directory is what is
        left of a file system that is not mounted.
        """
        with self._directory.enter(b".") as directory:
            if not directory.names(1):
                raise MaildropUnavailable(
                    f"{self.where} is not there, nor anything else in its directory, as if its"
                    " file system were not mounted; mount it, or put an empty file there"
                )

    def _openSides(self) -> None:
        if self.where.outside is not None:
            self._sides = Directory.outside(self.where.outside)
            # All mboxes have their files in it.
            key = blake2b(self.where.path, digest_size=16).hexdigest().encode()
            self._prefix = b"%s-%s." % (self._name[:100], key)
        else:
            try:
                self._sides = sideFolder(self._directory, _SIDE_FOLDER)
            except NotAnMbox as error:
                raise MaildropUnavailable(f"{self.where} {error}") from error
        self._lock = LockFile(self._sides, self._prefix + _LOCK)
