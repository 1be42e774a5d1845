"""
Removing messages from an mbox such that a crash loses nothing and repeats nothing.

What follows the first removed message is copied to a journal, without what is to be
removed, and the journal is synced; then the copy is written over the original, in
place, and the file is cut. In place, because those who deliver may hold the file open
while they wait for its lock, and would deliver into one that has been replaced; and
because owner, mode, links and ACLs stay. A crash leaves a journal from which the same
is done once more, before anybody is shown the maildrop.

Where nothing that is kept follows, the file is cut, and nothing else: the kernel does
that as a whole or not at all, and it needs no space.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass
from hashlib import blake2b
from typing import NamedTuple

from ..errors import MaildropUnavailable
from .files import Directory
from .mboxfiles import MboxFile
from .mboxlines import BLOCK_OCTETS, Readable
from .opened import MessageFile
from .slices import SLICE_OCTETS, Slices

_UNFINISHED = b".unfinished"
_ASIDE = b".aside"
_TRAILER_OCTETS = 512
_TRAILER = re.compile(
    rb"pop3svc-mbox-journal 1 ([0-9]+) ([0-9]+) ([0-9]+) ([0-9]+) ([0-9a-f]{64}) ([0-9a-f]{64})"
    rb" ([0-9a-f]{64}) *\n"
)


class Piece(NamedTuple):
    """Some octets of a file."""

    file: Readable
    start: int
    end: int


@dataclass(frozen=True)
class Plan:
    """
    A removal that is under way.

    @ivar inode: the file's inode number.
    @ivar start: where the first octet changes.
    @ivar end: where the file ended.
    @ivar octets: how many the journal has for C{start}.
    @ivar content: their digest.
    @ivar tail: the digest of what the file had behind them, and is to be cut.
    """

    inode: int
    start: int
    end: int
    octets: int
    content: bytes
    tail: bytes

    @property
    def newEnd(self) -> int:
        """Where the file is to be cut."""
        return self.start + self.octets


class MboxJournal:
    """The journal of one mbox, which is locked for us."""

    def __init__(self, directory: Directory, name: bytes) -> None:
        """@param directory: not closed by this object."""
        self._directory = directory
        self._name = name

    def rewrite(self, file: MboxFile, start: int, end: int, kept: Sequence[Piece]) -> Slices[None]:
        """
        Put these pieces, all of them behind C{start}, in place of all between
        C{start} and C{end}, the file's end.

        @raise OSError: what is not done is done by L{recover}, or if nothing
            was begun, by nobody.
        """
        plan = yield from self._write(file, start, end, kept)
        with closing(self._directory.open(self._name)) as journal:
            yield from self._apply(file, plan, journal)

    def recover(self, file: MboxFile) -> Slices[str]:
        """
        Do what a crash has left undone.

        @return: a sentence for the log, or nothing.
        @raise OSError: it cannot be done now, and the file must not be shown.
        """
        self._directory.unlinkIfThere(self._name + _UNFINISHED)
        try:
            journal = self._directory.open(self._name)
        except FileNotFoundError:
            return ""
        with closing(journal):
            plan = yield from self._read(journal)
            if plan is None:
                self._directory.rename(self._name, self._name + _ASIDE)
                return f"a journal that is not whole was moved aside, as {self._aside}; remove it"
            inode, size = file.stamp()[1:3]
            if plan.inode == inode:
                if size >= plan.end:
                    tail = yield from _digest(Piece(file, plan.newEnd, plan.end))
                    if tail == plan.tail:
                        yield from self._apply(file, plan, journal)
                        return "a removal that was interrupted has been completed"
                if size >= plan.newEnd:
                    content = yield from _digest(Piece(file, plan.start, plan.newEnd))
                    if content == plan.content:
                        self._forget()
                        return ""
        self._directory.rename(self._name, self._name + _ASIDE)
        return (
            "a removal was interrupted, and then somebody else has rewritten the file, so it is"
            f" left as it is; what it should have kept is in {self._aside}"
        )

    def isThere(self) -> bool:
        """Whether a removal may be under way."""
        try:
            self._directory.fileStamp(self._name)
        except FileNotFoundError:
            return False
        return True

    def __str__(self) -> str:
        return f"{os.fsdecode(self._name)!a}"

    @property
    def _aside(self) -> str:
        return f"{os.fsdecode(self._name + _ASIDE)!a}"

    def _write(self, file: MboxFile, start: int, end: int, pieces: Sequence[Piece]) -> Slices[Plan]:
        """Make the journal, in place of an elder one, and sync it."""
        unfinished = self._name + _UNFINISHED
        octets, digest = sum(each.end - each.start for each in pieces), blake2b(digest_size=32)
        try:
            with self._directory.create(unfinished) as journal:
                for each in pieces:

                    def use(data: bytes, _: int) -> None:
                        digest.update(data)
                        journal.write(data)

                    yield from _read(each, use)
                tail = yield from _digest(Piece(file, start + octets, end))
                content = digest.hexdigest().encode()
                plan = Plan(file.stamp()[1], start, end, octets, content, tail)
                journal.write(_trailer(plan))
                journal.sync()
            self._directory.rename(unfinished, self._name)
        except BaseException:
            self._directory.unlinkIfThere(unfinished)
            raise
        self._directory.sync()
        return plan

    def _read(self, journal: MessageFile) -> Slices[Plan | None]:
        """The plan in a journal, or L{None} if it is not whole."""
        octets = journal.octets - _TRAILER_OCTETS
        if octets < 0:
            return None
        trailer = journal.read(_TRAILER_OCTETS, octets)
        found = _TRAILER.fullmatch(trailer)
        if found is None:
            return None
        inode, start, end, length = (int(each) for each in found.groups()[:4])
        plan = Plan(inode, start, end, length, *found.groups()[4:6])
        content = yield from _digest(Piece(journal, 0, octets))
        whole = octets == length and content == plan.content and trailer == _trailer(plan)
        return plan if whole else None

    def _apply(self, file: MboxFile, plan: Plan, journal: MessageFile) -> Slices[None]:
        yield from _read(
            Piece(journal, 0, plan.octets),
            lambda data, offset: file.write(data, plan.start + offset),
        )
        file.sync()
        size = file.stamp()[2]
        if size > plan.end:
            # Mail came after the crash, or from somebody who takes no lock.
            kept = [Piece(journal, 0, plan.octets), Piece(file, plan.end, size)]
            yield from self.rewrite(file, plan.start, size, kept)
            return
        cut(file, plan.newEnd)
        self._forget()

    def _forget(self) -> None:
        self._directory.unlinkIfThere(self._name)
        self._directory.sync()


def cut(file: MboxFile, end: int) -> None:
    """Forget what follows, and wait until it stays forgotten."""
    file.truncate(end)
    file.sync()


def _trailer(plan: Plan) -> bytes:
    """The end of a journal, with a digest of itself."""
    text = b"pop3svc-mbox-journal 1 %d %d %d %d %s %s" % astuple(plan)
    digest = blake2b(text, digest_size=32).hexdigest().encode()
    return (text + b" " + digest).ljust(_TRAILER_OCTETS - 1) + b"\n"


def _digest(piece: Piece) -> Slices[bytes]:
    digest = blake2b(digest_size=32)
    yield from _read(piece, lambda data, _: digest.update(data))
    return digest.hexdigest().encode()


def _read(piece: Piece, use: Callable[[bytes, int], None]) -> Slices[None]:
    """
    Read some octets, in blocks.

    @param use: called with each block and its offset from the first octet.
    @raise MaildropUnavailable: there are fewer.
    """
    file, start, end = piece
    done = 0
    for offset in range(start, end, BLOCK_OCTETS):
        wanted = min(BLOCK_OCTETS, end - offset)
        data = file.read(wanted, offset)
        if len(data) < wanted:
            raise MaildropUnavailable("it became shorter while it was read, in spite of our locks")
        use(data, offset - start)
        done += wanted
        if done % SLICE_OCTETS == 0:
            yield
