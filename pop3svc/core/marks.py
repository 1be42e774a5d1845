"""
The numbered listing of a maildrop with deletion marks (RFC 1939 section 5).

A marked message is gone from STAT, LIST and UIDL, and its number is not given
to another. The store hears of marks once, in UPDATE.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

# A piece of a listing that is made anew: well under a millisecond, and 64 KiB.
_PIECE_LINES = 500


class Messages(Protocol):
    """What marks need of L{pop3svc.snapshot.Snapshot}."""

    @property
    def octets(self) -> Sequence[int]: ...

    @property
    def uniqueIds(self) -> Sequence[bytes]: ...

    @property
    def totalOctets(self) -> int: ...

    @property
    def scanListing(self) -> bytes: ...

    @property
    def uniqueIdListing(self) -> bytes: ...

    def __len__(self) -> int: ...


class NoSuchMessage(Exception):
    """
    A message-number that names no message, or a marked one.

    @ivar text: a short sentence for the client.
    """

    def __init__(self, text: bytes) -> None:
        super().__init__(text)
        self.text = text


class Marks:
    """
    @ivar count: the messages that are not marked.
    @ivar octets: their size together.
    """

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self._marked: set[int] = set()
        self.reset()

    def reset(self) -> None:
        """Take all marks away (RFC 1939 section 5, RSET)."""
        self._marked.clear()
        self.count = len(self._messages)
        self.octets = self._messages.totalOctets

    def mark(self, number: int) -> None:
        """@raise NoSuchMessage: there is none, or it is marked already."""
        self.octets -= self.sizeOf(number)
        self.count -= 1
        self._marked.add(number)

    def marked(self) -> tuple[int, ...]:
        """The message-numbers to remove, ascending."""
        return tuple(sorted(self._marked))

    def sizeOf(self, number: int) -> int:
        """@raise NoSuchMessage: there is none, or it is marked."""
        return self._messages.octets[self._index(number)]

    def uniqueIdOf(self, number: int) -> bytes:
        """@raise NoSuchMessage: there is none, or it is marked."""
        return self._messages.uniqueIds[self._index(number)]

    def scanListing(self) -> Iterable[bytes]:
        """A scan listing of each message that is not marked, in pieces of lines."""
        return self._pieces(self._messages.scanListing, b"%d %d\r\n", self._messages.octets)

    def uniqueIdListing(self) -> Iterable[bytes]:
        """A unique-id listing of each message that is not marked, in pieces of lines."""
        return self._pieces(self._messages.uniqueIdListing, b"%d %s\r\n", self._messages.uniqueIds)

    def _pieces(self, whole: bytes, line: bytes, column: Sequence[object]) -> Iterable[bytes]:
        """What is ready is taken as it is; with marks a piece is made when it is sent."""
        return self._withoutMarked(line, column) if self._marked else (whole,)

    def _withoutMarked(self, line: bytes, column: Sequence[object]) -> Iterator[bytes]:
        for start in range(0, len(column), _PIECE_LINES):
            rows = enumerate(column[start : start + _PIECE_LINES], start + 1)
            yield b"".join(line % row for row in rows if row[0] not in self._marked)

    def _index(self, number: int) -> int:
        if not 1 <= number <= len(self._messages):
            raise NoSuchMessage(b"no such message, only %d in maildrop" % len(self._messages))
        if number in self._marked:
            raise NoSuchMessage(b"message %d already deleted" % number)
        return number - 1
