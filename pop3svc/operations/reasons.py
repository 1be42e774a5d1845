"""
The words that the audit log has for a reason: what each means, and what to do about it.

Each is told to administrators in docs/events.rst and by C{pop3svc explain}.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# The jails of etc/fail2ban that may count an event.
Jail = Literal["pop3svc", "pop3svc-abuse", ""]


@dataclass(frozen=True)
class Reason:
    """
    @ivar means: it in words, as the rest of a sentence behind a colon.
    @ivar todo: sentences for the administrator; empty where there is nothing to do.
    @ivar jail: what of fail2ban counts it.
    @ivar abuse: a session that ends so is an event C{abuse}, too.
    """

    means: str
    todo: str = ""
    jail: Jail = ""
    abuse: bool = False


Reasons = dict[str, Reason]

_CLIENT = "The client's settings or the client itself are wrong, or it is no mail program."
_STRANGER = "It is no mail program. Nothing is to be done, unless it comes from your own network."


def _abuse(means: str, todo: str, jail: Jail = "") -> Reason:
    return Reason(means, todo, jail, abuse=True)


ENDS: Reasons = {
    "quit": Reason("the client said QUIT"),
    "connection-lost": Reason(
        "the connection was gone without QUIT, so that nothing was deleted",
        "If it is often so: look for a firewall or a NAT that forgets connections, or a virus"
        " scanner between the client and here.",
    ),
    "idle": Reason(
        "the client said nothing for idle-seconds, so that nothing was deleted",
        "RFC 1939 wants it so. A client that needs longer pauses needs a larger limit"
        " idle-seconds.",
    ),
    "drain": Reason(
        "the service was being stopped, and had waited for drain-seconds",
        "Nothing was deleted; the client comes again. Sessions that are longer need a larger limit"
        " drain-seconds.",
    ),
    "taken-over": Reason(
        "after a silence of takeover-seconds another session took the maildrop, so that nothing"
        " was deleted",
        "Usually the same user's other device, after this one fell asleep or lost its network.",
    ),
    "store-failed": Reason(
        "after a silence the maildrop could not be had back",
        "The event store-fault of this session says why.",
    ),
    "transfer-failed": Reason(
        "a message could not be read to its end, and a part must not look like the whole",
        "The event store-fault of this session says why.",
    ),
    "fault": Reason(
        "a fault of the service ended this one session",
        "The log of twistd has a traceback; please report it.",
    ),
    "crowded-out": Reason(
        "all places were taken, and this was the oldest that had not logged in",
        "If it hits your users: raise the limit connections, or find out who fills the places.",
    ),
    "login-deadline": _abuse(
        "nobody logged in within login-seconds",
        "Something that holds connections open, or a person at a telnet. Behind a slow password"
        " check raise the limit login-seconds.",
        "pop3svc-abuse",
    ),
    "handshake-deadline": _abuse(
        "the TLS handshake was not over within handshake-seconds",
        "Usually a client that expects the greeting in the clear on the port for TLS; let it use"
        " TLS from the start, or the other port.",
    ),
    "handshake-failed": _abuse(
        "the TLS handshake failed",
        "A client that does not trust the certificate, speaks only old versions of TLS, or no TLS"
        " at all. See docs/tls.rst for old printers; openssl s_client shows what is offered.",
    ),
    "write-stall": _abuse(
        "the client took none of what was sent to it for write-stall-seconds",
        "It went to sleep or lost its network during a message; it comes again.",
    ),
    "login-not-confirmed": _abuse(
        "the client did not take this for the right server, and ended the exchange",
        "The user's SCRAM verifier and password do not belong together, or somebody stands between"
        " the client and here.",
    ),
    "login-attempts": _abuse(
        "there were login-attempts wrong passwords on this one connection",
        "See the events login-refused of this session.",
    ),
    "bad-commands": _abuse(
        "there were too many commands that do not exist", _CLIENT, "pop3svc-abuse"
    ),
    "line-too-long": _abuse("a line had no end", _CLIENT, "pop3svc-abuse"),
    "tls-injection": _abuse(
        "something was sent behind STLS before TLS began",
        "Either the client is wrong, or somebody stands between it and here and tries to put"
        " commands into its session.",
        "pop3svc-abuse",
    ),
    "http": _abuse("the client spoke HTTP", _STRANGER, "pop3svc-abuse"),
    "smtp": _abuse("the client spoke SMTP", _STRANGER, "pop3svc-abuse"),
    "ssh": _abuse("the client spoke SSH", _STRANGER, "pop3svc-abuse"),
    "tls-hello": _abuse(
        "the client began TLS on the port that begins in the clear",
        "Let it use STARTTLS, which POP3 calls STLS, or the port for TLS from the start.",
    ),
    "proxy-deadline": _abuse(
        "no PROXY header came within proxy-seconds",
        "The proxy does not send one: add send-proxy-v2 to its configuration; or somebody else"
        " connected to the port of the proxy.",
    ),
    "proxy-header": _abuse(
        "what came first was no PROXY header",
        "The proxy does not send one: add send-proxy-v2 to its configuration; or somebody else"
        " connected to the port of the proxy.",
    ),
}

REFUSALS: Reasons = {
    "wrong": Reason(
        "the name or the password is wrong, or it may not be used here",
        "The detail says which, where the checker tells. pop3svc passwd verify tries a password of"
        " a password file. A mail program asks again and again with an old password: the user"
        " has to change it there.",
        "pop3svc",
    ),
    "in-use": Reason(
        "another session has the maildrop open",
        "The holder, where it is named, is the session that has it: explain that one, too. It is"
        " free again when that session ends, or has been silent for takeover-seconds.",
    ),
    "temporary": Reason(
        "the password check or the maildrop is not available at the moment",
        "The event checker-fault, store-fault or fault of this session says why.",
    ),
    "permanent": Reason(
        "the maildrop is damaged",
        "The event store-fault of this session says what is wrong; it stays so until you mend it.",
    ),
}

DELAYS: Reasons = {
    "network": Reason(
        "its network has sent wrong passwords",
        "Somebody guesses, or a mail program has an old password; the events login-refused of that"
        " network say whom. It is forgotten within minutes. See docs/guessing.rst.",
    ),
    "user": Reason(
        "there were wrong passwords for this user from several networks",
        "Somebody guesses this user's password. From where the user has logged in before, nobody"
        " waits. See docs/guessing.rst.",
    ),
    "crowded": Reason(
        "too many from its network wait already, so that it is refused without a check",
        "As for network. If many users share that network: raise attempts-waiting.",
        "pop3svc",
    ),
    "banned": Reason(
        "its network is banned for a while, so that it is refused without a check",
        "See the event banned; ban-failures and ban-seconds are the limits.",
        "pop3svc",
    ),
}

CROWDS: Reasons = {
    "connections": Reason(
        "there are as many connections as the limit connections allows, all of them logged in",
        "Raise the limit connections, and the descriptors that go with it.",
    ),
    "connections-per-network": Reason(
        "the network has as many connections as connections-per-network allows",
        "If many users share that address, as behind a NAT or a web mailer, raise the limit.",
    ),
    "logging-in-per-network": Reason(
        "the network has as many connections without a login as logging-in-per-network allows",
        "If many users share that address, raise the limit; else somebody holds connections open.",
    ),
    "descriptors": Reason(
        "the process has no file descriptors left",
        "Raise LimitNOFILE of the unit, or lower the limit connections.",
    ),
    "crowded-out": ENDS["crowded-out"],
}

_MENDED = "Mend what the text names; the client may come again then."

OPERATIONS: Reasons = {
    "open": Reason(
        "the maildrop could not be opened",
        "Mend what the text names. Where most of a maildrop has gone on purpose, pop3svc maildrop"
        " accept says so.",
    ),
    "retrieve": Reason("a message could not be read", _MENDED),
    "relent": Reason("the maildrop could not be lent to other sessions", _MENDED),
    "reclaim": Reason("the maildrop could not be had back after a silence", _MENDED),
    "remove": Reason(
        "not all messages that were to be deleted could be removed",
        "Mend what the text names; the client was told, and what is left it sees again.",
    ),
    "close": Reason("the maildrop could not be closed", _MENDED),
}

WORKER_ENDS: Reasons = {
    "exit": Reason(
        "it ended by itself",
        "The log has what it said before; without that, somebody has sent it SIGTERM.",
    ),
    "signal": Reason(
        "a signal killed it",
        "9 may be the kernel, short of memory (journalctl -k says so); 11 a fault in a library.",
    ),
    "hung": Reason(
        "it did not answer any more",
        "Look for a disk or a directory server that hangs; the limit hung-seconds says when.",
    ),
}

TRACE_ENDS: Reasons = {
    "over": Reason("its time was over"),
    "stopped": Reason("whoever had asked for it stopped it, or was gone"),
}
