"""
The places that unique-ids are imported from, one class for all files and one for
servers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Protocol

from ..errors import MaildropError, SettingError
from ..maildrops.listing import Listing
from .found import Found, choose
from .maildirs import OurMaildir
from .matching import match
from .server import OldServer

Show = Callable[[str, int, int], None]
Parse = Callable[[bytes, str], Iterable[tuple[bytes, bytes]]]


class Source(Protocol):
    """Knows the unique-ids of one user's messages."""

    def find(self, maildir: OurMaildir, listing: Listing, show: Show) -> Found:
        """
        @param listing: what is in the Maildir.
        @param show: is told what is done, how much of it, and of how much.
        @raise SettingError: it cannot be told.
        """


class FileSource:
    """A list that another server has kept, or somebody has made."""

    def __init__(self, parse: Parse, beside: str | None, path: str | None) -> None:
        """
        @param parse: makes names and unique-ids of the file.
        @param beside: its name in each Maildir, where C{path} is none.
        @param path: the whole path; links are followed, it is the administrator's.
        """
        self._parse = parse
        self._beside = beside
        self._path = path

    def find(self, maildir: OurMaildir, listing: Listing, show: Show) -> Found:
        """As L{Source.find}."""
        path = self._path or os.path.join(os.fsdecode(maildir.path), self._beside or "")
        try:
            if self._path is None:
                octets = maildir.readBeside(os.fsencode(self._beside or ""))
            else:
                with open(path, "rb") as file:
                    octets = file.read()
        except OSError as error:
            raise SettingError(
                f"{path} cannot be read ({error.strerror}); say with --file where it is"
            ) from error
        return choose(self._parse(octets, path), set(_bases(listing)))


class ServerSource:
    """A server that still runs."""

    def __init__(self, connect: Callable[[], OldServer]) -> None:
        """@param connect: logs in."""
        self._connect = connect

    def find(self, maildir: OurMaildir, listing: Listing, show: Show) -> Found:
        """As L{Source.find}."""
        with self._connect() as old:
            matching = match(old, _Ours(maildir, listing), show)
            bases = listing.bases
            pairs = sorted(matching.pairs.items())
            entries = [(bases[row], old.uniqueIds[index]) for index, row in pairs]
            found = choose(entries, set(_bases(listing)))
            found.gone = len(old.octets) - len(pairs) - len(matching.ambiguous)
            if matching.ambiguous:
                example = old.uniqueIds[matching.ambiguous[0]]
                found.doubts.append(
                    f"{len(matching.ambiguous)} messages there, {example[:80]!r} among them, could"
                    " be several of these or none; their unique-ids are left out"
                )
            if matching.byIdentity:
                found.notes.append(
                    f"{matching.byIdentity} were found by Message-ID and date, as their headers"
                    " are not quite the same"
                )
            if matching.alike:
                found.notes.append(
                    f"{matching.alike} have twins that are the same throughout, and were taken in"
                    " their order"
                )
            return found


class _Ours:
    """Our messages, as one side of a match."""

    def __init__(self, maildir: OurMaildir, listing: Listing) -> None:
        self._blocks = maildir.reading(listing)
        self.octets: Sequence[int] = listing.snapshot.octets

    def header(self, index: int) -> list[bytes] | None:
        octets = b""
        with suppress(MaildropError):
            for block in self._blocks(index):
                octets += block
                if octets.startswith(b"\r\n") or b"\r\n\r\n" in octets:
                    break
            return octets.split(b"\r\n")
        return None

    def message(self, index: int) -> list[bytes] | None:
        with suppress(MaildropError):
            whole = b"".join(self._blocks(index))
            return whole.removesuffix(b"\r\n").split(b"\r\n")
        return None


def _bases(listing: Listing) -> Iterator[bytes]:
    bases = listing.bases
    return (bases[row] for row in range(len(bases)))
