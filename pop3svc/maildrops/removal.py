"""
Removing messages for good (RFC 1939 section 6).

First the journal says what is to be removed, then all is unlinked, then the
directories are synced once; so a crash at any point leaves messages that are
whole, and a journal that L{pop3svc.maildrops.completion} works off. Unlinking
needs no free space. Where there is none for the journal, messages are removed
without it: only so can a user who is over quota make room by POP3.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress

from ..errors import MaildropUnavailable
from .files import Directory
from .journal import Entry, Journal
from .listing import Listing
from .slices import SLICE_FILES, Slices
from .survey import Place
from .whereabouts import Whereabouts

# How often messages are looked for that somebody moves about.
_SEARCHES = 3

Directories = tuple[Directory, ...]
# What to do with a row that lies there; FileNotFoundError if it does not.
Action = Callable[[int, Place, Directories], None]


class Removal:
    """
    One removal of many messages.

    @ivar left: the rows that are not removed for good yet; what is in here at
        the end could not be, or may come back after a crash.
    @ivar reasons: why not, by row.
    @ivar journaled: the next login goes on where this stops.
    @ivar warnings: sentences for the log.
    """

    def __init__(
        self, whereabouts: Whereabouts, listing: Listing, journal: Journal, rows: Iterable[int]
    ) -> None:
        self.left = set(rows)
        self.reasons: dict[int, str] = {}
        self.journaled = False
        self.warnings: list[str] = []
        self._whereabouts = whereabouts
        self._listing = listing
        self._journal = journal
        self._entries: dict[int, Entry] = {}
        self._unlinked: set[int] = set()
        self._toSync: set[int] = set()

    @property
    def untouched(self) -> int:
        """How many messages lie where they lay."""
        return len(self.left - self._unlinked)

    def run(self) -> Slices[None]:
        """
        Remove them; a failure is noted as a reason, never raised.
        """
        with ExitStack() as stack:
            try:
                directories = self._whereabouts.directories(stack)
            except OSError as error:
                self._refuse(self.left, error)
                return
            yield from self._forEach(self._identify, self.left, directories)
            self.journaled = self._writeJournal()
            yield from self._forEach(self._unlink, self._entries, directories)
            try:
                for index in self._toSync:
                    directories[index].sync()
            except OSError as error:
                self._refuse(self._unlinked, error)
            else:
                self.left -= self._unlinked
            if self.journaled:
                self._forgetJournal()

    def _forEach(
        self,
        action: Action,
        rows: Iterable[int],
        directories: Directories,
    ) -> Slices[None]:
        rows = sorted(rows)
        for _ in range(_SEARCHES):
            missing = []
            for count, row in enumerate(rows, 1):
                if not self._attempt(action, row, directories):
                    missing.append(row)
                if count % SLICE_FILES == 0:
                    yield
            if not missing:
                return
            try:
                self._whereabouts.lookAgain(directories)
            except (OSError, MaildropUnavailable) as error:
                # Nobody knows whether they are gone.
                self._refuse(missing, error)
                return
            rows = [row for row in missing if self._whereabouts.place(row) is not None]
            # Gone already is as good as removed.
            self.left.difference_update(missing)
            self.left.update(rows)
        self.reasons.update((row, "somebody moves it all the time") for row in rows)

    def _attempt(
        self,
        action: Action,
        row: int,
        directories: Directories,
    ) -> bool:
        """Whether the message was where it was seen last."""
        place = self._whereabouts.place(row)
        if place is None:
            return False
        try:
            action(row, place, directories)
        except FileNotFoundError:
            return False
        except OSError as error:
            self._refuse({row}, error)
        return True

    def _identify(self, row: int, place: Place, directories: Directories) -> None:
        """See which file it is, and leave it only one name."""
        base = self._listing.bases[row]
        for twin in self._listing.twins.get(base, ()):
            # Most often it was only met twice, before and after a rename.
            with suppress(FileNotFoundError):
                self._unlinkAt(base, twin, directories)
        name = base + place[1]
        self._entries[row] = Entry(place[0], name, directories[place[0]].fileStamp(name))

    def _unlink(self, row: int, place: Place, directories: Directories) -> None:
        self._unlinkAt(self._listing.bases[row], place, directories)
        self._unlinked.add(row)

    def _unlinkAt(self, base: bytes, place: Place, directories: Directories) -> None:
        directories[place[0]].unlink(base + place[1])
        self._toSync.add(place[0])

    def _writeJournal(self) -> bool:
        if len(self._entries) < 2:
            # One message is there or is not: nothing can be left half done.
            return False
        try:
            self._journal.write(list(self._entries.values()))
        except OSError as error:
            self.warnings.append(
                f"there is no room for a journal ({_reason(error)}), so {len(self._entries)}"
                " messages are removed without; should the service be killed meanwhile, some"
                " of them will be left"
            )
            return False
        return True

    def _forgetJournal(self) -> None:
        try:
            # What the client is told to be still there must not go later.
            self._journal.forget(durable=bool(self.left))
        except OSError as error:
            self.warnings.append(
                f"the journal cannot be emptied ({_reason(error)}); remove it by hand"
            )

    def _refuse(self, rows: Iterable[int], error: Exception) -> None:
        self.reasons.update((row, _reason(error)) for row in rows)


def _reason(error: Exception) -> str:
    return os.strerror(error.errno or 0) if isinstance(error, OSError) else str(error)
