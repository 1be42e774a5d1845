"""
The whole check, in the order of a start: as whoever starts the service at first, then
as the user that it becomes.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable

from ..account import Account
from ..operations.privileges import dropsRoot, unreadableAfter
from ..options import Options
from ..parts import allListeners, filesReadAgain, missing
from ..workers.parent import checkPrograms, checkShareable
from .files import checkFirstFiles, checkLaterFiles
from .findings import Findings, Section
from .logins import checkCheckers, checkListeners
from .machine import checkLibraries, checkLimits
from .mail import checkMaildrops
from .pages import checkPages
from .pairs import checkCertificates
from .ports import Port

_STEPS = 8


def check(
    findings: Findings,
    options: Options,
    user: bytes | None,
    become: pwd.struct_passwd | None,
    progress: Callable[[int, int], None],
    change: Callable[[], None],
) -> None:
    """
    @param user: whose maildrop and passwords are looked at.
    @param become: as whom the service runs, if root starts it.
    @param progress: called with the number of the step, and of how many.
    @param change: makes this process that user, for good.
    """
    steps = iter(range(1, _STEPS + 1))

    def section(title: str) -> Section:
        progress(next(steps), _STEPS)
        return findings.section(title)

    _checkOptions(section("Options"), options)
    _checkUser(section("Who it runs as"), options, become)
    listeners = allListeners(options)
    sets = checkCertificates(section("Certificates"), options)
    chain, account = checkCheckers(section("Who may log in"), options, user)
    places = section("Listeners")
    ports: list[Port] = []
    checkListeners(places, options, listeners, chain, sets, ports)
    checkPages(places, options["http"], options["http-token"], ports)
    machine = section("What it may use")
    checkLimits(machine, options.limits, options.workers)
    if options.workers > 1:
        _checkWorkers(machine, options, become)
    checkLibraries(machine)
    files = section("Its own files")
    checkFirstFiles(files, options)
    if become is not None:
        change()
    checkLaterFiles(files, options, become is not None)
    mail = section("Maildrops")
    if options.given["maildrop"]:
        whose = account or (None if user is None else Account(user))
        checkMaildrops(mail, options.given["maildrop"][0], whose, options.limits)
    progress(_STEPS, _STEPS)


def _checkOptions(section: Section, options: Options) -> None:
    if options["config"] is not None:
        section.tell(f"{options['config']} is read; the command line wins over it")
    for sentence in missing(options):
        section.error(sentence)


def _checkWorkers(section: Section, options: Options, become: pwd.struct_passwd | None) -> None:
    if options.given["maildrop"]:
        with section.trying():
            checkShareable(options)
    if become is not None:
        with section.trying():
            checkPrograms(become.pw_uid, become.pw_gid)


def _checkUser(section: Section, options: Options, become: pwd.struct_passwd | None) -> None:
    if become is not None:
        with section.trying():
            dropsRoot(become.pw_uid, become.pw_gid, False)
            section.tell(
                f"root binds the ports and reads the keys; then it is {become.pw_name}"
                f" (uid {become.pw_uid}, gid {become.pw_gid}), for good"
            )
        paths = [each for each in filesReadAgain(options) if os.path.exists(each)]
        sentence = unreadableAfter(become.pw_uid, become.pw_gid, paths)
        if sentence is not None:
            section.warn(sentence)
    elif 0 not in os.getresuid():
        try:
            name = pwd.getpwuid(os.geteuid()).pw_name
        except KeyError:
            name = "a user without a name"
        section.tell(f"{name} (uid {os.geteuid()}) from the beginning, as you are now")
    elif options["allow-root"]:
        section.warn("it serves as root; whoever finds a hole in it has the whole machine")
    elif options.demoAlone:
        section.tell("root, for the demo's own maildrops alone")
    else:
        section.error(
            "as you are root, it would serve as root, and refuses to; start it with twistd --uid"
            " USER, and check it with --uid USER"
        )
