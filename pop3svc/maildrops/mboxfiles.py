"""
Every system call on an mbox and on its dot-lock, and none elsewhere; the small
files of ours go through L{pop3svc.maildrops.files}.

All of it may block: call it in a thread.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
import time
from contextlib import ExitStack, suppress
from typing import NamedTuple

from .files import Directory

# As for a file in a Maildir: no link, no waiting for the writer of a FIFO.
_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_READ_ONLY = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_BUSY = frozenset({errno.EACCES, errno.EAGAIN})
# struct flock of Linux: type, whence, start, length, process.
_FLOCK = "hhqqi"

# Device, inode, size, and the times of the last change in nanoseconds.
MboxStamp = tuple[int, int, int, int, int]

_SECOND = 1_000_000_000
# The kernel's clock for time stamps goes in ticks of up to 10 milliseconds.
_TICK = 20_000_000


class NotAnMbox(Exception):
    """Something stands there that must not be opened; the text says what."""


class MboxFile:
    """
    An mbox, held open.

    @ivar writable: it may be written to.
    @ivar owner: the user id that it belongs to.
    """

    def __init__(self, descriptor: int, writable: bool) -> None:
        """
        @raise NotAnMbox: it is no regular file, or has a second name.
        """
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise NotAnMbox("is no regular file")
        # A second name may have been made by somebody who could not read it.
        if status.st_nlink > 1:
            raise NotAnMbox("has a second name (a hard link)")
        self.writable = writable
        self.owner = status.st_uid
        self._descriptor = descriptor

    @classmethod
    def open(cls, directory: Directory, name: bytes) -> MboxFile:
        """
        To read and to write, or to read alone if nothing else is allowed.

        @raise NotAnMbox: as above, or it is a link.
        @raise OSError: it cannot be opened.
        """
        writable = True
        try:
            try:
                descriptor = os.open(name, os.O_RDWR | _FLAGS, dir_fd=directory.descriptor)
            except OSError as error:
                if error.errno not in _READ_ONLY:
                    raise
                writable = False
                descriptor = os.open(name, os.O_RDONLY | _FLAGS, dir_fd=directory.descriptor)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise NotAnMbox("is a symbolic link, which is not followed") from error
            if error.errno in (errno.EISDIR, errno.ENXIO, errno.ENODEV):
                raise NotAnMbox("is no regular file") from error
            raise
        try:
            return cls(descriptor, writable)
        except BaseException:
            os.close(descriptor)
            raise

    def stamp(self) -> MboxStamp:
        """What changes when somebody writes to the file."""
        status = os.fstat(self._descriptor)
        changed = status.st_mtime_ns, status.st_ctime_ns
        return status.st_dev, status.st_ino, status.st_size, *changed

    def isAt(self, directory: Directory, name: bytes) -> bool:
        """Whether this name is still this file's."""
        try:
            status = os.stat(name, dir_fd=directory.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return (status.st_dev, status.st_ino) == self.stamp()[:2]

    def read(self, octets: int, offset: int) -> bytes:
        """Fewer than C{octets} only at the end of the file."""
        return os.pread(self._descriptor, octets, offset)

    def write(self, octets: bytes, offset: int) -> None:
        """All of it, or an error after some of it."""
        left = memoryview(octets)
        while left:
            written = os.pwrite(self._descriptor, left, offset)
            left, offset = left[written:], offset + written

    def truncate(self, octets: int) -> None:
        """Forget what follows; a crash may bring it back until L{sync}."""
        os.ftruncate(self._descriptor, octets)

    def sync(self) -> None:
        """Wait until what was written outlives a power cut."""
        os.fsync(self._descriptor)

    def lock(self) -> bool:
        """
        The lock of fcntl on the whole file, or none; it does not wait. It keeps
        out all others, or if the file may only be read, those who write.

        It belongs to this descriptor, not to the process (C{F_OFD_SETLK}): with
        the classic one, two sessions of this process would not exclude each
        other, and closing any descriptor of the file would free it.
        """
        return self._setLock(fcntl.F_WRLCK if self.writable else fcntl.F_RDLCK)

    def unlock(self) -> None:
        self._setLock(fcntl.F_UNLCK)

    def duplicate(self) -> int:
        """Another descriptor of the file, for whoever asks to close."""
        return os.dup(self._descriptor)

    def flock(self) -> None:
        """
        The lock of flock, which those who deliver on Linux do not use.

        @raise BlockingIOError: another descriptor has it.
        """
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def unflock(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """A second call, or a use after it, harms no other descriptor."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _setLock(self, kind: int) -> bool:
        try:
            fcntl.fcntl(
                self._descriptor, fcntl.F_OFD_SETLK, struct.pack(_FLOCK, kind, os.SEEK_SET, 0, 0, 0)
            )
        except OSError as error:
            if error.errno in _BUSY:
                return False
            raise
        return True


# An unusual one, so that a dot-lock of ours is known from the moment that it is
# there; a crash may come before anything is written into it.
_DOT_MODE = 0o400


class DotStatus(NamedTuple):
    """
    @ivar inode: the dot-lock's inode number.
    @ivar age: in seconds.
    @ivar isOurs: it is as the service makes them.
    """

    inode: int
    age: float
    isOurs: bool


class DotFile:
    """The dot-lock as a file: C{karl.lock} beside C{karl}."""

    def __init__(self, directory: Directory, name: bytes) -> None:
        self._directory = directory
        self._name = name + b".lock"

    def create(self, content: bytes) -> int:
        """
        @return: its inode number.
        @raise FileExistsError: there is one.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(self._name, flags, _DOT_MODE, dir_fd=self._directory.descriptor)
        try:
            os.write(descriptor, content)
            return os.fstat(descriptor).st_ino
        except BaseException:
            self.unlink()
            raise
        finally:
            os.close(descriptor)

    def status(self) -> DotStatus:
        """@raise FileNotFoundError: there is none."""
        status = os.stat(self._name, dir_fd=self._directory.descriptor, follow_symlinks=False)
        isOurs = status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) == _DOT_MODE
        return DotStatus(status.st_ino, time.time() - status.st_mtime, isOurs)

    def touch(self) -> None:
        """Make it look new."""
        os.utime(self._name, dir_fd=self._directory.descriptor, follow_symlinks=False)

    def unlink(self) -> None:
        os.unlink(self._name, dir_fd=self._directory.descriptor)


class LockFile:
    """A small file that is locked by flock, and never removed."""

    def __init__(self, directory: Directory, name: bytes) -> None:
        """Made if it is not there; that needs no space but for its name."""
        try:
            # NFS makes of flock a lock of its server, which wants to write.
            self._descriptor = self._open(directory, name, os.O_RDWR)
        except FileNotFoundError:
            self._descriptor = self._open(directory, name, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            if error.errno not in _READ_ONLY:
                raise
            self._descriptor = self._open(directory, name, os.O_RDONLY)

    def lock(self) -> None:
        """@raise BlockingIOError: another descriptor has it."""
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def unlock(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """As L{MboxFile.close}."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    @staticmethod
    def _open(directory: Directory, name: bytes, flags: int) -> int:
        return os.open(name, flags | _FLAGS, 0o600, dir_fd=directory.descriptor)


def sideFolder(directory: Directory, name: bytes) -> Directory:
    """
    Our own directory beside the mail, made if it is not there.

    @raise OSError: it cannot be had.
    @raise NotAnMbox: it is not ours: somebody may have laid it there for us.
    """
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=directory.descriptor)
    with ExitStack() as stack:
        folder = stack.enter_context(directory.enter(name))
        owner = os.fstat(folder.descriptor).st_uid
        if owner != os.geteuid():
            raise NotAnMbox(
                f"has a directory {os.fsdecode(name)!a} beside it that belongs to the user id"
                f" {owner}, not to the service; remove that, or give the service another"
                " directory by ?ledger="
            )
        stack.pop_all()
        return folder


def isSettled(stamp: MboxStamp) -> bool:
    """
    Whether any further change will show in the times: one within the same tick
    of the file system's clock does not.
    """
    now = time.time_ns()
    return all(
        # Times in whole seconds come from a file system that knows no parts.
        changed + (_TICK if changed % _SECOND else 2 * _SECOND) < now
        for changed in stamp[3:]
    )
