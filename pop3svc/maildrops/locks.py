"""
One session a maildrop: RFC 1939 section 4 asks for an exclusive lock.

The lock is the kernel's, on a descriptor of the directory itself. Each session
opens the directory for itself, so two sessions exclude each other in one process
as in two; nothing is written, so a read-only file system does not matter; and
the kernel frees the lock of a process that dies.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress

from ..errors import MaildropInUse, MaildropUnavailable


def lock(descriptor: int, what: str) -> None:
    """
    Lock at once or not at all. May wait for a network file system.

    @param descriptor: of a directory, opened for this session alone.
    @param what: the maildrop's name for the log, escaped.
    @raise MaildropInUse: another session has it.
    @raise MaildropUnavailable: the file system cannot lock.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise MaildropInUse(f"another session has {what}") from None
    except OSError as error:
        # Linux turns flock into a lock of the server on NFS, for which a
        # directory cannot be opened; local_lock=flock keeps it on this host.
        raise MaildropUnavailable(
            f"{what} cannot be locked ({os.strerror(error.errno or 0)});"
            " mount an NFS file system with local_lock=flock, and serve it from one host"
        ) from error


def unlock(descriptor: int) -> None:
    """
    Free the lock. Closing the descriptor alone would not do it while a process
    that was forked in the meantime still holds a copy.
    """
    # Should it fail, the close that follows has to do.
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_UN)
