"""
One session on an mbox, while others deliver into it and rewrite it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from zope.interface import implementer

from ..errors import MaildropError, MaildropInUse, MaildropUnavailable, MessageVanished
from ..interfaces import IMaildrop, IMessageReader, IRelenting
from ..pools import Pool, PoolFull
from .mboxaccess import MboxAccess
from .mboxfiles import MboxFile
from .mboxids import removed, written
from .mboxjournal import Piece, cut
from .mboxlisting import MboxListing, listMessages
from .mboxreader import openMessage
from .slices import Slices, Work, runSlices
from .troubles import EXHAUSTED

_log = Logger()


@implementer(IMaildrop, IRelenting)
class MboxMaildrop:
    """One user's mbox, locked for one session."""

    def __init__(
        self,
        pool: Pool,
        access: MboxAccess,
        listing: MboxListing,
        most: int,
        remember: Callable[[MboxListing], None],
    ) -> None:
        """
        @param access: entered; this object leaves it.
        @param remember: is told of each later listing.
        """
        self.messages = listing.snapshot
        self._pool = pool
        self._access = access
        self._most = most
        self._remember = remember
        self._work = Work()
        # Where the messages are, as far as is known.
        self._listing = listing
        self._rows: dict[bytes, int] | None = None

    def openMessage(self, number: int) -> Deferred[IMessageReader]:
        """
        @return: fails with L{MaildropUnavailable} if the host has run out of
            something; then another attempt may succeed.
        """
        return self._work.start(self._openMessage(self._checked(number)))

    def remove(self, numbers: Sequence[int]) -> Deferred[Sequence[int]]:
        """All or none; why none stands in the log."""
        return self._work.start(self._remove([self._checked(number) for number in numbers]))

    def close(self) -> Deferred[None]:
        """Waits for what still runs; a second call changes nothing."""
        return Deferred.fromCoroutine(self._close())

    def relent(self) -> Deferred[None]:
        """The files stay open; it is another session's lock that matters."""
        self._access.unlockSession()
        return succeed(None)

    def reclaim(self) -> Deferred[bool]:
        """
        @return: fails with L{OSError} or L{MaildropError} if nobody can tell what
            has happened; the lock is free then.
        """
        return self._work.start(self._reclaim())

    async def _reclaim(self) -> bool:
        try:
            await self._pool.run(self._access.lockSession)
        except MaildropInUse:
            return False
        complete = False
        try:
            await self._lookAgain(doubtful=False)
            complete = all(map(self._isThere, self.messages.uniqueIds))
        finally:
            if not complete:
                self._access.unlockSession()
        return complete

    async def _openMessage(self, number: int) -> IMessageReader:
        what = f"message {number} of {self._access.where}"
        try:
            reader = await runSlices(self._pool, self._openWhereSeen(number))
            if reader is None:
                await self._lookAgain(doubtful=True)
                reader = await runSlices(self._pool, self._openWhereSeen(number))
        except PoolFull as error:
            raise MaildropUnavailable(f"{what} must wait: {error}") from error
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            if error.errno in EXHAUSTED:
                raise MaildropUnavailable(f"{what} cannot be opened ({reason})") from error
            raise MessageVanished(f"{what} cannot be read ({reason})") from error
        if reader is None:
            raise MessageVanished(f"{what} is gone, or was changed")
        return reader

    def _openWhereSeen(self, number: int) -> Slices[IMessageReader | None]:
        access, listing = self._access, self._listing
        row = self._row(number)
        if row is None or access.file is None or access.isChanged():
            return None
        octets = self.messages.octets[number - 1]
        return (yield from openMessage(self._pool, access.file, listing, row, octets))

    async def _lookAgain(self, doubtful: bool) -> None:
        """
        Find all messages once more.

        @param doubtful: one was not where it was, so the file's times mean nothing.
        """
        access, old, most = self._access, self._listing, self._most
        old.doubtful |= doubtful
        try:
            self._use(await access.locked(lambda file: listIn(access, file, old, most)))
        finally:
            tell(access)

    async def _remove(self, numbers: list[int]) -> Sequence[int]:
        wanted = {self.messages.uniqueIds[number - 1] for number in numbers}
        reason = ""
        try:
            if wanted:
                self._use(await self._access.locked(lambda file: self._removeIn(file, wanted)))
        except OSError as error:
            reason = os.strerror(error.errno or 0)
        except (MaildropError, PoolFull) as error:
            reason = str(error)
        tell(self._access)
        if not reason:
            return []
        _log.error(
            "{where}: {all} messages are not removed for good ({reason})",
            where=str(self._access.where),
            all=len(numbers),
            reason=reason,
        )
        return numbers

    def _removeIn(self, file: MboxFile | None, wanted: set[bytes]) -> Slices[MboxListing]:
        """Remove them while nobody else works on the file."""
        access = self._access
        listing = yield from listIn(access, file, self._listing, self._most)
        ids = list(listing.snapshot.uniqueIds)
        rows = [row for row, uniqueId in enumerate(ids) if uniqueId in wanted]
        if file is None or not rows:
            return listing
        if not file.writable:
            raise MaildropUnavailable("the service may not write to it")
        # Whoever takes no lock may have delivered since it was listed.
        end = max(listing.end, file.stamp()[2])
        start, kept = listing.starts[rows[0]], listing.kept(rows, end)
        if not kept:
            cut(file, start)
        elif access.journal is None:
            raise MaildropUnavailable("there is no place for a journal")
        else:
            pieces = [Piece(file, *each) for each in kept]
            yield from access.journal.rewrite(file, start, end, pieces)
        known = removed(access.known(), ids, rows, int(time.time()))
        try:
            access.remember(written(known))
        except OSError as error:
            # It only serves to tell messages apart that are the same to the octet.
            access.troubles.append(
                f"unique-ids cannot be written ({os.strerror(error.errno or 0)})"
            )
        return listing.without(rows, known)

    async def _close(self) -> None:
        await self._work.ended()
        self._access.leave()

    def _use(self, listing: MboxListing) -> None:
        """The latest listing, which may have other rows than the session's."""
        self._listing = listing
        self._remember(listing)
        self._rows = None
        if listing.snapshot is not self.messages:
            self._rows = {each: row for row, each in enumerate(listing.snapshot.uniqueIds)}

    def _row(self, number: int) -> int | None:
        if self._rows is None:
            return number - 1
        return self._rows.get(self.messages.uniqueIds[number - 1])

    def _isThere(self, uniqueId: bytes) -> bool:
        return self._rows is None or uniqueId in self._rows

    def _checked(self, number: int) -> int:
        """Message-numbers start with 1; 0 must not become the last row."""
        if not 1 <= number <= len(self.messages):
            raise ValueError(f"there is no message {number}")
        return number


def listIn(
    access: MboxAccess, file: MboxFile | None, old: MboxListing, most: int
) -> Slices[MboxListing]:
    """What is there, after what a crash has left undone is done."""
    journal = access.journal
    if file is None:
        if journal is not None and journal.isThere():
            raise MaildropUnavailable(
                f"{access.where} was removed by somebody while a removal was under way; what was"
                f" left in it is in {journal}"
            )
        return MboxListing()
    if journal is not None and (text := (yield from journal.recover(file))):
        access.troubles.append(text)
    try:
        return (yield from listMessages(file, old, access.known(), most))
    except MaildropError as error:
        raise type(error)(f"{access.where}: {error}") from error


def tell(access: MboxAccess) -> None:
    """Log what has gone wrong without harm."""
    while access.troubles:
        text = access.troubles.pop(0)
        _log.warn("{where}: {text}", where=str(access.where), text=text)
