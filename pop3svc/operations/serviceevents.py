"""
The events of the audit log that are about the service, or about somebody who is not served.
"""

from __future__ import annotations

from .reasons import CROWDS, TRACE_ENDS, WORKER_ENDS
from .schema import Event, Field, reason
from .sessionevents import SESSION

_PEER = Field("peer", str, "the peer's address; unix for a UNIX socket")
_ENDPOINT = Field("endpoint", str, "the listener's, as in the configuration")
_TEXT = Field("text", str, "what is wrong, and what to do")
_WORKER = Field("worker", int, "its number, from 1; whoever takes its place has the same")
_PID = Field("pid", int, "of the process")
_TRACE = Field("trace", str, "the trace's id")

SERVICE_EVENTS = (
    Event(
        "connection-refused",
        ("warn",),
        "There are too many connections, or had been when this one had to go.",
        "A connection from {peer} was refused: {reason}.",
        (_PEER, reason("the limit that is reached")),
        {"peer": "192.0.2.7", "reason": "connections-per-network"},
        reasons=CROWDS,
    ),
    Event(
        "stranger-refused",
        ("warn",),
        "Somebody outside the networks of a listener connected to it.",
        "A connection from {peer} was refused: it is outside the listener's networks.",
        (_PEER,),
        {"peer": "192.0.2.7"},
        todo="Add the network to networks of the listener, if it is one of yours.",
    ),
    Event(
        "listening",
        ("info",),
        "A listener is open.",
        "The service began to listen on {endpoint}.",
        (_ENDPOINT, Field("tls", str, "none, stls or implicit")),
        {"endpoint": "tcp:995", "tls": "implicit"},
        always=True,
    ),
    Event(
        "listening-failed",
        ("critical",),
        "The service ends, because it cannot listen everywhere.",
        "The service could not listen on {endpoint}: {text}",
        (_ENDPOINT, _TEXT),
        {
            "endpoint": "tcp:995",
            "text": "Couldn't listen on any:995: [Errno 98] Address already in use.",
        },
        todo="Stop whatever has that port (ss -ltnp shows it), or name another.",
        always=True,
    ),
    Event(
        "accept-failed",
        ("error",),
        "The kernel has no descriptor, or no memory, for one more connection.",
        "A connection to {endpoint} could not be accepted: {text}",
        (_ENDPOINT, _TEXT),
        {"endpoint": "tcp:110", "text": "EMFILE encountered while accepting connection"},
        todo="Raise LimitNOFILE of the unit, or lower the limit connections.",
    ),
    Event(
        "descriptors-short",
        ("critical",),
        "There are fewer file descriptors than the limit connections needs.",
        "File descriptors are short: {text}",
        (_TEXT,),
        {
            "text": "1024 file descriptors suffice for 487 connections, not 2000;"
            " raise the limit of open files"
        },
        todo="Raise LimitNOFILE of the unit, or lower the limit connections.",
        always=True,
    ),
    Event(
        "reloaded",
        ("info",),
        "Certificates, password files and limits were read again.",
        "The service read its files again.",
        (),
        {},
        always=True,
    ),
    Event(
        "reload-failed",
        ("error",),
        "A new file is bad, and the old one stays.",
        "A new file is bad, and the old one stays: {text}",
        (_TEXT,),
        {"text": "cannot read /etc/pop3svc/chain.pem: Permission denied"},
        todo="Mend what the text names, and reload once more.",
        always=True,
    ),
    Event(
        "worker-started",
        ("info",),
        "A process of --workers serves.",
        "Worker {worker} began to serve.",
        (_WORKER, _PID),
        {"worker": 1, "pid": 4711},
        always=True,
    ),
    Event(
        "worker-hung",
        ("error",),
        "A process of --workers does not answer, and is killed.",
        "Worker {worker} did not answer any more, and was killed.",
        (_WORKER, _PID),
        {"worker": 1, "pid": 4711},
        always=True,
    ),
    Event(
        "worker-ended",
        ("error",),
        "A process of --workers has died, with its sessions; another takes its place.",
        "Worker {worker} has died, with its sessions: {reason}.",
        (_WORKER, _PID, reason("why"), Field("status", int, "the exit status, or the signal")),
        {"worker": 1, "pid": 4711, "reason": "signal", "status": 9},
        reasons=WORKER_ENDS,
        always=True,
    ),
    Event(
        "certificate-ends",
        ("warn", "error"),
        "A certificate ends within 14 days, or has ended (an error). Told once a day.",
        "The certificate {certificate} ends in {days} days.",
        (
            Field("certificate", str, "its file"),
            Field("days", int, "until it ends; negative when it has ended"),
        ),
        {"certificate": "/etc/pop3svc/chain.pem", "days": 13},
        todo="Renew it; the new file is taken over by itself.",
        always=True,
    ),
    Event(
        "throttle-state-failed",
        ("warn",),
        "What is known about guessers is not read, or is not kept for the next start.",
        "What is known about guessers is not kept: {text}",
        (_TEXT,),
        {"text": "cannot write /var/lib/pop3svc/throttle: No space left on device"},
        todo="Mend what the text names; until then a restart forgets guessers.",
    ),
    Event(
        "left-out",
        ("warn",),
        "Of a flood of one kind of event the first of a second was told, and the others were"
        " counted.",
        "{count} more events of the kind {class} were left out ({of}).",
        (
            Field("class", str, "the event, and behind a slash its reason"),
            Field("of", str, "whose: a network and a user, a session; * for many"),
            Field("count", int, "how many were not told"),
        ),
        {"class": "login-refused/wrong", "of": "192.0.2.7 karl", "count": 41},
        always=True,
    ),
    Event(
        "trace-began",
        ("info",),
        "An administrator lets lines of sessions be shown; see docs/logs.rst.",
        "A trace of {of} began.",
        (
            _TRACE,
            Field("of", str, "the user, network or session"),
            Field("uid", int, "who asked for it"),
            Field("seconds", int, "for so long at the most"),
        ),
        {"trace": "b5bb9d8014a0", "of": "user karl", "uid": 0, "seconds": 600},
        always=True,
    ),
    Event(
        "trace",
        ("info",),
        "A line of a session that is traced into this log. Nothing secret is in it.",
        "{from}: {text}",
        (
            _TRACE,
            SESSION,
            Field("from", str, "C for the client, S for the service, * for a remark"),
            Field("text", str, "the line, as far as it is shown"),
        ),
        {
            "trace": "b5bb9d8014a0",
            "session": "9f86d081884c",
            "from": "C",
            "text": "PASS (hidden, 12 octets)",
        },
        always=True,
    ),
    Event(
        "trace-ended",
        ("info",),
        "A trace is over.",
        "A trace of {of} ended: {reason}.",
        (
            _TRACE,
            Field("of", str, "the user, network or session"),
            Field("lines", int, "how many were shown"),
            Field("lost", int, "how many were not, because they came too fast"),
            reason("why"),
        ),
        {
            "trace": "b5bb9d8014a0",
            "of": "user karl",
            "lines": 42,
            "lost": 0,
            "reason": "over",
        },
        reasons=TRACE_ENDS,
        always=True,
    ),
)
