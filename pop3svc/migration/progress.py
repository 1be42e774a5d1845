"""
How far long work has gone: one line on a terminal, and nothing elsewhere.
"""

from __future__ import annotations

import sys
import time
from typing import TextIO

_WIDTH = 30
# Often enough for eyes, and cheap for a hundred thousand steps.
_SECONDS = 0.1


class Progress:
    """A bar where the end is known, else a count. C{clear} it before other output."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """@param stream: standard error if not given."""
        self._stream = sys.stderr if stream is None else stream
        self._visible = self._stream.isatty()
        self._next = 0.0
        self._shown = False
        self._ticks = 0

    def tick(self, what: str) -> None:
        """One more step of work that nobody knows the end of."""
        self._ticks += 1
        self.show(what, self._ticks)

    def show(self, what: str, done: int, of: int = 0) -> None:
        """
        @param what: is done.
        @param of: how many there are; 0 if nobody knows.
        """
        if not self._visible or (now := time.monotonic()) < self._next:
            return
        self._next = now + _SECONDS
        full = _WIDTH * done // of if of else 0
        bar = f" [{'#' * full}{' ' * (_WIDTH - full)}]" if of else ""
        self._stream.write(f"\r\x1b[K{what}{bar} {done}{f' of {of}' if of else ''}")
        self._stream.flush()
        self._shown = True

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._shown = False
