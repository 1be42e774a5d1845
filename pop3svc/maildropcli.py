"""
C{pop3svc maildrop}: what an administrator says about one user's maildrop.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace

from twisted.internet.task import react

from .account import Account
from .errors import MaildropError, MaildropShrunk, MaildropUnavailable, SettingError
from .interfaces import ILimited, IMaildropSource
from .limits import Limits
from .maildropchoice import addMaildropArguments, become, chosenMaildrop
from .maildrops.registry import makeSource


def addArguments(parser: argparse.ArgumentParser) -> None:
    """@param parser: of this command."""
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    accept = commands.add_parser(
        "accept",
        help="confirm that a maildrop is right as it is, although most of it has gone",
    )
    accept.set_defaults(run=_accept)
    accept.add_argument("user", metavar="USER", help="as the user logs in")
    addMaildropArguments(accept)


async def acceptMaildrop(source: IMaildropSource, limits: Limits, avatarId: bytes) -> int:
    """
    Have a maildrop believed as it is.

    @return: the number of messages in it.
    @raise pop3svc.errors.MaildropError: it cannot be opened, or is in use.
    """
    # Whoever opens a maildrop keeps what it saw for the next session.
    return await _look(source, replace(limits, shrinkPercent=0), avatarId)


async def confirm(source: IMaildropSource, limits: Limits, avatarId: bytes) -> None:
    """
    See that the service will believe it too.

    @param source: one that knows nothing but what is written.
    @raise pop3svc.errors.MaildropError: it will not.
    """
    try:
        await _look(source, limits, avatarId)
    except MaildropShrunk as error:
        raise MaildropUnavailable(
            "it is not accepted, because the ledger cannot be written; make room, or correct the"
            " owner of pop3svc-ledger, and try again"
        ) from error


async def _look(source: IMaildropSource, limits: Limits, avatarId: bytes) -> int:
    """One session, in which nothing is done; the number of messages."""
    limited = ILimited(source, None)
    if limited is not None:
        limited.useLimits(limits)
    maildrop = await source.openMaildrop(avatarId)
    await maildrop.close()
    return len(maildrop.messages)


def _accept(arguments: argparse.Namespace) -> int:
    text, limits = chosenMaildrop(arguments)
    source = makeSource(text)
    become(arguments.uid)
    avatarId = Account(os.fsencode(arguments.user), arguments.place)
    outcome: list[int | MaildropError] = []

    async def run(reactor: object) -> None:
        try:
            count = await acceptMaildrop(source, limits, avatarId)
            await confirm(makeSource(text), limits, avatarId)
            outcome.append(count)
        except MaildropError as error:
            outcome.append(error)

    try:
        react(run)
    except SystemExit:
        if not outcome:
            raise
    if isinstance(outcome[0], MaildropError):
        raise SettingError(str(outcome[0])) from outcome[0]
    count = outcome[0]
    print(f"accepted: {count} message{'' if count == 1 else 's'}")
    return 0
