"""
C{pop3svc explain}: what happened to a session and why, from the audit log.

Exit status 0 if something was found, 1 if not, 2 if that could not be told.
"""

from __future__ import annotations

import argparse
import sys

from .errors import SettingError
from .explaining.finding import Finder, Wanted, byPeer, bySession, byUser
from .explaining.logs import linesOf
from .explaining.stories import story, told
from .migration.progress import Progress
from .options import Options

_FOUND, _NOT_FOUND = 0, 1


def addArguments(parser: argparse.ArgumentParser) -> None:
    """@param parser: of this command."""
    parser.set_defaults(run=_run)
    parser.add_argument("session", metavar="SESSION", nargs="?", help="its id, as the log has it")
    parser.add_argument("--user", metavar="NAME", help="the last sessions of this user")
    parser.add_argument("--peer", metavar="ADDRESS", help="those of an address, or a network")
    parser.add_argument(
        "--last", metavar="NUMBER", type=int, default=1, help="so many of them [%(default)s]"
    )
    parser.add_argument(
        *("--log", "-l"),
        metavar="FILE",
        action="append",
        help="of --audit-log, or twistd's; what was rotated away, also as .gz, is read too;"
        " - for standard input. Repeatable",
    )
    parser.add_argument("--config", metavar="FILE", help="the service's; instead of --log")


def _run(arguments: argparse.Namespace) -> int:
    finder = Finder(_wanted(arguments), arguments.last)
    progress = Progress()
    try:
        finder.read(linesOf(_logs(arguments), progress.show))
    except KeyboardInterrupt:
        progress.clear()
        raise SettingError("stopped before the end of the log") from None
    progress.clear()
    sessions = finder.last()
    for session, found in sessions:
        print(story(session, found))
    if finder.others:
        print("Besides, without a session:\n")
        advised: set[str] = set()
        for record in finder.others:
            print("\n".join(told(record, advised)))
    if sessions or finder.others:
        return _FOUND
    print("pop3svc: the log has nothing of that", file=sys.stderr)
    return _NOT_FOUND


def _wanted(arguments: argparse.Namespace) -> Wanted:
    """@raise SettingError: it is not said, or not well."""
    given = [each for each in (arguments.session, arguments.user, arguments.peer) if each]
    if len(given) != 1:
        raise SettingError("name one session, or one --user, or one --peer")
    if arguments.last < 1:
        raise SettingError(f"--last is 1 at the least, not {arguments.last}")
    if arguments.session:
        return bySession(arguments.session)
    return byUser(arguments.user) if arguments.user else byPeer(arguments.peer)


def _logs(arguments: argparse.Namespace) -> list[str]:
    """@raise SettingError: nobody has said which."""
    if arguments.log:
        logs: list[str] = arguments.log
        return logs
    if not arguments.config:
        raise SettingError("say where the log is: --log FILE, or --config FILE")
    options = Options()
    try:
        options.parseOptions(["--config", arguments.config])
    except SystemExit as error:
        raise SettingError(str(error.code).removeprefix("twistd pop3svc: ")) from error
    if options["audit-log"] in (None, "-"):
        raise SettingError(
            f"{arguments.config} names no file for audit-log; add --log FILE, where twistd or its"
            " supervisor logs to"
        )
    return [options["audit-log"]]
