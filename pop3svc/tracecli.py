"""
C{pop3svc trace}: what the sessions of one user, network or program say, as it happens.
"""

from __future__ import annotations

import argparse
import json
import math
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from .errors import SettingError
from .options import Options
from .printable import printable

_WHERE = "/run/pop3svc/control"


def addArguments(parser: argparse.ArgumentParser) -> None:
    """@param parser: of this command."""
    parser.set_defaults(run=_run)
    parser.add_argument(
        "--control", metavar="FILE", help=f"as the service has it [{_WHERE}, or as --config says]"
    )
    parser.add_argument("--config", metavar="FILE", help="the service's")
    whom = parser.add_mutually_exclusive_group(required=True)
    whom.add_argument("--user", metavar="NAME", help="as it is given to log in")
    whom.add_argument("--network", metavar="NETWORK", help="an address, or such as 192.0.2.0/24")
    whom.add_argument("--session", metavar="ID", help="one that goes on, by its id in the log")
    parser.add_argument("--minutes", metavar="NUMBER", type=float, default=10, help="[10]")
    parser.add_argument(
        "--to-log", action="store_true", help="write the lines into the service's audit log instead"
    )


def _run(arguments: argparse.Namespace) -> int:
    path = arguments.control or _configured(arguments.config)
    question = {
        "do": "trace",
        "user": arguments.user,
        "network": arguments.network,
        "session": arguments.session,
        "seconds": _seconds(arguments.minutes),
        "toLog": arguments.to_log,
    }
    try:
        for answer in _answers(path, question):
            _show(answer, arguments.to_log)
    except KeyboardInterrupt:
        # The service sees the connection end, and the trace with it.
        print("pop3svc: the trace is ended", file=sys.stderr)
    return 0


def _seconds(minutes: float) -> int:
    """@raise SettingError: no trace lasts so long."""
    if not 0 < minutes * 60 < math.inf:
        raise SettingError(f"--minutes is a number above 0, such as 10 or 0.5, not {minutes:g}")
    return max(1, round(minutes * 60))


def _configured(path: str | None) -> str:
    """@raise SettingError: the configuration file is wrong."""
    if path is None:
        return _WHERE
    options = Options()
    try:
        options.parseOptions(["--config", path])
    except SystemExit as error:
        raise SettingError(str(error.code).removeprefix("twistd pop3svc: ")) from error
    if options["control"] is None:
        raise SettingError(f'{path} has no control socket; write control = "{_WHERE}" into it')
    named: str = options["control"]
    return named


def _answers(path: str, question: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """@raise SettingError: nobody answers, or the service ended."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(path)
        except OSError as error:
            raise SettingError(
                f"no service answers at {path} ({error.strerror or error}); it must run, with"
                " --control, and only root and its own user may ask it"
            ) from error
        answered = ended = False
        # Whether it is a reset or an end of file, the service has hung up.
        with suppress(ConnectionError), connection.makefile("rb") as lines:
            connection.sendall(json.dumps(question).encode() + b"\n")
            for line in lines:
                answer = json.loads(line)
                answered, ended = True, "ended" in answer
                yield answer
        if not answered:
            raise SettingError(
                f"the service at {path} hung up without an answer; it ends, or there are as many"
                " such commands already as its limit control-connections allows"
            )
        if not ended:
            raise SettingError("the service ended, and the trace with it")


def _show(answer: dict[str, Any], toLog: bool) -> None:
    """@raise SettingError: the service refuses."""
    if "refused" in answer:
        raise SettingError(answer["refused"])
    if "began" in answer:
        where = "into the audit log" if toLog else "here"
        minutes = answer["seconds"] / 60
        print(
            f"pop3svc: the {answer['of']} is traced {where} for {minutes:g} minutes; end it with"
            " Ctrl-C",
            file=sys.stderr,
        )
    if answer.get("lost") and "lines" in answer and "ended" not in answer:
        print(f"pop3svc: {answer['lost']} lines came too fast, and are lost", file=sys.stderr)
    if "ended" in answer:
        print(f"pop3svc: the trace is over, with {answer['lines']} lines", file=sys.stderr)
        return
    for time, session, source, text in answer.get("lines", ()):
        # The service is not root, and root may be who asks.
        print(printable(f"{time} {session} {source}: {text}"))
    sys.stdout.flush()
