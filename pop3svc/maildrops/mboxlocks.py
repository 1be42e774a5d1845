"""
The locks of those who deliver, held by us for as short as they hold them.

Postfix, Exim, procmail and IMAP servers lock an mbox by fcntl, by a dot-lock beside
it, or by both, so both are taken: the one of fcntl first, as Debian's policy says.
Nobody waits while holding one of them: who gets the first and not the second lets go
of both, so no order of others can lead to a deadlock.

Where the directory may not be written to, or the disk is full, there is no dot-lock;
those who deliver there go by fcntl alone, too.
"""

from __future__ import annotations

import errno
import os
import time

from .files import Directory
from .mboxfiles import DotFile, MboxFile

# Postfix's stale_lock_time. Whoever delivers renews its dot-lock, or is done by then.
STALE_SECONDS = 500
# Others break a dot-lock after five minutes at the earliest.
_TOUCH_SECONDS = 60.0

# No right, or no space, to make a dot-lock; or no name of that length.
_WITHOUT = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENAMETOOLONG}
)


class LockBusy(Exception):
    """Somebody else has one of the locks; another attempt may get it."""


class DeliveryLocks:
    """
    Both locks on one mbox.

    @ivar trouble: a sentence for the log, if the dot-lock could not be removed.
    """

    def __init__(self, directory: Directory, name: bytes, file: MboxFile) -> None:
        self.trouble = ""
        self._dot = DotFile(directory, name)
        self._file = file
        self._inode: int | None = None
        self._touched = 0.0

    def acquire(self) -> None:
        """
        Take both at once, or none.

        @raise LockBusy: somebody else has one.
        @raise OSError: the file system cannot lock.
        """
        if not self._file.lock():
            raise LockBusy
        try:
            self._inode = self._createDot()
        except BaseException:
            self._file.unlock()
            raise
        self._touched = time.monotonic()

    def renew(self) -> None:
        """Keep the dot-lock from looking abandoned; call it now and then."""
        now = time.monotonic()
        if self._inode is not None and now - self._touched > _TOUCH_SECONDS:
            self._dot.touch()
            self._touched = now

    def release(self) -> None:
        """In the reverse order; the kernel's lock is freed whatever happens."""
        try:
            if self._inode is not None and self._dot.status().inode == self._inode:
                self._dot.unlink()
        except OSError as error:
            self.trouble = (
                f"the dot-lock cannot be removed ({os.strerror(error.errno or 0)});"
                " remove it, or no mail will be delivered for some minutes"
            )
        finally:
            self._inode = None
            self._file.unlock()

    def _createDot(self) -> int | None:
        """The inode number of a dot-lock, or L{None} where there can be none."""
        # Programs with liblockfile break it when there is no such process any more.
        content = b"%d\n" % os.getpid()
        try:
            try:
                return self._dot.create(content)
            except FileExistsError:
                if not self._isAbandoned():
                    raise LockBusy from None
                self._dot.unlink()
                return self._dot.create(content)
        except (FileExistsError, FileNotFoundError):
            # Somebody else breaks the same one, or has just let go of it.
            raise LockBusy from None
        except OSError as error:
            if error.errno not in _WITHOUT:
                raise
        if self._isThere():
            # Another's, which we may not break.
            raise LockBusy
        return None

    def _isAbandoned(self) -> bool:
        status = self._dot.status()
        # One of ours is there only while its maker holds the lock of fcntl, which
        # is now ours alone: so its maker has died.
        return status.age > STALE_SECONDS or (status.isOurs and self._file.writable)

    def _isThere(self) -> bool:
        try:
            self._dot.status()
        except FileNotFoundError:
            return False
        return True
