"""
Where a user's maildrop is, and whether it could be opened; nothing in it is touched.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import ExitStack

from ..account import Account
from ..errors import MaildropUnavailable
from ..limits import Limits
from ..maildrops.files import Directory
from ..maildrops.mboxfiles import MboxFile, NotAnMbox
from ..maildrops.mboxlines import LINE_OCTETS, separatorOctets
from ..maildrops.paths import NamedPlace, PathTemplate
from ..maildrops.registry import makeSource
from ..maildrops.sidefiles import SidePlaces
from ..maildrops.survey import DIRECTORIES, survey
from ..maildrops.troubles import unavailable
from .findings import Section, counted


def checkMaildrops(section: Section, text: str, account: Account | None, limits: Limits) -> None:
    """
    @param text: what stands behind C{--maildrop}.
    @param account: whose is looked at; C{None} for nobody's.
    """
    section.tell(text)
    with section.trying():
        makeSource(text)
        kind, _, arguments = text.partition(":")
        if account is None:
            section.tell("with --user NAME, that user's maildrop is looked at")
        elif kind in ("maildir", "mbox"):
            template, sides = SidePlaces.parse(arguments)
            places: NamedPlace | PathTemplate = PathTemplate(template)
            if account.maildrop is not None:
                places = NamedPlace(account.maildrop)
            _checkPlace(section, kind, places, account, limits)
            if sides.outside is not None and not os.access(sides.outside, os.W_OK | os.X_OK):
                section.error(
                    f"the directory {os.fsdecode(sides.outside)!a} for ledgers cannot be written"
                    " to; give it to the service's user"
                )
        else:
            section.tell(f"only a login shows a maildrop of the kind {kind}:")


def _checkPlace(
    section: Section,
    kind: str,
    places: NamedPlace | PathTemplate,
    account: Account,
    limits: Limits,
) -> None:
    name = account.decode("utf-8", "backslashreplace")
    try:
        components = places.components(account)
        path = places.path(components)
        section.tell(f"{name}'s is {os.fsdecode(path)}")
        if kind == "mbox":
            _checkMbox(section, path)
        else:
            with places.open(components) as directory:
                _checkMaildir(section, directory, path, limits)
    except MaildropUnavailable as error:
        section.error(str(error), 1)


def _checkMaildir(section: Section, directory: Directory, path: bytes, limits: Limits) -> None:
    with ExitStack() as stack:
        try:
            folders = [stack.enter_context(directory.enter(each)) for each in DIRECTORIES]
            names = survey(tuple(folders), limits.maildropMessages).names
        except OSError as error:
            raise unavailable(error, path) from error
        count = sum(len(each) for each in names if each is not None)
        section.tell(f"a Maildir with {counted(count, 'message')}", 1)
        if _inUse(directory.descriptor):
            section.tell("a session has it now", 1)
        else:
            section.tell("nobody is logged in to it", 1)
        here = f"/proc/self/fd/{directory.descriptor}"
        for each in (".", *map(os.fsdecode, DIRECTORIES)):
            if not os.access(f"{here}/{each}", os.W_OK | os.X_OK):
                section.error(
                    f"{os.fsdecode(path)} may be read, and not written to, so that nothing can be"
                    " removed from it; correct owner and mode",
                    1,
                )
                return


def _inUse(descriptor: int) -> bool:
    """
    Asked with a lock that others may have too, and that is given back at once: a login
    in the same millionth of a second would be told that another session has it.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:
        raise MaildropUnavailable(
            f"it cannot be locked ({error.strerror}); mount an NFS file system with"
            " local_lock=flock, and serve it from one host"
        ) from error
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def _checkMbox(section: Section, path: bytes) -> None:
    shown, folder = os.fsdecode(path), os.path.dirname(path)
    if os.path.lexists(path):
        if os.path.islink(path) or not os.path.isfile(path):
            section.error(f"{shown} is no regular file, and is not served; replace it by one", 1)
        elif not os.access(path, os.R_OK | os.W_OK):
            section.error(
                f"{shown} may not be read and written to; correct owner and mode, or give the"
                " service's user the group mail",
                1,
            )
        elif trouble := _troubleWith(path):
            section.error(f"{shown} {trouble}, and is not served; look at it, and mend it", 1)
        else:
            section.tell(f"an mbox of {counted(os.stat(path).st_size, 'octet')}", 1)
    elif os.path.isdir(folder):
        section.tell("there is no file yet, which is an empty maildrop", 1)
    else:
        section.error(f"the directory {os.fsdecode(folder)} is not there; make it", 1)


def _troubleWith(path: bytes) -> str:
    """@return: why a file that can be read is no mbox; empty if it is one."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        # By the time of the last reading shells know whether there is new mail.
        descriptor = os.open(path, flags | os.O_NOATIME)
    except PermissionError:
        descriptor = os.open(path, flags)
    try:
        file = MboxFile(descriptor, writable=False)
        head = file.read(LINE_OCTETS, 0)
        start = len(head) - len(head.lstrip(b"\r\n"))
        isMbox = start == os.fstat(descriptor).st_size or separatorOctets(file, start)
        return "" if isMbox else "does not begin with a line 'From ...'"
    except NotAnMbox as error:
        return str(error)
    finally:
        os.close(descriptor)
