"""
Which maildrops a command is about, and as whom it works on them.
"""

from __future__ import annotations

import argparse
import os
import pwd

from .errors import SettingError
from .limits import Limits
from .options import Options


def addMaildropArguments(parser: argparse.ArgumentParser) -> None:
    """@param parser: of a command that works on maildrops."""
    parser.add_argument("--maildrop", metavar="KIND:ARGUMENTS", help="as the service has it")
    parser.add_argument("--config", metavar="FILE", help="the service's; instead of --maildrop")
    parser.add_argument(
        "--place", metavar="PATH", help="the maildrop that the passwd file names for this user"
    )
    parser.add_argument(
        "--uid", metavar="NAME", help="whom the service runs as; root must say it, even for root"
    )


def chosenMaildrop(arguments: argparse.Namespace) -> tuple[str, Limits]:
    """
    @return: C{KIND:ARGUMENTS}, and the limits to keep to.
    @raise SettingError: nobody has said where maildrops lie.
    """
    if not (arguments.config or arguments.maildrop):
        raise SettingError("say where maildrops lie: --config FILE, or --maildrop KIND:ARGUMENTS")
    if arguments.place is not None and not os.path.isabs(arguments.place):
        raise SettingError(f"--place is an absolute path, not {arguments.place!r}")
    words = ["--config", arguments.config] if arguments.config else []
    words += ["--maildrop", arguments.maildrop] if arguments.maildrop else []
    options = Options()
    try:
        options.parseOptions(words)
    except SystemExit as error:
        raise SettingError(str(error.code).removeprefix("twistd pop3svc: ")) from error
    if not options.given["maildrop"]:
        raise SettingError(f"{arguments.config} names no maildrop; add --maildrop KIND:ARGUMENTS")
    return options.given["maildrop"][0], options.limits


def become(name: str | None) -> None:
    """
    What is written beside the mail must be the service's own.

    @raise SettingError: we are root, and nobody has said who the service is.
    """
    if name is None:
        if os.geteuid() == 0:
            raise SettingError("say whom the service runs as: --uid NAME")
        return
    try:
        user = pwd.getpwnam(name)
    except KeyError as error:
        raise SettingError(f"there is no user {name!r} on this machine") from error
    if user.pw_uid == os.geteuid():
        return
    try:
        os.initgroups(name, user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    except PermissionError as error:
        raise SettingError(f"only root can become {name}; run it as root, or as {name}") from error
