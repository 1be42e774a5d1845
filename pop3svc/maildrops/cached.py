"""
Opening what the kernel has in memory, and nothing else: no call here waits for a disk.

Linux's openat2(2) with RESOLVE_CACHED goes by the kernel's cache of names, and fails
where that does not know one. What is open then tells its status, and reads with
RWF_NOWAIT what is in memory, without waiting either: on a file system of this machine,
which L{LocalDevices} knows. So the reactor's thread may do it; whatever fails here
belongs into another thread, which waits, and has the last word on what is wrong.
"""

from __future__ import annotations

import ctypes
import os
import select
from functools import cache
from typing import Any

# The same number on each architecture but Alpha.
_OPENAT2 = 437
_NO_XDEV, _NO_SYMLINKS, _BENEATH, _CACHED = 0x01, 0x04, 0x08, 0x20
_AT_FDCWD = -100

# Types of file systems, as statfs(2) tells them, that ask no other machine and no
# program for anything. Of overlays and the like nobody can tell what is below.
_LOCAL_TYPES = {
    0xEF53,  # ext2, ext3, ext4
    0x58465342,  # XFS
    0x9123683E,  # Btrfs
    0xF2F52010,  # F2FS
    0x01021994,  # tmpfs
}
# More than struct statfs has anywhere; its first word is the type.
_STATFS_OCTETS = 512

# Without giving up the interpreter's lock: these calls do not wait.
_syscall = ctypes.PyDLL(None, use_errno=True).syscall
# This one may.
_fstatfs = ctypes.CDLL(None, use_errno=True).fstatfs


class _OpenHow(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("flags", "mode", "resolve")]


_HOW_OCTETS = ctypes.c_size_t(ctypes.sizeof(_OpenHow))


def openCached(path: bytes, flags: int) -> int:
    """
    Open what an absolute path leads to; links are followed.

    @param flags: as for C{os.open}, of those that neither create nor write.
    @return: a descriptor.
    @raise BlockingIOError: the kernel would have to look on the disk.
    @raise OSError: this is no path, or the kernel has no such call.
    """
    return _open(_AT_FDCWD, path, _how(flags, _CACHED))


def openCachedBelow(descriptor: int, path: bytes, flags: int, mounts: bool = False) -> int:
    """
    As L{openCached}, from a directory down; no link is followed.

    @param mounts: whether it may lead to another file system.
    """
    resolve = _CACHED | _BENEATH | _NO_SYMLINKS | (0 if mounts else _NO_XDEV)
    return _open(descriptor, path, _how(flags, resolve))


def _open(descriptor: int, path: bytes, how: Any) -> int:
    opened: int = _syscall(_OPENAT2, descriptor, path, how, _HOW_OCTETS)
    if opened < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return opened


@cache
def _how(flags: int, resolve: int) -> Any:
    return ctypes.byref(_OpenHow(flags, 0, resolve))


class LocalDevices:
    """
    The devices whose file systems are of this machine. Once they are asked, others
    answer when they can: an NFS server, a program behind FUSE.

    What is known is forgotten with each change of the table of mounts, since a number
    may be given to another file system.
    """

    def __init__(self) -> None:
        self._known: set[int] = set()
        self._mounts: select.poll | None = None

    def learn(self, descriptor: int) -> bool:
        """
        Find out about the file system of this descriptor. Call it in a thread.

        @return: whether it is of this machine.
        """
        known = self._known
        answer = ctypes.create_string_buffer(_STATFS_OCTETS)
        if _fstatfs(descriptor, answer) != 0:
            return False
        kind = ctypes.c_long.from_buffer(answer).value & 0xFFFFFFFF
        if kind not in _LOCAL_TYPES:
            return False
        # If the table has changed meanwhile, the reactor's thread has another set.
        known.add(os.fstat(descriptor).st_dev)
        return True

    def knows(self, device: int) -> bool:
        """
        @param device: as C{st_dev} has it.
        @return: whether it is of this machine; C{False} where nobody can tell.
        """
        if self._haveMountsChanged():
            self._known = set()
        return device in self._known

    def _haveMountsChanged(self) -> bool:
        if self._mounts is not None:
            return bool(self._mounts.poll(0))
        try:
            # Open for as long as the process lives.
            descriptor = os.open("/proc/self/mountinfo", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return True
        self._mounts = select.poll()
        self._mounts.register(descriptor, select.POLLPRI | select.POLLERR)
        return True


# There is one machine.
DEVICES = LocalDevices()
