"""
The part of the audit log that is about the service, and how any record is written.
"""

from __future__ import annotations

from constantly import NamedConstant
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger, LogLevel

from ..limits import Limits
from ..peers import networkOf
from .auditfile import AuditFile
from .floods import LeftOut
from .formats import Format, asLine
from .schema import Value
from .sieve import Sieve, whose
from .tally import Tally


class ServiceAudit:
    """
    @ivar sieve: what keeps a flood of events out of the log.
    @ivar counts: class of events -> how many there were, told or not; see L{Sieve}.
    @ivar tally: what else is counted.
    """

    _log = Logger(namespace="pop3svc.audit")

    def __init__(
        self,
        logFormat: Format = "text",
        clock: IReactorTime | None = None,
        file: AuditFile | None = None,
    ) -> None:
        """
        @param clock: see L{Sieve}.
        @param file: where the lines go; else to Twisted's log, among all others.
        """
        self.sieve = Sieve(self._leftOut, clock)
        self.counts = self.sieve.counts
        self.tally = Tally() if clock is None else Tally(clock.seconds)
        self._format = logFormat
        self._file = file

    def useLimits(self, limits: Limits) -> None:
        """How much of a flood is told, from now on."""
        self.sieve.guard.networks = limits.logNetworks

    def listening(self, endpoint: str, tls: str) -> None:
        """@param tls: C{none}, C{stls} or C{implicit}."""
        self._write(LogLevel.info, "listening", {"endpoint": endpoint, "tls": tls})

    def listeningFailed(self, endpoint: str, text: str) -> None:
        """The service ends, because it cannot listen everywhere."""
        self._write(LogLevel.critical, "listening-failed", {"endpoint": endpoint, "text": text})

    def descriptorsShort(self, text: str) -> None:
        """@param text: for how many connections they suffice, and what to do."""
        self._write(LogLevel.critical, "descriptors-short", {"text": text})

    def acceptFailed(self, endpoint: str, text: str) -> None:
        """The kernel has no descriptor, or no memory, for one more connection."""
        self._write(LogLevel.error, "accept-failed", {"endpoint": endpoint, "text": text})

    def connectionRefused(self, peer: str, reason: str) -> None:
        """
        There are too many connections.

        @param reason: the limit that is reached, C{descriptors} when those have run
            out, or C{crowded-out} for one that was served until another came.
        """
        self._countRefused(peer)
        self._write(LogLevel.warn, "connection-refused", {"peer": peer, "reason": reason})

    def strangerRefused(self, peer: str) -> None:
        """Somebody outside a listener's networks connected to it."""
        self._countRefused(peer)
        self._write(LogLevel.warn, "stranger-refused", {"peer": peer})

    def workerStarted(self, number: int, pid: int) -> None:
        """One of C{--workers} serves."""
        self._write(LogLevel.info, "worker-started", {"worker": number, "pid": pid})

    def workerEnded(self, number: int, pid: int, reason: str, status: int) -> None:
        """
        A worker is gone, and another takes its place.

        @param reason: C{exit}, C{signal}, or C{hung} when it was killed for that.
        @param status: the exit status, or the signal's number.
        """
        record: dict[str, Value] = {"worker": number, "pid": pid, "reason": reason}
        record["status"] = status
        self._write(LogLevel.error, "worker-ended", record)

    def workerHung(self, number: int, pid: int) -> None:
        """A worker does not answer, and is killed."""
        self._write(LogLevel.error, "worker-hung", {"worker": number, "pid": pid})

    def reloaded(self) -> None:
        """Certificates, password files and limits were read again."""
        self._write(LogLevel.info, "reloaded", {})

    def reloadFailed(self, text: str) -> None:
        """
        A new file is bad, and the old one stays.

        @param text: what is wrong with it.
        """
        self._write(LogLevel.error, "reload-failed", {"text": text})

    def certificateEnds(self, certificate: str, days: int) -> None:
        """@param days: until it ends; negative when it has ended."""
        level = LogLevel.warn if days >= 0 else LogLevel.error
        self._write(level, "certificate-ends", {"certificate": certificate, "days": days})

    def throttleStateFailed(self, text: str) -> None:
        """What the throttle knew is not read, or is not kept for the next start."""
        self._write(LogLevel.warn, "throttle-state-failed", {"text": text})

    def traceBegan(self, trace: str, of: str, uid: int, seconds: int) -> None:
        """
        @param of: the user, network or session that is traced.
        @param uid: who asked for it.
        """
        record: dict[str, Value] = {"trace": trace, "of": of, "uid": uid, "seconds": seconds}
        self._write(LogLevel.info, "trace-began", record)

    def trace(self, trace: str, session: str, source: str, text: str) -> None:
        """@param source: C{C}, C{S} or C{*}; see L{pop3svc.tracing}."""
        record: dict[str, Value] = {"trace": trace, "session": session, "from": source}
        record["text"] = text
        self._write(LogLevel.info, "trace", record)

    def traceEnded(self, trace: str, of: str, lines: int, lost: int, reason: str) -> None:
        """@param reason: C{over} or C{stopped}."""
        record: dict[str, Value] = {"trace": trace, "of": of, "lines": lines, "lost": lost}
        record["reason"] = reason
        self._write(LogLevel.info, "trace-ended", record)

    def _countRefused(self, peer: str) -> None:
        self.tally.refusedNetworks.add(networkOf(peer) or peer)

    def _write(self, level: NamedConstant, event: str, record: dict[str, Value]) -> None:
        """Every event comes through here."""
        detail = record.get("reason") or record.get("operation")
        if not self.sieve.lets(event, detail, lambda: whose(record)):
            return
        if self._file is None:
            self._log.emit(level, "{line}", line=asLine(self._format, event, record))
        else:
            self._emit(self._file, level, event, record)

    def _emit(
        self, file: AuditFile, level: NamedConstant, event: str, record: dict[str, Value]
    ) -> None:
        stamp: dict[str, Value] = {"time": file.time(), "level": level.name}
        file.write(asLine(self._format, event, record, stamp))

    def _leftOut(self, what: LeftOut) -> None:
        record: dict[str, Value] = {"class": what.event, "of": what.who, "count": what.count}
        self._write(LogLevel.warn, "left-out", record)
