"""
Octets -> lines, within bounds.

A line that is too long is one command: it is told once, and its rest is
skipped. What has arrived behind a line stays unread while the receiver is
paused; nothing is read from the transport then, so that it stays small.
"""

from __future__ import annotations

from twisted.protocols.basic import LineReceiver

# LineReceiver copies the rest of a block for each line in it: a block of 64 KiB
# of short lines costs a hundred times what small slices of it cost.
_SLICE = 1024


# What tells how long a line may be: C{AUTH} and a space. No line may be shorter.
_START = 5
# What L{BoundedLineReceiver.lineBegun} hears of a line.
_BEGINNING = 64


class BoundedLineReceiver(LineReceiver):
    """
    A LineReceiver that is fed small slices and skips lines that are too long.

    How long a line may be is asked with its start, once it is longer than any
    line may be; whatever is granted holds for this line alone.

    @ivar skipOctetsMost: how much of a line is skipped in search of its end.
    """

    # A bare LF ends a line too, for people with telnet; a CR before it is cut.
    delimiter = b"\n"
    skipOctetsMost = 0

    _unread = b""
    _feeding = False
    _skipped = 0
    _discarding = False
    _bound = LineReceiver.MAX_LENGTH

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
        self._bound = self.MAX_LENGTH = octets - len(self.delimiter)

    @property
    def unreadOctets(self) -> int:
        """How many octets are there that were not looked at, because of a pause."""
        return len(self._unread)

    def discardInput(self) -> None:
        """Forget what is unread, and all that may yet arrive."""
        self._discarding = True
        self.takeUnread()

    def takeUnread(self) -> bytes:
        """@return: what has arrived and was not handed on; it is forgotten."""
        unread, self._unread = self.clearLineBuffer() + self._unread, b""
        return unread

    def dataReceived(self, data: bytes) -> None:
        if self._discarding:
            return
        self._unread += data
        if self._feeding:
            return
        self._feeding = True
        try:
            # First the lines that stayed with LineReceiver when it was paused.
            super().dataReceived(b"")
            while self._unread and not self.paused:
                piece, self._unread = self._unread[:_SLICE], self._unread[_SLICE:]
                super().dataReceived(piece)
            if self._buffer and self.line_mode and not self.paused:
                self.lineBegun(self._buffer[:_BEGINNING])
        finally:
            self._feeding = False

    def lineReceived(self, line: bytes) -> None:
        self.MAX_LENGTH = self._bound
        self.commandReceived(line.removesuffix(b"\r"))

    def lineLengthExceeded(self, line: bytes) -> None:
        """@param line: its beginning and all that LineReceiver had behind it."""
        self.lineBegun(line[:_BEGINNING])
        if self._discarding:
            return
        most = self.lineOctets(line[:_START]) - len(self.delimiter)
        if most > self.MAX_LENGTH:
            # Not too long yet: it is fed once more, under its own bound.
            self._unread = line + self._unread
            self.MAX_LENGTH = most
            return
        self._unread = line[self.MAX_LENGTH :] + self._unread
        self._skipped = 0
        self.MAX_LENGTH = self._bound
        self.setRawMode()
        self.longLineReceived()

    def rawDataReceived(self, data: bytes) -> None:
        """Skip to the end of a line that is too long."""
        skipped, end, rest = data.partition(self.delimiter)
        self._skipped += len(skipped)
        if self._skipped > self.skipOctetsMost:
            self.endlessLineReceived()
        elif end:
            self._unread = rest + self._unread
            self.setLineMode()
