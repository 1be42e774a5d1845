"""
The numbered messages of an mbox, as one session sees them.

An mbox is read whole once. As long as device, inode, size and times are the same,
it is not read again; what was appended since is read alone, if what lies before it
looks as it did. That look is a short one: an IMAP server may have moved messages
within the file in a way that it does not see. It costs a wrong size in a listing at
the worst, for what is sent is compared with the message's digest, whatever the
listing says.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..errors import MaildropBroken, MaildropUnavailable
from ..hits import hit
from ..snapshot import Snapshot
from .mboxfiles import MboxFile, MboxStamp, isSettled
from .mboxids import Known, digestOf, uniqueIds
from .mboxlines import (
    BLOCK_OCTETS,
    HEAD_OCTETS,
    LINE_OCTETS,
    Identity,
    contentEnd,
    findSeparators,
    isInternal,
    separatorOctets,
)
from .slices import SLICE_OCTETS, Slices

# How many separators are looked at to see whether a file was only appended to.
_SAMPLES = 500
# From this many messages on, listings are rendered in the thread.
_BIG = 1000
_EMPTY_LINES = b"\r\n"


@dataclass
class MboxListing:
    """
    What one session sees, and the next one builds on. Columns in the order of
    the file, which is that of arrival.

    @ivar snapshot: sizes and unique-ids.
    @ivar starts: a column: where the separator stands.
    @ivar contents: a column: where the message begins.
    @ivar ends: a column: where it ends, without the empty line behind it.
    @ivar end: where the file ended.
    @ivar stamp: the file's, or L{None} if a later change may have left the same.
    @ivar doubtful: something was not where it should be: read all again.
    """

    snapshot: Snapshot = field(default_factory=lambda: Snapshot((), ()))
    starts: array[int] = field(default_factory=lambda: array("Q"))
    contents: array[int] = field(default_factory=lambda: array("Q"))
    ends: array[int] = field(default_factory=lambda: array("Q"))
    end: int = 0
    stamp: MboxStamp | None = None
    doubtful: bool = False

    def __len__(self) -> int:
        return len(self.starts)

    def regionEnd(self, row: int) -> int:
        """Where the next separator stands, or the file ended."""
        return self.starts[row + 1] if row + 1 < len(self) else self.end

    def kept(self, rows: Iterable[int], end: int) -> list[tuple[int, int]]:
        """
        What follows the first of these rows and is none of them: from where to
        where, in the file's order.

        @param end: where the file ends now.
        """
        parts: list[tuple[int, int]] = []
        at: int | None = None
        for row in sorted(rows):
            if at is not None and at < self.starts[row]:
                parts.append((at, self.starts[row]))
            at = self.regionEnd(row)
        if at is not None and at < end:
            parts.append((at, end))
        return parts

    def without(self, rows: Iterable[int], known: Known) -> MboxListing:
        """
        After these rows were removed from the file.

        @param known: as it is then.
        """
        gone = set(rows)
        listing, octets, digests = MboxListing(), [], []
        oldOctets, oldIds = list(self.snapshot.octets), list(self.snapshot.uniqueIds)
        shift = 0
        for row in range(len(self)):
            if row in gone:
                shift += self.regionEnd(row) - self.starts[row]
                continue
            listing.starts.append(self.starts[row] - shift)
            listing.contents.append(self.contents[row] - shift)
            listing.ends.append(self.ends[row] - shift)
            octets.append(oldOctets[row])
            digests.append(digestOf(oldIds[row]))
        listing.snapshot = Snapshot(octets, uniqueIds(digests, known))
        listing.end = self.end - shift
        return listing


class RememberedMboxes:
    """The listings of the mboxes that were used last."""

    def __init__(self, most: int) -> None:
        """@param most: messages to remember, over all mboxes."""
        self._most = most
        self._listings: OrderedDict[bytes, MboxListing] = OrderedDict()
        self._messages = 0

    def bound(self, most: int) -> None:
        """A new bound, kept at once."""
        self._most = most
        while self._messages > self._most:
            hit("rememberedMessages")
            _, listing = self._listings.popitem(last=False)
            self._messages -= len(listing)

    def get(self, path: bytes) -> MboxListing:
        """The listing of an mbox, or an empty one."""
        return self._listings.get(path, _NOTHING)

    def put(self, path: bytes, listing: MboxListing) -> None:
        """Remember this as the listing that was used last; an empty one is not worth it."""
        old = self._listings.pop(path, _NOTHING)
        self._messages -= len(old)
        if len(listing):
            self._listings[path] = listing
            self._messages += len(listing)
        self.bound(self._most)


_NOTHING = MboxListing()


def listMessages(file: MboxFile, old: MboxListing, known: Known, most: int) -> Slices[MboxListing]:
    """
    Find and measure the messages, while the file is locked.

    @param old: the listing before, or an empty one.
    @param known: of twins.
    @param most: how many messages there may be.
    @return: C{old} itself if the file has not changed.
    @raise MaildropBroken: it is no mbox.
    @raise MaildropUnavailable: there are more messages.
    @raise OSError: it cannot be read. Never a short listing.
    """
    stamp = file.stamp()
    if old.stamp == stamp and not old.doubtful and len(old) <= most:
        return old
    settled, end = isSettled(stamp), stamp[2]
    reading = None
    if len(old) and not old.doubtful and _looksAppended(file, old, end):
        reading = yield from _readEnd(file, old, end, most)
    if reading is None:
        reading = _Reading(file, end, most)
        yield from reading.readAll()
    ids = uniqueIds(reading.digests, known)
    snapshot = old.snapshot
    if ids != list(snapshot.uniqueIds) or reading.octets != list(snapshot.octets):
        snapshot = Snapshot(reading.octets, ids)
        if len(snapshot) >= _BIG:
            _ = snapshot.scanListing, snapshot.totalOctets
    listing = reading.listing
    listing.snapshot, listing.end = snapshot, end
    after = file.stamp()
    if after[2] < end:
        raise MaildropUnavailable("it became shorter while it was read, in spite of our locks")
    listing.doubtful = after != stamp
    listing.stamp = stamp if settled else None
    return listing


def _looksAppended(file: MboxFile, old: MboxListing, end: int) -> bool:
    """Whether separators stand where they stood."""
    if end < old.end:
        return False
    step = max(1, len(old) // _SAMPLES)
    return all(
        separatorOctets(file, old.starts[row]) == old.contents[row] - old.starts[row]
        for row in range(0, len(old), step)
    )


def _readEnd(file: MboxFile, old: MboxListing, end: int, most: int) -> Slices[_Reading | None]:
    """
    Read on behind an earlier listing.

    @return: C{None} if its last message is not what it was.
    """
    reading = _Reading(file, end, most)
    # What followed the last message may have been nothing, and now be an empty
    # line: so it is measured again.
    last = len(old) - 1
    reading.keep(old, last)
    yield from reading.readOn(old.starts[last])
    same = reading.digests[last] == digestOf(old.snapshot.uniqueIds[last])
    return reading if same else None


class _Reading:
    """
    One reading of an mbox, or of its end.

    @ivar listing: its columns, as far as they are.
    @ivar octets: a column: canonical sizes.
    @ivar digests: a column.
    """

    def __init__(self, file: MboxFile, end: int, most: int) -> None:
        self.listing = MboxListing()
        self.octets: list[int] = []
        self.digests: list[bytes] = []
        self._file = file
        self._end = end
        self._most = most
        self._first: int | None = None
        self._sliceOctets = 0

    def keep(self, old: MboxListing, count: int) -> None:
        """Take the first messages over from an earlier listing."""
        listing = self.listing
        listing.starts, listing.contents = old.starts[:count], old.contents[:count]
        listing.ends = old.ends[:count]
        self.octets = list(old.snapshot.octets[:count])
        self.digests = [digestOf(each) for each in old.snapshot.uniqueIds[:count]]

    def readAll(self) -> Slices[None]:
        """@raise MaildropBroken: it is no mbox."""
        head = self._file.read(LINE_OCTETS, 0)
        start = len(head) - len(head.lstrip(_EMPTY_LINES))
        if start == self._end:
            return
        if not separatorOctets(self._file, start):
            raise MaildropBroken(
                "it does not begin with a line like"
                " 'From karl@example.org Thu Jan  1 00:00:00 1970', so it is no mbox;"
                " look at it, and mend its beginning"
            )
        self._first = start
        yield from self.readOn(start)

    def readOn(self, start: int) -> Slices[None]:
        """@param start: where a separator stands."""
        octets = separatorOctets(self._file, start)
        for found in findSeparators(self._file, start, self._end):
            if found is None:
                yield from self._pause(BLOCK_OCTETS)
            else:
                yield from self._add(start, octets, found[0])
                start, octets = found
        yield from self._add(start, octets, self._end)

    def _add(self, start: int, octets: int, end: int) -> Slices[None]:
        content = start + octets
        stop = contentEnd(self._file, content, end)
        head = self._file.read(min(HEAD_OCTETS, stop - content), content)
        if start == self._first and isInternal(head):
            return
        identity = Identity(self._file.read(octets, start), head)
        yield from self._pause(len(head))
        for offset in range(content + len(head), stop, BLOCK_OCTETS):
            data = self._file.read(min(BLOCK_OCTETS, stop - offset), offset)
            identity.add(data)
            yield from self._pause(len(data))
        digest, size = identity.end()
        listing = self.listing
        listing.starts.append(start)
        listing.contents.append(content)
        listing.ends.append(stop)
        self.octets.append(size)
        self.digests.append(digest)
        if len(self.octets) > self._most:
            hit("maildropMessages")
            raise MaildropUnavailable(
                f"the maildrop has more than {self._most} messages;"
                " raise the limit maildrop-messages"
            )

    def _pause(self, octets: int) -> Slices[None]:
        self._sliceOctets += octets
        if self._sliceOctets >= SLICE_OCTETS:
            self._sliceOctets = 0
            yield
