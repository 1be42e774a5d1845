"""
The audit log: one function an event, one line an event, stable fields: those of
L{pop3svc.operations.events}.

C{text} is C{key=value}, C{json} has the same keys. Octets of a client appear
only as values that are escaped to printable ASCII, so that no record is ever
two lines; passwords, tokens and the lines of an exchange never appear.
"""

from __future__ import annotations

from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime
from twisted.logger import LogLevel
from twisted.python.failure import Failure

from .auditfile import AuditFile
from .formats import Format, asLine
from .schema import Value
from .serviceaudit import ServiceAudit

# A checker of somebody else may say what it likes; a log line stays a line.
_DETAIL_LETTERS = 200


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


class Audit(ServiceAudit):
    """
    Where the service tells what happened.

    @ivar holders: user -> the session of this process that has logged in last.
    """

    def __init__(
        self,
        logFormat: Format = "text",
        clock: IReactorTime | None = None,
        file: AuditFile | None = None,
    ) -> None:
        super().__init__(logFormat, clock, file)
        self.holders: dict[bytes, str] = {}

    def login(self, subject: Subject, messages: int, octets: int) -> None:
        """Somebody logged in, and the maildrop is open."""
        self.holders[subject.user] = subject.session
        self.tally.logins[subject.mechanism, subject.tls] += 1
        self._write(
            LogLevel.info, "login", {**_login(subject), "messages": messages, "octets": octets}
        )

    def loginRefused(self, subject: Subject, reason: str, detail: str = "") -> None:
        """
        @param reason: C{wrong}, C{in-use}, C{temporary} or C{permanent}.
        @param detail: what the checker said about it, if it said anything.
        """
        self._countRefused(subject.peer)
        record = {**_login(subject), "reason": reason}
        if detail:
            record["detail"] = detail[:_DETAIL_LETTERS]
        if reason == "in-use" and subject.user in self.holders:
            record["holder"] = self.holders[subject.user]
        self._write(LogLevel.info, "login-refused", record)

    def throttled(self, subject: Subject, delay: float, reason: str) -> None:
        """
        Somebody must wait before a password is checked, or is not even checked.

        @param delay: in seconds, as far as can be told beforehand.
        @param reason: C{network} or C{user} has failed too often; C{crowded}: too many
            wait already, and C{banned}: after that time it is refused.
        """
        self._countRefused(subject.peer)
        record = {**_login(subject), "delay": round(delay, 1), "reason": reason}
        self._write(LogLevel.info, "throttled", record)

    def banned(self, subject: Subject, network: str, seconds: int) -> None:
        """A network has failed so often that nothing of it is checked for a while."""
        record = {**_connection(subject), "network": network, "seconds": seconds}
        self._write(LogLevel.warn, "banned", record)

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
        self.tally.sessionSeconds.observe(seconds)
        record: dict[str, Value] = {
            **_login(subject),
            "reason": reason,
            "retrieved": retrieved,
            "retrievedOctets": retrievedOctets,
            "deleted": deleted,
            "left": left,
            "seconds": round(seconds, 3),
        }
        holder = self.holders.get(subject.user)
        if holder == subject.session:
            del self.holders[subject.user]
        elif holder is not None and reason == "taken-over":
            record["by"] = holder
        self._write(LogLevel.info, "logout", record)

    def ended(self, subject: Subject, reason: str, seconds: float, withheld: str) -> None:
        """
        A connection is over on which nobody logged in, and which was no abuse.

        @param seconds: since it began.
        @param withheld: the way to log in that was asked for and is not offered
            there; empty for none.
        """
        record = {**_connection(subject), "reason": reason, "seconds": round(seconds, 3)}
        if withheld:
            record["withheld"] = withheld
        self._write(LogLevel.info, "ended", record)

    def abuse(self, subject: Subject, reason: str) -> None:
        """A connection was ended because of what the peer sent or did not send."""
        self._countRefused(subject.peer)
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
            self._log.failure("{line}", failure, line=asLine(self._format, "fault", record))
            if self._file is not None:
                self._emit(self._file, LogLevel.critical, "fault", record)


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
