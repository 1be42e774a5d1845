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


class BoundedLineReceiver(LineReceiver):
    """
    A LineReceiver that is fed small slices and skips lines that are too long.

    @ivar skipOctetsMost: how much of a line is skipped in search of its end.
    """

    # A bare LF ends a line too, for people with telnet; a CR before it is cut.
    delimiter = b"\n"
    skipOctetsMost = 0

    _unread = b""
    _feeding = False
    _skipped = 0
    _discarding = False

    def commandReceived(self, line: bytes) -> None:
        """@param line: without its line end."""
        raise NotImplementedError

    def longLineReceived(self) -> None:
        """A line is longer than C{MAX_LENGTH}; its rest is being skipped."""
        raise NotImplementedError

    def endlessLineReceived(self) -> None:
        """More than C{skipOctetsMost} of a line were skipped, and it has no end."""
        raise NotImplementedError

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
        finally:
            self._feeding = False

    def lineReceived(self, line: bytes) -> None:
        self.commandReceived(line.removesuffix(b"\r"))

    def lineLengthExceeded(self, line: bytes) -> None:
        """@param line: its beginning and all that LineReceiver had behind it."""
        self._unread = line[self.MAX_LENGTH :] + self._unread
        self._skipped = 0
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
