"""
All workers: started with the service, replaced when one dies, drained at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.error import ConnectionClosed
from twisted.internet.interfaces import IDelayedCall
from twisted.protocols.amp import AmpError
from twisted.python.failure import Failure

from ..limits import Limits
from ..operations.audit import Audit
from .commands import Reload
from .process import Worker

# Whoever dies younger was not good at all; the next one waits longer each time.
_GOOD_SECONDS = 10
_LONGEST_SECONDS = 30
# So many in a row that were never ready, while nobody serves.
_HOPELESS = 5

# What sessions need to be closed after drain-seconds.
_CLOSE_SECONDS = 10


class _Berth:
    """
    A worker's place, whoever has it.

    @ivar failures: how many in a row have died young.
    @ivar since: when the one that is there was ready.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.worker: Worker | None = None
        self.failures = 0
        self.since: float | None = None
        self.coming: IDelayedCall | None = None


class Crew(Service):
    """
    @ivar whenServing: fires when all workers serve for the first time.
    """

    def __init__(
        self,
        count: int,
        start: Callable[[Crew, int], Worker],
        audit: Audit,
        reactor: Any,
        limits: Callable[[], Limits],
        giveUp: Callable[[str], None],
    ) -> None:
        """
        @param start: starts a worker of that number, which tells L{ready}, L{ended} and L{hung}.
        @param giveUp: called with a sentence when there is no worker, and will be none.
        """
        self.whenServing: Deferred[None] = Deferred()
        self._start = start
        self._audit = audit
        self._reactor = reactor
        self._limits = limits
        self._giveUp = giveUp
        self._berths = [_Berth(number) for number in range(1, count + 1)]
        self._hopeless = 0
        self._givenUp = False
        self._stopping: Deferred[None] | None = None
        self._killing: IDelayedCall | None = None

    @property
    def serving(self) -> list[Worker]:
        """Those who can be told something now."""
        workers = [each.worker for each in self._berths]
        return [each for each in workers if each is not None and each.serving]

    def startService(self) -> None:
        super().startService()
        for each in self._berths:
            self._reactor.callWhenRunning(self._man, each)

    def stopService(self) -> Deferred[None]:
        """@return: fires when all have ended."""
        super().stopService()
        for each in self._berths:
            if each.coming is not None:
                each.coming.cancel()
                each.coming = None
        self._stopping = Deferred()
        seconds = self._limits().drainSeconds + self._limits().closeSeconds + _CLOSE_SECONDS
        self._killing = self._reactor.callLater(seconds, self._killAll)
        for worker in self._alive():
            worker.drain()
        self._lookWhetherAllEnded()
        return self._stopping

    def reload(self, limits: Limits) -> Deferred[list[str]]:
        """
        @param limits: those of now on.
        @return: a sentence for each thing that some worker says is wrong.
        """
        # Also those that are only starting: what they were told has just become old.
        told = [each.link.ask(Reload, limits=asdict(limits)) for each in self._alive()]
        for each in told:
            each.addErrback(_gone)
        return gatherResults(told).addCallback(_faults)

    # What workers tell.

    def ready(self, worker: Worker) -> None:
        """It serves."""
        self._audit.workerStarted(worker.number, worker.pid)
        berth = self._berths[worker.number - 1]
        berth.since = self._reactor.seconds()
        self._hopeless = 0
        if len(self.serving) == len(self._berths) and not self.whenServing.called:
            self.whenServing.callback(None)

    def hung(self, worker: Worker) -> None:
        """It does not answer, and will be killed."""
        self._audit.workerHung(worker.number, worker.pid)

    def ended(self, worker: Worker, reason: str, status: int) -> None:
        """@see: L{Audit.workerEnded}"""
        berth = self._berths[worker.number - 1]
        since, berth.since, berth.worker = berth.since, None, None
        if self._stopping is not None:
            self._lookWhetherAllEnded()
            return
        reason = "hung" if worker.hung else reason
        self._audit.workerEnded(worker.number, worker.pid, reason, status)
        if since is None:
            said = worker.said or f"it died at once ({reason} {status}); the log may have more"
            self._failed(berth, said, reason == "exit")
        elif self._reactor.seconds() - since >= _GOOD_SECONDS:
            berth.failures = 0
            self._man(berth)
        else:
            self._manLater(berth)

    def _man(self, berth: _Berth) -> None:
        berth.coming = None
        if self._stopping is not None or self._givenUp:
            return
        try:
            berth.worker = self._start(self, berth.number)
        except OSError as error:
            self._failed(berth, f"{error.filename or 'a process'}: {error.strerror}", True)

    def _manLater(self, berth: _Berth) -> None:
        # The first time at once, too: others may be waiting.
        seconds = min(2 ** (berth.failures - 1), _LONGEST_SECONDS) if berth.failures else 0
        berth.failures += 1
        berth.coming = self._reactor.callLater(seconds, self._man, berth)

    def _failed(self, berth: _Berth, said: str, byItself: bool) -> None:
        """
        @param said: why the one who was to come will not serve.
        @param byItself: it has found that out, and was not killed by somebody.
        """
        if self._givenUp:
            return
        self._hopeless += 1
        if self._isHopeless(byItself):
            self._givenUp = True
            self._giveUp(f"no worker can be started: {said}")
        else:
            self._manLater(berth)

    def _isHopeless(self, byItself: bool) -> bool:
        """What is wrong with the first of them is wrong with all."""
        if any(each.since is not None for each in self._berths):
            return False
        return (byItself and not self.whenServing.called) or self._hopeless >= _HOPELESS

    def _alive(self) -> list[Worker]:
        return [each.worker for each in self._berths if each.worker is not None]

    def _killAll(self) -> None:
        self._killing = None
        for each in self._alive():
            each.kill()

    def _lookWhetherAllEnded(self) -> None:
        if self._stopping is None or self._alive():
            return
        if self._killing is not None:
            self._killing.cancel()
            self._killing = None
        stopping = self._stopping
        if not stopping.called:
            stopping.callback(None)


def _gone(failure: Failure) -> dict[str, list[str]]:
    """Whoever takes its place reads everything anew."""
    failure.trap(ConnectionClosed, AmpError)
    return {"faults": []}


def _faults(answers: list[dict[str, list[str]]]) -> list[str]:
    # The same in each worker is said once, in the order in which it was found.
    return list(dict.fromkeys(fault for each in answers for fault in each["faults"]))
