"""
The canonical form of a message: the octets that a client is promised.

Stores keep messages with LF, with CRLF, or with both. The canonical form ends
each line with CRLF, the last one too, and changes nothing else: NUL, 8-bit
octets and a CR that no LF follows stay as they are (RFC 1939 section 11 counts
these octets, RFC 5322 section 2.1 says what a line is). STAT and LIST count the
canonical form; RETR sends it. This module is the one place that knows it.
"""

from __future__ import annotations

from collections.abc import Iterable


class Canonical:
    """
    Turns blocks of a stored message into its canonical form, or only counts.

    Blocks may be cut anywhere. A CR at the end of a block is held back until
    the next octet tells whether it belongs to a line end.

    @ivar octets: the octets of the canonical form so far.
    """

    __slots__ = ("_atLineStart", "_heldCR", "octets")

    def __init__(self) -> None:
        self.octets = 0
        self._heldCR = False
        self._atLineStart = True

    def block(self, data: bytes) -> bytes:
        """
        @param data: the next octets as stored.
        @return: the canonical octets that they complete.
        """
        # Python looks for one octet at 30 GB/s, for two at 0.4: what is stored with LF
        # alone is never searched for CRLF.
        hasCR = self._heldCR or b"\r" in data
        if hasCR:
            data = self._joined(data)
        if not data:
            return b""
        self._atLineStart = data.endswith(b"\n")
        data = _ended(data) if hasCR else data.replace(b"\n", b"\r\n")
        self.octets += len(data)
        return data

    def count(self, data: bytes) -> None:
        """As L{block}, for whoever wants only L{octets}."""
        data = self._joined(data)
        if data:
            self._atLineStart = data.endswith(b"\n")
            self.octets += len(data) + _bareLineFeeds(data)

    def end(self) -> bytes:
        """
        What completes the last line; call it once, after the last block.

        @return: at most a held CR and a CRLF.
        """
        rest = b"\r" if self._heldCR else b""
        if rest or not self._atLineStart:
            rest += b"\r\n"
        self._heldCR, self._atLineStart = False, True
        self.octets += len(rest)
        return rest

    def _joined(self, data: bytes) -> bytes:
        """The block with the CR held back before it, without one at its end."""
        if not data:
            return data
        if self._heldCR:
            data = b"\r" + data
        self._heldCR = data.endswith(b"\r")
        return data[:-1] if self._heldCR else data


def whole(data: bytes) -> bytes:
    """The canonical form of a message that is one block."""
    if b"\r" in data:
        canonical = Canonical()
        return canonical.block(data) + canonical.end()
    ended = data.replace(b"\n", b"\r\n")
    return ended if not data or data.endswith(b"\n") else ended + b"\r\n"


def wholeOctets(data: bytes) -> int:
    """As L{canonicalOctets}, of a message that is one block."""
    octets = len(data) + _bareLineFeeds(data)
    return octets if not data or data.endswith(b"\n") else octets + 2


def _ended(data: bytes) -> bytes:
    """CRLF for each line end, whichever it was."""
    # Most that has a CR has CRLF throughout: that is seen, and made, in single octets.
    ended = data.replace(b"\r", b"").replace(b"\n", b"\r\n")
    if ended == data:
        return data
    return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _bareLineFeeds(data: bytes) -> int:
    """The line feeds that no CR precedes."""
    lineFeeds = data.count(b"\n")
    return lineFeeds - data.count(b"\r\n") if b"\r" in data else lineFeeds


def canonicalOctets(blocks: Iterable[bytes]) -> int:
    """
    The size that LIST promises for a stored message.

    @param blocks: the message as stored, cut anywhere.
    """
    counter = Canonical()
    for data in blocks:
        counter.count(data)
    counter.end()
    return counter.octets
