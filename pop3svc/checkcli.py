"""
C{pop3svc check}: what the service would do with its options, and what is wrong.
"""

from __future__ import annotations

import argparse
import os
import pwd
from collections.abc import Sequence
from typing import Any

from .checking.findings import Findings
from .checking.whole import check
from .demo import demoIsThere, useDemo
from .errors import SettingError
from .maildropchoice import become
from .migration.progress import Progress
from .options import Options

_ABOUT = """\
Takes the options of twistd pop3svc, explains what they would do, and says what is
wrong and what to do about it. Nothing is started, written or changed, and a service
that runs notices nothing. Exit status 0 if all is well, 1 if something is wrong, 2 if
the check itself could not be done."""
# Of the service's options, what shows something and ends.
_NOT_HERE = ("help", "version")


class _Passed(argparse.Action):
    """Hands an option on as it is, in its place among the others."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        name = self.option_strings[-1]
        namespace.words = [*namespace.words, name if self.nargs == 0 else f"{name}={values}"]


def addArguments(parser: argparse.ArgumentParser) -> None:
    """@param parser: of this command."""
    parser.description = _ABOUT
    parser.add_argument("--user", metavar="NAME", help="look at this user's maildrop, too")
    parser.add_argument(
        "--uid", metavar="NAME", help="as whom root has the service run, as twistd's --uid"
    )
    parser.add_argument("--strict", action="store_true", help="a warning is wrong, too")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.set_defaults(run=_check, words=[])
    ours = parser.add_argument_group("the options of twistd pop3svc")
    known = Options()
    for each in known.longOpt:
        name = each.rstrip("=")
        if name.startswith(_NOT_HERE):
            continue
        names = ["-c", "--config"] if name == "config" else [f"--{name}"]
        # argparse takes a percent sign for a beginning.
        help = known.docs.get(name, "").strip().replace("%", "%%")
        ours.add_argument(
            *names,
            action=_Passed,
            dest=argparse.SUPPRESS,
            metavar=name.upper().replace("-", "_"),
            nargs=None if each.endswith("=") else 0,
            help=help,
        )


def _check(arguments: argparse.Namespace) -> int:
    findings = Findings()
    user = _user(arguments.uid)
    options = Options()
    try:
        options.parseOptions(arguments.words)
    except SystemExit as error:
        findings.section("Options").error(str(error.code).removeprefix("twistd pop3svc: "))
    else:
        _checkOptions(findings, options, arguments, user)
    print(findings.json() if arguments.json else findings.text())
    wrong = findings.count("error") or (arguments.strict and findings.count("warning"))
    return 1 if wrong else 0


def _checkOptions(
    findings: Findings,
    options: Options,
    arguments: argparse.Namespace,
    user: pwd.struct_passwd | None,
) -> None:
    if options["demo"]:
        if not demoIsThere(options):
            findings.section("Demo").tell(
                f"the start would make {os.path.abspath(options['demo-directory'])}, with two"
                " maildrops, passwords and a certificate; there is nothing to check before"
            )
            return
        useDemo(options)
    progress = Progress()
    try:
        check(
            findings,
            options,
            None if arguments.user is None else os.fsencode(arguments.user),
            user,
            lambda done, of: progress.show("checking", done, of),
            lambda: become(arguments.uid),
        )
    finally:
        progress.clear()


def _user(name: str | None) -> pwd.struct_passwd | None:
    """
    @return: whom root would make the service; C{None} if nobody changes.
    @raise SettingError: there is no such user, or only root could become it.
    """
    if name is None:
        return None
    try:
        user = pwd.getpwnam(name)
    except KeyError as error:
        raise SettingError(f"there is no user {name!r} on this machine") from error
    if user.pw_uid == os.geteuid() and user.pw_uid != 0:
        return None
    if os.geteuid() != 0:
        raise SettingError(f"only root can become {name}; run it as root, or as {name}")
    return user
