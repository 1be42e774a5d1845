"""
Which events get into the log: all about logins, and of a flood how it begins and how
much it was.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from ..limits import Limits
from ..peers import networkOf
from .events import EVENTS
from .floods import OTHERS, FloodGuard, LeftOut

# What strangers cannot cause, or what must not be missing from the books; of all
# else, also of what may be added to it, a flood is cut.
_ALWAYS = frozenset(name for name, each in EVENTS.items() if each.always)

# Why connections are refused, where it does not depend on whose they are.
_EVERYBODYS = ("connections", "descriptors", "crowded-out")

# How long after a flood what was left out of it is told, at the latest.
_TELL_SECONDS = 1.0


class Sieve:
    """
    @ivar counts: class of events -> how many there were, told or not. A class is an
        event and its reason: a fixed set of words.
    @ivar guard: what counts the rest of a flood.
    """

    def __init__(self, tell: Callable[[LeftOut], None], clock: IReactorTime | None) -> None:
        """
        @param tell: called for what was left out, when its second is over.
        @param clock: so that this is soon; without it, it is with the next event of
            any kind.
        """
        self.counts: Counter[str] = Counter()
        self.guard = FloodGuard(Limits().logNetworks)
        self._tell = tell
        self._clock = clock
        self._seconds = time.monotonic if clock is None else clock.seconds
        self._telling: IDelayedCall | None = None

    def lets(self, event: str, detail: object, who: Callable[[], str]) -> bool:
        """
        @param detail: what tells events of one name apart, in a word of ours, if
            anything does.
        @param who: tells whose flood it would be; not asked of what is always told.
        @return: whether it is to be told.
        """
        kind = f"{event}/{detail}" if detail else event
        self.counts[kind] += 1
        if event in _ALWAYS:
            return True
        self.tellLeftOut()
        if self.guard.pass_(kind, who(), self._seconds()):
            return True
        self._tellLater()
        return False

    def tellLeftOut(self, all: bool = False) -> None:
        """
        Tell what was left out in the seconds that are over.

        @param all: also in those that are not, because this is the end.
        """
        for each in self.guard.due(float("inf") if all else self._seconds()):
            self._tell(each)

    def _tellLater(self) -> None:
        if self._clock is not None and self._telling is None:
            self._telling = self._clock.callLater(_TELL_SECONDS, self._tellNow)

    def _tellNow(self) -> None:
        self._telling = None
        self.tellLeftOut()
        if self.guard.counting:
            self._tellLater()


def whose(record: Mapping[str, object]) -> str:
    """
    Whose flood it would be: the peer's network, and the user, because those behind one
    address must not hide each other's refusals. In the faults of a store no peer
    stands: there it is the session, and what is wrong, so that each mail is told.
    """
    if record.get("reason") in _EVERYBODYS:
        return OTHERS
    if "peer" in record:
        peer = str(record["peer"])
        parts = [networkOf(peer) or peer, record.get("user")]
    elif "session" in record:
        parts = [record["session"], record.get("text")]
    else:
        parts = [record.get("endpoint")]
    return " ".join(str(each) for each in parts if each)
