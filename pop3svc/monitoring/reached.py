"""
Where it is counted that a limit was reached: in the audit log's classes of events, in
pools, or by L{pop3svc.hits}. Each limit stands in exactly one of the tables here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..pools import Pool

# Field of Limits -> classes of events; see Sieve.counts.
BY_EVENTS: dict[str, tuple[str, ...]] = {
    "connections": ("connection-refused/connections", "connection-refused/crowded-out"),
    "connectionsPerNetwork": ("connection-refused/connections-per-network",),
    "loggingInPerNetwork": ("connection-refused/logging-in-per-network",),
    "spareDescriptors": ("connection-refused/descriptors",),
    "skippedOctets": ("abuse/line-too-long",),
    "handshakeSeconds": ("abuse/handshake-deadline",),
    "loginSeconds": ("abuse/login-deadline",),
    "idleSeconds": ("logout/idle",),
    "writeStallSeconds": ("abuse/write-stall",),
    "badCommandsBeforeLogin": ("abuse/bad-commands",),
    "loginAttempts": ("abuse/login-attempts",),
    "attemptsWaiting": ("throttled/crowded",),
    "banFailures": ("banned",),
    "proxySeconds": ("abuse/proxy-deadline",),
    "drainSeconds": ("logout/drain",),
    "drainLoginSeconds": ("ended/drain",),
    "hungSeconds": ("worker-hung",),
    "traceSeconds": ("trace-ended/over",),
}
# Field -> names of pools, those that stop at it.
BY_POOLS: dict[str, tuple[str, ...]] = {
    "hashQueue": ("passwords", "tokens", "password files"),
    "storeQueue": ("maildir", "mbox"),
    "checkerQueue": ("directory", "PAM", "databases"),
}
# Fields for which L{pop3svc.hits.hit} is called where it happens.
BY_HITS: frozenset[str] = frozenset(
    {
        *("refusedAtOnce", "logNetworks", "commandOctets", "saslLineOctets", "bufferedOctets"),
        *("takeoverSeconds", "closeSeconds", "penaltySecondsMost", "throttleEntries"),
        *("rememberedLogins", "rememberedOctets", "rememberedMessages", "maildropMessages"),
        *("shrinkPercent", "mboxLockSeconds", "checkerSeconds", "checkerOctets", "checkerQueue"),
        *("credentialsPerUser", "httpConnections", "httpSeconds", "controlConnections", "traces"),
    }
)
# Field -> why nothing is ever there that reaches it.
NEVER: dict[str, str] = {
    "badCommandsInARow": "counted with badCommandsBeforeLogin, as abuse/bad-commands",
    "attemptsAtOnce": "attempts wait then, and login_duration_seconds shows it",
    "forgetSeconds": "a half-life",
    "trustedSeconds": "an age, after which a user is like any other",
    "banSeconds": "how long a ban lasts",
    "answerGridMilliseconds": "a grid, on which every refusal waits",
    "throttleSaveSeconds": "how often a file is written",
    "hashThreads": "work waits then: pool_pending",
    "storeThreads": "work waits then: pool_pending",
    "checkerThreads": "work waits then: pool_pending",
    "rememberedSeconds": "an age, after which a password is checked again",
    "shrinkMessages": "counted with shrinkPercent; only both together are reached",
    "watchSeconds": "how often files are looked at",
    "heartbeatSeconds": "how often a worker is asked whether it is there",
    "traceLines": "the event trace-ended tells how many lines were lost",
    "traceLinesBefore": "how much is kept until it is known who it is",
    "traceLetters": "a line that is cut shows it",
    "unhealthyFaults": "/healthz and the metric healthy tell it",
}


def reached(
    counts: Mapping[str, int], hits: Mapping[str, int], pools: Iterable[Pool]
) -> dict[str, int]:
    """
    @param counts: class of events -> how many there were.
    @param hits: those of L{pop3svc.hits}.
    @return: field -> how often it was reached, for each that can be.
    """
    refused: dict[str, int] = {}
    for pool in pools:
        refused[pool.name] = refused.get(pool.name, 0) + pool.refused
    found = {name: hits.get(name, 0) for name in BY_HITS}
    for name, classes in BY_EVENTS.items():
        found[name] = sum(counts.get(each, 0) for each in classes)
    for name, pooled in BY_POOLS.items():
        found[name] = found.get(name, 0) + sum(refused.get(each, 0) for each in pooled)
    return found
