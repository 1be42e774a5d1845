"""
The log of a worker: each event of Twisted's log becomes a line of JSON in a pipe, and
in the parent an event again, in the words in which the worker would have written it.
"""

from __future__ import annotations

import json
import os
import time
from select import POLLOUT, poll
from threading import RLock
from typing import Any

from constantly import NamedConstant
from twisted.logger import (
    ILogObserver,
    InvalidLogLevelError,
    LogEvent,
    Logger,
    LogLevel,
    eventAsText,
)
from zope.interface import implementer

_log = Logger()

# The most that waits for a parent that hangs; what comes then is lost.
_HELD_OCTETS = 1 << 20
_AGAIN_SECONDS = 0.1
# How long the end of the process waits for a parent that is behind; a little more, and
# that would kill it.
_LAST_SECONDS = 3

# Longer is no line of ours.
_LINE_OCTETS = 1 << 20


@implementer(ILogObserver)
class LogWriter:
    """
    A worker's end. A line is handed over at once, so that nothing is missing of one
    that dies.
    """

    def __init__(self, descriptor: int, reactor: Any) -> None:
        """@param descriptor: of the pipe; made non-blocking."""
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._reactor = reactor
        self._waiting = b""
        # Threads have something to say, too; and the collector of garbage, of a failure
        # that nobody has looked at, in the midst of what is done here.
        self._lock = RLock()

    def __call__(self, event: LogEvent) -> None:
        """@see: L{ILogObserver}"""
        level = event.get("log_level", LogLevel.info)
        text = eventAsText(event, includeTimestamp=False, includeSystem=False)
        record = (event.get("log_namespace", ""), event.get("log_system"), level.name, text)
        line = json.dumps(record).encode() + b"\n"
        with self._lock:
            behind = bool(self._waiting)
            if len(self._waiting) + len(line) > _HELD_OCTETS:
                return
            self._waiting += line
        if not behind:
            self._write()

    def flush(self) -> None:
        """The process ends: what a parent that is busy has not read yet it reads soon."""
        writable, end = poll(), time.monotonic() + _LAST_SECONDS
        writable.register(self._descriptor, POLLOUT)
        while self._waiting and (left := end - time.monotonic()) > 0:
            writable.poll(left * 1000)
            self._write(again=False)

    def _write(self, again: bool = True) -> None:
        with self._lock:
            try:
                while self._waiting:
                    written = os.write(self._descriptor, self._waiting)
                    self._waiting = self._waiting[written:]
            except BlockingIOError:
                if again:
                    # This may be no thread of the reactor's.
                    self._reactor.callFromThread(
                        self._reactor.callLater, _AGAIN_SECONDS, self._write
                    )
            except OSError:
                # The parent is gone, and with it the log.
                self._waiting = b""


class LogReader:
    """The parent's end."""

    def __init__(self) -> None:
        self._begun = b""

    def received(self, octets: bytes) -> None:
        """@param octets: as they come out of the pipe."""
        *lines, self._begun = (self._begun + octets).split(b"\n")
        # A worker writes no such lines; but somebody may have broken into it.
        self._begun = self._begun[:_LINE_OCTETS]
        for each in lines:
            try:
                _tell(*json.loads(each))
            except (ValueError, TypeError, RecursionError, InvalidLogLevelError):
                _log.warn("a worker's log holds what no worker writes")


def _tell(namespace: str, system: str | None, level: str, text: str) -> None:
    by = {} if system is None else {"log_system": system}
    known: NamedConstant = LogLevel.levelWithName(level)
    Logger(namespace=namespace).emit(known, "{text}", text=text, **by)
