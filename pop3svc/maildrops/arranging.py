"""
The columns of a maildrop, brought up to date: only what has changed is looked at.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from itertools import chain

from ..errors import MaildropUnavailable
from .changes import Changes, compare
from .columns import Columns, Rows, joined, spans
from .files import Directory
from .measuring import Measured, Measuring
from .names import arrival, notedOctets
from .opened import NotAMessage
from .slices import Slices
from .survey import UNKNOWN, Place, Stamps, survey, tooMany

# How often messages that moved while they were looked at are looked for.
_SEARCHES = 4
# Base names that are sorted, or merged, by one call into C.
_RUN = 4096


class Arranging:
    """
    One session's look at a Maildir that may have changed.

    @ivar columns: its messages.
    @ivar stamps: the times of the directories, as in L{survey}.
    @ivar twins: further names of a message, for the few that have any.
    @ivar missing: how many messages that an earlier session knew are gone.
    @ivar leftOut: how many entries of the directories are no messages.
    @ivar leftOutName: the name of one of them.
    @ivar unreadable: why not, by base name.
    """

    def __init__(
        self,
        directories: tuple[Directory, ...],
        columns: Columns,
        doubtful: Iterable[bytes],
        uniqueId: Callable[[bytes], bytes],
        most: int,
    ) -> None:
        """
        @param directories: as L{DIRECTORIES} orders them.
        @param columns: what an earlier session knew.
        @param doubtful: base names of messages to measure again.
        @param uniqueId: of a base name.
        @param most: how many messages there may be.
        """
        self.columns = columns
        self.stamps = UNKNOWN
        self.twins: dict[bytes, list[Place]] = {}
        self.missing = 0
        self.leftOut = 0
        self.leftOutName = b""
        self._measuring = Measuring(directories)
        self.unreadable = self._measuring.unreadable
        self._directories = directories
        self._doubtful = set(doubtful)
        self._uniqueId = uniqueId
        self._most = most

    def run(self, known: Stamps) -> Slices[None]:
        """
        @param known: a directory with these times holds what C{columns} say, and
            nothing else.
        @raise MaildropUnavailable: there are too many messages, or they move
            too fast.
        @raise OSError: a directory cannot be read, or the host has run out of
            something. Never a short listing.
        """
        for _ in range(_SEARCHES):
            found = survey(self._directories, self._most, known)
            yield
            if (yield from self._arrange(compare(self.columns, found))):
                self.stamps = found.stamps
                return
            # A message that was not there has other flags now, lies in cur, or
            # was removed before our snapshot; another survey will tell.
            known = UNKNOWN
        raise MaildropUnavailable("the maildrop changes faster than it can be listed")

    def _arrange(self, changes: Changes) -> Slices[bool]:
        """Whether each message was still where the survey saw it."""
        self.twins, self.leftOut = {}, 0
        old, fresh = self.columns, changes.fresh
        rowsOf = {old.base(row): row for row in changes.gone}
        removed = set(changes.gone)
        self.missing += len(rowsOf.keys() - fresh.keys())
        # Of these the names are still there, and they have others besides.
        others = old.rowsOf([base for base in chain(fresh, self._doubtful) if base not in rowsOf])
        rowsOf.update(others)
        yield
        added, positions, complete = Rows(), _Positions(old), True
        order = yield from _inOrder([*fresh, *(self._doubtful & others.keys() - fresh.keys())])
        for base in order:
            row, present = rowsOf.get(base), others.get(base)
            try:
                place = self._placeOf(base, present, changes)
                measured = self._size(base, place, row)
                if measured is None:
                    measured = yield from self._measuring.measureLarge(base, place)
                if present is not None and self._isSame(present, place, measured):
                    continue
            except (FileNotFoundError, NotAMessage) as error:
                if isinstance(error, NotAMessage):
                    self._leaveOut(base)
                else:
                    complete = False
            else:
                added.append(base, place, *measured, self._uniqueId(base))
                positions.add(base, row)
            if row is not None:
                removed.add(row)
            if len(old) - len(removed) + len(positions.rows) > self._most:
                raise tooMany(self._most)
            if self._measuring.isDue():
                yield
        # What has been measured is so for good, also if another pass follows.
        self._doubtful.difference_update(order)
        # A big maildrop's names are held twice only as long as they must be.
        del order, fresh, changes
        if removed or positions.rows:
            yield
            parts = spans(old, sorted(removed), added.columns(), positions.rows)
            self.columns = joined(list(parts))
        if len(self.columns) > self._most:
            raise tooMany(self._most)
        return complete

    def _placeOf(self, base: bytes, present: int | None, changes: Changes) -> Place:
        """
        Where to find a message that may have several names.

        @param present: its row, if it has the name that it had.
        @raise NotAMessage: none of the names is one.
        """
        if present is None and base not in changes.again:
            return changes.fresh[base]
        places = [changes.fresh[base]] if base in changes.fresh else []
        places += changes.again.get(base, ())
        if present is not None:
            places.append(self.columns.place(present))
        return places[0] if len(places) == 1 else self._choose(base, places)

    def _choose(self, base: bytes, places: list[Place]) -> Place:
        """
        Two names of one file were met before and after a rename, or left
        behind by an interrupted delivery. Where two files claim to be the same
        message, one of them is served, in each session the same one, and the
        other never touched.
        """
        found: list[tuple[int, Place]] = []
        others: list[Place] = []
        for place in sorted(places):
            try:
                status = self._measuring.look(base, place)
                found.append((0 if status is None else status.inode, place))
            except NotAMessage:
                others.append(place)
            except FileNotFoundError:
                continue
        if not found:
            raise NotAMessage if others else FileNotFoundError
        inode = min(found)[0]
        same = [place for each, place in found if each == inode]
        for place in [*others, *(place for each, place in found if each != inode)]:
            self._leaveOut(base + place[1])
        if same[:-1]:
            self.twins[base] = same[:-1]
        return same[-1]

    def _size(self, base: bytes, place: Place, row: int | None) -> Measured | None:
        """
        As L{Measuring.measure}; not read if the size is known, as a message that
        was only renamed has kept it, or if the name notes it.
        """
        columns = self.columns
        if base not in self._doubtful and (row is not None or b",W=" in base):
            status = self._measuring.look(base, place)
            if row is not None:
                signature = columns.signatures[row]
                if status is None or signature == status.signature:
                    return columns.octets[row], signature
            octets = None if status is None else notedOctets(base, status.octets)
            if octets is not None:
                return octets, 0
        return self._measuring.measure(base, place)

    def _isSame(self, row: int, place: Place, measured: Measured) -> bool:
        columns = self.columns
        known = columns.octets[row], columns.signatures[row]
        return place == columns.place(row) and measured == known

    def _leaveOut(self, name: bytes) -> None:
        self.leftOut += 1
        self.leftOutName = name


class _Positions:
    """
    Where new rows stand among the old ones.

    @ivar rows: for each new row the old one that it stands before.
    """

    def __init__(self, old: Columns) -> None:
        self.rows: list[int] = []
        self._old = old
        self._last = arrival(old.base(len(old) - 1)) if len(old) else None

    def add(self, base: bytes, row: int | None) -> None:
        """
        The next row, in the order of arrival.

        @param row: the old row of the same message.
        """
        if row is None:
            row = len(self._old)
            # Most often new mail comes last, and nothing has to be searched.
            if self._last is not None and (key := arrival(base)) < self._last:
                rows, low = range(row), self.rows[-1] if self.rows else 0
                row = bisect_left(rows, key, low, key=lambda row: arrival(self._old.base(row)))
        self.rows.append(row)


def _inOrder(bases: list[bytes]) -> Slices[list[bytes]]:
    """Sorted by arrival, with no call into C that others would feel."""
    runs = []
    for first in range(0, len(bases), _RUN):
        runs.append(sorted(map(arrival, bases[first : first + _RUN])))
        yield
    while len(runs) > 1:
        # Sorting two sorted runs is merging them.
        pairs = zip(runs[::2], [*runs[1::2], []], strict=False)
        runs = [sorted(one + two) for one, two in pairs]
        yield
    return [base for _, _, base in runs[0]] if runs else []
