"""
What is measured: the one table, of which C{/metrics} and C{docs/metrics.rst} are made.

Labels are words of ours, or of the administrator's configuration; never anything that a
client has sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..operations.tally import LOGIN_SECONDS, SESSION_SECONDS

Kind = Literal["counter", "gauge", "histogram"]

# Most turns of a reactor take less than a millisecond.
DELAY_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)


@dataclass(frozen=True)
class Measure:
    """
    @ivar name: as Prometheus wants it, with C{_total} behind that of a counter.
    @ivar text: one sentence.
    @ivar merge: how the numbers of several processes become one; counters and histograms
        are added up.
    @ivar bounds: of a histogram.
    """

    name: str
    kind: Kind
    text: str
    labels: tuple[str, ...] = ()
    merge: Literal["sum", "max", "min"] = "sum"
    bounds: tuple[float, ...] = ()


_ALL = (
    # Connections and sessions.
    Measure("connections", "gauge", "Connections open now, by listener.", ("listener",)),
    Measure(
        "connections_accepted_total",
        "counter",
        "Connections that were served, by listener.",
        ("listener",),
    ),
    Measure(
        "connections_refused_total",
        "counter",
        "Connections that were not served, or had to make room: by the limit that was reached,"
        " by descriptors, or networks (nobody from there may connect).",
        ("reason",),
    ),
    Measure("sessions", "gauge", "Connections where somebody is logged in now."),
    Measure(
        "sessions_ended_total",
        "counter",
        "Sessions that are over, by their end; all but quit ended without UPDATE.",
        ("end",),
    ),
    Measure(
        "strangers_ended_total",
        "counter",
        "Connections that ended before a login and were no abuse, by their end; who connects"
        " and goes, as monitors do, is not counted.",
        ("end",),
    ),
    Measure(
        "session_duration_seconds",
        "histogram",
        "Seconds from login to logout.",
        bounds=SESSION_SECONDS,
    ),
    Measure("tls_handshakes_total", "counter", "TLS handshakes completed.", ("version",)),
    # Logins.
    Measure(
        "logins_total",
        "counter",
        "Logins, by mechanism (USER is USER and PASS) and version of TLS.",
        ("mechanism", "tls"),
    ),
    Measure(
        "logins_refused_total",
        "counter",
        "Logins refused: wrong password or user, maildrop in use, for now, or until somebody"
        " mends the maildrop.",
        ("reason",),
    ),
    Measure(
        "login_duration_seconds",
        "histogram",
        "Seconds from a password to its answer, penalties and the grid of refusals included.",
        bounds=LOGIN_SECONDS,
    ),
    Measure(
        "throttled_total",
        "counter",
        "Logins that were made to wait, or not checked at all, because of wrong passwords.",
        ("reason",),
    ),
    Measure("bans_total", "counter", "Networks banned; see ban-failures."),
    Measure(
        "checker_faults_total",
        "counter",
        "Logins that no checker could decide: a directory is down, a queue full.",
    ),
    # Mail.
    Measure("retrieved_messages_total", "counter", "Messages sent whole."),
    Measure("retrieved_octets_total", "counter", "Octets of messages sent whole."),
    Measure("deleted_messages_total", "counter", "Messages removed."),
    Measure(
        "store_faults_total",
        "counter",
        "What a store could not do, by operation.",
        ("operation",),
    ),
    # Trouble.
    Measure(
        "abuse_total",
        "counter",
        "Connections ended because of what the peer sent or did not send.",
        ("reason",),
    ),
    Measure("faults_total", "counter", "Faults of the program; each is in the log."),
    Measure(
        "reloads_total", "counter", "Files read again, and what was wrong with them.", ("result",)
    ),
    Measure("events_total", "counter", "Events for the audit log, told or not.", ("event",)),
    Measure(
        "audit_lines_left_out_total", "counter", "Lines of floods that were counted, not written."
    ),
    Measure("audit_lines_lost_total", "counter", "Lines that could not be written."),
    # Bounds.
    Measure("limit", "gauge", "The limits in force.", ("limit",), "max"),
    Measure(
        "limit_used",
        "gauge",
        "How much of a limit is in use, where that can be told: of several processes or"
        " networks, the fullest.",
        ("limit",),
        "max",
    ),
    Measure(
        "limit_reached_total",
        "counter",
        "How often a limit was reached, for each that can be.",
        ("limit",),
    ),
    Measure("pool_pending", "gauge", "Work running or waiting for a thread.", ("pool",)),
    Measure("pool_bound", "gauge", "How much work there may be, running or waiting.", ("pool",)),
    Measure("pool_refused_total", "counter", "Work for which there was no place.", ("pool",)),
    Measure("descriptors", "gauge", "File descriptors open, in all serving processes."),
    Measure("descriptors_bound", "gauge", "File descriptors that they may have."),
    # The processes.
    Measure("workers", "gauge", "Serving processes that answer."),
    Measure("workers_expected", "gauge", "Serving processes that there should be.", merge="max"),
    Measure("workers_cpu_seconds_total", "counter", "CPU time of all serving processes."),
    Measure("workers_resident_bytes", "gauge", "Memory of all serving processes."),
    Measure(
        "reactor_delay_seconds",
        "histogram",
        "How late a timer was, asked for each second: how long everybody waits for the reactor.",
        bounds=DELAY_SECONDS,
    ),
    # The service.
    Measure("healthy", "gauge", "Whether /healthz says so.", merge="max"),
    Measure(
        "certificate_expiry_timestamp_seconds",
        "gauge",
        "When a certificate ends, in seconds since 1970.",
        ("certificate",),
        "min",
    ),
    Measure("http_requests_total", "counter", "Requests to these pages.", ("path", "code")),
    Measure(
        "build_info",
        "gauge",
        "Always 1; the labels tell the versions.",
        ("version", "twisted", "python"),
        "max",
    ),
)

PREFIX = "pop3svc_"
# Without the prefix -> the measure.
MEASURES: dict[str, Measure] = {each.name: each for each in _ALL}


def describe() -> str:
    """All of them, for C{docs/metrics.rst}."""
    return "\n".join(
        f"``{PREFIX}{each.name}{_braces(each.labels)}``\n    {_KINDS[each.kind]} {each.text}"
        for each in _ALL
    )


_KINDS = {"counter": "Counter.", "gauge": "Gauge.", "histogram": "Histogram."}


def _braces(labels: tuple[str, ...]) -> str:
    return "{" + ", ".join(labels) + "}" if labels else ""
