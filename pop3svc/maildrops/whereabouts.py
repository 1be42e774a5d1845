"""
The files behind a listing, wherever they have gone since.

While a session lasts, mail readers set flags and move messages from C{new} to
C{cur}: both change the name. A message is looked for where it was seen last, and
if it is not there, by its base name, once more. Call all of this in a thread, but for
what has C{Cached} in its name.
"""

from __future__ import annotations

import os
from contextlib import ExitStack

from ..canonical import Canonical
from ..errors import MaildropUnavailable, MessageVanished
from .changes import compare
from .files import Directory
from .listing import Listing
from .opened import FIRST_OCTETS, MessageFile, NotAMessage
from .slices import SLICE_OCTETS, Slices
from .survey import DIRECTORIES, Place, survey
from .troubles import EXHAUSTED


class MessageUnreadable(MessageVanished):
    """It is there, but cannot be read, or is not what was measured."""


class Whereabouts:
    """
    Finds the messages of one session. Threads may share it: what the last survey
    found is replaced as a whole, and an old one only costs another look.
    """

    def __init__(self, maildir: Directory, listing: Listing, most: int) -> None:
        """@param most: how many messages a maildrop may have."""
        self._maildir = maildir
        self._listing = listing
        self._most = most
        # By row, of those that are not where they were.
        self._moved: dict[int, Place | None] = {}

    def directories(self, stack: ExitStack) -> tuple[Directory, Directory]:
        """
        C{new} and C{cur}, open until the stack is closed. They are not held for
        the whole session: descriptors are dear, and two threads that read one
        open directory would take entries from each other.

        @raise OSError: one of them cannot be entered.
        """
        new, cur = (stack.enter_context(self._maildir.enter(name)) for name in DIRECTORIES)
        return new, cur

    def place(self, row: int) -> Place | None:
        """Where a message was seen last; L{None} if a later survey missed it."""
        if row in (moved := self._moved):
            return moved[row]
        return self._listing.columns.place(row)

    def lookAgain(self, directories: tuple[Directory, ...]) -> None:
        """
        Renew what L{place} says, for all messages at once.

        @raise MaildropUnavailable: there are too many others now.
        @raise OSError: a directory cannot be read.
        """
        columns = self._listing.columns
        changes = compare(columns, survey(directories, self._most))
        self._moved = {row: changes.fresh.get(columns.base(row)) for row in changes.gone}

    def isComplete(self) -> bool:
        """Whether L{place} knows one for each message."""
        return None not in self._moved.values()

    def open(self, row: int) -> Slices[tuple[MessageFile, bytes]]:
        """
        In slices, as a message whose size is not verified is read as a whole.

        @return: the file and its first L{FIRST_OCTETS}; if these are all of it,
            the file is closed already.
        @raise MessageVanished: somebody removed it.
        @raise MessageUnreadable: it cannot be sent as promised.
        @raise MaildropUnavailable: the host has run out of something.
        """
        base = self._listing.bases[row]
        try:
            file = self._open(row)
            try:
                if file.signature != self._listing.columns.signatures[row]:
                    yield from self._measureAgain(row, file)
                first = file.read(min(FIRST_OCTETS, file.octets), 0)
            except BaseException:
                file.close()
                raise
        except FileNotFoundError:
            raise MessageVanished(f"the message {base!r} was removed by somebody else") from None
        except NotAMessage:
            raise MessageUnreadable(f"the message {base!r} is no regular file now") from None
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            if error.errno in EXHAUSTED:
                raise MaildropUnavailable(
                    f"the message {base!r} cannot be opened ({reason});"
                    " raise what the service may use"
                ) from error
            raise MessageUnreadable(f"the message {base!r} cannot be read ({reason})") from error
        if len(first) == file.octets:
            file.close()
        return file, first

    def openCached(self, row: int) -> tuple[MessageFile, bytes] | None:
        """
        As L{open}, without waiting, for a message that is where it was, as it was,
        and in memory.

        @return: the file, and all of its octets if it is closed, else none;
            L{None} where L{open} has to say.
        """
        columns = self._listing.columns
        path = DIRECTORIES[columns.directories[row]] + b"/" + columns.name(row)
        try:
            file = self._maildir.openCached(path)
        except (OSError, NotAMessage):
            return None
        if file.signature == columns.signatures[row]:
            if file.octets > FIRST_OCTETS:
                return file, b""
            whole = file.readCached(file.octets, 0)
            if whole is not None and len(whole) == file.octets:
                file.close()
                return file, whole
        file.close()
        return None

    def readCached(self, row: int) -> bytes | None:
        """All of a message, as L{openCached} finds it; L{None} if that is not all."""
        found = self.openCached(row)
        if found is None:
            return None
        file, first = found
        file.close()
        return first if len(first) == file.octets else None

    def _measureAgain(self, row: int, file: MessageFile) -> Slices[None]:
        """
        A restored backup has new times and the old octets: what counts is that
        RETR sends as many as LIST has promised.

        @raise MessageUnreadable: it would not.
        """
        counter, octets = Canonical(), 0
        for data in file.blocks():
            counter.count(data)
            octets += len(data)
            if octets >= SLICE_OCTETS:
                octets = 0
                yield
        counter.end()
        if counter.octets != self._listing.snapshot.octets[row]:
            base = self._listing.bases[row]
            raise MessageUnreadable(f"the message {base!r} was changed in its file")
        self._listing.columns.signatures[row] = file.signature

    def _open(self, row: int) -> MessageFile:
        with ExitStack() as stack:
            directories = self.directories(stack)
            try:
                return self._openWhereSeen(row, directories)
            except FileNotFoundError:
                self.lookAgain(directories)
                return self._openWhereSeen(row, directories)

    def _openWhereSeen(self, row: int, directories: tuple[Directory, ...]) -> MessageFile:
        place = self.place(row)
        if place is None:
            raise FileNotFoundError
        return directories[place[0]].open(self._listing.bases[row] + place[1])
