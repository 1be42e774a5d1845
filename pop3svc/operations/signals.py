"""
What the process does when it is told something by a signal.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twisted.internet.error import ReactorNotRunning

_ENDS = (signal.SIGTERM, signal.SIGINT)


def ignoreHangup() -> None:
    """
    Until L{handleSignals}: a certificate's renewal may tell a service that is only
    starting, and by default that ends a process. It reads the files anyway.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def handleSignals(reactor: Any, reload: Callable[[], None]) -> None:
    """
    SIGHUP reloads. SIGTERM and SIGINT are an asked-for end and thus a success: left
    to twistd, the process would end by the signal, and not with status 0.

    @param reactor: running.
    """

    def stop(*_: object) -> None:
        # Whoever asks again while sessions finish changes nothing.
        for each in _ENDS:
            # Not SIG_IGN: Python complains about a signal that has come meanwhile.
            signal.signal(each, lambda *_: None)
        reactor.callFromThread(stopReactor, reactor)

    signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(reload))
    for each in _ENDS:
        signal.signal(each, stop)


def stopReactor(reactor: Any) -> None:
    """It may be ending for another reason: a signal, or a worker's parent has said so."""
    with suppress(ReactorNotRunning):
        reactor.stop()
