"""
A port that cannot accept rests for a moment.

Twisted keeps one descriptor in reserve, so that it can hang up on whoever it cannot
accept; it writes a line about each. Another thread may take that descriptor in the
moment that it is free: then the port stays readable for ever, the reactor does
nothing but try, and each attempt is one more line.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IListeningPort, IReactorTime
from twisted.internet.tcp import Port
from twisted.logger import ILogObserver, LogEvent, Logger, formatEvent
from zope.interface import implementer

from .operations.audit import Audit

_REST_SECONDS = 0.2


def restWhenExhausted(
    port: IListeningPort, endpoint: str, audit: Audit, clock: IReactorTime
) -> None:
    """
    @param port: already listening. Other ports than those of TCP and of UNIX sockets
        do as they like.
    @param endpoint: its name for the log.
    """
    if isinstance(port, Port):
        # All that a port logs itself is that it could not accept.
        rest = _Rest(port, endpoint, audit, clock)
        port._logger = Logger(namespace=Port.__module__, observer=rest)


@implementer(ILogObserver)
class _Rest:
    """Hears what a port has to say about itself."""

    def __init__(self, port: Any, endpoint: str, audit: Audit, clock: IReactorTime) -> None:
        self._port = port
        self._endpoint = endpoint
        self._audit = audit
        self._clock = clock
        self._resting = False

    def __call__(self, event: LogEvent) -> None:
        """@see: L{twisted.logger.ILogObserver}"""
        self._audit.acceptFailed(self._endpoint, formatEvent(event))
        if not self._resting:
            self._resting = True
            self._port.stopReading()
            self._clock.callLater(_REST_SECONDS, self._goOn)

    def _goOn(self) -> None:
        self._resting = False
        if self._port.connected and not self._port.disconnecting:
            self._port.startReading()
