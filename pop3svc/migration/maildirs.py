"""
Maildirs as a command works on them: locked like a session, without a reactor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from ..account import Account
from ..canonical import Canonical
from ..limits import Limits
from ..maildrops.completion import Completion
from ..maildrops.files import Directory
from ..maildrops.imported import formatIds, parseIds
from ..maildrops.journal import Journal
from ..maildrops.listing import Listing
from ..maildrops.locks import lock
from ..maildrops.paths import NamedPlace, PathTemplate
from ..maildrops.refreshing import keep, listMessages
from ..maildrops.shrinking import Shrinking
from ..maildrops.sidefiles import IMPORTED, LEDGER, SideFiles, SidePlaces
from ..maildrops.slices import Slices, T
from ..maildrops.troubles import unavailable
from ..maildrops.whereabouts import Whereabouts

# A larger list of another server's, or a larger header, is not one.
_MOST_OCTETS = 256 * 1024 * 1024


class OurMaildir:
    """
    One user's Maildir, locked.

    @ivar path: for messages to people.
    """

    def __init__(
        self,
        directory: Directory,
        openFiles: Callable[[], SideFiles],
        path: bytes,
        account: bytes,
        limits: Limits,
        tick: Callable[[], None],
    ) -> None:
        """
        @param directory: open and locked.
        @param openFiles: opens its small files.
        @param tick: called now and then in long work.
        """
        self.path = path
        self._directory = directory
        self._openFiles = openFiles
        self._account = account
        self._limits = limits
        self._tick = tick
        self._pending = 0

    def completeRemoval(self) -> None:
        """Do what a login does first, after a crash in UPDATE."""
        journal = Journal(self._openFiles, self._limits.maildropMessages)
        completion = Completion(self._directory, journal)
        self._finish(completion.run())
        self._pending = completion.pending

    def list(
        self, ledger: bool = True, imported: bool = True, before: Listing | None = None
    ) -> Listing:
        """
        As the next session will see it; nothing is written.

        @param before: a listing made a moment before.
        @param ledger: take what the ledger says; else look at all messages.
        @param imported: with imported unique-ids.
        @raise pop3svc.errors.MaildropUnavailable: it cannot be told.
        @raise pop3svc.errors.MaildropShrunk: most of it is gone.
        """
        most = self._limits.maildropMessages
        # With this prefix there is neither a ledger nor anything imported.
        nothing = SideFiles(self._directory, b".none.")
        with self._openFiles() if imported else nothing as files:
            # What has seen the latest ledger does not read it.
            known = before if ledger else Listing(seen=files.stamp(LEDGER))
            listing = self._finish(listMessages(self._directory, files, known, most))
        lost = listing.lost - self._pending
        what = f"the Maildir {self.path!r}"
        Shrinking.of(self._limits).check(listing.before, lost, what, self._account)
        return listing

    def keep(self, listing: Listing) -> None:
        """Save the first session the work."""
        with self._openFiles() as files:
            keep(files, listing)

    def importedIds(self) -> dict[bytes, bytes]:
        """
        @return: unique-ids by base name, as imported before.
        @raise ValueError: the file is damaged; says where.
        """
        with self._openFiles() as files:
            return parseIds(files.read(IMPORTED) or b"")

    def writeIds(self, ids: dict[bytes, bytes]) -> None:
        """
        Have these for imported, for good.

        @raise OSError: all is as before, unless only the last wait failed.
        """
        with self._openFiles() as files:
            files.write(IMPORTED, formatIds(ids), durable=True)

    def readBeside(self, name: bytes) -> bytes:
        """
        @param name: of a file of the old server, in the Maildir itself.
        @raise OSError: it cannot be read, or is a link.
        """
        return self._directory.readWhole(name, _MOST_OCTETS)

    def reading(self, listing: Listing) -> Callable[[int], Iterator[bytes]]:
        """
        @return: makes the canonical form of a message, of its row in the listing;
            raises L{pop3svc.errors.MaildropError} if it is gone, or cannot be read.
        """
        whereabouts = Whereabouts(self._directory, listing, self._limits.maildropMessages)
        return partial(self._blocks, whereabouts)

    def _blocks(self, whereabouts: Whereabouts, row: int) -> Iterator[bytes]:
        file, first = self._finish(whereabouts.open(row))
        canonical = Canonical()
        try:
            # If the first octets are all of it, the file is closed already.
            for data in (first,) if len(first) == file.octets else file.blocks():
                yield canonical.block(data)
            yield canonical.end()
        finally:
            file.close()

    def _finish(self, slices: Slices[T]) -> T:
        while True:
            try:
                next(slices)
            except StopIteration as end:
                result: T = end.value
                return result
            self._tick()


class OurMaildirs:
    """Where users' Maildirs are, as C{--maildrop maildir:TEMPLATE} says."""

    def __init__(self, template: str, limits: Limits) -> None:
        """
        @param template: what stands behind C{maildir:}.
        @raise pop3svc.errors.SettingError: with a sentence that says what to write.
        """
        template, self._sidePlaces = SidePlaces.parse(template)
        self._template = PathTemplate(template)
        self._limits = limits

    @contextmanager
    def opened(self, account: bytes, tick: Callable[[], None]) -> Iterator[OurMaildir]:
        """
        @param account: whose, may be an L{Account}.
        @param tick: called now and then in long work.
        @raise pop3svc.errors.MaildropInUse: a session has it.
        @raise pop3svc.errors.MaildropUnavailable: it cannot be opened.
        """
        place: NamedPlace | PathTemplate = self._template
        if isinstance(account, Account) and account.maildrop is not None:
            place = NamedPlace(account.maildrop)
        components = place.components(account)
        path = place.path(components)
        with place.open(components) as directory:
            lock(directory.descriptor, f"the Maildir {path!r}")
            openFiles = partial(self._sidePlaces.of, directory, path)
            try:
                yield OurMaildir(directory, openFiles, path, account, self._limits, tick)
            except OSError as error:
                raise unavailable(error, path) from error
