"""
Every system call that a Maildir needs: those of directories here, those of files in
L{pop3svc.maildrops.opened}, and none elsewhere.

Directories and files are held by descriptor and never looked up by path, so
that what was checked is what is used. All of it may block: call it in a thread,
but for what has C{Cached} in its name. That is for the reactor's thread alone, and
fails where it would have to wait.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack, suppress
from itertools import islice
from operator import attrgetter

from .cached import DEVICES, openCached, openCachedBelow
from .opened import MessageFile, NewFile, NotAMessage, Status, messageFile, signatureOf

# O_NOFOLLOW: the owner of an account may place links where mail is expected.
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_PATH asks only for the right to search, which is all that a home directory
# of mode 711 grants.
_PASSAGE = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
# O_NONBLOCK: opening a FIFO must not wait for somebody to write into it.
_MESSAGE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
# The reactor's thread must not wait for the disk to note when mail was read; whoever
# is not the owner may not ask for that, and reads in a thread.
_MESSAGE_CACHED = _MESSAGE | os.O_NOATIME
_NAME = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
# O_EXCL follows no link either, and never writes into what somebody else made.
_CREATED = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_OVERWRITTEN = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

_NO_MESSAGE = frozenset({errno.ELOOP, errno.ENXIO, errno.ENODEV})

# A directory's device, inode, and the times of its last change in nanoseconds.
Stamp = tuple[int, int, int, int]
_nameOf = attrgetter("name")


def _directoryStamp(status: os.stat_result) -> Stamp:
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns


def _fileStamp(status: os.stat_result) -> Stamp:
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


class Directory:
    """
    A directory, held open. A context manager that closes it.

    @ivar local: whether it is known to lie on this machine; else there is nothing
        that can be had without waiting.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.local = False

    @classmethod
    def root(cls, path: bytes) -> Directory:
        """Where the administrator says that maildrops begin; links are followed."""
        return cls(os.open(path, _PASSAGE))

    @classmethod
    def outside(cls, path: bytes) -> Directory:
        """A directory of the administrator's, to write into; links are followed."""
        return cls(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))

    @classmethod
    def rootCached(cls, path: bytes) -> Directory:
        """As L{root}."""
        return cls(openCached(path, _PASSAGE))

    @classmethod
    def outsideCached(cls, path: bytes) -> Directory:
        """As L{outside}."""
        return cls(openCached(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))

    def enterCached(self, path: bytes) -> Directory:
        """As L{passThrough} for each part of the path but the last, and L{enter} for that."""
        return Directory(openCachedBelow(self.descriptor, path, _DIRECTORY, mounts=True))

    def findOut(self) -> None:
        """Learn whether it is L{local}."""
        self.local = DEVICES.learn(self.descriptor)

    def recallCached(self) -> None:
        """As L{findOut}, from what has been learned of others."""
        self.local = DEVICES.knows(os.fstat(self.descriptor).st_dev)

    def passThrough(self, name: bytes) -> Directory:
        """A directory in this one, only to go further down; no link."""
        return Directory(os.open(name, _PASSAGE | os.O_NOFOLLOW, dir_fd=self.descriptor))

    def enter(self, name: bytes) -> Directory:
        """A directory in this one, to read and to lock; no link."""
        return Directory(os.open(name, _DIRECTORY, dir_fd=self.descriptor))

    def names(self, most: int) -> list[str]:
        """
        The names of all entries, as L{os.fsdecode} makes them.

        @param most: how many to read at the most; the owner of a Maildir may
            make as many as the disk takes.
        """
        with os.scandir(self.descriptor) as entries:
            # A third faster than os.listdir, and no loop of Python's.
            return list(islice(map(_nameOf, entries), most))

    def stamp(self) -> Stamp:
        """What changes when an entry is added, renamed or removed."""
        return _directoryStamp(os.fstat(self.descriptor))

    def stampCached(self) -> Stamp:
        """As L{stamp}: of what is open on this machine it is in memory."""
        self._mustBeLocal()
        return self.stamp()

    def stampOf(self, name: bytes) -> Stamp:
        """As L{stamp}, of a directory in this one; no link."""
        return _directoryStamp(os.stat(name, dir_fd=self.descriptor, follow_symlinks=False))

    def stampOfCached(self, name: bytes) -> Stamp:
        """As L{stampOf}."""
        return _directoryStamp(self._statusCached(name))

    def fileStampCached(self, name: bytes) -> Stamp:
        """As L{fileStamp}."""
        return _fileStamp(self._statusCached(name))

    def _statusCached(self, name: bytes) -> os.stat_result:
        self._mustBeLocal()
        descriptor = openCachedBelow(self.descriptor, name, _NAME)
        try:
            return os.fstat(descriptor)
        finally:
            os.close(descriptor)

    def _mustBeLocal(self) -> None:
        if not self.local:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def search(self) -> None:
        """@raise OSError: entries of this directory may not be looked up."""
        os.stat(b".", dir_fd=self.descriptor)

    def look(self, name: bytes) -> Status:
        """
        What can be told of a message without opening it.

        @raise NotAMessage: it is no regular file.
        """
        status = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        return Status(status.st_ino, status.st_size, signatureOf(status))

    def open(self, name: bytes) -> MessageFile:
        """
        @raise NotAMessage: it is no regular file.
        @raise OSError: it cannot be opened.
        """
        try:
            descriptor = os.open(name, _MESSAGE, dir_fd=self.descriptor)
        except OSError as error:
            if error.errno in _NO_MESSAGE:
                raise NotAMessage from error
            raise
        return messageFile(descriptor)

    def openCached(self, path: bytes) -> MessageFile:
        """As L{open}, in this directory or in one below."""
        self._mustBeLocal()
        return messageFile(openCachedBelow(self.descriptor, path, _MESSAGE_CACHED))

    def readWhole(self, name: bytes, most: int) -> bytes:
        """
        All octets of a small file.

        @raise OSError: it has more than C{most}, or is no regular file.
        """
        try:
            file = self.open(name)
        except NotAMessage as error:
            raise OSError(errno.EINVAL, "no regular file") from error
        return file.readWhole(most)

    def fileStamp(self, name: bytes) -> Stamp:
        """What changes when a file is replaced or written to."""
        return _fileStamp(os.stat(name, dir_fd=self.descriptor, follow_symlinks=False))

    def create(self, name: bytes) -> NewFile:
        """A new file for us alone, in place of what has this name."""
        self.unlinkIfThere(name)
        return NewFile(os.open(name, _CREATED, 0o600, dir_fd=self.descriptor))

    def overwrite(self, name: bytes) -> tuple[NewFile, bool]:
        """
        A file of ours, to write over its first octets; and whether it is a new
        one. With more than one name it may be somebody else's, which its owner
        has linked here.
        """
        with suppress(OSError), ExitStack() as unwanted:
            descriptor = os.open(name, _OVERWRITTEN, dir_fd=self.descriptor)
            file = unwanted.enter_context(NewFile(descriptor))
            status = os.fstat(descriptor)
            if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
                unwanted.pop_all()
                return file, False
        return self.create(name), True

    def rename(self, old: bytes, new: bytes) -> None:
        """Give an entry another name, and take that from any other."""
        os.rename(old, new, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)

    def unlink(self, name: bytes) -> None:
        """Remove an entry; a crash may bring it back until L{sync}."""
        os.unlink(name, dir_fd=self.descriptor)

    def unlinkIfThere(self, name: bytes) -> bool:
        """As L{unlink}; whether there was one."""
        try:
            self.unlink(name)
        except FileNotFoundError:
            return False
        return True

    def sync(self) -> None:
        """Wait until what was removed stays removed, also after a power cut."""
        try:
            os.fsync(self.descriptor)
        except OSError as error:
            # Some network and user space file systems have no such call for
            # directories; then nothing better can be done.
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):
                raise

    def close(self) -> None:
        """A second call, or a use after it, harms no other descriptor."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> Directory:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()
