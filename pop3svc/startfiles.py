"""
Files that are read once, at the start, perhaps by root.

A worker starts later, as whoever root has become, and perhaps when somebody has broken
the file meanwhile. So what the parent has read is kept in memory files that a worker
inherits, and it reads there. See L{pop3svc.workers}.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import NamedTuple


class Stamp(NamedTuple):
    """What changes when a file does; times are in nanoseconds since 1970."""

    device: int
    inode: int
    octets: int
    modified: int
    changed: int
    mode: int


class Kept(NamedTuple):
    """
    One file.

    @ivar descriptor: of the memory file with what stood in it.
    @ivar stamp: as it was before it was read.
    """

    descriptor: int
    stamp: Stamp


_keeping: dict[str, Kept] | None = None
_given: Mapping[str, Kept] = {}


@contextmanager
def keeping() -> Iterator[dict[str, Kept]]:
    """@return: by their paths, all files that are read here until the end."""
    global _keeping
    kept: dict[str, Kept] = {}
    _keeping = kept
    try:
        yield kept
    finally:
        _keeping = None


@contextmanager
def given(files: Mapping[str, Kept]) -> Iterator[None]:
    """Until the end, these files are read in place of those on disk."""
    global _given
    _given = files
    try:
        yield
    finally:
        _given = {}


@contextmanager
def within(directory: int) -> Iterator[None]:
    """
    Until the end, relative paths begin where they did for whoever wrote them.

    @param directory: a descriptor. Where it is out of reach, only absolute paths are right.
    """
    here = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    with suppress(PermissionError):
        os.fchdir(directory)
    try:
        yield
    finally:
        os.fchdir(here)
        os.close(here)


def isFromStart(path: str) -> bool:
    """@return: what L{readFile} reads of it now is what stood there at the service's start."""
    return os.path.abspath(path) in _given


def stampOf(path: str) -> Stamp:
    """@raise OSError: there is nothing of that name, or it is out of reach."""
    found = _given.get(os.path.abspath(path))
    if found is not None:
        return found.stamp
    status = os.stat(path)
    return Stamp(
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_mode,
    )


def readFile(path: str) -> bytes:
    """@raise OSError: it cannot be read."""
    absolute = os.path.abspath(path)
    found = _given.get(absolute)
    if found is not None:
        return readMemory(found.descriptor)
    # First the stamp: what changes while it is read is read again.
    stamp = stampOf(path)
    octets = readRegular(path)
    if _keeping is not None:
        before = _keeping.get(absolute)
        _keeping[absolute] = Kept(memoryFile(octets), stamp)
        if before is not None:
            os.close(before.descriptor)
    return octets


def readRegular(path: str) -> bytes:
    """
    @raise OSError: it cannot be read, or is no regular file: a FIFO, which whoever may
        write to the directory can make, would keep the service waiting for ever.
    """
    with open(path, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", path)
        return file.read()


def memoryFile(octets: bytes) -> int:
    """
    @return: the descriptor of a file that has no name, and that nobody reads who has
        not inherited it. Nobody changes it any more, either: whoever has broken into one
        worker would decide what later ones read.
    """
    descriptor = os.memfd_create("pop3svc", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(octets)
    seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor


def readMemory(descriptor: int) -> bytes:
    """@return: what L{memoryFile} was given. Others may read it at the same time."""
    octets = os.fstat(descriptor).st_size
    pieces = bytearray()
    while len(pieces) < octets:
        pieces += os.pread(descriptor, octets - len(pieces), len(pieces))
    return bytes(pieces)
