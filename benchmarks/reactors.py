"""
Which reactor serves best: the real service on each, under the same load.

    python -m benchmarks.reactors [--rounds 3] [--seconds 1]

Run it as root, like C{benchmarks.run}. uvloop is measured where it is installed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

from .mail import fill
from .measure import Results, compare
from .peers import Pop3svc
from .run import prepare
from .scenarios import Form, maildrops, scenarios
from .server import Surroundings

_SCENARIOS = ("login", "poll", "drain", "tls", "large")


class OnReactor(Pop3svc):
    """@ivar loop: Python that is run first."""

    reactor = "epoll"
    loop = ""

    def command(self) -> Sequence[str]:
        words = list(super().command())
        words[2] = self.loop + words[2]
        words[3:3] = ["--reactor", self.reactor]
        return words


class OnAsyncio(OnReactor):
    reactor = "asyncio"


class OnUvloop(OnAsyncio):
    loop = "import uvloop; uvloop.install(); "


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reactors")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    root = Path(tempfile.mkdtemp(prefix="pop3svc-reactors-"))
    around = Surroundings.within(root, (cores[0],), (cores[-1],))
    form = Form(arguments.rounds, arguments.seconds, idle=(), big=0, bigRounds=1)
    os.sched_setaffinity(0, around.loadCores)
    try:
        show(measure(around, form))
    finally:
        shutil.rmtree(root, ignore_errors=True)


def measure(around: Surroundings, form: Form) -> Results:
    """@return: as L{compare} has it."""
    chosen = [each for each in scenarios() if each.name in _SCENARIOS]
    users = {"bystander", *(each.plan.user for each in chosen)}
    kinds = {each.name: each for each in maildrops(form) if each.name in users}
    prepare(around, list(kinds.values()))
    servers: list[OnReactor] = [OnReactor("epoll", around), OnAsyncio("asyncio", around)]
    if find_spec("uvloop"):
        servers.append(OnUvloop("asyncio on uvloop", around))
    with ExitStack() as running:
        for server in servers:
            running.enter_context(server)
            for kind in kinds.values():
                fill(around.source, server.mail, kind)
        return compare(servers, chosen, kinds, form)


def show(results: Results) -> None:
    """Milliseconds of processor a session, medians."""
    for name, cells in results.items():
        for server, cell in cells.items():
            costs = [each["cost"] for each in cell["samples"]]
            cost = f"{statistics.median(costs):9.3f} ms" if costs else str(cell["failure"])
            print(f"{name:10} {server:18} {cost}", flush=True)


if __name__ == "__main__":
    main()
