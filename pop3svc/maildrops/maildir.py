"""
Maildirs, for C{--maildrop maildir:TEMPLATE}.

Delivering agents, mail readers and IMAP servers may work on the same Maildir all
the time. Nothing is written but removals, so a full disk or a read-only file
system changes nothing for those who read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.plugin import IPlugin
from zope.interface import implementer

from ..account import Account
from ..errors import MaildropUnavailable, MessageVanished
from ..interfaces import (
    ILimited,
    IMaildrop,
    IMaildropSource,
    IMaildropSourceFactory,
    IMessageReader,
)
from ..limits import Limits
from ..pools import Pool, PoolFull
from .files import Directory, unavailable
from .listing import Listing, listMessages
from .locks import lock, unlock
from .paths import NamedPlace, PathTemplate, Place
from .reader import MaildirReader
from .remembered import RememberedListings
from .removal import Removal
from .slices import Slices, Work, runSlices
from .whereabouts import MessageUnreadable, Whereabouts

_log = Logger()


@implementer(IMaildropSource, ILimited)
class MaildirSource:
    """The Maildirs below a path template."""

    def __init__(self, template: str, limits: Limits | None = None) -> None:
        """
        @param template: as L{PathTemplate} takes it.
        @raise pop3svc.errors.SettingError: with a sentence that says what to write.
        """
        limits = limits or Limits()
        self._template = PathTemplate(template)
        self._pool = Pool("maildir", limits.storeThreads, limits.storeQueue)
        self._remembered = RememberedListings(limits.rememberedMessages)
        self._most = limits.maildropMessages

    def useLimits(self, limits: Limits) -> None:
        """What is open already keeps its listing."""
        self._pool.resize(limits.storeThreads, limits.storeQueue)
        self._remembered.bound(limits.rememberedMessages)
        self._most = limits.maildropMessages

    def openMaildrop(self, avatarId: bytes) -> Deferred[IMaildrop]:
        """
        @return: fails with L{MaildropUnavailable} also where the Maildir is
            missing: one that is not mounted looks the same, and an empty
            listing would make clients forget their mail.
        """
        return Deferred.fromCoroutine(self._open(avatarId))

    async def _open(self, avatarId: bytes) -> IMaildrop:
        place: NamedPlace | PathTemplate = self._template
        if isinstance(avatarId, Account) and avatarId.maildrop is not None:
            place = NamedPlace(avatarId.maildrop)
        components = place.components(avatarId)
        path = place.path(components)
        old = self._remembered.get(path)
        try:
            directory, listing = await runSlices(self._pool, self._enter(place, components, old))
        except PoolFull as error:
            raise MaildropUnavailable(f"the Maildir {path!r} must wait: {error}") from error
        except OSError as error:
            raise unavailable(error, path) from error
        self._remembered.put(path, listing)
        if listing is not old:
            for text in listing.warnings:
                _log.warn("Maildir {path!r}: {text}", path=path, text=text)
        return MaildirMaildrop(self._pool, directory, listing, path)

    def _enter(
        self, place: Place, components: list[bytes], old: Listing
    ) -> Slices[tuple[Directory, Listing]]:
        """Open and lock the directory, then list it; closes it on failure."""
        directory = place.open(components)
        try:
            # Before the first look: what the session before removes must not
            # be listed.
            lock(directory.descriptor, f"the Maildir {place.path(components)!r}")
            return directory, (yield from listMessages(directory, old, self._most))
        except BaseException:
            directory.close()
            raise


@implementer(IMaildrop)
class MaildirMaildrop:
    """One user's Maildir, locked for one session."""

    def __init__(self, pool: Pool, directory: Directory, listing: Listing, path: bytes) -> None:
        """
        @param directory: open and locked; this object closes it.
        @param path: for the log.
        """
        self.messages = listing.snapshot
        self._pool = pool
        self._directory = directory
        self._listing = listing
        self._path = path
        self._whereabouts = Whereabouts(directory, listing)
        self._work = Work()

    def openMessage(self, number: int) -> Deferred[IMessageReader]:
        """
        @return: fails with L{MaildropUnavailable} if the host has run out of
            something; then another attempt may succeed.
        """
        return self._work.start(self._openMessage(self._row(number)))

    def remove(self, numbers: Sequence[int]) -> Deferred[Sequence[int]]:
        """Why some could not be removed stands in the log."""
        return self._work.start(self._remove([self._row(number) for number in numbers]))

    def close(self) -> Deferred[None]:
        """Waits for what still runs; a second call changes nothing."""
        return Deferred.fromCoroutine(self._close())

    async def _openMessage(self, row: int) -> IMessageReader:
        try:
            file, first = await self._pool.run(self._whereabouts.open, row)
        except PoolFull as error:
            raise MaildropUnavailable(f"a message must wait: {error}") from error
        except MessageUnreadable as error:
            self._doubt(row, error)
            raise
        return MaildirReader(self._pool, file, first)

    def _doubt(self, row: int, error: MessageVanished) -> None:
        """Have it measured again in the next session; logged once until then."""
        base = self._listing.bases[row]
        if base not in self._listing.doubtful:
            self._listing.doubtful.add(base)
            _log.warn("Maildir {path!r}: {text}", path=self._path, text=str(error))

    async def _remove(self, rows: list[int]) -> Sequence[int]:
        removal = Removal(self._whereabouts, self._listing, rows)
        try:
            if rows:
                await runSlices(self._pool, removal.run())
        except PoolFull as error:
            removal.reasons.update((row, str(error)) for row in removal.left)
        if removal.left:
            _log.error(
                "Maildir {path!r}: {left} of {all} messages are not removed for good ({reason})",
                path=self._path,
                left=len(removal.left),
                all=len(rows),
                reason=", ".join(Counter(removal.reasons.values())),
            )
        return [row + 1 for row in sorted(removal.left)]

    async def _close(self) -> None:
        await self._work.ended()
        if self._directory.descriptor >= 0:
            unlock(self._directory.descriptor)
            self._directory.close()

    def _row(self, number: int) -> int:
        """Message-numbers start with 1; 0 must not become the last row."""
        if not 1 <= number <= len(self.messages):
            raise ValueError(f"there is no message {number}")
        return number - 1


@implementer(IPlugin, IMaildropSourceFactory)
class MaildirSourceFactory:
    """C{maildir:TEMPLATE}"""

    kind = "maildir"
    argumentHelp = (
        "TEMPLATE\n"
        "the Maildir of each user, a path with {user}, or {local} and {domain} (what stands\n"
        "around the last @), for example maildir:/var/mail/{domain}/{local}/Maildir; the\n"
        "directories before the first of these must be there"
    )

    def makeSource(self, argumentText: str) -> IMaildropSource:
        """
        @param argumentText: a template for L{PathTemplate}.
        @raise pop3svc.errors.SettingError: with a sentence that says what to write.
        """
        return MaildirSource(argumentText)
