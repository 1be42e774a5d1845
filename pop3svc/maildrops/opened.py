"""
Files that L{pop3svc.maildrops.files} has opened: messages, and small files of ours.

All of it may block, but for L{MessageFile.readCached}.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

_BLOCK_OCTETS = 256 * 1024
# What is read at once with opening a message, and all that most messages have.
FIRST_OCTETS = 64 * 1024

# What the reactor's thread reads into, one block after the other.
_SCRATCH = memoryview(bytearray(FIRST_OCTETS))


class NotAMessage(Exception):
    """A link, FIFO, socket, device or directory stands where mail should."""


class Status(NamedTuple):
    """
    What is known of a message's file.

    @ivar inode: its inode number.
    @ivar octets: its size as stored.
    @ivar signature: a number that is another one when the file is another one
        or was written to; 64 bits, never 0.
    """

    inode: int
    octets: int
    signature: int


def signatureOf(status: os.stat_result) -> int:
    """@raise NotAMessage: it is no regular file."""
    if not stat.S_ISREG(status.st_mode):
        raise NotAMessage
    # One number is all that has to be remembered for each message. The hash of
    # numbers is the same in every process.
    return hash((status.st_ino, status.st_size, status.st_mtime_ns)) or 1


class NewFile:
    """A small file that is being written. A context manager that closes it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, octets: bytes) -> None:
        """All of it, or an error."""
        left = memoryview(octets)
        while left:
            left = left[os.write(self._descriptor, left) :]

    def sync(self) -> None:
        """Wait until the content outlives a power cut; its times need not."""
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """A second call, or a use after it, harms no other descriptor."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> NewFile:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


class MessageFile:
    """
    A message's file, open for reading.

    @ivar octets: its size as stored.
    @ivar signature: as in L{Status}.
    """

    __slots__ = ("_descriptor", "octets", "signature")

    def __init__(self, descriptor: int) -> None:
        """
        @raise NotAMessage: it is no regular file.
        """
        status = os.fstat(descriptor)
        self.signature = signatureOf(status)
        self.octets = status.st_size
        self._descriptor = descriptor

    def isOurs(self, orRoots: bool = False) -> bool:
        """
        Whether the service has written it: others cannot give a file to us, and
        a link to one that we wrote elsewhere shows.

        @param orRoots: or whether root has.
        """
        status = os.fstat(self._descriptor)
        writers = {os.geteuid(), 0} if orRoots else {os.geteuid()}
        return status.st_uid in writers and status.st_nlink == 1

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

    def readWhole(self, most: int) -> bytes:
        """
        All octets of a small file, and close it.

        @raise OSError: it has more than C{most}, or cannot be read.
        """
        try:
            if self.octets > most:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
            return b"".join(self.blocks())
        finally:
            self.close()

    def readCached(self, octets: int, offset: int) -> bytes | None:
        """
        As L{read}, from the page cache alone, and no more than L{FIRST_OCTETS};
        L{None} when that would not do.
        """
        try:
            got = os.preadv(self._descriptor, [_SCRATCH[:octets]], offset, os.RWF_NOWAIT)
        except OSError:
            # EAGAIN, no support in the file system, or a fault of the disk:
            # whatever it is, the read that may wait will say.
            return None
        return bytes(_SCRATCH[:got])

    def close(self) -> None:
        """A second call, or a use after it, harms no other descriptor."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def messageFile(descriptor: int) -> MessageFile:
    """@raise NotAMessage: it is no regular file, and is closed."""
    try:
        return MessageFile(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
