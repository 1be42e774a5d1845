"""
Whether files can be read again when root's privileges have been given up.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable
from pathlib import Path


def unreadableAfter(uid: int | None, gid: int | None, paths: Iterable[str]) -> str | None:
    """
    Modes and owners alone are looked at; an access list may allow more.

    @param uid: of whoever will read; C{None} if nobody else.
    @param gid: their group; C{None} for the user's own.
    @return: a sentence about the first of the files that this user cannot read.
    """
    if not uid:
        return None
    groups = _groupsOf(uid, gid)
    for path in paths:
        file = Path(path).absolute()
        wanted = [(file, os.R_OK), *((folder, os.X_OK) for folder in file.parents)]
        if not all(_may(uid, groups, each, bit) for each, bit in wanted):
            return (
                f"{path} cannot be read again under --uid, and changes of it will not be taken"
                " over; give it the service's group, mode 0640, and its directory mode 0750"
            )
    return None


def _groupsOf(uid: int, gid: int | None) -> set[int]:
    try:
        user = pwd.getpwuid(uid)
    except KeyError:
        return set() if gid is None else {gid}
    return set(os.getgrouplist(user.pw_name, user.pw_gid if gid is None else gid))


def _may(uid: int, groups: set[int], path: Path, bit: int) -> bool:
    status = path.stat()
    if status.st_uid == uid:
        shift = 6
    elif status.st_gid in groups:
        shift = 3
    else:
        shift = 0
    return bool(status.st_mode >> shift & bit)
