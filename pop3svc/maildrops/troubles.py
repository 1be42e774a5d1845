"""
What an error of the system means for a maildrop, and what to do about it.
"""

from __future__ import annotations

import errno
import os

from ..errors import MaildropUnavailable

# The host's troubles, not this file's: the next attempt may succeed.
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})


def unavailable(error: OSError, path: bytes) -> MaildropUnavailable:
    """
    What an administrator should do about a maildrop that cannot be listed.

    @param path: the maildrop's.
    """
    where = f"the Maildir {os.fsdecode(path)!a}"
    if error.errno == errno.ENOENT:
        text = f"{where} is not there as a whole; create it with its directories new, cur and tmp"
    elif error.errno in (errno.ENOTDIR, errno.ELOOP):
        text = (
            f"{where} has a part that is no directory, or a symbolic link, which is not"
            " followed; put real directories there"
        )
    else:
        text = unreadable(error, where)
    return MaildropUnavailable(text)


def unreadable(error: OSError, where: str) -> str:
    """
    What an administrator should do about any maildrop that is there.

    @param where: what it is called in the sentence.
    """
    reason = os.strerror(error.errno or 0)
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{where} may not be read by the service ({reason}); correct owner and mode"
    if error.errno in EXHAUSTED:
        return f"{where} cannot be opened ({reason}); raise what the service may use"
    return f"{where} cannot be read ({reason}); look after the disk"
