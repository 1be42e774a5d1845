"""
What a failure has left behind, once more::

    python -m tests.fuzz.replay fuzz-faults/stream-1996-17.txt

The exit status is 1 when it fails again.
"""

from __future__ import annotations

import sys
import traceback
import warnings
from pathlib import Path

from .campaign import Target
from .case import read
from .network import Network
from .targets import named


def replay(path: Path) -> None:
    """@raise Exception: it fails again."""
    case = read(path)
    if case.target == Network.name:
        network = Network()
        try:
            network.check(case)
            network.checkHealth()
        finally:
            network.close()
        return
    target: Target = named(case.target)
    target.check(case)


def main(paths: list[str]) -> int:
    """@return: the exit status."""
    warnings.simplefilter("ignore")
    if not paths:
        print(__doc__)
        return 2
    failed = False
    for each in paths:
        try:
            replay(Path(each))
        except Exception:
            failed = True
            print(f"{each} fails:\n{traceback.format_exc()}")
        else:
            print(f"{each} is well")
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
