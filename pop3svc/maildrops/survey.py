"""
Which messages lie in a Maildir, while others deliver, rename and remove.

Reading a directory is no snapshot of it: an entry that is renamed meanwhile may
be missed altogether. A list of messages with one missing makes a client forget
it and download it again, so a survey is believed only when nothing changed
while it was made, or when two in a row agree.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterable

from ..errors import MaildropUnavailable
from .files import Directory, NotAMessage, Stamp
from .names import split

# The directories of a Maildir that hold messages. C{new} is read first: mail
# moves from there to C{cur}, and so is met twice rather than never.
DIRECTORIES = (b"new", b"cur")
_PASSES = 4
_SECOND = 1_000_000_000
# The kernel's clock for time stamps goes in ticks of up to 10 milliseconds.
_TICK = 20_000_000

# Where a message lies: an index into DIRECTORIES, and the rest of its name.
Place = tuple[int, bytes]
Stamps = tuple[Stamp, ...]


class Survey:
    """
    The messages of one Maildir, in no order, by base name.

    @ivar rows: the number of a message's row in the columns.
    @ivar places: a column: where each message lies.
    @ivar inodes: a column: each message's inode number.
    @ivar twins: further names of a message, for the few that have any.
    @ivar leftOut: how many entries are no messages.
    @ivar leftOutName: the name of one of them.
    @ivar stamps: the times of the directories, or L{None} if a later change may
        have left the same times.
    """

    def __init__(self) -> None:
        self.rows: dict[bytes, int] = {}
        self.places: list[Place] = []
        self.inodes = array("Q")
        self.twins: dict[bytes, list[Place]] = {}
        self.leftOut = 0
        self.leftOutName = b""
        self.stamps: Stamps | None = None

    def read(self, directories: Iterable[Directory], most: int | None) -> None:
        """
        @param directories: as L{DIRECTORIES} orders them.
        @param most: how many messages there may be.
        @raise MaildropUnavailable: there are more.
        """
        for index, directory in enumerate(directories):
            self._readOne(directory, index, most)

    def place(self, base: bytes) -> Place | None:
        """Where a message lies, if it does."""
        row = self.rows.get(base)
        return None if row is None else self.places[row]

    def adopt(self, other: Survey, directories: tuple[Directory, ...]) -> None:
        """Take over what another survey found, this one missed, and is there."""
        for base, row in other.rows.items():
            index, rest = other.places[row]
            if base not in self.rows and _isThere(directories[index], base + rest):
                self.rows[base] = len(self.places)
                self.places.append(other.places[row])
                self.inodes.append(other.inodes[row])

    def _readOne(self, directory: Directory, index: int, most: int | None) -> None:
        # A microsecond more in here is felt with 100,000 messages, hence the
        # local names and a place that is made only once for all that share it.
        rows, places, inodes = self.rows, self.places, self.inodes
        known: dict[bytes, Place] = {}
        for name, inode, regular in directory.entries():
            if name.startswith(b"."):
                continue
            if not regular:
                self._leaveOut(name)
                continue
            base, rest = split(name)
            place = known.get(rest)
            if place is None:
                place = known[rest] = (index, rest)
            count = len(places)
            row = rows.setdefault(base, count)
            if row != count:
                self._addAgain(name, row, place, inode)
                continue
            places.append(place)
            inodes.append(inode)
            if count == most:
                raise MaildropUnavailable(
                    f"the maildrop has more than {most} messages; raise the limit maildrop-messages"
                )

    def _addAgain(self, name: bytes, row: int, place: Place, inode: int) -> None:
        base, _ = split(name)
        if self.inodes[row] == inode:
            # Two names of one file: met before and after a rename, or left
            # behind by an interrupted delivery.
            self.twins.setdefault(base, []).append(self.places[row])
            self.places[row] = place
            return
        # Two files claim to be the same message. One of them is served, in each
        # session the same one, and the other never touched.
        self._leaveOut(name)
        if inode < self.inodes[row]:
            self.places[row], self.inodes[row] = place, inode
            self.twins.pop(base, None)

    def _leaveOut(self, name: bytes) -> None:
        self.leftOut += 1
        self.leftOutName = name


def survey(directories: tuple[Directory, ...], most: int | None = None) -> Survey:
    """
    Find all messages. Call it in a thread.

    @param directories: as L{DIRECTORIES} orders them.
    @param most: how many messages there may be.
    @raise MaildropUnavailable: there are more.
    @raise OSError: a directory cannot be read.
    """
    surveys: list[Survey] = []
    while True:
        stamps = directoryStamps(directories)
        settled = _areSettled(stamps)
        latest = Survey()
        latest.read(directories, most)
        if directoryStamps(directories) == stamps:
            if settled:
                latest.stamps = stamps
                return latest
            if surveys and surveys[-1].rows.keys() == latest.rows.keys():
                return latest
        if len(surveys) == _PASSES:
            # Somebody renames without pause. What this pass missed is believed
            # to earlier ones where it is still seen under that name.
            for each in reversed(surveys):
                latest.adopt(each, directories)
            return latest
        surveys.append(latest)


def directoryStamps(directories: Iterable[Directory]) -> Stamps:
    """The times by which a change of the directories shows."""
    return tuple(directory.stamp() for directory in directories)


def _areSettled(stamps: Stamps) -> bool:
    """
    Whether any further change will show in the times. A change within the same
    tick of the file system's clock does not.
    """
    now = time.time_ns()
    return all(
        # Times in whole seconds come from a file system that knows no parts.
        changed + (_TICK if changed % _SECOND else 2 * _SECOND) < now
        for stamp in stamps
        for changed in stamp[2:]
    )


def _isThere(directory: Directory, name: bytes) -> bool:
    try:
        directory.octets(name)
    except (FileNotFoundError, NotAMessage):
        return False
    return True
