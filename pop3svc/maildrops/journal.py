"""
The journal: what QUIT is about to remove, written down before the first of it goes.

After a crash or a power cut the next login finds it and completes the removal.
Until then a backup may have been restored, a name been used again, or the owner
of the maildrop, who may write beside the mail, have written a journal of his own.
So an entry tells which file is meant by all that no other file has, and leads to
nothing but a message of this maildrop.

The file is kept, and written over each time: that costs one wait for the disk,
and no free space once the file is there. A mixture of two journals is told by a
checksum, and means that the removal had not begun.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b

from .files import Stamp
from .sidefiles import JOURNAL, SideFiles

_MAGIC = b"pop3svc-journal 1"
_DIGEST_OCTETS = 16
# What a file takes on the disk at the least. Some 40 messages fit in.
_BLOCK_OCTETS = 4096
# A larger journal is not kept, lest it count against a quota for good.
_KEPT_OCTETS = 16 * _BLOCK_OCTETS
# An entry has four numbers of up to 20 digits and a name of up to 255 octets.
_ENTRY_OCTETS = 384
_NOTHING = b"\0" * len(_MAGIC)


class BadJournal(Exception):
    """It was not written to its end, or not by us."""


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One file.

    @ivar directory: an index into L{pop3svc.maildrops.survey.DIRECTORIES}.
    @ivar name: its whole name there.
    @ivar stamp: as L{Directory.fileStamp} gives it. The last part of it, the
        time of the last change of the inode, nobody can set: a file that was
        restored, copied or renamed since has another one.
    """

    directory: int
    name: bytes
    stamp: Stamp


class Journal:
    """The journal of one maildrop. Call all of it in a thread, with the lock held."""

    def __init__(self, files: Callable[[], SideFiles], most: int) -> None:
        """
        @param files: opens where it lies; called each time, as a session has no
            descriptor to spare.
        @param most: how many messages a maildrop may have.
        """
        self._files = files
        self._most = most
        self._octets = 0

    def write(self, entries: Sequence[Entry]) -> None:
        """
        When this returns, a crash does not keep these from being removed.

        @raise OSError: it cannot be written; then there is no journal.
        """
        octets = render(entries)
        self._octets = len(octets)
        try:
            with self._files() as files:
                files.overwrite(JOURNAL, octets, durable=True)
        except OSError:
            with suppress(OSError):
                self.forget(durable=False)
            raise

    def pending(self) -> list[Entry]:
        """
        What is still to be removed.

        @raise BadJournal: nothing can be told; L{forget} it.
        @raise OSError: it cannot be read.
        """
        with self._files() as files:
            # Nothing is removed on somebody else's word.
            octets = files.readOurs(JOURNAL, _BLOCK_OCTETS + _ENTRY_OCTETS * self._most)
        if not octets or octets.startswith(_NOTHING):
            # An empty one is what a full disk leaves, or a crash before the first octet.
            return []
        self._octets = len(octets)
        return parse(octets, self._most)

    def forget(self, durable: bool) -> None:
        """
        All is removed, or is not to be.

        @param durable: a crash must not bring it back. Where all is removed it
            may: then nothing is found that it means.
        @raise OSError: it may still be there.
        """
        with self._files() as files:
            if self._octets > _KEPT_OCTETS:
                files.remove(JOURNAL, durable)
            else:
                files.overwrite(JOURNAL, _NOTHING, durable)


def startCached(files: SideFiles) -> bytes | None:
    """
    What L{isVoid} takes, without waiting; with the lock held.

    @param files: of one maildrop.
    @return: L{None} if there is no journal at all.
    @raise OSError: for whatever reason; L{Journal.pending} has the last word.
    """
    return files.startCached(JOURNAL, len(_NOTHING))


def isVoid(start: bytes | None) -> bool:
    """Whether nothing is to be removed; if not, L{Journal.pending} has to say."""
    return not start or start == _NOTHING


def render(entries: Sequence[Entry]) -> bytes:
    """All of the file."""
    body = b"".join(
        b"%d %d %d %d %d %b\0" % (each.directory, *each.stamp, each.name) for each in entries
    )
    head = b"%b %d %b\n" % (_MAGIC, len(body), _digest(body))
    octets = head + body
    return octets.ljust(-(-len(octets) // _BLOCK_OCTETS) * _BLOCK_OCTETS, b"\0")


def parse(octets: bytes, most: int) -> list[Entry]:
    """
    @param most: how many entries there may be: its owner may write one, too.
    @raise BadJournal: it is torn, or no journal at all.
    """
    head, _, rest = octets.partition(b"\n")
    try:
        magic, length, digest = head.rsplit(b" ", 2)
        body = rest[: int(length)]
        if magic != _MAGIC or digest != _digest(body) or body.count(b"\0") > most:
            raise BadJournal
        return [_entry(line) for line in body.split(b"\0")[:-1]]
    except ValueError:
        raise BadJournal from None


def _entry(line: bytes) -> Entry:
    """
    @raise ValueError: it is none of ours.
    @raise BadJournal: it would lead out of the maildrop.
    """
    directory, inode, octets, modified, changed, name = line.split(b" ", 5)
    if not name or name.startswith(b".") or b"/" in name:
        raise BadJournal
    index = (b"0", b"1").index(directory)
    return Entry(index, name, (int(inode), int(octets), int(modified), int(changed)))


def _digest(body: bytes) -> bytes:
    """Against a power cut, not against anybody: it has no key."""
    return blake2b(body, digest_size=_DIGEST_OCTETS).hexdigest().encode()
