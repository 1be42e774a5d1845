"""
Maildirs, for C{--maildrop maildir:TEMPLATE}.

Delivering agents, mail readers and IMAP servers may work on the same Maildir all
the time. Nothing that is written is needed to read or to remove, so a full disk or
a read-only file system changes nothing for those who read.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import Logger
from twisted.plugin import IPlugin
from zope.interface import implementer

from ..account import Account
from ..errors import MaildropUnavailable
from ..interfaces import (
    ILimited,
    IMaildrop,
    IMaildropSource,
    IMaildropSourceFactory,
)
from ..limits import Limits
from ..pools import Pool, PoolFull
from .completion import Completion
from .files import Directory
from .journal import Journal
from .listing import Listing
from .locks import lock
from .maildirsession import MaildirMaildrop
from .paths import NamedPlace, PathTemplate, Place
from .refreshing import keep, listMessages
from .remembered import RememberedListings
from .shrinking import Shrinking
from .sidefiles import SideFiles, SidePlaces
from .slices import Slices, runSlices
from .troubles import unavailable
from .unchanged import openUnchanged

_log = Logger()


@implementer(IMaildropSource, ILimited)
class MaildirSource:
    """The Maildirs below a path template."""

    def __init__(self, template: str, limits: Limits | None = None) -> None:
        """
        @param template: as L{SidePlaces.parse} and L{PathTemplate} take it.
        @raise pop3svc.errors.SettingError: with a sentence that says what to write.
        """
        limits = limits or Limits()
        template, self._sidePlaces = SidePlaces.parse(template)
        self._template = PathTemplate(template)
        self._pool = Pool("maildir", limits.storeThreads, limits.storeQueue)
        self._remembered = RememberedListings(limits.rememberedOctets)
        self._most = limits.maildropMessages
        self._shrinking = Shrinking.of(limits)

    def useLimits(self, limits: Limits) -> None:
        """What is open already keeps its listing."""
        self._pool.resize(limits.storeThreads, limits.storeQueue)
        self._remembered.bound(limits.rememberedOctets)
        self._most = limits.maildropMessages
        self._shrinking = Shrinking.of(limits)

    def openMaildrop(self, avatarId: bytes) -> Deferred[IMaildrop]:
        """
        @return: fails with L{MaildropUnavailable} also where the Maildir is
            missing: one that is not mounted looks the same, and an empty
            listing would make clients forget their mail.
        """
        place: NamedPlace | PathTemplate = self._template
        if isinstance(avatarId, Account) and avatarId.maildrop is not None:
            place = NamedPlace(avatarId.maildrop)
        try:
            components = place.components(avatarId)
        except MaildropUnavailable as error:
            return fail(error)
        path = place.path(components)
        old = self._remembered.get(path)
        if old is not None and len(old) <= self._most:
            directory = openUnchanged(place, components, path, self._sidePlaces, old)
            if directory is not None:
                self._remembered.use(path)
                files = partial(self._sidePlaces.of, directory, path)
                journal = Journal(files, self._most)
                return succeed(self._maildrop(directory, old, journal, files, path))
        return Deferred.fromCoroutine(self._open(place, components, path, avatarId, old))

    async def _open(
        self,
        place: Place,
        components: list[bytes],
        path: bytes,
        avatarId: bytes,
        old: Listing | None,
    ) -> IMaildrop:
        try:
            entering = self._enter(place, components, avatarId, old)
            directory, listing, journal, files = await runSlices(self._pool, entering)
        except PoolFull as error:
            raise MaildropUnavailable(f"the Maildir {path!r} must wait: {error}") from error
        except OSError as error:
            raise unavailable(error, path) from error
        self._remembered.put(path, listing)
        if listing is not old:
            for text in listing.warnings:
                _log.warn("Maildir {path!r}: {text}", path=path, text=text)
        return self._maildrop(directory, listing, journal, files, path)

    def _maildrop(
        self,
        directory: Directory,
        listing: Listing,
        journal: Journal,
        files: Callable[[], SideFiles],
        path: bytes,
    ) -> IMaildrop:
        return MaildirMaildrop(self._pool, directory, listing, journal, files, path, self._most)

    def _enter(
        self, place: Place, components: list[bytes], avatarId: bytes, old: Listing | None
    ) -> Slices[tuple[Directory, Listing, Journal, Callable[[], SideFiles]]]:
        """Open and lock the directory, then list it; closes it on failure."""
        directory, path = place.open(components), place.path(components)
        what = f"the Maildir {path!r}"
        files = partial(self._sidePlaces.of, directory, path)
        journal = Journal(files, self._most)
        try:
            # Before the first look: what the session before removes must not
            # be listed.
            lock(directory.descriptor, what)
            directory.findOut()
            completion = Completion(directory, journal)
            yield from completion.run()
            for text in completion.warnings:
                _log.warn("Maildir {path!r}: {text}", path=path, text=text)
            with self._openBeside(files) as beside:
                beside.findOut()
                listing = yield from listMessages(directory, beside, old, self._most)
                if listing is not old:
                    lost = listing.lost - completion.pending
                    self._shrinking.check(listing.before, lost, what, avatarId)
                yield
                keep(beside, listing)
            return directory, listing, journal, files
        except BaseException:
            directory.close()
            raise

    def _openBeside(self, files: Callable[[], SideFiles]) -> SideFiles:
        try:
            return files()
        except OSError as error:
            raise MaildropUnavailable(
                f"the directory {self._sidePlaces.outside!r} of ledgers cannot be opened"
                f" ({os.strerror(error.errno or 0)}), and with it imported unique-ids, without"
                " which mail would be downloaded again; bring it back"
            ) from error


@implementer(IPlugin, IMaildropSourceFactory)
class MaildirSourceFactory:
    """C{maildir:TEMPLATE}"""

    kind = "maildir"
    argumentHelp = (
        "TEMPLATE[?ledger=DIRECTORY]\n"
        "the Maildir of each user, a path with {user}, or {local} and {domain} (what stands\n"
        "around the last @), for example maildir:/var/mail/{domain}/{local}/Maildir; the\n"
        "directories before the first of these must be there; DIRECTORY takes the small files\n"
        "of the service that lie beside the mail otherwise"
    )

    def makeSource(self, argumentText: str) -> IMaildropSource:
        """
        @param argumentText: a template for L{PathTemplate}.
        @raise pop3svc.errors.SettingError: with a sentence that says what to write.
        """
        return MaildirSource(argumentText)
