"""
Which names stand in a Maildir, while others deliver, rename and remove.

Reading a directory is no snapshot of it: an entry that is renamed meanwhile may
be missed altogether. A list of messages with one missing makes a client forget
it and download it again, so a survey is believed only when nothing changed
while it was made, or when two in a row agree.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable

from ..errors import MaildropUnavailable
from ..hits import hit
from .files import Directory, Stamp
from .opened import NotAMessage

# The directories of a Maildir that hold messages. C{new} is read first: mail
# moves from there to C{cur}, and so is met twice rather than never.
DIRECTORIES = (b"new", b"cur")
_PASSES = 4
_SECOND = 1_000_000_000
# The kernel's clock for time stamps goes in ticks of up to 10 milliseconds.
_TICK = 20_000_000
# Names in a directory that are no messages, above which nobody counts them.
_OTHER_NAMES = 1000

# Where a message lies: an index into DIRECTORIES, and the rest of its name.
Place = tuple[int, bytes]
# For each directory; None if its times tell nothing.
Stamps = tuple[Stamp | None, ...]

UNKNOWN: Stamps = (None, None)


class Survey:
    """
    One reading of the directories.

    @ivar names: for each directory its names, as L{os.fsdecode} makes them, or
        L{None} if it need not be read.
    @ivar stamps: the times of the directories; L{None} where a later change
        may leave the same times.
    """

    def __init__(self, names: tuple[list[str] | None, ...], stamps: Stamps) -> None:
        self.names = names
        self.stamps = stamps

    def agrees(self, other: Survey) -> bool:
        """Whether another reading found the same messages, wherever they lay."""
        if [each is None for each in self.names] != [each is None for each in other.names]:
            return False
        return self._bases() == other._bases()

    def adopt(self, other: Survey, directories: tuple[Directory, ...]) -> None:
        """Take over what another reading found, this one missed, and is there."""
        bases = self._bases()
        for names, others, directory in zip(self.names, other.names, directories, strict=True):
            if names is None or others is None:
                continue
            for name in others:
                if _base(name) not in bases and _isThere(directory, os.fsencode(name)):
                    names.append(name)
                    bases.add(_base(name))

    def _bases(self) -> set[str]:
        return {_base(name) for names in self.names if names is not None for name in names}


def survey(directories: tuple[Directory, ...], most: int, known: Stamps = UNKNOWN) -> Survey:
    """
    Find all names. Call it in a thread.

    @param directories: as L{DIRECTORIES} orders them.
    @param most: how many messages there may be.
    @param known: a directory with these times need not be read.
    @raise MaildropUnavailable: there are more messages.
    @raise OSError: a directory cannot be read.
    """
    surveys: list[Survey] = []
    while True:
        stamps = directoryStamps(directories)
        settled = _areSettled(stamps)
        names = tuple(
            None if stamp == old else _names(directory, most)
            for directory, stamp, old in zip(directories, stamps, known, strict=True)
        )
        latest = Survey(names, UNKNOWN)
        if directoryStamps(directories) == stamps:
            trusted = tuple(
                stamp if names is None or still else None
                for stamp, names, still in zip(stamps, latest.names, settled, strict=True)
            )
            if None not in trusted or (surveys and surveys[-1].agrees(latest)):
                latest.stamps = trusted
                return latest
        if len(surveys) == _PASSES:
            # Somebody renames without pause. What this pass missed is believed
            # to earlier ones where it is still seen under that name.
            for each in reversed(surveys):
                latest.adopt(each, directories)
            return latest
        surveys.append(latest)


def directoryStamps(directories: Iterable[Directory]) -> tuple[Stamp, ...]:
    """The times by which a change of the directories shows."""
    return tuple(directory.stamp() for directory in directories)


def tooMany(most: int) -> MaildropUnavailable:
    """A listing that is too long is never cut short."""
    hit("maildropMessages")
    return MaildropUnavailable(
        f"the maildrop has more than {most} messages; raise the limit maildrop-messages"
    )


def _names(directory: Directory, most: int) -> list[str]:
    bound = most + _OTHER_NAMES
    names = directory.names(bound + 1)
    if len(names) > bound:
        raise tooMany(most)
    return names


def _areSettled(stamps: Iterable[Stamp]) -> list[bool]:
    """
    For each directory whether any further change will show in its times. A
    change within the same tick of the file system's clock does not.
    """
    now = time.time_ns()
    return [isSettled(stamp, now) for stamp in stamps]


def isSettled(stamp: Stamp, now: int) -> bool:
    """
    Whether any change of a directory after that moment shows in its times.

    @param now: when its times were looked at, or just before, in nanoseconds.
    """
    # Times in whole seconds come from a file system that knows no parts.
    return all(
        changed + (_TICK if changed % _SECOND else 2 * _SECOND) < now for changed in stamp[2:]
    )


def _base(name: str) -> str:
    return name.partition(":")[0]


def _isThere(directory: Directory, name: bytes) -> bool:
    try:
        directory.look(name)
    except (FileNotFoundError, NotAMessage):
        return False
    return True
