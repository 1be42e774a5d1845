"""
The long form: everything is fuzzed, one target after the other.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import seed as hypothesisSeed
from hypothesis.stateful import run_state_machine_as_test

from .campaign import Result, counted, run
from .machine import SessionMachine
from .network import Network
from .targets import COUNTS, names

_MACHINE_EXAMPLES, _MACHINE_STEPS = 3_000, 60
_NETWORK_SESSIONS, _NETWORK_SEEDS = 20_000, 10
# So often somebody looks whether the service is well.
_HEALTH_SESSIONS = 250
_KNOWN = ["session", *names(), Network.name]


def main() -> int:
    """@return: the exit status."""
    arguments = _arguments()
    warnings.simplefilter("ignore")
    chosen = arguments.target or _KNOWN
    print(f"seed {arguments.seed}", flush=True)
    results: list[Result] = []
    if "session" in chosen:
        results.append(_session(arguments))
    for make, long, _ in COUNTS:
        if make.name in chosen:
            enough = counted(round(long * arguments.scale), arguments.minutes)
            results.append(run(make(), arguments.seed, enough, arguments.faults))
            print(results[-1], flush=True)
    if Network.name in chosen:
        results += _network(arguments)
    faults = [path for each in results for path in each.faults]
    print(f"{len(faults)} faults", *faults, sep="\n", flush=True)
    return int(bool(faults))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=time.time_ns() // 10**9)
    parser.add_argument("--scale", type=float, default=1.0, help="of the long form's counts")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="for each target")
    parser.add_argument("--faults", type=Path, default=Path("fuzz-faults"), help="where they go")
    parser.add_argument("target", nargs="*", choices=[*_KNOWN, []], help="all, if none is named")
    return parser.parse_args()


def _session(arguments: argparse.Namespace) -> Result:
    """Hypothesis keeps a failure of its own, and makes it as small as it can."""
    result = Result("session", "examples")
    began = time.monotonic()
    examples = max(1, round(_MACHINE_EXAMPLES * arguments.scale))
    machine = hypothesisSeed(arguments.seed)(SessionMachine)
    try:
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=_MACHINE_STEPS,
                deadline=None,
                print_blob=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
    except Exception as error:
        print("".join([*getattr(error, "__notes__", []), "\n", repr(error)]), flush=True)
        result.faults = (Path(".hypothesis"),)
    result.cases = result.units = examples
    result.seconds = time.monotonic() - began
    print(result, flush=True)
    return result


def _network(arguments: argparse.Namespace) -> list[Result]:
    """Each seed has a service of its own."""
    results = []
    sessions = max(1, round(_NETWORK_SESSIONS * arguments.scale / _NETWORK_SEEDS))
    for number in range(_NETWORK_SEEDS):
        result = fuzzNetwork(arguments.seed + number, sessions, arguments.faults, arguments.minutes)
        results.append(result)
        print(f"seed {arguments.seed + number}: {result}", flush=True)
    return results


def fuzzNetwork(seed: int, sessions: int, faults: Path, minutes: float = float("inf")) -> Result:
    """
    So many sessions with one service.

    @param faults: where the cases that fail are written.
    @raise Wrong: the service is not well, or leaves something behind.
    """
    network = Network()
    most = counted(sessions, minutes)

    def enough(result: Result) -> bool:
        if result.cases % _HEALTH_SESSIONS == _HEALTH_SESSIONS - 1:
            network.checkHealth()
        return most(result)

    try:
        return run(network, seed, enough, faults)
    finally:
        network.close()


if __name__ == "__main__":
    raise SystemExit(main())
