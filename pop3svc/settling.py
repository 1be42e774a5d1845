"""
What twistd's process settles about itself before anything is made: its privileges, its
log, and what it will not be able to read again.
"""

from __future__ import annotations

import sys

from twisted.internet.interfaces import IReactorTime

from .operations.auditfile import AuditFile
from .operations.clocks import keepDeadlines
from .operations.confinement import confine
from .operations.descriptors import raiseDescriptors
from .operations.privileges import checkUser, dropsRoot, unreadableAfter
from .options import Options
from .parts import filesReadAgain


def settlePrivileges(options: Options) -> bool:
    """
    @return: root is changed to another user before anybody is served.
    @raise SettingError: the service would be root.
    """
    from twisted.internet import reactor

    if options.parent is None:
        # Part of somebody else's program, whose process it is.
        return False
    twistd = options.parent
    keepDeadlines(reactor)
    checkUser(twistd["uid"])
    raiseDescriptors()
    confine(twistd["umask"])
    # The demo reaches nobody else's maildrops, and nobody outside reaches it.
    if options["allow-root"] or options.demoAlone:
        return False
    return dropsRoot(twistd["uid"], twistd["gid"], twistd["euid"])


def openAuditFile(options: Options, dropping: bool) -> AuditFile | None:
    """
    @param dropping: as L{settlePrivileges} has said.
    @return: the file of C{--audit-log}, if there is one.
    @raise SettingError: it cannot be written to.
    """
    from twisted.internet import reactor

    if options["audit-log"] is None:
        return None
    file = AuditFile(options["audit-log"], IReactorTime(reactor))
    if dropping and options.parent is not None:
        # After logs are rotated it is opened once more, by whoever serves then.
        file.handOver(options.parent["uid"], options.parent["gid"])
    return file


def warnOfUnreadable(options: Options) -> None:
    """Root reads every file now; whom twistd makes of it may never again."""
    if options.parent is None:
        return
    files = filesReadAgain(options)
    sentence = unreadableAfter(options.parent["uid"], options.parent["gid"], files)
    if sentence is not None:
        print(f"twistd pop3svc: {sentence}", file=sys.stderr)
