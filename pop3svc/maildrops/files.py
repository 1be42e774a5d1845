"""
Every system call that a Maildir needs, and none elsewhere.

Directories and files are held by descriptor and never looked up by path, so
that what was checked is what is used. All of it may block: call it in a thread,
but for L{MessageFile.readCached}.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator

from ..errors import MaildropUnavailable

# O_NOFOLLOW: the owner of an account may place links where mail is expected.
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_PATH asks only for the right to search, which is all that a home directory
# of mode 711 grants.
_PASSAGE = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
# O_NONBLOCK: opening a FIFO must not wait for somebody to write into it.
_MESSAGE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

# The host's troubles, not this file's: the next attempt may succeed.
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
_NO_MESSAGE = frozenset({errno.ELOOP, errno.ENXIO, errno.ENODEV})

_BLOCK_OCTETS = 256 * 1024

# A directory's device, inode, and the times of its last change in nanoseconds.
Stamp = tuple[int, int, int, int]


class NotAMessage(Exception):
    """A link, FIFO, socket, device or directory stands where mail should."""


class Directory:
    """A directory, held open. A context manager that closes it."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    def root(cls, path: bytes) -> Directory:
        """Where the administrator says that maildrops begin; links are followed."""
        return cls(os.open(path, _PASSAGE))

    def passThrough(self, name: bytes) -> Directory:
        """A directory in this one, only to go further down; no link."""
        return Directory(os.open(name, _PASSAGE | os.O_NOFOLLOW, dir_fd=self.descriptor))

    def enter(self, name: bytes) -> Directory:
        """A directory in this one, to read and to lock; no link."""
        return Directory(os.open(name, _DIRECTORY, dir_fd=self.descriptor))

    def entries(self) -> Iterator[tuple[bytes, int, bool]]:
        """Each entry's name, inode number, and whether it is a regular file."""
        with os.scandir(self.descriptor) as entries:
            for entry in entries:
                regular = entry.is_file(follow_symlinks=False)
                yield os.fsencode(entry.name), entry.inode(), regular

    def stamp(self) -> Stamp:
        """What changes when an entry is added, renamed or removed."""
        status = os.fstat(self.descriptor)
        return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns

    def search(self) -> None:
        """@raise OSError: entries of this directory may not be looked up."""
        os.stat(b".", dir_fd=self.descriptor)

    def octets(self, name: bytes) -> int:
        """
        The size of an entry as stored.

        @raise NotAMessage: it is no regular file.
        """
        status = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode):
            raise NotAMessage
        return status.st_size

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
        try:
            return MessageFile(descriptor)
        except BaseException:
            os.close(descriptor)
            raise

    def unlink(self, name: bytes) -> None:
        """Remove an entry; a crash may bring it back until L{sync}."""
        os.unlink(name, dir_fd=self.descriptor)

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


class MessageFile:
    """
    A message's file, open for reading.

    @ivar octets: its size as stored.
    @ivar signature: a number that is another one when the file is another one
        or was written to; 64 bits, never 0.
    """

    __slots__ = ("_descriptor", "octets", "signature")

    def __init__(self, descriptor: int) -> None:
        """
        @raise NotAMessage: it is no regular file.
        """
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise NotAMessage
        self._descriptor = descriptor
        self.octets = status.st_size
        # One number is all that has to be remembered for each message.
        self.signature = hash((status.st_ino, status.st_size, status.st_mtime_ns)) or 1

    def read(self, octets: int, offset: int) -> bytes:
        """Up to C{octets} octets; may wait for the disk."""
        return os.pread(self._descriptor, octets, offset)

    def blocks(self) -> Iterator[bytes]:
        """
        All octets, a block at a time; fewer if somebody cuts the file meanwhile.
        """
        offset = 0
        while offset < self.octets:
            data = self.read(min(_BLOCK_OCTETS, self.octets - offset), offset)
            if not data:
                return
            offset += len(data)
            yield data

    def readCached(self, octets: int, offset: int) -> bytes | None:
        """As L{read}, from the page cache alone; L{None} when that would not do."""
        buffer = bytearray(octets)
        try:
            got = os.preadv(self._descriptor, [buffer], offset, os.RWF_NOWAIT)
        except OSError:
            # EAGAIN, no support in the file system, or a fault of the disk:
            # whatever it is, the read that may wait will say.
            return None
        return bytes(buffer) if got == octets else bytes(memoryview(buffer)[:got])

    def close(self) -> None:
        """As L{Directory.close}."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def unavailable(error: OSError, path: bytes) -> MaildropUnavailable:
    """
    What an administrator should do about a maildrop that cannot be listed.

    @param path: the maildrop's.
    """
    reason = os.strerror(error.errno or 0)
    where = f"the Maildir {os.fsdecode(path)!a}"
    if error.errno == errno.ENOENT:
        text = f"{where} is not there as a whole; create it with its directories new, cur and tmp"
    elif error.errno in (errno.ENOTDIR, errno.ELOOP):
        text = (
            f"{where} has a part that is no directory, or a symbolic link, which is not"
            " followed; put real directories there"
        )
    elif error.errno in (errno.EACCES, errno.EPERM):
        text = f"{where} may not be read by the service ({reason}); correct owner and mode"
    elif error.errno in EXHAUSTED:
        text = f"{where} cannot be opened ({reason}); raise what the service may use"
    else:
        text = f"{where} cannot be read ({reason}); look after the disk"
    return MaildropUnavailable(text)
