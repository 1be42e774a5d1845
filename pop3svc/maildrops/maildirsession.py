"""
One user's Maildir, locked for one session.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from zope.interface import implementer

from ..errors import MaildropInUse, MaildropUnavailable, MessageVanished
from ..interfaces import IMaildrop, IMessageReader, IReadyMessages, IRelenting
from ..pools import Pool, PoolFull
from .files import Directory
from .journal import Journal
from .listing import Listing
from .locks import lock, unlock
from .reader import MaildirReader
from .refreshing import keep, noteRemoval
from .removal import Removal
from .sidefiles import SideFiles
from .slices import Slices, Work, runSlices
from .whereabouts import MessageUnreadable, Whereabouts

_log = Logger()


@implementer(IMaildrop, IReadyMessages, IRelenting)
class MaildirMaildrop:
    """As L{IMaildrop} and L{IRelenting}; the lock goes with it."""

    def __init__(
        self,
        pool: Pool,
        directory: Directory,
        listing: Listing,
        journal: Journal,
        files: Callable[[], SideFiles],
        path: bytes,
        most: int,
    ) -> None:
        """
        @param directory: open and locked; this object closes it.
        @param files: opens where the ledger lies.
        @param path: for the log.
        @param most: how many messages a maildrop may have.
        """
        self.messages = listing.snapshot
        self._pool = pool
        self._directory = directory
        self._listing = listing
        self._journal = journal
        self._files = files
        self._path = path
        self._most = most
        self._whereabouts = Whereabouts(directory, listing, most)
        self._work = Work()
        self._lent = False

    def readyMessage(self, number: int) -> bytes | None:
        """If it is small, where it was, as it was, and in the kernel's memory."""
        return self._whereabouts.readCached(self._row(number))

    def openMessage(self, number: int) -> Deferred[IMessageReader]:
        """
        @return: fails with L{MaildropUnavailable} if the host has run out of
            something; then another attempt may succeed.
        """
        row = self._row(number)
        found = self._whereabouts.openCached(row)
        if found is not None:
            return succeed(MaildirReader(self._pool, *found))
        return self._work.start(self._openMessage(row))

    def remove(self, numbers: Sequence[int]) -> Deferred[Sequence[int]]:
        """Why some could not be removed stands in the log."""
        return self._work.start(self._remove([self._row(number) for number in numbers]))

    def close(self) -> Deferred[None]:
        """Waits for what still runs; a second call changes nothing."""
        if self._directory.local and self._listing.kept and not self._work.running:
            self._free()
            return succeed(None)
        return Deferred.fromCoroutine(self._close())

    def relent(self) -> Deferred[None]:
        """The directory stays open; it is another session's lock that matters."""
        self._lent = True
        unlock(self._directory.descriptor)
        return succeed(None)

    def reclaim(self) -> Deferred[bool]:
        """
        @return: fails with L{OSError} or L{MaildropUnavailable} if nobody can
            tell what has happened; the lock is free then.
        """
        return self._work.start(self._reclaim())

    async def _reclaim(self) -> bool:
        self._lent = not await self._pool.run(self._lockAgain)
        return not self._lent

    def _lockAgain(self) -> bool:
        descriptor = self._directory.descriptor
        try:
            lock(descriptor, f"the Maildir {self._path!r}")
        except MaildropInUse:
            return False
        try:
            complete = self._isComplete()
        except BaseException:
            unlock(descriptor)
            raise
        if not complete:
            unlock(descriptor)
        return complete

    def _isComplete(self) -> bool:
        """Whether every message of the listing is still there."""
        with ExitStack() as stack:
            self._whereabouts.lookAgain(self._whereabouts.directories(stack))
        return self._whereabouts.isComplete()

    async def _openMessage(self, row: int) -> IMessageReader:
        try:
            file, first = await runSlices(self._pool, self._whereabouts.open(row))
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
            self._listing.ledger, self._listing.kept = None, False
            _log.warn("Maildir {path!r}: {text}", path=self._path, text=str(error))

    async def _remove(self, rows: list[int]) -> Sequence[int]:
        removal = Removal(self._whereabouts, self._listing, self._journal, rows)
        try:
            if rows:
                await runSlices(self._pool, self._removing(removal, len(rows)))
        except PoolFull as error:
            why = f"{error}; the next login goes on with it" if removal.journaled else str(error)
            removal.reasons.update((row, why) for row in removal.left)
        for text in removal.warnings:
            _log.warn("Maildir {path!r}: {text}", path=self._path, text=text)
        if removal.left:
            _log.error(
                "Maildir {path!r}: {left} of {all} messages are not removed for good ({reason})",
                path=self._path,
                left=len(removal.left),
                all=len(rows),
                reason=", ".join(Counter(removal.reasons.values())),
            )
        return [row + 1 for row in sorted(removal.left)]

    def _removing(self, removal: Removal, count: int) -> Slices[None]:
        with suppress(OSError), self._files() as beside:
            noteRemoval(beside, self._listing, count, self._most)
        yield from removal.run()
        if removal.untouched:
            # Should they be gone next time, it was not our doing.
            with suppress(OSError), self._files() as beside:
                noteRemoval(beside, self._listing, -removal.untouched, self._most)

    def _keep(self) -> None:
        """The next session may be another process's."""
        with suppress(OSError), self._files() as beside:
            keep(beside, self._listing)

    async def _close(self) -> None:
        await self._work.ended()
        # Without the lock the ledger is another session's, and may tell of more.
        if not self._listing.kept and not self._lent:
            with suppress(PoolFull):
                await self._pool.run(self._keep)
        self._free()

    def _free(self) -> None:
        if self._directory.descriptor >= 0:
            unlock(self._directory.descriptor)
            self._directory.close()

    def _row(self, number: int) -> int:
        """Message-numbers start with 1; 0 must not become the last row."""
        if not 1 <= number <= len(self.messages):
            raise ValueError(f"there is no message {number}")
        return number - 1
