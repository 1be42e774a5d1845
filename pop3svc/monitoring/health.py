"""
Whether the service does what it is for: C{/healthz}.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# What fails, and what shows that it works all the same.
_FAILURES = (
    ("checkerFaults", "logins", "logins cannot be checked"),
    ("openFaults", "logins", "maildrops cannot be opened"),
    ("retrieveFaults", "retrieved", "messages cannot be read"),
    ("removeFaults", "deleted", "messages cannot be removed"),
    ("faults", "logins", "the program fails; the log has tracebacks"),
)


@dataclass(frozen=True)
class Situation:
    """
    @ivar draining: the service is being stopped.
    @ivar closed: listeners that should be open and are not.
    @ivar workers: processes that have answered.
    @ivar expected: processes that there should be.
    @ivar minute: what was counted in the last minute.
    """

    draining: bool
    closed: Sequence[str]
    workers: int
    expected: int
    minute: Mapping[str, float]


def illnesses(situation: Situation, faults: int) -> list[str]:
    """
    @param faults: so many without a single success are an illness.
    @return: a sentence for each; none for a service that is well.
    """
    found = []
    if situation.draining:
        found.append("draining: nobody new is let in")
    else:
        found += [f"nobody listens on {each}" for each in situation.closed]
    if situation.workers < situation.expected:
        found.append(f"{situation.workers} of {situation.expected} serving processes answer")
    minute = situation.minute
    for failing, working, sentence in _FAILURES:
        count = minute.get(failing, 0)
        if count >= faults and not minute.get(working, 0):
            found.append(f"{sentence}: {count:.0f} faults in the last minute, and no success")
    return found
