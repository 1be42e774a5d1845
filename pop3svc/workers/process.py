"""
One worker as the parent sees it: a process, its link, its log, and whether it answers.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionClosed, ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Factory, ProcessProtocol
from twisted.logger import Logger
from twisted.protocols.amp import AmpError
from twisted.python.failure import Failure

from ..limits import Limits
from .commands import Drain, Ping, Ready
from .link import Link, Part
from .logs import LogReader
from .orders import LINK, LOG, ORDERS, Orders

_log = Logger(namespace="pop3svc.worker")

# Python, all libraries, and a large file of passwords, on a host that is busy.
_START_SECONDS = 120
# From the end of its reactor to that of its process.
_LAST_SECONDS = 5
# From its end to that of its log, which no program that it has started holds open.
_LOG_SECONDS = 1
_COMMAND = ("-P", "-m", "pop3svc.workers.worker")
# What is for the service's own process, and not for those it starts.
_OURS = (
    *("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"),
    *("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"),
)


class Worker(ProcessProtocol, Part):
    """
    @ivar number: from 1.
    @ivar pid: of the process, also when it has ended.
    @ivar serving: it has said that it is ready, and has not ended since.
    @ivar hung: it has been killed because it did not answer.
    @ivar said: the last line that it printed outside the log.
    """

    def __init__(
        self,
        number: int,
        parts: Sequence[Part],
        reactor: Any,
        limits: Callable[[], Limits],
        ready: Callable[[Worker], None],
        ended: Callable[[Worker, str, int], None],
        hung: Callable[[Worker], None],
    ) -> None:
        """
        @param parts: what else is talked about with it.
        @param ready: called when it serves.
        @param ended: called when the process is gone, with what it died of.
        @param hung: called before it is killed for not answering.
        """
        self.number = number
        self.pid = 0
        self.serving = self.hung = False
        self.said = ""
        self._reactor = reactor
        self._limits = limits
        self._ready = ready
        self._ended = ended
        self._hung = hung
        self._logs = LogReader()
        self._logged = False
        self._ending: IDelayedCall | None = None
        self._printed = b""
        # When it answered last, and when we are to look at that again.
        self._heard = self._due = reactor.seconds()
        self._asked = False
        self._beating: IDelayedCall | None = None
        self._last: IDelayedCall | None = None
        self._alive = False
        Link([self, *parts], self._linkClosed)

    def start(self, orders: Orders, environ: Mapping[str, str]) -> None:
        """
        @param environ: of the process.
        @raise OSError: there is no room for one more; nothing is left of it.
        """
        descriptor, inherited = orders.write()
        with ExitStack() as closing:
            closing.callback(os.close, descriptor)
            nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
            closing.callback(os.close, nothing)
            ours, theirs = map(closing.enter_context, socket.socketpair())
            # First the link: a process that could be told nothing is worse than none.
            ours.setblocking(False)
            self._reactor.adoptStreamConnection(
                ours.fileno(), socket.AF_UNIX, Factory.forProtocol(lambda: self.link)
            )
            words: dict[int, Any] = {
                **dict.fromkeys((1, 2, LOG), "r"),
                0: nothing,
                LINK: theirs.fileno(),
                ORDERS: descriptor,
                **inherited,
            }
            arguments = [sys.executable, *_COMMAND, str(self.number)]
            # On a busy host it may have ended before this returns.
            self._alive = True
            try:
                self._process = self._reactor.spawnProcess(
                    self, sys.executable, arguments, environ, childFDs=words
                )
            except OSError:
                self._alive = False
                self.link.close()
                raise
        if self._alive:
            self.pid = self._process.pid
            self._beat()

    def drain(self) -> None:
        """Whoever is in may finish."""
        if self.serving:
            self.link.ask(Drain).addErrback(_unanswered)
        else:
            # Nobody is in.
            self.kill()

    def kill(self) -> None:
        """At once."""
        if self._alive:
            # It may have been quicker.
            with suppress(ProcessExitedAlready):
                self._process.signalProcess("KILL")

    # What the process does.

    @Ready.responder
    def ready(self) -> dict[str, Any]:
        """@see: L{Ready}"""
        self.serving = True
        self._heard = self._reactor.seconds()
        self._ready(self)
        return {}

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """@see: L{twisted.internet.interfaces.IProcessProtocol}"""
        if childFD == LOG:
            self._logs.received(data)
            return
        *lines, self._printed = (self._printed + data).split(b"\n")
        # Without an end it may go on for ever.
        self._printed = self._printed[:4096]
        for each in lines:
            self.said = each.decode("utf-8", "backslashreplace")
            _log.warn("worker {number}: {text}", number=self.number, text=self.said)

    def processExited(self, reason: Failure) -> None:
        """
        It is dead. Programs that it has started may still hold its pipes open, so this is
        not the last that is heard.
        """
        self.serving = self._alive = False
        for each in (self._beating, self._last):
            if each is not None and each.active():
                each.cancel()
        self.link.close()
        self.link.tellLost()
        # What it logged last may be in the pipe still.
        seconds = 0 if self._logged else _LOG_SECONDS
        self._ending = self._reactor.callLater(seconds, self._ended, self, *_diedOf(reason))

    def childConnectionLost(self, childFD: int) -> None:
        """@see: L{twisted.internet.interfaces.IProcessProtocol}"""
        if childFD == LOG:
            self._logged = True
            if self._ending is not None and self._ending.active():
                self._ending.reset(0)

    def _linkClosed(self) -> None:
        """It can be told nothing any more, so it is about to end, or must."""
        self.serving = False
        if self._alive:
            self._last = self._reactor.callLater(_LAST_SECONDS, self.kill)

    # Whether it answers.

    def _beat(self) -> None:
        limits = self._limits()
        patience = limits.hungSeconds if self.serving else max(_START_SECONDS, limits.hungSeconds)
        now = self._reactor.seconds()
        # While we could not listen ourselves, nobody can be blamed for not answering.
        self._heard = min(now, self._heard + max(0, now - self._due))
        if (self._asked or not self.serving) and now - self._heard >= patience:
            self.hung = True
            self._hung(self)
            self.kill()
            return
        self._due = now + limits.heartbeatSeconds
        self._beating = self._reactor.callLater(limits.heartbeatSeconds, self._beat)
        if self.serving and not self._asked:
            self._asked = True
            self.link.ask(Ping).addCallbacks(self._cbAlive, _unanswered)

    def _cbAlive(self, answer: object) -> None:
        self._asked = False
        self._heard = self._reactor.seconds()


def environment(path: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """
    @param path: where this process finds its modules.
    @param environ: its own.
    @return: a worker's.
    """
    found = {name: value for name, value in environ.items() if name not in _OURS}
    return {**found, "PYTHONPATH": os.pathsep.join(os.path.abspath(each) for each in path)}


def _unanswered(failure: Failure) -> Deferred[None]:
    """That it has ended is told otherwise."""
    failure.trap(ConnectionClosed, AmpError)
    return succeed(None)


def _diedOf(reason: Failure) -> tuple[str, int]:
    """@return: as L{Audit.workerEnded} takes it."""
    died: Any = reason.value
    if reason.check(ProcessTerminated) and died.signal is not None:
        return "signal", died.signal
    return "exit", died.exitCode
