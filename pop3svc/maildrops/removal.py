"""
Removing messages for good (RFC 1939 section 6).

All are unlinked first, then the directories are synced once, so that a crash
after the answer brings none back. None of this needs free space on the disk.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import ExitStack, suppress

from .files import Directory
from .listing import Listing
from .slices import SLICE_FILES, Slices
from .survey import Place
from .whereabouts import Whereabouts

# How often messages are looked for that somebody moves about.
_SEARCHES = 3


class Removal:
    """
    One removal of many messages.

    @ivar left: the rows that are not removed for good yet; what is in here at
        the end could not be, or may come back after a crash.
    @ivar reasons: why not, by row.
    """

    def __init__(self, whereabouts: Whereabouts, listing: Listing, rows: Iterable[int]) -> None:
        self.left = set(rows)
        self.reasons: dict[int, str] = {}
        self._whereabouts = whereabouts
        self._listing = listing
        self._unlinked: set[int] = set()
        self._toSync: set[int] = set()

    def run(self) -> Slices[None]:
        """Remove them; a failure is noted as a reason, never raised."""
        with ExitStack() as stack:
            try:
                directories = self._whereabouts.directories(stack)
                yield from self._unlinkAll(directories)
            except OSError as error:
                # A directory cannot be entered or read, so nobody knows whether
                # the rest is gone.
                self._refuse(self.left - self._unlinked, error)
            try:
                for index in self._toSync:
                    directories[index].sync()
            except OSError as error:
                self._refuse(self._unlinked, error)
            else:
                self.left -= self._unlinked

    def _unlinkAll(self, directories: tuple[Directory, ...]) -> Slices[None]:
        rows = sorted(self.left)
        for _ in range(_SEARCHES):
            missing = []
            for count, row in enumerate(rows, 1):
                if not self._unlink(row, directories):
                    missing.append(row)
                if count % SLICE_FILES == 0:
                    yield
            if not missing:
                return
            self._whereabouts.lookAgain(directories)
            rows = [row for row in missing if self._whereabouts.place(row) is not None]
            # Gone already is as good as removed.
            self.left.difference_update(missing)
            self.left.update(rows)
        self.reasons.update((row, "somebody moves it all the time") for row in rows)

    def _unlink(self, row: int, directories: tuple[Directory, ...]) -> bool:
        """Whether the message was where it was seen last."""
        place, base = self._whereabouts.place(row), self._listing.bases[row]
        if place is None:
            return False
        try:
            for twin in self._listing.twins.get(base, ()):
                # Most often it was only met twice, before and after a rename.
                with suppress(FileNotFoundError):
                    self._unlinkAt(base, twin, directories)
            self._unlinkAt(base, place, directories)
        except FileNotFoundError:
            return False
        except OSError as error:
            self._refuse({row}, error)
        else:
            self._unlinked.add(row)
        return True

    def _unlinkAt(self, base: bytes, place: Place, directories: tuple[Directory, ...]) -> None:
        directories[place[0]].unlink(base + place[1])
        self._toSync.add(place[0])

    def _refuse(self, rows: Iterable[int], error: OSError) -> None:
        self.reasons.update((row, os.strerror(error.errno or 0)) for row in rows)
