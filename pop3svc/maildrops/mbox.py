"""
System mail, for C{--maildrop mbox:TEMPLATE}: all messages of a user in one file.

Postfix, Exim, procmail and others may deliver into it all the time, and mail readers
and IMAP servers may rewrite it. So nothing is believed for longer than the file is
locked: a message is read without a lock, and what was read is compared with its
digest, octet by octet, before the last of it is sent; what is to be removed is looked
up once more, by its digest, while everybody else is locked out.
"""

from __future__ import annotations

import errno
from functools import partial

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.plugin import IPlugin
from zope.interface import implementer

from ..account import Account
from ..errors import MaildropUnavailable
from ..interfaces import ILimited, IMaildrop, IMaildropSource, IMaildropSourceFactory
from ..limits import Limits
from ..pools import Pool, PoolFull
from .mboxaccess import MboxAccess, Where
from .mboxlisting import RememberedMboxes
from .mboxmaildrop import MboxMaildrop, listIn, tell
from .paths import NamedPlace, PathTemplate
from .sidefiles import SidePlaces
from .troubles import unreadable


@implementer(IMaildropSource, ILimited)
class MboxSource:
    """The mboxes below a path template."""

    def __init__(
        self, template: str, limits: Limits | None = None, clock: IReactorTime | None = None
    ) -> None:
        """
        @param template: as L{SidePlaces.parse} and L{PathTemplate} take it; its
            last component is the file.
        @param clock: to wait for locks; by default the reactor.
        @raise pop3svc.errors.SettingError: with a sentence that says what to write.
        """
        limits = limits or Limits()
        template, places = SidePlaces.parse(template)
        self._outside = places.outside
        self._template = PathTemplate(template)
        self._pool = Pool("mbox", limits.storeThreads, limits.storeQueue)
        self._remembered = RememberedMboxes(limits.rememberedMessages)
        self._limits = limits
        self._clock = clock

    def useLimits(self, limits: Limits) -> None:
        """What is open already keeps its listing."""
        self._pool.resize(limits.storeThreads, limits.storeQueue)
        self._remembered.bound(limits.rememberedMessages)
        self._limits = limits

    def openMaildrop(self, avatarId: bytes) -> Deferred[IMaildrop]:
        """
        @return: a file that is not there is an empty maildrop, if its directory
            is there and not an empty one.
        """
        return Deferred.fromCoroutine(self._open(avatarId))

    async def _open(self, avatarId: bytes) -> IMaildrop:
        access = self._access(avatarId)
        path = access.where.path
        old, most = self._remembered.get(path), self._limits.maildropMessages
        entered = False
        try:
            await self._pool.run(access.enter)
            entered = True
            listing = await access.locked(lambda file: listIn(access, file, old, most))
            entered = False
        except PoolFull as error:
            raise MaildropUnavailable(f"{access.where} must wait: {error}") from error
        except OSError as error:
            raise _unavailable(error, access.where) from error
        finally:
            tell(access)
            if entered:
                access.leave()
        remember = partial(self._remembered.put, path)
        remember(listing)
        return MboxMaildrop(self._pool, access, listing, most, remember)

    def _access(self, avatarId: bytes) -> MboxAccess:
        place: NamedPlace | PathTemplate = self._template
        account = None if b"@" in avatarId else bytes(avatarId)
        if isinstance(avatarId, Account) and avatarId.maildrop is not None:
            # The administrator says whose it is.
            place, account = NamedPlace(avatarId.maildrop), None
        components = tuple(place.components(avatarId))
        where = Where(place.prefix, components, self._outside, account)
        clock = self._clock
        if clock is None:
            # Late, so that importing this module installs no reactor.
            from twisted.internet import reactor

            clock = IReactorTime(reactor)
        return MboxAccess(where, self._pool, clock, self._limits.mboxLockSeconds)


@implementer(IPlugin, IMaildropSourceFactory)
class MboxSourceFactory:
    """C{mbox:TEMPLATE[?ledger=DIRECTORY]}"""

    kind = "mbox"
    argumentHelp = (
        "TEMPLATE[?ledger=DIRECTORY]\n"
        "system mail: the mbox file of each user, a path with {user}, or {local} and {domain},\n"
        "for example mbox:/var/mail/{user}; locked as MTAs do, by fcntl and user.lock. Small\n"
        "files of the service's own lie beside it in .pop3svc, or all of them in DIRECTORY"
    )

    def makeSource(self, argumentText: str) -> IMaildropSource:
        """
        @param argumentText: as L{MboxSource} takes it.
        @raise pop3svc.errors.SettingError: with a sentence that says what to write.
        """
        return MboxSource(argumentText)


def _unavailable(error: OSError, where: Where) -> MaildropUnavailable:
    """What an administrator should do about an mbox that cannot be listed."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
        return MaildropUnavailable(
            f"the directory of {where} is not there, or is a link; create it, or mount it"
        )
    return MaildropUnavailable(unreadable(error, str(where)))
