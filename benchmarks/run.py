"""
Run the benchmark.

    python -m benchmarks.run [--form short|long] [--peers NAMES] [--only SCENARIOS] ...

It starts all servers on loopback, each with its settings and mail in one temporary
directory, lets them take turns, and writes a table and a picture. Nothing of the
machine's own services is used or changed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import sys
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from pop3svc.demo import makeCertificate

from .big import bigMaildrop
from .courier import Courier
from .dovecot import Dovecot
from .load import build
from .mail import Maildrop, fill, makeMaildrops, writeAnswers, writePasswords
from .measure import Results, compare, idleMemory
from .peers import Canned, Floor, Pop3svc, Stock
from .picture import drawPicture
from .progress import say
from .scenarios import FORMS, Form, maildrops, scenarios
from .server import Server, Surroundings
from .table import writeTable

RESULTS = Path(__file__).with_name("results")
PEERS: dict[str, type[Server]] = {
    "pop3svc": Pop3svc,
    "dovecot": Dovecot,
    "courier": Courier,
    "stock": Stock,
    "canned": Canned,
    "floor": Floor,
}
# Those that answer from memory have no mail of their own.
CANNED = ("canned", "floor")


def parseArguments(words: list[str]) -> argparse.Namespace:
    """@param words: of the command line."""
    cores = sorted(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run")
    parser.add_argument("--form", choices=FORMS, default="short")
    parser.add_argument("--peers", default=",".join(PEERS), help="names with commas between")
    parser.add_argument("--only", default="", help="scenarios; also idle and big")
    parser.add_argument("--seconds", type=float, help="of each turn")
    parser.add_argument("--rounds", type=int, help="turns of each server")
    parser.add_argument(
        "--also",
        action="append",
        default=[],
        metavar="NAME=OPTIONS",
        help="pop3svc once more, with further options, for example two='--workers 2'",
    )
    parser.add_argument(
        "--checkout",
        action="append",
        default=[],
        metavar="NAME=DIRECTORY",
        help="pop3svc once more, from another checkout",
    )
    parser.add_argument("--server-cores", default=str(cores[0]), help="default: the first alone")
    parser.add_argument("--load-cores", default=str(cores[-1]), help="default: the last alone")
    parser.add_argument("--keep", action="store_true", help="the directory with all logs")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the table goes")
    return parser.parse_args(words)


def makeServers(arguments: argparse.Namespace, around: Surroundings) -> list[Server]:
    """
    @raise SystemExit: with one sentence, when a name is unknown or a program missing.
    """
    servers: list[Server] = []
    for name in arguments.peers.split(","):
        if name not in PEERS:
            raise SystemExit(f"there is no peer {name!r}; there are {', '.join(PEERS)}")
        if name == "dovecot" and not Path("/usr/sbin/dovecot").exists():
            raise SystemExit("apt-get install dovecot-pop3d, or leave dovecot out with --peers")
        servers.append(PEERS[name](name, around))
    for each in arguments.also:
        name, _, options = each.partition("=")
        variant = Pop3svc(name, around)
        variant.options = tuple(options.split())
        servers.append(variant)
    for each in arguments.checkout:
        name, _, directory = each.partition("=")
        variant = Pop3svc(name, around)
        variant.checkout = Path(directory).resolve()
        servers.append(variant)
    return servers


def prepare(around: Surroundings, kinds: list[Maildrop]) -> None:
    """Whatever is the same for all servers."""
    say("making mail")
    build(around.programs)
    makeMaildrops(around.source, kinds)
    for kind in kinds:
        writeAnswers(around.answers, around.source, kind, kind.name in ("drain", "large"))
    writePasswords(around.passwords, kinds)
    around.certificate.write_bytes(makeCertificate("localhost"))
    # Servers give up root and read it again.
    around.certificate.chmod(0o644)


def measure(arguments: argparse.Namespace, around: Surroundings, form: Form) -> Results:
    """@return: all figures, as JSON has them."""
    kinds = {each.name: each for each in maildrops(form)}
    wanted = [each for each in arguments.only.split(",") if each]
    chosen = [each for each in scenarios() if not wanted or each.name in wanted]
    prepare(around, list(kinds.values()))
    results: Results = {"machine": _machine(around), "form": arguments.form}
    with ExitStack() as running:
        servers = makeServers(arguments, around)
        for server in servers:
            say(f"starting {server.name}")
            running.enter_context(server)
            for kind in kinds.values() if server.name not in CANNED else ():
                if kind.name != "delete":
                    fill(around.source, server.mail, kind)
        results["exact"] = all(server.account.exact for server in servers)
        results["servers"] = [server.name for server in servers]
        results["scenarios"] = compare(servers, chosen, kinds, form)
        # Not before: whoever has a process for each session keeps them afterwards.
        if form.idle and (not wanted or "idle" in wanted):
            results["idle"] = idleMemory(servers, form)
        if form.big and (not wanted or "big" in wanted):
            real = [server for server in servers if server.name not in CANNED]
            results["big"] = bigMaildrop(real, form)
            results["bigMessages"] = form.big
    say("")
    return results


def _machine(around: Surroundings) -> dict[str, str]:
    model = "a processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(": ")[2]
    return {
        "when": datetime.now(UTC).strftime("%Y-%m-%d"),
        "processor": model,
        "cores": str(os.cpu_count()),
        "serverCores": ",".join(map(str, around.cores)),
        "loadCores": ",".join(map(str, around.loadCores)),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def _mostSessions() -> int:
    """A session of ours takes three descriptors, and some are for all of them."""
    return (resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 500) // 3


def _cores(text: str) -> tuple[int, ...]:
    return tuple(int(each) for each in text.split(","))


def main() -> None:
    arguments = parseArguments(sys.argv[1:])
    if os.geteuid() != 0:
        raise SystemExit("run it as root: the servers give up root for the user mail themselves")
    form = FORMS[arguments.form]
    form = Form(
        rounds=arguments.rounds or form.rounds,
        seconds=arguments.seconds or form.seconds,
        idle=tuple(dict.fromkeys(min(each, _mostSessions()) for each in form.idle)),
        big=form.big,
        bigRounds=form.bigRounds,
    )
    root = Path(tempfile.mkdtemp(prefix="pop3svc-bench-"))
    around = Surroundings.within(root, _cores(arguments.server_cores), _cores(arguments.load_cores))
    try:
        # What Python itself does here must not take the server's core.
        os.sched_setaffinity(0, around.loadCores)
        publish(measure(arguments, around, form), arguments.results / arguments.form)
    finally:
        if arguments.keep:
            print(f"mail and logs are in {root}")
        else:
            shutil.rmtree(root, ignore_errors=True)


def publish(results: Results, base: Path) -> None:
    """
    Write the figures, the picture and the table, and show the table.

    @param base: the path of all three, without what their names end with.
    """
    base.parent.mkdir(parents=True, exist_ok=True)
    base.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n")
    base.with_suffix(".svg").write_text(drawPicture(results))
    table = writeTable(results, base.with_suffix(".svg").name)
    base.with_suffix(".rst").write_text(table)
    print(table, flush=True)


if __name__ == "__main__":
    main()
