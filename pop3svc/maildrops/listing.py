"""
The numbered messages of a Maildir, as one session sees them.

To know a size, a message must be read as a whole, so a listing builds on the one
of the session before: a size holds for as long as the base name and the inode
number, which reading the directory gives for nothing, are the same. Whoever
changes a file in place breaks the rules of Maildir, and is found out when the
message is opened: its signature is another one, and the next session measures
it again.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from itertools import compress

from ..snapshot import Snapshot
from .files import Directory
from .measuring import Measuring
from .names import arrival, uniqueId
from .slices import Slices
from .survey import DIRECTORIES, Place, Stamps, directoryStamps, survey

# From this many messages on, listings are rendered in the thread, not when a
# client asks for them: half a microsecond a message would be felt by others.
_BIG = 1000


@dataclass
class Listing:
    """
    What one session sees, and the next one builds on. Columns in the order of
    message-numbers; but for C{doubtful} and C{signatures} nothing changes.

    @ivar snapshot: sizes and unique-ids.
    @ivar bases: a column: base names.
    @ivar places: a column: where each message was.
    @ivar inodes: a column: inode numbers.
    @ivar signatures: a column: L{MessageFile.signature} of what was measured, 0
        if it could not be read.
    @ivar twins: further names of a message, for the few that have any.
    @ivar stamps: the times of the directories, as in L{Survey}.
    @ivar doubtful: base names of messages to measure again in the next session.
    @ivar leftOut: how many entries of the directories are no messages.
    @ivar warnings: sentences for the log that the listing before did not have.
    """

    snapshot: Snapshot = field(default_factory=lambda: Snapshot((), ()))
    bases: list[bytes] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    inodes: array[int] = field(default_factory=lambda: array("Q"))
    signatures: array[int] = field(default_factory=lambda: array("q"))
    twins: dict[bytes, list[Place]] = field(default_factory=dict)
    stamps: Stamps | None = None
    doubtful: set[bytes] = field(default_factory=set)
    leftOut: int = 0
    warnings: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.bases)


def listMessages(maildir: Directory, old: Listing, most: int) -> Slices[Listing]:
    """
    Find, order and measure the messages.

    @param old: the listing before, or an empty one.
    @param most: how many messages there may be.
    @return: C{old} itself if the Maildir has not changed.
    @raise MaildropUnavailable: there are more, or they move too fast.
    @raise OSError: a directory cannot be read, or the host has run out of
        something. Never a short listing.
    """
    with maildir.enter(DIRECTORIES[0]) as new, maildir.enter(DIRECTORIES[1]) as cur:
        directories = (new, cur)
        stamps = directoryStamps(directories)
        if old.stamps == stamps and not old.doubtful and len(old) <= most:
            return old
        found = survey(directories, most)
        yield
        known = dict(zip(old.bases, old.inodes, strict=True))
        for base in old.doubtful:
            known.pop(base, None)
        measuring = Measuring(directories, found, known)
        yield from measuring.run()
        yield
        return _arranged(old, measuring)


def _arranged(old: Listing, measuring: Measuring) -> Listing:
    """The listing out of what is kept of the old one and what was measured."""
    found, sizes, snapshot = measuring.found, measuring.octets, old.snapshot
    added = sorted((base for base in sizes if base in found.rows), key=arrival)
    stays = [base in found.rows and base not in sizes for base in old.bases]
    bases = [*compress(old.bases, stays), *added]
    octets = [*compress(snapshot.octets, stays), *(sizes[base] for base in added)]
    uniqueIds = [*compress(snapshot.uniqueIds, stays), *map(uniqueId, added)]
    signatures = [
        *compress(old.signatures, stays),
        *(measuring.signatures[base] for base in added),
    ]
    end = len(bases) - len(added)
    if added and end and arrival(added[0]) < arrival(bases[end - 1]):
        # Most often new mail comes last, and nothing has to be sorted.
        order = sorted(range(len(bases)), key=lambda row: arrival(bases[row]))
        bases = [bases[row] for row in order]
        octets = [octets[row] for row in order]
        uniqueIds = [uniqueIds[row] for row in order]
        signatures = [signatures[row] for row in order]
    if bases != old.bases or octets != list(snapshot.octets):
        snapshot = Snapshot(octets, uniqueIds)
        if len(snapshot) >= _BIG:
            _ = snapshot.scanListing, snapshot.uniqueIdListing, snapshot.totalOctets
    rows = [found.rows[base] for base in bases]
    return Listing(
        snapshot=snapshot,
        bases=bases,
        places=[found.places[row] for row in rows],
        inodes=array("Q", [found.inodes[row] for row in rows]),
        signatures=array("q", signatures),
        twins=found.twins,
        stamps=found.stamps,
        doubtful=set(measuring.unreadable),
        leftOut=found.leftOut,
        warnings=_warnings(old, measuring),
    )


def _warnings(old: Listing, measuring: Measuring) -> list[str]:
    """One sentence a trouble and maildrop, and no second time for the same."""
    texts = []
    if measuring.found.leftOut and measuring.found.leftOut != old.leftOut:
        texts.append(
            f"{measuring.found.leftOut} entries, {measuring.found.leftOutName!r} among them, are"
            " no regular files or share a name, and are left out; look at them and move them away"
        )
    news = [base for base in measuring.unreadable if base not in old.doubtful]
    if news:
        texts.append(
            f"{len(news)} messages, {news[0]!r} among them, cannot be read"
            f" ({measuring.unreadable[news[0]]}) and will not be sent; correct owner, mode or disk"
        )
    return texts
