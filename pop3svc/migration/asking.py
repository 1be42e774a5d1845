"""
What an administrator says about old servers on the command line, but for passwords,
which everybody could read there.
"""

from __future__ import annotations

import argparse
import getpass
import os
import re
from collections.abc import Callable
from functools import partial

from ..errors import SettingError
from .courier import parseSizeList
from .dovecot import DEFAULT_FORMAT, parseFormat, parseUidList
from .server import Address, OldServer, Trust, isAddress
from .sources import FileSource, ServerSource, Source
from .table import parseTable

_PLACEHOLDER = re.compile(r"\{(user|local|domain)\}")


def addSourceArguments(parser: argparse.ArgumentParser) -> None:
    """@param parser: of a command that takes unique-ids from somewhere."""
    parser.add_argument(
        "--from",
        dest="origin",
        required=True,
        metavar="SOURCE",
        help="dovecot-uidlist, courierpop3dsizelist, csv, pop3s://[USER@]HOST[:PORT] or pop3://...;"
        " USER may be made of {user}, {local} and {domain}",
    )
    parser.add_argument(
        "--file", metavar="PATH", help="where the list is, if it is not in the Maildir; as USER is"
    )
    parser.add_argument(
        "--uidl-format",
        metavar="FORMAT",
        default=DEFAULT_FORMAT,
        help="Dovecot's setting pop3_uidl_format [%(default)s]",
    )


def addPasswordArguments(parser: argparse.ArgumentParser) -> None:
    """@param parser: of a command that logs in somewhere."""
    parser.add_argument(
        "--password-file",
        action="append",
        metavar="FILE",
        help="its first line is the password, which is asked for otherwise; may be made of {user},"
        " {local} and {domain}; where there are two servers, give it twice",
    )
    parser.add_argument(
        "--password-env",
        action="append",
        metavar="NAME",
        help="the password is in this environment variable; as --password-file",
    )
    parser.add_argument("--ca-file", metavar="FILE", help="who signs the server's certificate")
    parser.add_argument(
        "--no-verify", action="store_true", help="take any certificate for the server's"
    )
    parser.add_argument(
        "--clear-text", action="store_true", help="send the password even where there is no TLS"
    )


def sourceFor(arguments: argparse.Namespace, user: bytes) -> Source:
    """
    @param user: whose.
    @raise SettingError: there is no such source, or no password for it.
    """
    origin: str = arguments.origin
    if isAddress(origin):
        return ServerSource(serverFor(arguments, origin, user))
    path = None if arguments.file is None else _filled(arguments.file, user)
    if origin == "dovecot-uidlist":
        parse = partial(parseUidList, formatted=parseFormat(arguments.uidl_format))
        return FileSource(parse, origin, path)
    if origin == "courierpop3dsizelist":
        return FileSource(parseSizeList, origin, path)
    if origin != "csv":
        raise SettingError(
            f"--from takes dovecot-uidlist, courierpop3dsizelist, csv, pop3://USER@HOST or"
            f" pop3s://USER@HOST, not {origin!r}"
        )
    if path is None:
        raise SettingError("say where the table is: --file PATH")
    return FileSource(parseTable, None, path)


def serverFor(
    arguments: argparse.Namespace, address: str, user: bytes | None, index: int = 0
) -> Callable[[], OldServer]:
    """
    @param user: who it is, where the address does not say.
    @param index: of the server, where there are two.
    @return: logs in. Passwords and certificates are read before, while this is still root.
    @raise SettingError: the address is none, or there is no password.
    """
    name = None if user is None else os.fsdecode(user)
    where = Address.parse(address if user is None else _filled(address, user), name)
    trust = Trust.of(arguments.ca_file, not arguments.no_verify, arguments.clear_text)
    files, variables = arguments.password_file or [], arguments.password_env or []
    if files and variables:
        raise SettingError("passwords are in files or in the environment; use one of the two")
    if files:
        path = files[min(index, len(files) - 1)]
        with open(path if user is None else _filled(path, user), encoding="utf-8") as file:
            password = file.readline().rstrip("\r\n")
    elif variables:
        variable = variables[min(index, len(variables) - 1)]
        if variable not in os.environ:
            raise SettingError(f"there is no {variable} in the environment")
        password = os.environ[variable]
    else:
        password = getpass.getpass(f"Password of {where}: ")
    return partial(OldServer, where, password, trust)


def _filled(text: str, user: bytes) -> str:
    """With the user's name for placeholders."""
    whole = os.fsdecode(user)
    local, _, domain = whole.rpartition("@") if "@" in whole else (whole, "", "")
    values = {"user": whole, "local": local, "domain": domain}
    return _PLACEHOLDER.sub(lambda found: values[found[1]], text)
