"""
Reading messages to learn their canonical sizes, while others move them about.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from ..canonical import Canonical
from ..errors import MaildropUnavailable
from .files import EXHAUSTED, Directory, MessageFile, NotAMessage
from .slices import SLICE_FILES, SLICE_OCTETS, Slices
from .survey import Place, Survey, survey

# How often messages that moved while they were measured are looked for.
_SEARCHES = 4


class Measuring:
    """
    The sizes of the messages that are not known yet.

    @ivar found: the last survey; it may lack a message that was measured, and
        then that was removed.
    @ivar octets: canonical sizes by base name.
    @ivar signatures: of what was read, by base name; 0 if it could not be.
    @ivar unreadable: why not, by base name.
    """

    def __init__(
        self, directories: tuple[Directory, ...], found: Survey, known: Mapping[bytes, int]
    ) -> None:
        """
        @param known: the inode numbers, by base name, of what was measured in
            an earlier session.
        """
        self.found = found
        self.octets: dict[bytes, int] = {}
        self.signatures: dict[bytes, int] = {}
        self.unreadable: dict[bytes, str] = {}
        self._directories = directories
        self._known = known
        self._sliceFiles = self._sliceOctets = 0

    def run(self) -> Slices[None]:
        """
        Measure until each message of the last survey is known.

        @raise MaildropUnavailable: they move too fast.
        @raise OSError: the host has run out of something.
        """
        for _ in range(_SEARCHES):
            if (yield from self._measureUnknown()):
                return
            yield
            # A message that was not there has other flags now, lies in cur, or
            # was removed before our snapshot; another survey will tell.
            self.found = survey(self._directories)
        raise MaildropUnavailable("the maildrop changes faster than it can be listed")

    def _measureUnknown(self) -> Slices[bool]:
        """Whether each message was still where the survey saw it."""
        complete = True
        found, known = self.found, self._known
        for base, row in found.rows.items():
            if known.get(base) == found.inodes[row] or base in self.octets:
                continue
            try:
                yield from self._measure(base, found.places[row])
            except FileNotFoundError:
                complete = False
        return complete

    def _measure(self, base: bytes, place: Place) -> Slices[None]:
        directory, name = self._directories[place[0]], base + place[1]
        try:
            file = directory.open(name)
            try:
                octets = yield from self._count(file)
                self.octets[base], self.signatures[base] = octets, file.signature
            finally:
                file.close()
        except FileNotFoundError:
            raise
        except NotAMessage:
            # Not what the survey saw a moment ago; without a size it is no part
            # of the listing.
            return
        except OSError as error:
            if error.errno in EXHAUSTED:
                raise
            # It must not shorten the list: a client would take it for removed.
            self.octets[base], self.signatures[base] = _statedOctets(directory, name), 0
            self.unreadable[base] = os.strerror(error.errno or 0)

    def _count(self, file: MessageFile) -> Slices[int]:
        counter = Canonical()
        for data in file.blocks():
            counter.count(data)
            self._sliceOctets += len(data)
            if self._sliceOctets >= SLICE_OCTETS:
                yield from self._pause()
        counter.end()
        self._sliceFiles += 1
        if self._sliceFiles >= SLICE_FILES:
            yield from self._pause()
        return counter.octets

    def _pause(self) -> Slices[None]:
        self._sliceFiles = self._sliceOctets = 0
        yield


def _statedOctets(directory: Directory, name: bytes) -> int:
    """The size of what cannot be read, as well as it can be told."""
    try:
        return directory.octets(name)
    except FileNotFoundError:
        raise
    except (OSError, NotAMessage):
        return 0
