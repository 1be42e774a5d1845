"""
A maildrop with very many messages: its first opening ever, and the polls after it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .bystander import Bystander
from .load import Load, LoadFailed, Plan
from .mail import deliver
from .measure import Results
from .progress import say
from .scenarios import Form
from .server import Server

_POLL = "user,pass,stat,uidl,quit"
# Some servers do not believe what has changed just now.
_SETTLING = 0.1
_STARTING = 2
PARTS = ("first", "unchanged", "delivered")


def bigMaildrop(servers: Sequence[Server], form: Form) -> Results:
    """
    Each server in turn: forget all and start again; open it; poll it unchanged; then
    after one delivery each time.

    @return: by server: lists of C{wall} and C{cost} in milliseconds for each of
        L{PARTS}, C{bystander} for the first, C{memory} in KiB: C{before}, C{during}
        and C{after} a session; or C{failure}.
    """
    results: Results = {
        server.name: {each: {"wall": [], "cost": []} for each in PARTS}
        | {"bystander": [], "memory": {}, "failure": None}
        for server in servers
    }
    delivered = dict.fromkeys(results, 0)
    rounds = max(1, form.bigRounds // 3)
    for turn in range(rounds):
        for server in servers[:: -1 if turn % 2 else 1]:
            cell = results[server.name]
            if cell["failure"]:
                continue
            say(f"{form.big} messages: {server.name}, turn {turn + 1} of {rounds}")
            try:
                delivered[server.name] = _takeTurn(server, form, delivered[server.name], cell)
            except (LoadFailed, OSError) as error:
                cell["failure"] = {"kind": getattr(error, "kind", "bystander"), "text": str(error)}
    return results


def _takeTurn(server: Server, form: Form, delivered: int, cell: dict[str, Any]) -> int:
    """@return: how many messages have been delivered now."""
    server.stop()
    server.forget("big0")
    _read(server.mail / "big0")
    server.start()
    bystander = Bystander(server.port)
    bystander.begin()
    try:
        _open(server, form.big + delivered, cell["first"])
    finally:
        cell["bystander"].append(bystander.end())
    for _ in range(form.bigRounds):
        time.sleep(_SETTLING)
        _open(server, form.big + delivered, cell["unchanged"])
    for _ in range(form.bigRounds):
        delivered += 1
        deliver(server.mail / "big0", delivered)
        time.sleep(_SETTLING)
        _open(server, form.big + delivered, cell["delivered"])
    cell["memory"] = _memory(server, form.big + delivered)
    return delivered


def _read(maildir: Path) -> None:
    """Whose turn is the first shall not be the one to wait for the disk."""
    for folder in ("cur", "new"):
        for message in (maildir / folder).iterdir():
            message.read_bytes()


def _plan(script: str, messages: int) -> Plan:
    return Plan("big", script, users=1, connections=1, messages=messages)


def _open(server: Server, messages: int, figures: dict[str, list[float]]) -> None:
    around, plan = server.around, _plan(_POLL, messages)
    with Load(
        around.programs, server.port, plan, around.loadCores, "--sessions", "1", "--patience", "300"
    ) as load:
        load.waitFor("ready")
        before = server.account.processorSeconds()
        load.go()
        figures["wall"].append(load.outcome().p50)
        figures["cost"].append((server.account.processorSeconds() - before) * 1000)


def _memory(server: Server, messages: int) -> dict[str, int]:
    """Of a server that has just started, so that nothing else is left in it."""
    server.stop()
    server.start()
    around, plan = server.around, _plan("user,pass,stat,uidl,hold,quit", messages)
    with Load(
        around.programs, server.port, plan, around.loadCores, "--hold", "1", "--patience", "300"
    ) as load:
        load.waitFor("ready")
        # Of several processes some may have begun later.
        time.sleep(_STARTING)
        before = server.account.memoryKiB()
        load.go()
        load.waitFor("held")
        during = server.account.memoryKiB()
        load.go()
        load.outcome()
    time.sleep(_SETTLING)
    return {"before": before, "during": during, "after": server.account.memoryKiB()}
