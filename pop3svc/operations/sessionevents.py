"""
The events of the audit log that are about one session.
"""

from __future__ import annotations

from .reasons import DELAYS, ENDS, OPERATIONS, REFUSALS
from .schema import Event, Field, Value, reason

SESSION = Field("session", str, "the session's id, the same in all of its events")
_CONNECTION = (
    SESSION,
    Field("peer", str, "the peer's address; unix for a UNIX socket"),
    Field("tls", str, "the version of TLS, or none"),
)
_LOGIN = (
    *_CONNECTION,
    Field("user", str, "the name that the client gave"),
    Field("mechanism", str, "USER for USER and PASS, APOP, or the SASL mechanism"),
    Field(
        *("credential", str, "the name of the application password"),
        optional=True,
        told="It was the application password {credential}.",
    ),
)

_SESSION: dict[str, Value] = {"session": "9f86d081884c", "peer": "192.0.2.7", "tls": "TLSv1.3"}
_KARL: dict[str, Value] = {**_SESSION, "user": "karl", "mechanism": "PLAIN"}

SESSION_EVENTS = (
    Event(
        "login",
        ("info",),
        "Somebody logged in, and the maildrop is open.",
        "{user} logged in by {mechanism}: {messages} messages, {octets} octets.",
        (
            *_LOGIN,
            Field("messages", int, "in the maildrop"),
            Field("octets", int, "their size, as POP3 counts it"),
        ),
        {**_KARL, "credential": "phone", "messages": 12, "octets": 34567},
        always=True,
    ),
    Event(
        "login-refused",
        ("info",),
        "A login was refused.",
        "A login as {user} by {mechanism} was refused: {reason}.",
        (
            *_LOGIN,
            reason("why"),
            Field(
                *("detail", str, "what the checker said; the client never sees it"),
                optional=True,
                told="The checker said: {detail}.",
            ),
            Field(
                *("holder", str, "the session that has the maildrop, where it is known"),
                optional=True,
                told="It is session {holder} that has it.",
            ),
        ),
        {**_KARL, "reason": "in-use", "holder": "60303ae22b99"},
        reasons=REFUSALS,
    ),
    Event(
        "throttled",
        ("info",),
        "Somebody must wait before a password is checked, or it is not even checked.",
        "A login as {user} by {mechanism} had to wait for {delay} s: {reason}.",
        (
            *_LOGIN,
            Field("delay", float, "in seconds, as far as can be told beforehand"),
            reason("why"),
        ),
        {**_KARL, "delay": 4.0, "reason": "network"},
        reasons=DELAYS,
    ),
    Event(
        "banned",
        ("warn",),
        "A network has failed so often that nothing of it is checked for a while.",
        "Its network {network} was banned for {seconds} s.",
        (
            *_CONNECTION,
            Field("network", str, "an IPv4 address, or an IPv6 /64"),
            Field("seconds", int, "for so long"),
        ),
        {**_SESSION, "network": "192.0.2.7", "seconds": 3600},
        todo="Lower ban-seconds, or set ban-failures to 0, if it hits the innocent; a restart"
        " without --throttle-state forgets it.",
        jail="pop3svc",
    ),
    Event(
        "logout",
        ("info",),
        "A session that had logged in is over.",
        "The session ended after {seconds} s: {reason}. Retrieved: {retrieved} messages"
        " ({retrievedOctets} octets); deleted: {deleted}; left: {left}.",
        (
            *_LOGIN,
            reason("quit, or why it ended without UPDATE, so that nothing was deleted"),
            Field("retrieved", int, "messages sent whole; TOP does not count"),
            Field("retrievedOctets", int, "their size"),
            Field("deleted", int, "messages removed at QUIT"),
            Field("left", int, "messages that are still there"),
            Field("seconds", float, "since the login"),
            Field(
                *("by", str, "after taken-over: the session that took the maildrop"),
                optional=True,
                told="It was session {by} that took it.",
            ),
        ),
        {
            **_KARL,
            "reason": "quit",
            "retrieved": 3,
            "retrievedOctets": 4711,
            "deleted": 3,
            "left": 9,
            "seconds": 0.25,
        },
        reasons=ENDS,
        always=True,
    ),
    Event(
        "ended",
        ("info",),
        "A connection is over on which nobody logged in, and which was no abuse. A peer that"
        " connects, says nothing and goes, as a monitor does, is not told.",
        "The connection ended after {seconds} s without a login: {reason}.",
        (
            *_CONNECTION,
            reason("why"),
            Field("seconds", float, "since the connection"),
            Field(
                *("withheld", str, "the way to log in that the client asked for in vain"),
                optional=True,
                told="It had asked for {withheld}, which was not offered there: passwords need"
                " TLS (see --clear-text-logins), and each mechanism a checker that takes it"
                " (see --mechanism).",
            ),
        ),
        {**_SESSION, "tls": "none", "reason": "quit", "seconds": 0.1, "withheld": "USER"},
        reasons={name: each for name, each in ENDS.items() if not each.abuse},
    ),
    Event(
        "abuse",
        ("warn",),
        "A connection was ended because of what the peer sent or did not send.",
        "The service ended the connection: {reason}.",
        (*_CONNECTION, reason("why")),
        {**_SESSION, "tls": "none", "reason": "http"},
        reasons={name: each for name, each in ENDS.items() if each.abuse},
    ),
    Event(
        "store-fault",
        ("warn", "error"),
        "A maildrop could not do what it was asked for; an error stays so until somebody does"
        " something.",
        "There was trouble with the maildrop: {reason} ({text}).",
        (
            SESSION,
            Field("user", str, "whose maildrop it is"),
            Field("operation", str, "what was asked for"),
            Field("text", str, "what the store said about it"),
        ),
        {
            "session": "9f86d081884c",
            "user": "karl",
            "operation": "retrieve",
            "text": "message 2: Input/output error",
        },
        reasons=OPERATIONS,
    ),
    Event(
        "checker-fault",
        ("warn",),
        "A checker could not say whether a password or token is good.",
        "The password of {user} could not be checked ({text}).",
        (*_LOGIN, Field("text", str, "what the checker said")),
        {**_KARL, "text": "the directory does not answer within 10 seconds"},
        todo="See that the directory, database, program or server that the checker asks is up.",
    ),
    Event(
        "fault",
        ("critical",),
        "A fault of the service. It ends one session, and no other.",
        "The service had a fault during: {during}.",
        (*_CONNECTION, Field("during", str, "what was being done")),
        {**_SESSION, "during": "performing a command"},
        todo="The log of twistd has a traceback; please report it.",
    ),
)
