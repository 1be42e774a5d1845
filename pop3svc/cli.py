"""
The command C{pop3svc}, for administrators.

Whatever is wrong is one sentence and exit status 1; 2 where 1 is an answer.
"""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from .auth import schemes
from .auth.credential import Credential
from .auth.passwdedit import SCHEMES, deletePassword, makeHash, setPassword
from .auth.passwdfile import Table, parse
from .auth.passwdline import credentialName
from .errors import SettingError
from .limits import Limits


def main(words: Sequence[str] | None = None) -> int:
    """
    @param words: of the command line, by default of this process.
    @return: the exit status.
    """
    words = list(sys.argv[1:] if words is None else words)
    try:
        arguments = _parser(words).parse_args(words)
        status: int = arguments.run(arguments)
        return status
    except (KeyboardInterrupt, EOFError):
        isPasswd = words[:1] == ["passwd"]
        why = "nothing was done, because no password was given" if isPasswd else "stopped"
        _complain(why)
    except OSError as error:
        _complain(f"{error.filename or 'the terminal'}: {error.strerror or error}")
    except ValueError as error:
        _complain(str(error))
    return 2 if words and words[0] in _ANSWERING else 1


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SettingError(f"{message}; see {self.prog} --help")


def _complain(sentence: str) -> int:
    print(f"pop3svc: {sentence}", file=sys.stderr)
    return 1


# The commands with a module of their own, which is imported for them alone; it has
# a function addArguments(parser), which sets what to run.
_COMMANDS = {
    "check": ("checkcli", "what the service would do, and what is wrong, without starting it"),
    "maildrop": ("maildropcli", "what has happened to a user's maildrop"),
    "trace": ("tracecli", "what sessions say, as it happens, without their secrets"),
    "explain": ("explaincli", "what the audit log has of a session, in words"),
    "uidl": ("uidlcli", "moving here from another server, so that nothing is downloaded again"),
}
# To these, exit status 1 is an answer.
_ANSWERING = ("check", "explain", "uidl")


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """@param words: the first names the command, and only that is complete."""
    parser = _Parser(prog="pop3svc", description="Look after a POP3 service.")
    kinds = parser.add_subparsers(metavar="COMMAND", required=True)
    passwd = kinds.add_parser("passwd", help="the users and passwords of a passwd file")
    _addPasswd(passwd.add_subparsers(metavar="COMMAND", required=True))
    for name, (module, summary) in _COMMANDS.items():
        command = kinds.add_parser(name, help=summary)
        if name in words[:1]:
            import_module(f".{module}", __package__).addArguments(command)
    return parser


# pop3svc passwd


def _addPasswd(commands: argparse._SubParsersAction[_Parser]) -> None:
    common = _Parser(add_help=False)
    common.add_argument("file", metavar="FILE", help="the passwd file")
    common.add_argument("user", metavar="USER", help="as the name stands in the file")
    asking = _Parser(add_help=False)
    asking.add_argument(
        "--stdin", action="store_true", help="read the password from standard input, one line"
    )
    change = commands.add_parser(
        "set", parents=[common, asking], help="give a user a password, a new one or another"
    )
    change.set_defaults(run=_set)
    change.add_argument("--scheme", choices=SCHEMES, default=SCHEMES[0], help="[%(default)s]")
    change.add_argument(
        "--name", default="", help="set an application password of this name, not the main one"
    )
    change.add_argument(
        "--networks", metavar="LIST", help="from where: 192.0.2.0/24,[2001:db8::]/32, or any"
    )
    change.add_argument("--expires", metavar="DAY", help="the last day: 2027-01-31, or never")
    change.add_argument(
        "--read-only",
        action=argparse.BooleanOptionalAction,
        help="nothing can be removed with it",
    )
    delete = commands.add_parser("delete", parents=[common], help="remove a user, or one password")
    delete.set_defaults(run=_delete)
    delete.add_argument("--name", help="remove this application password alone")
    show = commands.add_parser("list", help="show users and what their passwords are good for")
    show.set_defaults(run=_list)
    show.add_argument("file", metavar="FILE", help="the passwd file")
    show.add_argument("user", metavar="USER", nargs="?", help="show this one alone")
    verify = commands.add_parser("verify", parents=[common, asking], help="try a password")
    verify.set_defaults(run=_verify)


def _set(arguments: argparse.Namespace) -> int:
    if arguments.name:
        credentialName(arguments.name)
    fields: dict[str, str | None] = {}
    if arguments.networks is not None:
        fields["networks"] = None if arguments.networks == "any" else arguments.networks
    if arguments.expires is not None:
        fields["expires"] = None if arguments.expires == "never" else arguments.expires
    if arguments.read_only is not None:
        fields["read-only"] = "" if arguments.read_only else None
    password = _askPassword(arguments, twice=True)
    user = os.fsencode(arguments.user)
    stored = makeHash(arguments.scheme, password)
    isNewFile = not os.path.exists(arguments.file)
    isNew = setPassword(arguments.file, user, arguments.name, stored, fields)
    print("the password is set" if isNew else "the password is changed")
    if isNewFile:
        print(
            f"pop3svc: {arguments.file} is new, and only you can read it; the user that the service"
            " runs as must be able to: chown root:GROUP and chmod 0640",
            file=sys.stderr,
        )
    return 0


def _delete(arguments: argparse.Namespace) -> int:
    gone = deletePassword(arguments.file, os.fsencode(arguments.user), arguments.name)
    if not gone:
        return _complain("there is no such password; pop3svc passwd list shows them")
    print("the password is deleted" if arguments.name else "the user is deleted")
    return 0


def _list(arguments: argparse.Namespace) -> int:
    table = _read(arguments.file)
    for user in table.users.values():
        if arguments.user is not None and os.fsencode(arguments.user) != user.name:
            continue
        if user.lockedBy is not None:
            print(f"{_printable(user.name)} - locked by {user.lockedBy}")
        for each in user.credentials:
            print(_described(each))
    for number, sentence in table.complaints:
        _complain(f"{arguments.file} line {number}: {sentence}")
    return 1 if table.complaints else 0


def _verify(arguments: argparse.Namespace) -> int:
    user = _read(arguments.file).users.get(os.fsencode(arguments.user))
    if user is None:
        return _complain("there is no such user; pop3svc passwd list shows them")
    if user.lockedBy is not None:
        return _complain(f"the user is locked by {user.lockedBy}")
    password = _askPassword(arguments, twice=False)
    today = datetime.now(UTC).date()
    for each in user.credentials:
        if each.stored is not None and schemes.verify(each.stored, password):
            print(f"the password is right: {_described(each)}")
            closedBy = user.closedBy or each.refusedBy("unknown", today)
            # From where it would be used is not known here.
            if closedBy is not None and closedBy != "networks":
                return _complain(f"it is kept from POP3 by {closedBy}")
            return 0
    return _complain("the password is wrong")


def _read(path: str) -> Table:
    return parse(Path(path).read_bytes(), Limits().credentialsPerUser)


def _printable(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")


def _described(credential: Credential) -> str:
    """All about it but the hash."""
    fields = (
        ("networks=", credential.networks),
        ("expires=", credential.expires),
        ("maildrop=", credential.maildrop),
        ("read-only", "" if credential.readOnly else None),
        ("", credential.closedBy),
    )
    scheme = schemes.schemeOf(credential.stored or b"")
    words = [f"{key}{value}" for key, value in fields if value is not None]
    return " ".join([_printable(credential.user), credential.name or "-", scheme, *words])


def _askPassword(arguments: argparse.Namespace, twice: bool) -> bytes:
    """@raise SettingError: the two were not the same."""
    if arguments.stdin:
        line = sys.stdin.buffer.readline()
        if not line:
            raise EOFError
        return line.rstrip(b"\r\n")
    password = getpass.getpass("Password: ")
    if twice and getpass.getpass("Again: ") != password:
        raise SettingError("the two passwords are not the same; nothing was changed")
    return password.encode("utf-8", "surrogateescape")
