"""
An administrator at the socket of C{--control}.

One line of JSON asks, and lines of JSON answer, until the trace or the connection is
over. The kernel says who asks: root, or whoever the service runs as.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import struct
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IDelayedCall, IPushProducer, IReactorTime
from twisted.internet.protocol import ServerFactory
from twisted.internet.task import LoopingCall
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure
from zope.interface import implementer

from ..errors import SettingError
from ..hits import hit
from ..limits import Limits
from ..operations.audit import Audit
from ..operations.questions import Questions
from .trace import Target
from .traces import LINES_AT_ONCE, TRACE, TRACE_END

_POLL_SECONDS = 0.5
# From the connection to the question.
_ASK_SECONDS = 10
_QUESTION_OCTETS = 4096
# struct ucred of Linux: the process, the user, the group.
_CREDENTIALS = struct.Struct("=iII")


class AskerFactory(ServerFactory):
    """@ivar connections: those who are there."""

    noisy = False

    def __init__(
        self,
        questions: Questions,
        audit: Audit,
        limits: Callable[[], Limits],
        clock: IReactorTime,
    ) -> None:
        self.questions = questions
        self.audit = audit
        self.limits = limits
        self.clock = clock
        self.connections: set[Asker] = set()

    def buildProtocol(self, addr: IAddress | None) -> Asker | None:
        if len(self.connections) >= self.limits().controlConnections:
            hit("controlConnections")
            return None
        return Asker(self)

    def endAll(self) -> None:
        """The service ends."""
        for each in list(self.connections):
            each.stop()


@implementer(IPushProducer)
class Asker(LineOnlyReceiver):
    """One administrator who asks for one trace."""

    delimiter = b"\n"
    MAX_LENGTH = _QUESTION_OCTETS
    # A socket's; no interface of Twisted names what is used of it.
    transport: Any

    def __init__(self, factory: AskerFactory) -> None:
        self.factory: Any = factory
        self._all = factory
        self._uid = -1
        self._id = secrets.token_hex(6)
        self._trace: dict[str, Any] | None = None
        self._of = ""
        self._toLog = False
        self._began: dict[str, Any] = {}
        self._full = False
        self._lines = self._lost = 0
        self._deadline: IDelayedCall | None = None
        self._polling = LoopingCall(self._poll)
        self._polling.clock = factory.clock

    def connectionMade(self) -> None:
        self._all.connections.add(self)
        self.transport.registerProducer(self, True)
        self._deadline = self._all.clock.callLater(_ASK_SECONDS, self.transport.abortConnection)
        self._uid = self.peerUser()
        if self._uid not in (0, os.geteuid()):
            self._refuse("only root, and the user that the service runs as, may ask")

    def peerUser(self) -> int:
        """@return: the user id of whoever is connected, as the kernel knows it."""
        octets = self.transport.socket.getsockopt(
            socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size
        )
        uid: int = _CREDENTIALS.unpack(octets)[1]
        return uid

    def lineReceived(self, line: bytes) -> None:
        if self._trace is not None or self.transport.disconnecting:
            return
        try:
            question = json.loads(line)
            if not isinstance(question, dict) or question.pop("do", None) != "trace":
                raise SettingError("the question is none of this version; update pop3svc")
            self._begin(question)
        except (ValueError, RecursionError) as error:
            self._refuse(str(error))

    def connectionLost(self, reason: Failure | None = None) -> None:
        self._all.connections.discard(self)
        self._stopTimers()
        self._over("stopped")

    def stop(self) -> None:
        """The service ends, and with it the trace."""
        self._over("stopped")
        self._stopTimers()
        self._hangUp()

    # What the transport calls.

    def pauseProducing(self) -> None:
        """The administrator's terminal is slow; lines wait where they are, or are lost."""
        self._full = True

    def resumeProducing(self) -> None:
        self._full = False

    def stopProducing(self) -> None:
        """C{connectionLost} comes."""

    # A trace.

    def _begin(self, question: dict[str, Any]) -> None:
        """@raise SettingError: there can be no such trace."""
        target = Target.parse(question)
        seconds, most = question.get("seconds"), self._all.limits().traceSeconds
        if not isinstance(seconds, int) or isinstance(seconds, bool) or not 0 < seconds <= most:
            raise SettingError(f"a trace lasts from 1 s to {most} s, the limit trace-seconds")
        self._of, self._toLog = str(target), question.get("toLog") is True
        self._trace = {"id": self._id, **vars(target)}
        self._stopTimers()
        self._deadline = self._all.clock.callLater(seconds, self._timeIsOver)
        self._all.audit.traceBegan(self._id, self._of, self._uid, seconds)
        self._began = {"began": self._id, "of": self._of, "seconds": seconds}
        self._polling.start(_POLL_SECONDS)

    def _poll(self) -> Deferred[None]:
        most = 0 if self._full else LINES_AT_ONCE
        asked = self._all.questions.askAll(TRACE, {**(self._trace or {}), "most": most})
        return asked.addCallbacks(self._cbTaken, self._ebNobody)

    def _cbTaken(self, answers: list[dict[str, Any]]) -> None:
        if self._trace is None:
            return
        for answer in answers:
            if "refused" in answer:
                self._over("stopped")
                self._refuse(answer["refused"])
                return
        if answers and self._began:
            # Whatever is said from now on is shown.
            self._tell(self._began)
            self._began = {}
        # By time: the workers know nothing of each other.
        lines = [line for answer in answers for line in answer["lines"]]
        lines.sort(key=lambda line: line[0])
        lost = sum(answer["lost"] for answer in answers)
        self._lines += len(lines)
        self._lost += lost
        if self._toLog:
            for _, session, source, text in lines:
                self._all.audit.trace(self._id, session, source, text)
        elif lines or lost:
            self._tell({"lines": lines, "lost": lost})

    def _ebNobody(self, failure: Failure) -> None:
        self._refuse(f"the service could not be asked: {failure.getErrorMessage()}")

    def _timeIsOver(self) -> None:
        """What came since the last look is still told."""
        self._deadline = None
        if self._polling.running:
            self._polling.stop()
        self._poll().addCallback(lambda _: self._finish())

    def _finish(self) -> None:
        if self._trace is None:
            return
        self._over("over")
        self._tell({"ended": "over", "lines": self._lines, "lost": self._lost})
        self._hangUp()

    def _over(self, reason: str) -> None:
        """Once, if there was a trace."""
        trace, self._trace = self._trace, None
        if trace is None:
            return
        self._all.questions.askAll(TRACE_END, {"id": self._id}).addErrback(lambda _: None)
        self._all.audit.traceEnded(self._id, self._of, self._lines, self._lost, reason)

    def _refuse(self, sentence: str) -> None:
        self._over("stopped")
        self._stopTimers()
        self._tell({"refused": sentence})
        self._hangUp()

    def _stopTimers(self) -> None:
        if self._polling.running:
            self._polling.stop()
        deadline, self._deadline = self._deadline, None
        if deadline is not None and deadline.active():
            deadline.cancel()

    def _hangUp(self) -> None:
        """Once all is sent. A transport waits for a producer that it has paused."""
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def _tell(self, answer: dict[str, Any]) -> None:
        self.transport.write(json.dumps(answer).encode() + b"\n")
