"""
What is measured: kinds of users with their mail, and what their sessions do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .load import Plan
from .mail import Maildrop


@dataclass(frozen=True)
class Form:
    """
    How long everything takes.

    @ivar rounds: how often each server is measured; they take turns.
    @ivar seconds: of each.
    @ivar idle: how many sessions lie idle, one figure after another.
    @ivar big: messages in the big maildrop; none leaves it out.
    @ivar bigRounds: how often it is opened.
    """

    rounds: int
    seconds: float
    idle: tuple[int, ...]
    big: int
    bigRounds: int


FORMS = {
    "short": Form(rounds=2, seconds=0.8, idle=(200,), big=20_000, bigRounds=3),
    "long": Form(rounds=5, seconds=5.0, idle=(1_000, 10_000), big=100_000, bigRounds=7),
}


@dataclass(frozen=True)
class Scenario:
    """
    @ivar title: in tables.
    @ivar plan: what a session does; its user names the kind of maildrop.
    @ivar refilled: it empties the maildrops, which are filled again before each run.
    @ivar transfer: it is about octets a second.
    """

    name: str
    title: str
    plan: Plan
    refilled: bool = False
    transfer: bool = False


_MAILDROPS = (
    Maildrop("bystander", users=1, count=1, median=1000),
    Maildrop("login", users=16, count=5, median=2000),
    Maildrop("poll", users=8, count=1000, median=2000, spread=0.5),
    Maildrop("drain", users=8, count=50, median=8192, spread=1.45),
    Maildrop("delete", users=64, count=50, median=8192, spread=1.45),
    Maildrop("large", users=1, count=1, median=100_000_000),
)


def maildrops(form: Form) -> list[Maildrop]:
    """All kinds of users; made anew, since each learns what its mail is."""
    idle = Maildrop("idle", users=max(form.idle, default=0), count=1, median=1000)
    big = Maildrop("big", users=1, count=form.big, median=1500, spread=0.5)
    found = [replace(each, sizes=[]) for each in _MAILDROPS]
    found += [idle] if idle.users else []
    return found + ([big] if big.count else [])


def scenarios() -> list[Scenario]:
    """Those that are measured by many sessions."""
    login = Plan("login", "user,pass,stat,quit", users=16, connections=16, messages=5)
    drain = Plan("drain", "user,pass,list,retr,quit", users=8, connections=8, messages=50)
    large = Plan("large", "user,pass,list,retr,quit", users=1, connections=1, messages=1)
    return [
        Scenario("login", "login, STAT, QUIT", login),
        Scenario("plain", "AUTH PLAIN, STAT, QUIT", replace(login, script="plain,stat,quit")),
        Scenario(
            "poll",
            "poll: login, STAT, UIDL of 1,000 messages",
            Plan("poll", "user,pass,stat,uidl,quit", users=8, connections=8, messages=1000),
        ),
        Scenario("drain", "drain 50 messages, RETR one by one", drain),
        Scenario("pipelined", "the same, pipelined", replace(drain, pipelined=True)),
        Scenario(
            "delete",
            "delete 50 messages",
            Plan("delete", "user,pass,list,dele,quit", users=64, connections=8, messages=50),
            refilled=True,
        ),
        Scenario("tls", "TLS 1.3 login, full handshake", replace(login, tls="full")),
        Scenario("resumed", "TLS 1.3 login, resumed", replace(login, tls="resumed")),
        Scenario("large", "one message of 100 MB", large, transfer=True),
        Scenario("large-tls", "the same over TLS 1.3", replace(large, tls="full"), transfer=True),
    ]
