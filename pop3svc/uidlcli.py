"""
C{pop3svc uidl}: moving users here from another server.

Exit status 0 if all is well, 1 if mail programs may notice something, 2 if that
could not be told.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial

from twisted.internet.task import react

from .account import Account
from .errors import MaildropError, SettingError
from .maildropchoice import addMaildropArguments, become, chosenMaildrop
from .maildrops.registry import makeSource
from .migration.asking import addPasswordArguments, addSourceArguments, serverFor, sourceFor
from .migration.comparing import Seen, differences
from .migration.importing import Report, importIds
from .migration.maildirs import OurMaildir, OurMaildirs
from .migration.progress import Progress
from .migration.server import isAddress
from .migration.verifying import verify

_GOOD, _NOTICED, _UNKNOWN = 0, 1, 2

_Opened = Callable[[], AbstractContextManager[OurMaildir]]


def addArguments(parser: argparse.ArgumentParser) -> None:
    """@param parser: of this command."""
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    bring = commands.add_parser("import", help="give messages the unique-ids of another server")
    bring.set_defaults(run=_run, work=_import)
    addSourceArguments(bring)
    bring.add_argument("--dry-run", action="store_true", help="only say what would be done")
    bring.add_argument("--replace", action="store_true", help="give up what was imported before")
    check = commands.add_parser("verify", help="whether a maildrop answers the same each time")
    check.set_defaults(run=_run, work=_verify)
    for each in (bring, check):
        each.add_argument("users", metavar="USER", nargs="+", help="as the user logs in")
        addMaildropArguments(each)
    diff = commands.add_parser("diff", help="what mail programs would notice of a move")
    diff.set_defaults(run=_run, work=_diff)
    for name in ("old", "new"):
        diff.add_argument(
            name,
            metavar=name.upper(),
            help="pop3s://USER@HOST[:PORT], pop3://..., or a maildrop's KIND:ARGUMENTS",
        )
    diff.add_argument("--user", metavar="USER", help="whose maildrop KIND:ARGUMENTS is")
    diff.add_argument("--uid", metavar="NAME", help="whom the service runs as")
    addPasswordArguments(bring)
    addPasswordArguments(diff)


def _run(arguments: argparse.Namespace) -> int:
    try:
        status: int = arguments.work(arguments)
    except MaildropError as error:
        raise SettingError(str(error)) from error
    return status


# pop3svc uidl import, pop3svc uidl verify


def _import(arguments: argparse.Namespace) -> int:
    maildirs, accounts = _maildirs(arguments), _accounts(arguments)
    sources = {account: sourceFor(arguments, account) for account in accounts}
    become(arguments.uid)

    def work(account: bytes, opened: _Opened, progress: Progress) -> Report:
        with opened() as maildir:
            source, options = sources[account], (arguments.replace, arguments.dry_run)
            return importIds(maildir, source, *options, progress.show)

    return _forEach(accounts, maildirs, work)


def _verify(arguments: argparse.Namespace) -> int:
    maildirs, accounts = _maildirs(arguments), _accounts(arguments)
    become(arguments.uid)
    return _forEach(accounts, maildirs, lambda account, opened, progress: verify(opened))


def _maildirs(arguments: argparse.Namespace) -> OurMaildirs:
    text, limits = chosenMaildrop(arguments)
    kind, _, template = text.partition(":")
    if kind != "maildir":
        raise SettingError(f"unique-ids are imported into Maildirs alone, not into {kind}:")
    return OurMaildirs(template, limits)


def _accounts(arguments: argparse.Namespace) -> list[bytes]:
    if arguments.place is not None and len(arguments.users) > 1:
        raise SettingError("--place is the maildrop of one user; name one")
    return [Account(os.fsencode(user), arguments.place) for user in arguments.users]


def _forEach(
    accounts: Sequence[bytes],
    maildirs: OurMaildirs,
    work: Callable[[bytes, _Opened, Progress], Report],
) -> int:
    """What is wrong with one keeps no other back."""
    status = _GOOD
    for account in accounts:
        name, progress = account.decode("utf-8", "backslashreplace"), Progress()
        opened = partial(maildirs.opened, account, partial(progress.tick, "looking at messages"))
        try:
            report = work(account, opened, progress)
        except KeyboardInterrupt:
            progress.clear()
            raise SettingError(
                f"{name}: stopped; whoever was not written is to come again"
            ) from None
        except (MaildropError, OSError, SettingError) as error:
            progress.clear()
            print(f"pop3svc: {name}: {error}", file=sys.stderr)
            status = _UNKNOWN
            continue
        progress.clear()
        for sentence in report.sentences:
            print(f"{name}: {sentence}")
        status = max(status, _GOOD if report.complete else _NOTICED)
    return status


# pop3svc uidl diff


def _diff(arguments: argparse.Namespace) -> int:
    texts = (arguments.old, arguments.new)
    user = None if arguments.user is None else os.fsencode(arguments.user)
    servers = [each for each in texts if isAddress(each)]
    logins = {text: serverFor(arguments, text, user, index) for index, text in enumerate(servers)}
    maildrops = [each for each in texts if not isAddress(each)]
    seen = {}
    if maildrops:
        if user is None:
            raise SettingError("say whose maildrop it is: --user USER")
        become(arguments.uid)
        seen = _maildropsSeen(maildrops, user)
    for text, login in logins.items():
        with login() as server:
            seen[text] = Seen(server.uniqueIds, server.octets)
    sentences = differences(seen[arguments.old], seen[arguments.new])
    for sentence in sentences or ["mail programs would notice nothing"]:
        print(sentence)
    return _NOTICED if sentences else _GOOD


def _maildropsSeen(texts: Sequence[str], user: bytes) -> dict[str, Seen]:
    """@raise MaildropError: one cannot be opened."""
    sources = {text: makeSource(text) for text in texts}
    seen: dict[str, Seen] = {}
    errors: list[MaildropError] = []

    async def run(reactor: object) -> None:
        try:
            for text, source in sources.items():
                maildrop = await source.openMaildrop(Account(user))
                await maildrop.close()
                seen[text] = Seen(maildrop.messages.uniqueIds, maildrop.messages.octets)
        except MaildropError as error:
            errors.append(error)

    try:
        react(run)
    except SystemExit:
        if not errors and len(seen) < len(sources):
            raise
    if errors:
        raise errors[0]
    return seen
