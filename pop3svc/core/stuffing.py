"""
A stored message -> the octets of a multi-line response (RFC 1939 section 3).

Whole blocks go through C{bytes.replace}; no line is ever a Python object. What
must be known across blocks is two facts: whether the next octet begins a line,
and, for TOP, how many line ends are still to come.
"""

from __future__ import annotations

from ..canonical import Canonical
from .dots import doubled


class Stuffing:
    """
    Byte-stuffs one message, or its top.

    The start of a message is the start of a line: a dot there is doubled too.

    @ivar finished: TOP has its lines; no further block is needed.
    """

    def __init__(self, lines: int | None = None) -> None:
        """
        @param lines: for TOP (RFC 1939 section 7), how many lines of the body
            follow the header; C{None} for the whole message.
        """
        self.finished = False
        self._canonical = Canonical()
        self._atLineStart = True
        self._top = None if lines is None else _Top(lines)

    @property
    def octets(self) -> int:
        """The canonical octets taken so far, without stuffing."""
        return self._canonical.octets

    def block(self, data: bytes) -> bytes:
        """
        @param data: the next octets as stored, cut anywhere.
        @return: octets for the wire.
        """
        return self._stuff(self._canonical.block(data))

    def end(self) -> bytes:
        """What completes the last line, and the termination octet."""
        rest = b"" if self.finished else self._stuff(self._canonical.end())
        return rest + b".\r\n"

    def _stuff(self, data: bytes) -> bytes:
        if self._top is not None:
            data, self.finished = self._top.cut(data)
        if not data:
            return data
        first = b"." if self._atLineStart and data.startswith(b".") else b""
        self._atLineStart = data.endswith(b"\n")
        data = doubled(data)
        return first + data if first else data


def stuffed(data: bytes) -> bytes:
    """
    As L{Stuffing}, of a message that is one block, but without the termination octet.

    @param data: in its canonical form.
    """
    octets = doubled(data)
    return b"." + octets if data.startswith(b".") else octets


class _Top:
    """
    Cuts a canonical message behind its header, the empty line and some lines.

    Canonical blocks may be cut anywhere but between a CR and its LF.
    """

    def __init__(self, lines: int) -> None:
        self._left = lines
        self._inHeader = True
        self._atLineStart = True

    def cut(self, data: bytes) -> tuple[bytes, bool]:
        """
        @return: the part of C{data} that belongs to the top, and whether it
            ends there.
        """
        start = 0
        if self._inHeader:
            start = self._headerEnd(data)
            if data:
                self._atLineStart = data.endswith(b"\n")
            if self._inHeader:
                return data, False
        if self._left == 0:
            return data[:start], True
        there = data.count(b"\n", start)
        if there < self._left:
            self._left -= there
            return data, False
        end = _lineEnd(data, start, self._left)
        self._left = 0
        return data[:end], True

    def _headerEnd(self, data: bytes) -> int:
        """Where the body begins in C{data}, once the empty line has come."""
        if self._atLineStart and data.startswith(b"\r\n"):
            self._inHeader = False
            return 2
        found = data.find(b"\n\r\n")
        if found >= 0:
            self._inHeader = False
            return found + 3
        return 0


def _lineEnd(data: bytes, start: int, lines: int) -> int:
    """
    The offset behind the given line end, found by halving, at C speed.

    @param lines: counted from C{start}; there are at least as many.
    """
    low, high = start, len(data)
    while high - low > 1:
        middle = (low + high) // 2
        there = data.count(b"\n", low, middle)
        if there >= lines:
            high = middle
        else:
            lines -= there
            low = middle
    return high
