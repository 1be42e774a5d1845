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
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

Format = Literal["text", "json"]
Value = str | int | float

# A checker of somebody else may say what it likes; a log line stays a line.
_DETAIL_LETTERS = 200

_PLAIN = re.compile(r"[!#-<>-\[\]-~]+\Z")


def _text(record: dict[str, Value]) -> str:
    return " ".join(
        f"{key}={value if isinstance(value, str) and _PLAIN.match(value) else json.dumps(value)}"
        for key, value in record.items()
    )


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
    """Where the service tells what happened."""

    _log = Logger(namespace="pop3svc.audit")

    def __init__(self, logFormat: Format = "text") -> None:
        self._format = _FORMATS[logFormat]

    def listening(self, endpoint: str, tls: str) -> None:
        """@param tls: C{none}, C{stls} or C{implicit}."""
        self._write(LogLevel.info, "listening", {"endpoint": endpoint, "tls": tls})

    def listeningFailed(self, endpoint: str, text: str) -> None:
        """The service ends, because it cannot listen everywhere."""
        self._write(LogLevel.critical, "listening-failed", {"endpoint": endpoint, "text": text})

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

    def storeFault(self, subject: Subject, operation: str, text: str) -> None:
        """
        The store could not do what it was asked for.

        @param operation: C{open}, C{retrieve} or C{remove}.
        @param text: what it said about it, for the administrator.
        """
        self._write(
            LogLevel.warn,
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
        record: dict[str, Value] = {"event": "fault", **_connection(subject), "during": during}
        self._log.failure("{line}", failure, line=self._format(record))

    def _write(self, level: NamedConstant, event: str, record: dict[str, Value]) -> None:
        self._log.emit(level, "{line}", line=self._format({"event": event, **record}))


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
