"""
The small files of ours for one maildrop, and where they lie: beside the mail, or
in a directory outside where the mail is not to be written to.

The owner of an account may write beside the mail, so what is read here is a
stranger's until it has been checked, and no link is followed. Whoever writes or
removes holds the maildrop's lock. All of it may block, but for what has C{Cached} in
its name: call it in a thread.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from difflib import get_close_matches
from hashlib import blake2b
from urllib.parse import quote

from ..errors import SettingError
from .files import Directory, Stamp
from .opened import MessageFile, NotAMessage

LEDGER = b"pop3svc-ledger"
JOURNAL = b"pop3svc-journal"
IMPORTED = b"pop3svc-uidl"

# What follows a name while its file is being written. Only one does at a time,
# so a crash leaves one such file at the most, and the next write takes it away.
_UNFINISHED = b".unfinished"
_MOST_OCTETS = 256 * 1024 * 1024
# Leaves room for our names in the 255 octets of a file name.
_KEY_OCTETS = 200


class SideFiles:
    """The small files of one maildrop. A context manager that closes it."""

    def __init__(self, directory: Directory, prefix: bytes = b"", owned: bool = False) -> None:
        """
        @param directory: where they lie, open for reading.
        @param prefix: what stands before each name, for this maildrop alone.
        @param owned: L{close} closes C{directory}.
        """
        self._directory = directory
        self._prefix = prefix
        self._owned = owned

    def read(self, name: bytes, most: int = _MOST_OCTETS) -> bytes | None:
        """
        @param most: how many octets there may be.
        @return: all of the file, or L{None} if it is not there.
        @raise OSError: it is too large, no regular file, or cannot be read.
        """
        try:
            return self._directory.readWhole(self._prefix + name, most)
        except FileNotFoundError:
            return None

    def readOurs(
        self, name: bytes, most: int = _MOST_OCTETS, orRoots: bool = False
    ) -> bytes | None:
        """
        As L{read}, for what the maildrop's owner must not have a say in.

        @param orRoots: as L{MessageFile.isOurs} takes it.
        @return: L{None} also if somebody else has written it.
        """
        file = self.openOurs(name, orRoots)
        return None if file is None else file.readWhole(most)

    def openOurs(self, name: bytes, orRoots: bool = False) -> MessageFile | None:
        """
        A file that the service itself has written; L{None} if there is none.

        @param orRoots: as L{MessageFile.isOurs} takes it.
        @raise OSError: it cannot be opened.
        """
        try:
            file = self._directory.open(self._prefix + name)
        except (FileNotFoundError, NotAMessage):
            return None
        ours = False
        try:
            ours = file.isOurs(orRoots)
        finally:
            if not ours:
                file.close()
        return file if ours else None

    def write(self, name: bytes, octets: bytes, durable: bool) -> None:
        """
        Replace the file as a whole: a reader finds the old one or the new one.

        @param durable: wait until it outlives a power cut, name and content;
            else a reader may find none for a moment, and after a crash.
        @raise OSError: nothing has changed, unless only the last wait failed.
        """
        self.writePieces(name, (octets,), durable)

    def writePieces(self, name: bytes, pieces: Iterable[bytes], durable: bool) -> None:
        """As L{write}, with the octets in pieces."""
        name = self._prefix + name
        unfinished = name + _UNFINISHED
        try:
            with self._directory.create(unfinished) as file:
                for piece in pieces:
                    file.write(piece)
                if durable:
                    file.sync()
            if not durable:
                # Some file systems write at once what replaces another file.
                self._directory.unlinkIfThere(name)
            self._directory.rename(unfinished, name)
        except BaseException:
            self._directory.unlinkIfThere(unfinished)
            raise
        if durable:
            self._directory.sync()

    def overwrite(self, name: bytes, octets: bytes, durable: bool) -> None:
        """
        Write over the first octets of the file, which keeps the rest and its
        place on the disk: what fits into it needs no free space. After a crash
        it may be a mixture of old and new.

        @param durable: as for L{write}.
        @raise OSError: it may be such a mixture.
        """
        file, isNew = self._directory.overwrite(self._prefix + name)
        with file:
            file.write(octets)
            if durable:
                file.sync()
        if isNew and durable:
            self._directory.sync()

    def remove(self, name: bytes, durable: bool) -> None:
        """
        Remove the file, if it is there.

        @param durable: wait until it stays removed, also after a power cut.
        @raise OSError: it may still be there.
        """
        if self._directory.unlinkIfThere(self._prefix + name) and durable:
            self._directory.sync()

    def stamp(self, name: bytes) -> Stamp | None:
        """
        What changes when the file is replaced or written to; L{None} if there
        is none.
        """
        try:
            return self._directory.fileStamp(self._prefix + name)
        except FileNotFoundError:
            return None

    def stampCached(self, name: bytes) -> Stamp | None:
        """
        As L{stamp}, without waiting.

        @raise OSError: for whatever reason; L{stamp} has the last word.
        """
        try:
            return self._directory.fileStampCached(self._prefix + name)
        except FileNotFoundError:
            return None

    def startCached(self, name: bytes, octets: int) -> bytes | None:
        """
        The first octets of the file, without waiting; L{None} if it is not there.

        @raise OSError: for whatever reason; L{read} has the last word.
        """
        try:
            file = self._directory.openCached(self._prefix + name)
        except FileNotFoundError:
            return None
        except NotAMessage as error:
            raise OSError(errno.EINVAL, "no regular file") from error
        try:
            start = file.readCached(octets, 0)
        finally:
            file.close()
        if start is None:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return start

    def findOut(self) -> None:
        """Learn whether any of it can be had without waiting."""
        self._directory.findOut()

    def close(self) -> None:
        """A second call changes nothing."""
        if self._owned:
            self._directory.close()

    def __enter__(self) -> SideFiles:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


class SidePlaces:
    """
    Where the small files of all maildrops of one source lie.

    @ivar outside: a directory for all of them, or L{None}.
    """

    def __init__(self, outside: str | None = None) -> None:
        """
        @param outside: a directory for all of them, or L{None} for each
            maildrop's own.
        @raise SettingError: it cannot be used.
        """
        self.outside = None if outside is None else os.fsencode(os.path.abspath(outside))
        if self.outside is not None:
            try:
                Directory.outside(self.outside).close()
            except OSError as error:
                raise SettingError(
                    f"the directory {outside!r} for ledgers cannot be used"
                    f" ({os.strerror(error.errno or 0)}); create it for the service's user"
                ) from error

    @classmethod
    def parse(cls, text: str) -> tuple[str, SidePlaces]:
        """
        @param text: a template, and C{?ledger=DIRECTORY} behind it if that is
            wanted.
        @return: the template alone, and the place.
        @raise SettingError: with a sentence that says what to write.
        """
        template, mark, option = text.partition("?")
        if not mark:
            return template, cls()
        name, _, value = option.partition("=")
        if name != "ledger" or not value:
            near = get_close_matches(name, ["ledger"], n=1)
            hint = "did you mean ledger=?" if near and name != "ledger" else "write ?ledger=/PATH"
            raise SettingError(f"there is no option {option!r} for a maildrop; {hint}")
        return template, cls(value)

    def of(self, maildrop: Directory, path: bytes) -> SideFiles:
        """
        @param maildrop: the maildrop's own directory, open; not closed by
            what is returned.
        @param path: the maildrop's whole path; only a key, never opened.
        @raise OSError: the directory outside cannot be opened.
        """
        if self.outside is None:
            return SideFiles(maildrop)
        return SideFiles(Directory.outside(self.outside), _key(path) + b".", owned=True)

    def ofCached(self, maildrop: Directory, path: bytes) -> SideFiles:
        """
        As L{of}, without waiting.

        @raise OSError: for whatever reason.
        """
        if self.outside is None:
            return SideFiles(maildrop)
        outside = Directory.outsideCached(self.outside)
        outside.recallCached()
        return SideFiles(outside, _key(path) + b".", owned=True)


def _key(path: bytes) -> bytes:
    """
    A file name for a path: different ones for different paths, and neither
    slash nor dot in front.
    """
    # An equals sign is always escaped, so no path looks like a digest.
    key = quote(path.strip(b"/"), safe="@+,").replace("~", "%7E").encode()
    if key.startswith(b"."):
        key = b"%2E" + key[1:]
    if len(key) <= _KEY_OCTETS:
        return key
    return b"digest=" + blake2b(path, digest_size=24).hexdigest().encode()
