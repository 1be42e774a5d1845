"""
File descriptors: how many there are, and whether some are free.
"""

from __future__ import annotations

import os
import resource
import sys
from dataclasses import replace
from functools import cache

from ..limits import Limits

# A socket, and for a session a directory and a mail.
_PER_CONNECTION = 3
# Libraries, listeners, the log, databases and directories that are asked.
_OURS = 100
# systemd's own bound. Some kernels allow a thousand million, and a program that we
# start and that closes all it could have open would be busy for an hour.
_MOST = 524_288


def raiseDescriptors() -> None:
    """As many descriptors as this process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(_finite(hard), _MOST)
    if _finite(soft) < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def possibleDescriptors() -> int:
    """How many descriptors this process may have after L{raiseDescriptors}."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(_finite(soft), min(_finite(hard), _MOST))


def descriptors() -> int:
    """How many descriptors this process may have as things are."""
    return _finite(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def fitted(limits: Limits, descriptors: int) -> tuple[Limits, str]:
    """
    @param descriptors: how many there may be.
    @return: limits that they suffice for, and a sentence about it, empty if
        they suffice for what was asked for.
    """
    needed = limits.connections * _PER_CONNECTION + _OURS
    if needed <= descriptors:
        return limits, ""
    fits = max(1, (descriptors - _OURS) // _PER_CONNECTION)
    return replace(limits, connections=fits), (
        f"{limits.connections} connections need {needed} file descriptors, and {descriptors} are"
        f" allowed: {fits} will be served at once; allow more (LimitNOFILE= of systemd, minfds"
        f" of supervisor, ulimit -Hn), or set connections={fits}"
    )


def _finite(number: int) -> int:
    return sys.maxsize if number == resource.RLIM_INFINITY else number


def descriptorsLeft(most: int) -> int:
    """
    Counted or tried, not computed: libraries and threads open what we do not see.

    @param most: how many are looked for.
    @return: how many descriptors are free, so many at the most.
    """
    taken = _taken()
    if taken and descriptors() - taken >= most:
        # In two calls of the kernel, where to try it takes two for each.
        return most
    copies: list[int] = []
    try:
        while len(copies) < most:
            copies.append(os.dup(_original()))
    except OSError:
        # There are no more, which is the answer.
        return len(copies)
    finally:
        for each in copies:
            os.close(each)
    return most


def _taken() -> int:
    """@return: how many are open; 0 where the kernel does not tell, as before Linux 6.2."""
    try:
        return os.fstat(_listing()).st_size
    except OSError:
        return 0


@cache
def _listing() -> int:
    """The directory of all that is open, which is never closed itself."""
    return os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY)


# It goes on to be that of the process that has opened it.
os.register_at_fork(after_in_child=_listing.cache_clear)


@cache
def _original() -> int:
    """Something to make copies of, which is never closed."""
    return os.open(os.devnull, os.O_RDONLY)
