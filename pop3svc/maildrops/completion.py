"""
Completing at login what a crash has interrupted in UPDATE.
"""

from __future__ import annotations

import os
from collections import Counter
from contextlib import ExitStack, suppress

from .files import Directory
from .journal import BadJournal, Entry, Journal
from .opened import NotAMessage
from .slices import SLICE_FILES, Slices
from .survey import DIRECTORIES
from .troubles import EXHAUSTED


class Completion:
    """
    One look at a journal, before the maildrop is listed.

    @ivar pending: how many messages it says.
    @ivar warnings: sentences for the log.
    """

    def __init__(self, maildir: Directory, journal: Journal) -> None:
        self.pending = 0
        self.warnings: list[str] = []
        self._maildir = maildir
        self._journal = journal
        self._removed = self._others = 0
        self._error: OSError | None = None

    def run(self) -> Slices[None]:
        """
        Remove what is left of it.

        @raise OSError: the maildrop cannot be entered, or the host has run out
            of something.
        """
        entries = self._read()
        if not entries:
            return
        self.pending = len(entries)
        with ExitStack() as stack:
            directories = [stack.enter_context(self._maildir.enter(name)) for name in DIRECTORIES]
            names = Counter(entry.stamp[0] for entry in entries)
            for count, entry in enumerate(entries, 1):
                self._remove(entry, directories[entry.directory], names[entry.stamp[0]])
                if count % SLICE_FILES == 0:
                    yield
            try:
                for index in {entry.directory for entry in entries}:
                    directories[index].sync()
                if self._error is None:
                    self._journal.forget(durable=False)
            except OSError as error:
                self._error = error
        self._tell()

    def _read(self) -> list[Entry]:
        try:
            return self._journal.pending()
        except BadJournal:
            with suppress(OSError):
                self._journal.forget(durable=False)
            self.warnings.append(
                "a journal was not written to its end, so its removal had not begun; it is"
                " discarded"
            )
        except OSError as error:
            if error.errno in EXHAUSTED:
                raise
            self.warnings.append(
                f"the journal cannot be read ({_reason(error)}); correct owner and mode,"
                " or remove it"
            )
        return []

    def _remove(self, entry: Entry, directory: Directory, names: int) -> None:
        try:
            directory.look(entry.name)
            # Removing one name of a file changes the last time of its others.
            known = len(entry.stamp) if names == 1 else -1
            if directory.fileStamp(entry.name)[:known] == entry.stamp[:known]:
                directory.unlink(entry.name)
                self._removed += 1
            else:
                self._others += 1
        except FileNotFoundError:
            # The removal had come so far, or somebody gave it another name since.
            return
        except NotAMessage:
            self._others += 1
        except OSError as error:
            self._error = error

    def _tell(self) -> None:
        text = f"a removal of {self.pending} messages was interrupted;"
        if self._error is not None:
            text += (
                f" it cannot be completed ({_reason(self._error)}), and the next login tries again"
            )
        else:
            text += f" now it is complete, with the last {self._removed} of them"
        if self._others:
            text += f"; {self._others} were changed or restored since, and stay"
        self.warnings.append(text)


def _reason(error: OSError) -> str:
    return os.strerror(error.errno or 0)
