"""
What the process may never do again, whoever it runs as: gain privileges by a
program that it starts, leave keys and passwords in a core dump, write files
that others may read.
"""

from __future__ import annotations

import ctypes
import os
import resource

from ..errors import SettingError

# Of <linux/prctl.h>. Python has no prctl, and a package for two calls would be one
# more to trust.
_SET_DUMPABLE, _SET_NO_NEW_PRIVS = 4, 38

_UMASK = 0o077


def confine(umask: int | None) -> None:
    """
    To be called before a key is read, and before there are threads: each thread
    has its own C{no_new_privs}, and hands it on to those that it starts.

    @param umask: what the administrator wants instead of ours, which twistd sees to.
    @raise SettingError: the kernel refuses.
    """
    _prctl(_SET_NO_NEW_PRIVS, 1)
    forbidDumps()
    if umask is None:
        # twistd has this umask only as a daemon, which services rarely are today.
        os.umask(_UMASK)


def forbidDumps() -> None:
    """
    No core dump, and no look into our memory for others of the same user.

    To be called again after a change of the user, when the kernel goes back to
    what C{fs.suid_dumpable} says: with 2, a handler of the system gets the dump
    whatever the limit of its size is.

    @raise SettingError: the kernel refuses.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _prctl(_SET_DUMPABLE, 0)


def _prctl(option: int, value: int) -> None:
    words = [ctypes.c_ulong(each) for each in (value, 0, 0, 0)]
    if ctypes.CDLL(None, use_errno=True).prctl(option, *words):
        reason = os.strerror(ctypes.get_errno())
        raise SettingError(f"the kernel refuses prctl({option}, {value}): {reason}; allow it")
