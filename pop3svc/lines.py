"""
Octets -> lines, within bounds.

A line that is too long is one command: it is told once, and its rest is
skipped. What has arrived behind a line stays unread while the receiver is
paused; nothing is read from the transport then, so that it stays small.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import Protocol

# What tells how long a line may be: C{AUTH} and a space. No line may be shorter.
_START = 5
# What L{BoundedLineReceiver.lineBegun} hears of a line.
_BEGINNING = 64


class BoundedLineReceiver(Protocol):
    """
    Hands on lines, and skips those that are too long. A bare LF ends a line too, for
    people with telnet; a CR before it is cut.

    How long a line may be is asked with its start, once it is longer than any
    line may be; whatever is granted holds for this line alone.

    Not Twisted's LineReceiver: that copies the rest of a block for each line in it.

    @ivar paused: no line is handed on.
    @ivar skipOctetsMost: how much of a line is skipped in search of its end.
    """

    # TCP, TLS or a UNIX socket; no interface of Twisted names what they share.
    transport: Any

    paused = False
    skipOctetsMost = 0

    # What has arrived, and how much of it was looked at, which is cut off at the end of
    # each block.
    _unread = b""
    _at = 0
    _feeding = False
    _skipping = False
    _skipped = 0
    _discarding = False
    # How long any line may be, and this one, without a line end.
    _bound = _most = 0

    def commandReceived(self, line: bytes) -> None:
        """@param line: without its line end."""
        raise NotImplementedError

    def lineBegun(self, start: bytes) -> None:
        """
        There is a line, and not yet its end. Whoever does not speak in lines is found
        here, and each block of octets may call it again.

        @param start: its first octets.
        """
        raise NotImplementedError

    def lineOctets(self, start: bytes) -> int:
        """
        @param start: the first octets of a line that is longer than any line may
            be.
        @return: how long it may be, with its line end.
        """
        raise NotImplementedError

    def longLineReceived(self) -> None:
        """A line is longer than L{lineOctets} allows; its rest is being skipped."""
        raise NotImplementedError

    def endlessLineReceived(self) -> None:
        """More than C{skipOctetsMost} of a line were skipped, and it has no end."""
        raise NotImplementedError

    def setLineOctets(self, octets: int) -> None:
        """@param octets: how long any line may be, with its line end."""
        self._bound = self._most = octets - 1

    @property
    def unreadOctets(self) -> int:
        """How many octets are there that were not handed on."""
        return len(self._unread) - self._at

    def discardInput(self) -> None:
        """Forget what is unread, and all that may yet arrive."""
        self._discarding = True
        self.takeUnread()

    def takeUnread(self) -> bytes:
        """@return: what has arrived and was not handed on; it is forgotten."""
        unread = self._unread[self._at :]
        self._unread, self._at = b"", 0
        return unread

    def resumeProducing(self) -> None:
        """No longer paused: what is unread is handed on, and more is read."""
        self.paused = False
        self.transport.resumeProducing()
        self.dataReceived(b"")

    def dataReceived(self, data: bytes) -> None:
        if self._discarding:
            return
        self._unread += data
        if self._feeding:
            return
        self._feeding = True
        try:
            while self._at < len(self._unread) and not self.paused:
                if self._skipping:
                    self._skip()
                elif not self._handOn():
                    break
        finally:
            self._feeding = False
            self._unread, self._at = self._unread[self._at :], 0

    def _handOn(self) -> bool:
        """@return: whether there may be another line."""
        start, unread = self._at, self._unread
        end = unread.find(b"\n", start, start + self._most + 1)
        if end >= 0:
            self._at, self._most = end + 1, self._bound
            self.commandReceived(unread[start:end].removesuffix(b"\r"))
            return True
        self.lineBegun(unread[start : start + _BEGINNING])
        if self._discarding or len(unread) - start <= self._most:
            return False
        granted = self.lineOctets(unread[start : start + _START]) - 1
        if granted > self._most:
            self._most = granted
        else:
            self._at, self._most = start + self._most, self._bound
            self._skipping, self._skipped = True, 0
            self.longLineReceived()
        return True

    def _skip(self) -> None:
        """To the end of a line that is too long."""
        end = self._unread.find(b"\n", self._at)
        stop = len(self._unread) if end < 0 else end
        self._skipped += stop - self._at
        self._at = stop
        if self._skipped > self.skipOctetsMost:
            self.endlessLineReceived()
        elif end >= 0:
            self._skipping = False
            self._at = end + 1
