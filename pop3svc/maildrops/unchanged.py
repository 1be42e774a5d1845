"""
A maildrop that is as this process remembers it, opened without waiting.

That is what most logins find. All of it is in the kernel's memory then, and a thread
would cost more than the work. Where anything is not in memory, or not as remembered,
nothing has happened, and the thread that does the whole work finds out what it is.
"""

from __future__ import annotations

import time

from ..errors import MaildropError
from .files import Directory, Stamp
from .journal import isVoid, startCached
from .listing import Listing
from .locks import lock, unlock
from .paths import Place
from .sidefiles import IMPORTED, SidePlaces
from .survey import DIRECTORIES, isSettled


def openUnchanged(
    place: Place, components: list[bytes], path: bytes, sidePlaces: SidePlaces, old: Listing
) -> Directory | None:
    """
    @param path: of the maildrop, as a key.
    @param old: the listing of this process's last session.
    @return: the maildrop's directory, locked, with just the messages of C{old} in it;
        L{None} if that cannot be told without waiting.
    """
    if not old.kept:
        return None
    try:
        directory = place.openCached(components)
    except OSError:
        return None
    unchanged = False
    try:
        directory.recallCached()
        # On other file systems even a lock that need not wait must be asked for.
        if directory.local:
            lock(directory.descriptor, f"the Maildir {path!r}")
            unchanged = _isUnchanged(directory, path, sidePlaces, old)
    except (OSError, MaildropError):
        # The thread has the last word on what is wrong.
        unchanged = False
    finally:
        if not unchanged:
            if directory.local:
                unlock(directory.descriptor)
            directory.close()
    return directory if unchanged else None


def _isUnchanged(directory: Directory, path: bytes, sidePlaces: SidePlaces, old: Listing) -> bool:
    """@raise OSError: it cannot be told."""
    imported: Stamp | None = None
    now, own = time.time_ns(), directory.stampCached()
    # As long as nothing is added to a directory, what was not there is not.
    if own != old.bare:
        with sidePlaces.ofCached(directory, path) as beside:
            start = startCached(beside)
            if not isVoid(start):
                return False
            imported = beside.stampCached(IMPORTED)
        bare = start is None and imported is None and sidePlaces.outside is None
        old.bare = own if bare and isSettled(own, now) else None
    stamps = tuple(directory.stampOfCached(name) for name in DIRECTORIES)
    return old.isOf(stamps, imported)
