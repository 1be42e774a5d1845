"""
Every number that bounds what a peer can send, hold, open or repeat.

A limit's unit stands in its name, its default and its reason beside it.
C{--limit idle-seconds=900} and the table C{[limits]} of the configuration
file set the field C{idleSeconds}; C{--help-limits} prints them all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any


def limit(default: int, reason: str, least: int = 1) -> Any:
    """
    A field of L{Limits}.

    @param default: the value when nothing else is said.
    @param reason: one sentence for C{--help-limits}: why this number.
    @param least: the smallest value that makes sense.
    """
    return field(default=default, metadata={"reason": reason, "least": least})


@dataclass(frozen=True)
class Limits:
    """The bounds of one service; frozen, so that a reload swaps them whole."""

    connections: int = limit(
        2000,
        "Connections in all, over all listeners; above it the oldest that has not logged"
        " in makes room, and without such a one newcomers are refused.",
    )
    connectionsPerNetwork: int = limit(
        50,
        "Connections from one IPv4 address or one IPv6 /64; more for many users behind one"
        " address, or for a web mailer.",
    )
    loggingInPerNetwork: int = limit(
        10,
        "Those of them where nobody has logged in yet: a login takes a moment, and silence"
        " takes place from others.",
    )
    refusedAtOnce: int = limit(
        50,
        "Peers that are being told why they are not served; beyond that they are just hung up on.",
        least=0,
    )
    spareDescriptors: int = limit(
        8,
        "File descriptors that must be free when somebody new is let in: those who are in"
        " need them to read their mail.",
    )
    logNetworks: int = limit(
        100,
        "Networks that get a line of their own in the log for one kind of event in one second;"
        " what the others do is counted.",
    )
    commandOctets: int = limit(
        1024,
        "A command line with its line end; RFC 2449 section 4 asks for 255 at least,"
        " and tokens come as passwords.",
        least=255,
    )
    saslLineOctets: int = limit(
        88 * 1024,
        "A line of a SASL exchange with its line end: a token of 64 KiB in base64.",
        least=1024,
    )
    skippedOctets: int = limit(
        8 * 1024,
        "How much of an over-long line is skipped in search of its end before"
        " the connection is closed.",
    )
    bufferedOctets: int = limit(
        256 * 1024,
        "What one connection may hold of our memory, unread answers and unread commands together.",
        least=160 * 1024,
    )
    handshakeSeconds: int = limit(30, "A TLS handshake, from its start to its end.")
    loginSeconds: int = limit(
        60, "From the connection to the login; neither octets nor commands renew it."
    )
    idleSeconds: int = limit(
        600,
        "Silence in TRANSACTION; RFC 1939 section 3 asks for ten minutes at least.",
    )
    takeoverSeconds: int = limit(
        120,
        "Silence in TRANSACTION after which another session may have the maildrop;"
        " 0 keeps it until the end.",
        least=0,
    )
    writeStallSeconds: int = limit(120, "A peer that takes none of the octets waiting for it.")
    closeSeconds: int = limit(
        5, "From our last octet to the peer's goodbye; then the connection is cut."
    )
    badCommandsBeforeLogin: int = limit(
        3, "Whoever does not speak POP3 before login is no mail program."
    )
    badCommandsInARow: int = limit(20, "After login: a client that has lost its way.")
    loginAttempts: int = limit(5, "Refused logins on one connection.")
    penaltySecondsMost: int = limit(
        15,
        "The longest time between two wrong passwords of one network; a second at first,"
        " then twice as long each time. With 0 nobody is delayed.",
        least=0,
    )
    attemptsAtOnce: int = limit(
        4,
        "Logins of one network being checked at once; more hash no faster, and they are what"
        " a fresh attacker can guess before the first is known to be wrong.",
    )
    attemptsWaiting: int = limit(
        3,
        "Logins that wait for their turn in a network with wrong passwords; the next is told to"
        " come back later. Three wait 45 seconds, and login-seconds is a minute.",
    )
    forgetSeconds: int = limit(
        120,
        "The time in which half of the wrong passwords of a network are forgotten: after ten"
        " minutes without one it is as good as new.",
    )
    trustedSeconds: int = limit(
        7 * 24 * 60 * 60,
        "How long a user is not delayed by the failures of others where that user has logged"
        " in: a week, for mail programs that are used on working days.",
        least=0,
    )
    throttleEntries: int = limit(
        20_000,
        "Networks, users and pairs of them that are remembered for that, each; all together"
        " they take 50 MB at the most.",
    )
    banFailures: int = limit(
        0,
        "Wrong passwords of one network within ban-seconds, after which nothing of it is"
        " checked any more; 0 for never, because a ban hits neighbours, too.",
        least=0,
    )
    banSeconds: int = limit(3600, "How long a ban lasts.")
    answerGridMilliseconds: int = limit(
        50,
        "Refusals leave on lines of a grid so far apart, counted from the attempt, so that"
        " nobody learns from their time which users exist; 0 for none.",
        least=0,
    )
    throttleSaveSeconds: int = limit(
        60, "How often the file of --throttle-state is written, if there is one."
    )
    hashThreads: int = limit(
        2, "Passwords checked at once: each costs a core, and argon2 64 MiB, for a while."
    )
    hashQueue: int = limit(
        64, "Password checks that wait for a thread; one more is told to come back later."
    )
    storeThreads: int = limit(8, "Reads, scans and removals of maildrops at once.")
    storeQueue: int = limit(
        4096, "Store operations that wait for a thread; one more is told to come back later."
    )
    rememberedSeconds: int = limit(
        60,
        "How long a good password is remembered by a keyed digest, so that"
        " pollers do not pay for its hash each time.",
        least=0,
    )
    rememberedLogins: int = limit(10_000, "How many good passwords are remembered at once.")
    maildropMessages: int = limit(
        1_000_000, "Messages in one maildrop; a larger one is refused, never cut short."
    )
    shrinkPercent: int = limit(
        90,
        "More than such a part of a Maildir gone since the session before, not removed by us, is"
        " taken for a fault of the disk until an administrator says otherwise; 0 for never, where"
        " people empty their mailboxes by IMAP.",
        least=0,
    )
    shrinkMessages: int = limit(
        100,
        "Fewer messages than this may go all at once: a small mailbox is emptied by hand, and"
        " soon downloaded again.",
    )
    rememberedOctets: int = limit(
        32 * 1024 * 1024,
        "Memory for the listings of Maildirs between sessions, a quarter of it for one"
        " at the most; others are read from their ledgers.",
        least=0,
    )
    rememberedMessages: int = limit(
        1_000_000,
        "Messages of mboxes that are remembered between sessions, with 100 octets of"
        " memory each; an mbox beyond that is read whole at each login.",
        least=0,
    )
    mboxLockSeconds: int = limit(
        10,
        "How long to wait for those who deliver into an mbox, or rewrite it, when they"
        " have locked it.",
    )
    watchSeconds: int = limit(10, "How often the files of certificates are looked at for a change.")
    checkerSeconds: int = limit(
        10, "How long a directory, a database, PAM or a program may take over one login."
    )
    checkerThreads: int = limit(
        8, "Logins that wait for a directory, a database, PAM or a program at once."
    )
    checkerQueue: int = limit(
        64, "Logins that wait for their turn there; one more is told to come back later."
    )
    checkerOctets: int = limit(
        256 * 1024,
        "An answer of an authorization server; a set of keys has a few KiB.",
        least=1024,
    )
    credentialsPerUser: int = limit(
        20,
        "Passwords of one user in a password file: a wrong one is tried against all of them.",
    )
    proxySeconds: int = limit(
        5, "The header of a proxy, on a listener behind haproxy:; nobody is greeted before it."
    )
    controlConnections: int = limit(8, "Commands that are connected to --control at once.")
    traces: int = limit(
        4, "Traces at once: while there is one, each line of each session costs more."
    )
    traceSeconds: int = limit(3600, "How long a trace may last; nobody shall be forgotten in one.")
    traceLines: int = limit(
        2000,
        "Lines of one trace that wait to be shown, in each process; when more come, the oldest"
        " are lost, and that is said.",
    )
    traceLinesBefore: int = limit(
        60,
        "Lines of a session that are kept, while a user is traced, until it is known who it is:"
        " CAPA, STLS and CAPA again with their answers.",
    )
    traceLetters: int = limit(300, "How much of one line a trace shows.", least=80)
    heartbeatSeconds: int = limit(
        5, "How often each worker of --workers is asked whether it still runs."
    )
    hungSeconds: int = limit(
        30,
        "A worker that has not answered for so long is killed and replaced; a large Maildir on a"
        " slow disk must not look like that.",
    )
    drainSeconds: int = limit(30, "How long sessions may go on after SIGTERM.", least=0)
    drainLoginSeconds: int = limit(
        5,
        "How long who is connected may still take to log in after SIGTERM; a mail program"
        " takes a second or two.",
        least=0,
    )
    httpConnections: int = limit(
        20, "Connections to the pages of --http at once; each is for one request."
    )
    httpSeconds: int = limit(
        20, "Such a connection, from its start to its end, however slow the other side is."
    )
    unhealthyFaults: int = limit(
        3,
        "Faults within a minute, without a single success, from which /healthz fails: one may"
        " be the matter of one maildrop.",
    )

    @classmethod
    def parse(cls, settings: Iterable[str]) -> Limits:
        """
        The defaults, changed by settings from the command line.

        @param settings: texts of the shape C{idle-seconds=900}.
        @raise ValueError: with one sentence that says what to write.
        """
        values: dict[str, int] = {}
        for text in settings:
            name, separator, number = text.partition("=")
            if not separator:
                raise ValueError(f"a limit is written NAME=NUMBER, not {text!r}")
            values.update(cls.setting(name.strip(), number.strip()))
        return cls(**values)

    @classmethod
    def setting(cls, name: str, number: str | int) -> dict[str, int]:
        """
        One limit by its name on the command line.

        @param name: for example C{idle-seconds}.
        @param number: a whole number, as text or as C{int}.
        @return: the field's name and value, to build L{Limits} with.
        @raise ValueError: an unknown name or an unfit number, with a sentence.
        """
        known = {optionName(each.name): each for each in fields(cls)}
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else "; --help-limits lists them"
            raise ValueError(f"there is no limit {name!r}{hint}")
        if isinstance(number, bool) or not re.fullmatch(r"[0-9]{1,12}", str(number), re.ASCII):
            raise ValueError(f"limit {name} takes a whole number, not {number!r}")
        value, least = int(number), known[name].metadata["least"]
        if value < least:
            raise ValueError(f"limit {name} is {least} at the least, not {value}")
        return {known[name].name: value}

    @classmethod
    def describe(cls) -> str:
        """Each limit's name, default and reason, for C{--help-limits}."""
        rows = [
            f"  {optionName(each.name)}={each.default}\n      {each.metadata['reason']}"
            for each in fields(cls)
        ]
        return "\n".join(rows)


def optionName(fieldName: str) -> str:
    """C{idleSeconds} as it is written in settings: C{idle-seconds}."""
    return re.sub(r"[A-Z]+", lambda capital: "-" + capital.group().lower(), fieldName)
