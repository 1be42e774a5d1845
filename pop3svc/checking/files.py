"""
The files that the service itself keeps: whether they can be made and written.
"""

from __future__ import annotations

import os
import stat

from ..errors import SettingError
from ..options import Options
from ..parts import SECRET_OCTETS
from ..startfiles import readRegular
from .findings import Section
from .ports import SOCKET_PATH_OCTETS


def checkFirstFiles(section: Section, options: Options) -> None:
    """What is opened at the start, as whoever starts the service."""
    audit = options["audit-log"]
    if audit is None:
        section.tell("audit lines go to twistd's log")
    elif audit == "-":
        section.tell("audit lines go to standard output")
    elif _isOfKind(audit, stat.S_IFCHR) or _isOfKind(audit, stat.S_IFIFO):
        section.tell(f"--audit-log {audit}: whether it takes lines shows at the start")
    else:
        _checkWritable(section, "--audit-log", audit)
    if options["secret"]:
        with section.trying():
            _checkSecret(section, options["secret"])


def checkLaterFiles(section: Section, options: Options, changed: bool) -> None:
    """
    What is opened while the service runs, as the user that it is then.

    @param changed: root has become that user since the start.
    """
    audit = options["audit-log"]
    if changed and audit not in (None, "-") and not _mayMakeFiles(os.path.dirname(audit)):
        section.warn(
            f"--audit-log: root makes {audit} at the start, and after logs were rotated the"
            " service's user cannot; give the directory to that user"
        )
    if changed and audit not in (None, "-") and _hasSecondName(audit):
        section.error(
            f"--audit-log: {audit} is a hard link, and will not be given to the service's user;"
            " remove it, or name another one"
        )
    if options["throttle-state"]:
        _checkWritable(section, "--throttle-state", options["throttle-state"], replaced=True)
    if options["control"]:
        path = options["control"]
        if len(os.fsencode(path)) > SOCKET_PATH_OCTETS:
            section.error(
                f"--control: the path of a socket has {SOCKET_PATH_OCTETS} octets at the most;"
                " name another one"
            )
        elif not (_isOfKind(path, stat.S_IFSOCK) and _mayMakeFiles(os.path.dirname(path))):
            _checkWritable(section, "--control", path, replaced=True, kind=stat.S_IFSOCK)
        else:
            section.tell(f"--control {path} is there: of a service that runs, or left by one")


def _checkWritable(
    section: Section, name: str, path: str, replaced: bool = False, kind: int = stat.S_IFREG
) -> None:
    """
    @param replaced: another file takes its place, so that its directory must be
        writable even if it is there.
    """
    folder = os.path.dirname(path)
    isThere = os.path.lexists(path)
    if not os.path.isdir(folder):
        section.error(
            f"{name}: there is no directory {folder}, or it may not be entered; make it for the"
            " service's user"
        )
    elif isThere and not _isOfKind(path, kind):
        section.error(f"{name}: {path} is there, and of another kind; name another one")
    elif isThere and not replaced and not os.access(path, os.W_OK):
        section.error(f"{name}: {path} may not be written to; give it to the service's user")
    elif (replaced or not isThere) and not _mayMakeFiles(folder):
        section.error(
            f"{name}: no file may be made in {folder}; give that directory to the service's user"
        )
    else:
        section.tell(f"{name} {path} {'can be written to' if isThere else 'would be made'}")


def _isOfKind(path: str, kind: int) -> bool:
    return os.path.lexists(path) and stat.S_IFMT(os.lstat(path).st_mode) == kind


def _hasSecondName(path: str) -> bool:
    return _isOfKind(path, stat.S_IFREG) and os.lstat(path).st_nlink > 1


def _mayMakeFiles(folder: str) -> bool:
    return os.access(folder, os.W_OK | os.X_OK)


def _checkSecret(section: Section, path: str) -> None:
    if not os.path.lexists(path):
        _checkWritable(section, "--secret", path)
        return
    try:
        octets = len(readRegular(path))
    except OSError as error:
        raise SettingError(
            f"--secret: cannot read {path}: {error.strerror}; give it to the service's user"
        ) from error
    if octets < SECRET_OCTETS:
        raise SettingError(
            f"--secret: {path} has {octets} octets, {SECRET_OCTETS} are the least; remove it, and"
            " a good one is made"
        )
    section.tell(f"--secret {path} is in order")
