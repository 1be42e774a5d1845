"""
Octets -> lines, the simplest way: everything is kept, and looked at from its
beginning.
"""

from __future__ import annotations

from collections.abc import Iterator

from pop3svc.limits import Limits

from .naive import NaiveServer
from .naiveanswers import TooLong
from .naiveworld import BEFORE


class NaiveLines:
    """
    @ivar unread: what has arrived and is no line yet.
    @ivar skipping: it is the rest of a line that was too long.
    @ivar endless: a line that was too long has no end either.
    """

    def __init__(self, limits: Limits) -> None:
        self.unread = b""
        self.endless = False
        self._limits = limits
        self._skipped: int | None = None

    def feed(self, data: bytes, server: NaiveServer) -> Iterator[bytes | TooLong]:
        """
        @param server: how long a line may be depends on what is going on; it is
            asked anew for each line, so take one and have it answered first.
        @return: lines without their ends.
        """
        self.unread += data
        while not server.ended and not self.endless:
            end = self.unread.find(b"\n")
            length = len(self.unread) if end < 0 else end
            if self._skipped is not None:
                self._skipped += length
                self.unread = self.unread[end + 1 :] if end >= 0 else b""
                self.endless = self._skipped > self._limits.skippedOctets
                if end < 0:
                    return
                self._skipped = None
                continue
            most = self._most(server)
            if length > most:
                line = TooLong(self.unread[:most])
                self.unread, self._skipped = self.unread[most:], 0
                yield line
            elif end < 0:
                return
            else:
                found, self.unread = self.unread[:end], self.unread[end + 1 :]
                yield found.removesuffix(b"\r")

    @property
    def skipping(self) -> bool:
        return self._skipped is not None

    def _most(self, server: NaiveServer) -> int:
        """How long the line may be, without its LF."""
        isAuth = server.state == BEFORE and self.unread[:5].upper() == b"AUTH "
        if isAuth or server.exchange is not None:
            return self._limits.saslLineOctets - 1
        return self._limits.commandOctets - 1
