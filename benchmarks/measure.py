"""
Servers taking turns under the same load: what a session costs each of them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from .bystander import Bystander
from .kernel import coreIdle
from .load import Load, LoadFailed, Plan
from .mail import Maildrop, fill
from .progress import say
from .scenarios import Form, Scenario
from .server import Server

Results = dict[str, Any]


@dataclass(frozen=True)
class Sample:
    """
    One turn of one server.

    @ivar cost: milliseconds of the server's processor a session.
    @ivar rate: sessions a second.
    @ivar megabytes: of messages a second.
    @ivar p50: milliseconds a session takes, the median.
    @ivar p99: the same, what one in a hundred exceeds.
    @ivar busy: the share of the time in which the server's cores were not idle; a
        cost holds only near 1.
    @ivar share: the server's own part of it; the rest went to others.
    @ivar generator: the load generator's own use of its core.
    @ivar resumed: the share of handshakes that were resumed.
    """

    cost: float
    rate: float
    megabytes: float
    p50: float
    p99: float
    busy: float
    share: float
    generator: float
    resumed: float


def filled(plan: Plan, kinds: dict[str, Maildrop]) -> Plan:
    """The plan, with what its messages must be."""
    return replace(plan, content=kinds[plan.user].content) if "retr" in plan.script else plan


def compare(
    servers: Sequence[Server], scenarios: Sequence[Scenario], kinds: dict[str, Maildrop], form: Form
) -> Results:
    """
    Each scenario by each server in turn, there and back again, so often as the form
    says; then once more with a bystander, whose own load would count.

    @return: by scenario and server: C{samples}, C{failure} and C{bystander}.
    """
    results: Results = {}
    for scenario in scenarios:
        cells = results[scenario.name] = {
            server.name: {"samples": [], "failure": None, "bystander": None} for server in servers
        }
        for turn in range(form.rounds + 1):
            for server in servers[:: -1 if turn % 2 else 1]:
                cell = cells[server.name]
                if cell["failure"]:
                    continue
                say(f"{scenario.title}: {server.name}, turn {turn + 1} of {form.rounds + 1}")
                try:
                    _takeTurn(server, scenario, kinds, form, turn == form.rounds, cell)
                except (LoadFailed, OSError) as error:
                    kind = error.kind if isinstance(error, LoadFailed) else "bystander"
                    cell["failure"] = {"kind": kind, "text": str(error)}
    return results


def _takeTurn(
    server: Server,
    scenario: Scenario,
    kinds: dict[str, Maildrop],
    form: Form,
    isWatched: bool,
    cell: dict[str, Any],
) -> None:
    if scenario.refilled:
        fill(server.around.source, server.mail, kinds[scenario.plan.user])
    if not isWatched:
        cell["samples"].append(asdict(sample(server, scenario, kinds, form)))
        return
    bystander = Bystander(server.port)
    bystander.begin()
    try:
        sample(server, scenario, kinds, form)
    finally:
        cell["bystander"] = bystander.end()


def sample(server: Server, scenario: Scenario, kinds: dict[str, Maildrop], form: Form) -> Sample:
    """@raise LoadFailed: an answer was wrong."""
    around, plan = server.around, filled(scenario.plan, kinds)
    port = server.tlsPort if plan.tls else server.port
    # Whatever is remembered of users and maildrops is, as it would be of pollers;
    # of maildrops that were just filled nothing can be.
    howLong = (
        ("--sessions", str(plan.users))
        if scenario.refilled
        else ("--seconds", str(form.seconds), "--warm-up", str(plan.users))
    )
    with Load(around.programs, port, plan, around.loadCores, *howLong) as load:
        load.waitFor("ready")
        idle, began = coreIdle(around.cores), time.monotonic()
        before = server.account.processorSeconds()
        load.go()
        outcome = load.outcome()
        used = server.account.processorSeconds() - before
        wall = time.monotonic() - began
        idle = coreIdle(around.cores) - idle
    available = wall * len(around.cores)
    return Sample(
        cost=used / outcome.sessions * 1000,
        rate=outcome.sessions / outcome.seconds,
        megabytes=outcome.octets / outcome.seconds / 1e6,
        p50=outcome.p50,
        p99=outcome.p99,
        busy=max(0.0, 1 - idle / available),
        share=used / available,
        generator=outcome.processor / outcome.seconds,
        resumed=outcome.resumed / outcome.sessions,
    )


def idleMemory(servers: Sequence[Server], form: Form) -> Results:
    """
    What sessions hold that have logged in and do nothing.

    @return: KiB a session, by C{clear} or C{tls}, their number, and the server.
    """
    results: Results = {"clear": {}, "tls": {}}
    for count in form.idle:
        for way, tls in (("clear", ""), ("tls", "full")):
            cells: Results = {}
            results[way][str(count)] = cells
            plan = Plan(
                "idle", "user,pass,stat,hold,quit", users=count, connections=8, messages=1, tls=tls
            )
            for server in servers:
                say(f"{count} idle sessions, {way}: {server.name}")
                try:
                    cells[server.name] = _hold(server, plan, count)
                except LoadFailed as error:
                    cells[server.name] = {"kind": error.kind, "text": str(error)}
    return results


def _hold(server: Server, plan: Plan, count: int) -> float:
    """Of a server that has just started: what was freed before would be used again."""
    server.stop()
    server.start()
    around = server.around
    port = server.tlsPort if plan.tls else server.port
    howLong = ("--hold", str(count), "--warm-up", "8", "--patience", "60")
    with Load(around.programs, port, plan, around.loadCores, *howLong) as load:
        load.waitFor("ready")
        before = server.account.memoryKiB()
        load.go()
        load.waitFor("held")
        after = server.account.memoryKiB()
        load.go()
        load.outcome()
    return (after - before) / count
