"""
Whether root's privileges are given up for good, and whether files can be read
again after that.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable
from pathlib import Path

from ..errors import SettingError


def checkUser(uid: int | None) -> None:
    """
    twistd looks up the groups of the user that it changes to.

    @param uid: as twistd's C{--uid}.
    @raise SettingError: this machine does not know the user.
    """
    try:
        if uid is not None:
            pwd.getpwuid(uid)
    except KeyError as error:
        raise SettingError(
            f"--uid {uid} is no user of this machine; name one that is, or start twistd as"
            f" {uid} and leave --uid out"
        ) from error


def dropsRoot(uid: int | None, gid: int | None, euid: bool) -> bool:
    """
    @param uid: as twistd's C{--uid}.
    @param gid: as twistd's C{--gid}; C{None} for the user's own.
    @param euid: as twistd's C{--euid}, which keeps the way back to root open.
    @return: whether this process is root and will not be when it serves.
    @raise SettingError: it is, and will be, or could be again.
    """
    if 0 not in os.getresuid():
        return False
    group = pwd.getpwuid(uid).pw_gid if uid is not None and gid is None else gid
    if not uid or group == 0:
        raise SettingError(
            "this would serve as root; start it with twistd --uid USER --gid GROUP (ports and"
            " keys are opened before the change), or say --allow-root if the maildrops need it"
        )
    if euid:
        raise SettingError(
            "--euid keeps root within reach of whoever breaks in; leave it out, or say --allow-root"
        )
    return True


def canBecomeRoot() -> bool:
    """
    Tried, not computed: whatever was kept of root, an id or a capability, is what
    changed the user before, and can change it back.
    """
    try:
        os.seteuid(0)
    except PermissionError:
        return False
    return True


def unreadableAfter(uid: int | None, gid: int | None, paths: Iterable[str]) -> str | None:
    """
    Modes and owners alone are looked at; an access list may allow more.

    @param uid: of whoever will read; C{None} if nobody else.
    @param gid: their group; C{None} for the user's own.
    @return: a sentence about the first of the files that this user cannot read.
    """
    path = outOfReach(uid, gid, paths)
    if path is None:
        return None
    return (
        f"{path} cannot be read again under --uid, and changes of it will not be taken"
        " over; give it the service's group, mode 0640, and its directory mode 0750"
    )


def outOfReach(uid: int | None, gid: int | None, paths: Iterable[str]) -> str | None:
    """
    @see: L{unreadableAfter}
    @return: the first of the files that this user cannot read.
    """
    if not uid:
        return None
    groups = _groupsOf(uid, gid)
    for path in paths:
        file = Path(path).absolute()
        wanted = [(file, os.R_OK), *((folder, os.X_OK) for folder in file.parents)]
        if not all(_may(uid, groups, each, bit) for each, bit in wanted):
            return path
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
