"""
The states of a session, and the one table of commands.

Whoever wants to write C{if state ==} in a handler lacks a row here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from . import grammar
from .grammar import Shape


class State(Enum):
    """RFC 1939 section 3 names three states; the waits are states of their own."""

    # Enum has one in Python, and each command takes several.
    __hash__ = object.__hash__

    AUTHORIZATION = "greeted, nobody logged in"
    NAMED = "USER was given, PASS may follow"
    EXCHANGE = "AUTH goes on: a line is an answer, not a command"
    LOOKUP = "wait: the verifier for a SCRAM exchange is fetched"
    CLAIMED = "wait: somebody checks a claim and opens the maildrop"
    TRANSACTION = "logged in"
    SENDING = "wait: a message or a listing is on its way"
    UPDATE = "wait: marked messages are removed and the lock is freed"
    ENDED = "nothing is answered any more"


BEFORE_LOGIN = frozenset({State.AUTHORIZATION, State.NAMED})
AFTER_LOGIN = frozenset({State.TRANSACTION})
WAITS = frozenset({State.LOOKUP, State.CLAIMED, State.SENDING, State.UPDATE})


@dataclass(frozen=True)
class Row:
    """
    One command.

    @ivar keyword: in capitals.
    @ivar states: where it may be given.
    @ivar shape: its arguments.
    @ivar otherwise: the answer in any other state.
    """

    keyword: bytes
    states: frozenset[State]
    shape: Shape
    otherwise: bytes


_LOG_IN = b"log in first"
_LOGGED_IN = b"you are logged in already"

COMMANDS = {
    row.keyword: row
    for row in (
        # RFC 1939 section 7, RFC 5034, RFC 2595
        Row(b"USER", BEFORE_LOGIN, grammar.NAME, _LOGGED_IN),
        Row(b"PASS", frozenset({State.NAMED}), grammar.TEXT, b"USER comes before PASS"),
        Row(b"APOP", BEFORE_LOGIN, grammar.NAME_AND_DIGEST, _LOGGED_IN),
        Row(b"AUTH", BEFORE_LOGIN, grammar.MECHANISM, _LOGGED_IN),
        Row(b"STLS", BEFORE_LOGIN, grammar.NOTHING, _LOGGED_IN),
        # RFC 2449 section 5, RFC 6856 section 2 and section 3
        Row(b"CAPA", BEFORE_LOGIN | AFTER_LOGIN, grammar.NOTHING, b""),
        Row(b"UTF8", BEFORE_LOGIN | AFTER_LOGIN, grammar.NOTHING, b""),
        Row(b"LANG", BEFORE_LOGIN | AFTER_LOGIN, grammar.OPTIONAL_LANGUAGE, b""),
        Row(b"QUIT", BEFORE_LOGIN | AFTER_LOGIN, grammar.NOTHING, b""),
        # RFC 1939 section 5 and section 7
        Row(b"STAT", AFTER_LOGIN, grammar.NOTHING, _LOG_IN),
        Row(b"LIST", AFTER_LOGIN, grammar.OPTIONAL_NUMBER, _LOG_IN),
        Row(b"UIDL", AFTER_LOGIN, grammar.OPTIONAL_NUMBER, _LOG_IN),
        Row(b"RETR", AFTER_LOGIN, grammar.NUMBER, _LOG_IN),
        Row(b"TOP", AFTER_LOGIN, grammar.NUMBER_AND_LINES, _LOG_IN),
        Row(b"DELE", AFTER_LOGIN, grammar.NUMBER, _LOG_IN),
        Row(b"RSET", AFTER_LOGIN, grammar.NOTHING, _LOG_IN),
        Row(b"NOOP", AFTER_LOGIN, grammar.NOTHING, _LOG_IN),
    )
}


def drawing() -> str:
    """The table as text, a line a command: where it may be given."""
    columns = (State.AUTHORIZATION, State.NAMED, State.TRANSACTION)
    head = "keyword " + " ".join(f"{state.name:13}" for state in columns)
    rows = [
        f"{row.keyword.decode():8}"
        + " ".join(f"{'yes' if state in row.states else '-':13}" for state in columns)
        for row in COMMANDS.values()
    ]
    return "\n".join(line.rstrip() for line in (head, *rows))
