"""
The files behind a listing, wherever they have gone since.

While a session lasts, mail readers set flags and move messages from C{new} to
C{cur}: both change the name. A message is looked for where it was seen last, and
if it is not there, by its base name, once more. Call all of this in a thread.
"""

from __future__ import annotations

import os
from contextlib import ExitStack

from ..canonical import canonicalOctets
from ..errors import MaildropUnavailable, MessageVanished
from .files import EXHAUSTED, Directory, MessageFile, NotAMessage
from .listing import Listing
from .survey import DIRECTORIES, Place, Survey, survey

# What is read at once with opening a message, and all that most messages have.
FIRST_OCTETS = 64 * 1024


class MessageUnreadable(MessageVanished):
    """It is there, but cannot be read, or is not what was measured."""


class Whereabouts:
    """
    Finds the messages of one session. Threads may share it: the last survey is
    replaced as a whole, and an old one only costs another look.
    """

    def __init__(self, maildir: Directory, listing: Listing) -> None:
        self._maildir = maildir
        self._listing = listing
        self._latest: Survey | None = None

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
        if self._latest is None:
            return self._listing.places[row]
        return self._latest.place(self._listing.bases[row])

    def lookAgain(self, directories: tuple[Directory, ...]) -> None:
        """
        Renew what L{place} says, for all messages at once.

        @raise OSError: a directory cannot be read.
        """
        self._latest = survey(directories)

    def open(self, row: int) -> tuple[MessageFile, bytes]:
        """
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
                if file.signature != self._listing.signatures[row]:
                    self._measureAgain(row, file)
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

    def _measureAgain(self, row: int, file: MessageFile) -> None:
        """
        A restored backup has new times and the old octets: what counts is that
        RETR sends as many as LIST has promised.

        @raise MessageUnreadable: it would not.
        """
        if canonicalOctets(file.blocks()) != self._listing.snapshot.octets[row]:
            base = self._listing.bases[row]
            raise MessageUnreadable(f"the message {base!r} was changed in its file")
        self._listing.signatures[row] = file.signature

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
