"""
The audit log: one function an event, one line an event, stable fields.

C{text} is C{key=value}, C{json} has the same keys. Octets of a client appear
only as values that are escaped to printable ASCII, so that no record is ever
two lines; passwords, tokens and the lines of an exchange never appear.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from constantly import NamedConstant
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from ..limits import Limits
from .auditfile import AuditFile
from .floods import LeftOut
from .sieve import Sieve, whose

Format = Literal["text", "json"]
Value = str | int | float

# A checker of somebody else may say what it likes; a log line stays a line.
_DETAIL_LETTERS = 200

_PLAIN = re.compile(r"[!#-<>-\[\]-~]+\Z")


def _text(record: dict[str, Value]) -> str:
    return " ".join([f"{key}={_word(value)}" for key, value in record.items()])


def _word(value: Value) -> str:
    if not isinstance(value, str):
        return str(value)
    return value if _PLAIN.match(value) else json.dumps(value)


_FORMATS: dict[str, Callable[[dict[str, Value]], str]] = {"text": _text, "json": json.dumps}


@dataclass
class Subject:
    """
    Whom an event is about.

    @ivar session: the session's id, the same in all of its events.
    @ivar peer: the peer's address.
    @ivar tls: the version of TLS, or C{none}.
    @ivar user: the name given to log in.
    @ivar mechanism: how it was given: C{USER} or the SASL mechanism's name.
    @ivar credential: the name of the application password that was used; empty
        for the main one, and then in no record.
    """

    session: str
    peer: str
    tls: str = "none"
    user: bytes = b""
    mechanism: str = ""
    credential: str = ""


class Audit:
    """
    Where the service tells what happened.

    @ivar sieve: what keeps a flood of events out of the log.
    @ivar counts: class of events -> how many there were, told or not; see L{Sieve}.
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
        self._format = _FORMATS[logFormat]
        self._isText = logFormat == "text"
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
        self._write(LogLevel.warn, "connection-refused", {"peer": peer, "reason": reason})

    def strangerRefused(self, peer: str) -> None:
        """Somebody outside a listener's networks connected to it."""
        self._write(LogLevel.warn, "stranger-refused", {"peer": peer})

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

    def login(self, subject: Subject, messages: int, octets: int) -> None:
        """Somebody logged in, and the maildrop is open."""
        self._write(
            LogLevel.info, "login", {**_login(subject), "messages": messages, "octets": octets}
        )

    def loginRefused(self, subject: Subject, reason: str, detail: str = "") -> None:
        """
        @param reason: C{wrong}, C{in-use}, C{temporary} or C{permanent}.
        @param detail: what the checker said about it, if it said anything.
        """
        record = {**_login(subject), "reason": reason}
        if detail:
            record["detail"] = detail[:_DETAIL_LETTERS]
        self._write(LogLevel.info, "login-refused", record)

    def throttled(self, subject: Subject, delay: float, reason: str) -> None:
        """
        Somebody must wait before a password is checked, or is not even checked.

        @param delay: in seconds, as far as can be told beforehand.
        @param reason: C{network} or C{user} has failed too often; C{crowded}: too many
            wait already, and C{banned}: after that time it is refused.
        """
        record = {**_login(subject), "delay": round(delay, 1), "reason": reason}
        self._write(LogLevel.info, "throttled", record)

    def banned(self, subject: Subject, network: str, seconds: int) -> None:
        """A network has failed so often that nothing of it is checked for a while."""
        record = {**_connection(subject), "network": network, "seconds": seconds}
        self._write(LogLevel.warn, "banned", record)

    def throttleStateFailed(self, text: str) -> None:
        """What the throttle knew is not read, or is not kept for the next start."""
        self._write(LogLevel.warn, "throttle-state-failed", {"text": text})

    def logout(
        self,
        subject: Subject,
        reason: str,
        retrieved: int,
        retrievedOctets: int,
        deleted: int,
        left: int,
        seconds: float,
    ) -> None:
        """
        A session that had logged in is over.

        @param reason: C{quit}, or why it ended without UPDATE.
        """
        self._write(
            LogLevel.info,
            "logout",
            {
                **_login(subject),
                "reason": reason,
                "retrieved": retrieved,
                "retrievedOctets": retrievedOctets,
                "deleted": deleted,
                "left": left,
                "seconds": round(seconds, 3),
            },
        )

    def abuse(self, subject: Subject, reason: str) -> None:
        """A connection was ended because of what the peer sent or did not send."""
        self._write(LogLevel.warn, "abuse", {**_connection(subject), "reason": reason})

    def storeFault(
        self, subject: Subject, operation: str, text: str, lasting: bool = False
    ) -> None:
        """
        The store could not do what it was asked for.

        @param operation: C{open}, C{retrieve}, C{relent}, C{reclaim}, C{remove} or C{close}.
        @param text: what it said about it, for the administrator.
        @param lasting: it stays so until somebody does something.
        """
        self._write(
            LogLevel.error if lasting else LogLevel.warn,
            "store-fault",
            {
                "session": subject.session,
                "user": _printable(subject.user),
                "operation": operation,
                "text": text,
            },
        )

    def checkerFault(self, subject: Subject, text: str) -> None:
        """A checker could not say whether a claim is good."""
        self._write(LogLevel.warn, "checker-fault", {**_login(subject), "text": text})

    def fault(self, subject: Subject, during: str, failure: Failure | None = None) -> None:
        """
        A fault of ours, logged with its traceback, in which no octet of a
        client stands.

        @param during: what was being done.
        @param failure: by default the exception that is being handled.
        """
        failure = failure or Failure()
        record: dict[str, Value] = {**_connection(subject), "during": during}
        # One traceback of each kind; whose session it was does not matter.
        if self.sieve.lets("fault", during, lambda: type(failure.value).__name__):
            self._log.failure("{line}", failure, line=self._line("fault", record))
            if self._file is not None:
                self._emit(self._file, LogLevel.critical, "fault", record)

    def _write(self, level: NamedConstant, event: str, record: dict[str, Value]) -> None:
        """Every event comes through here."""
        detail = record.get("reason") or record.get("operation")
        if not self.sieve.lets(event, detail, lambda: whose(record)):
            return
        if self._file is None:
            self._log.emit(level, "{line}", line=self._line(event, record))
        else:
            self._emit(self._file, level, event, record)

    def _emit(
        self, file: AuditFile, level: NamedConstant, event: str, record: dict[str, Value]
    ) -> None:
        if self._isText:
            file.write(f"{file.time()} level={level.name} {self._line(event, record)}")
        else:
            stamp: dict[str, Value] = {"time": file.time(), "level": level.name}
            file.write(self._format({**stamp, "event": event, **record}))

    def _leftOut(self, what: LeftOut) -> None:
        record: dict[str, Value] = {"class": what.event, "of": what.who, "count": what.count}
        self._write(LogLevel.warn, "left-out", record)

    def _line(self, event: str, record: dict[str, Value]) -> str:
        return self._format({"event": event, **record})


def _printable(octets: bytes) -> str:
    return octets.decode("utf-8", "backslashreplace")


def _connection(subject: Subject) -> dict[str, Value]:
    return {"session": subject.session, "peer": subject.peer, "tls": subject.tls}


def _login(subject: Subject) -> dict[str, Value]:
    return {
        **_connection(subject),
        "user": _printable(subject.user),
        "mechanism": subject.mechanism,
        **({"credential": subject.credential} if subject.credential else {}),
    }
