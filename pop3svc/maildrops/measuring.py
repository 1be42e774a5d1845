"""
Reading messages to learn their canonical sizes.
"""

from __future__ import annotations

import os

from ..canonical import Canonical, wholeOctets
from .files import Directory
from .opened import FIRST_OCTETS, NotAMessage, Status
from .slices import SLICE_FILES, SLICE_OCTETS, Slices
from .survey import Place
from .troubles import EXHAUSTED

# A size and the signature of what was measured; 0 if nothing was.
Measured = tuple[int, int]


class Measuring:
    """
    The sizes of messages, one by one.

    @ivar unreadable: why not, by base name.
    """

    def __init__(self, directories: tuple[Directory, ...]) -> None:
        self.unreadable: dict[bytes, str] = {}
        self._directories = directories
        self._sliceFiles = self._sliceOctets = 0

    def look(self, base: bytes, place: Place) -> Status | None:
        """
        What can be told of a message without opening it; L{None} if that fails,
        which is no reason to leave it out.

        @raise NotAMessage: it is none.
        @raise FileNotFoundError: it is not there.
        @raise OSError: the host has run out of something.
        """
        self._sliceFiles += 1
        try:
            return self._directories[place[0]].look(base + place[1])
        except FileNotFoundError:
            raise
        except OSError as error:
            if error.errno in EXHAUSTED:
                raise
            return None

    def measure(self, base: bytes, place: Place) -> Measured | None:
        """
        Read a message. One that cannot be read must not shorten the list: a
        client would take it for removed.

        @return: L{None} if it is so large that L{measureLarge} must be used.
        @raise NotAMessage: it is none.
        @raise FileNotFoundError: it is not there.
        @raise OSError: the host has run out of something.
        """
        directory, name = self._directories[place[0]], base + place[1]
        self._sliceFiles += 1
        try:
            file = directory.open(name)
            try:
                if file.octets > FIRST_OCTETS:
                    return None
                return wholeOctets(file.read(file.octets, 0)), file.signature
            finally:
                file.close()
        except OSError as error:
            return self._unreadable(base, place, error)

    def measureLarge(self, base: bytes, place: Place) -> Slices[Measured]:
        """As L{measure}, with pauses."""
        try:
            file = self._directories[place[0]].open(base + place[1])
            try:
                counter = Canonical()
                for data in file.blocks():
                    counter.count(data)
                    self._sliceOctets += len(data)
                    if self.isDue():
                        yield
                counter.end()
                return counter.octets, file.signature
            finally:
                file.close()
        except OSError as error:
            return self._unreadable(base, place, error)

    def isDue(self) -> bool:
        """Whether enough has been done to let others come in between."""
        due = self._sliceFiles >= SLICE_FILES or self._sliceOctets >= SLICE_OCTETS
        if due:
            self._sliceFiles = self._sliceOctets = 0
        return due

    def _unreadable(self, base: bytes, place: Place, error: OSError) -> Measured:
        if isinstance(error, FileNotFoundError) or error.errno in EXHAUSTED:
            raise error
        self.unreadable[base] = os.strerror(error.errno or 0)
        return _statedOctets(self._directories[place[0]], base + place[1]), 0


def _statedOctets(directory: Directory, name: bytes) -> int:
    """The size of what cannot be read, as well as it can be told."""
    try:
        return directory.look(name).octets
    except FileNotFoundError:
        raise
    except (OSError, NotAMessage):
        return 0
