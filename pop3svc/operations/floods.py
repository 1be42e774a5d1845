"""
Which lines the log gets when one event happens ten thousand times a second.

Of one class of events, one network (or session) and one second the first is told, and the
others are counted. The table is bounded too: beyond so many networks in one second
the rest of a class is counted together.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..hits import hit

_SECONDS = 1.0

# Stands for all who have no count of their own.
OTHERS = "*"


@dataclass(frozen=True)
class LeftOut:
    """
    What was counted and not told.

    @ivar event: the class of events.
    @ivar who: whose they were; L{OTHERS} for those counted together.
    """

    event: str
    who: str
    count: int


@dataclass
class _Second:
    """Of one class, of somebody: since when, and how many were left out."""

    began: float
    leftOut: int = 0


class FloodGuard:
    """
    @ivar leftOut: how many lines were left out since the start.
    """

    def __init__(self, networks: int) -> None:
        """@param networks: how many have counts of their own, for each class."""
        self.networks = networks
        self.leftOut = 0
        # Class -> who -> the second; the oldest second first.
        self._seconds: dict[str, dict[str, _Second]] = {}

    def pass_(self, event: str, who: str, now: float) -> bool:
        """
        @param event: its class: one of a fixed set of ours.
        @param who: whose it is: a network, a session.
        @param now: in seconds; C{due} comes first.
        @return: whether it is to be told.
        """
        here = self._seconds.setdefault(event, {})
        second = here.get(who)
        if second is None and len(here) < self.networks:
            here[who] = _Second(now)
            return True
        if second is None:
            hit("logNetworks")
            second = here.setdefault(OTHERS, _Second(now))
        second.leftOut += 1
        self.leftOut += 1
        return False

    def due(self, now: float) -> list[LeftOut]:
        """
        Forget the seconds that are over.

        @return: what is to be told of them.
        """
        told = []
        for event, here in list(self._seconds.items()):
            for who, second in list(here.items()):
                # Those behind it are younger.
                if now - second.began < _SECONDS:
                    break
                del here[who]
                if second.leftOut:
                    told.append(LeftOut(event, who, second.leftOut))
            if not here:
                del self._seconds[event]
        return told

    @property
    def counting(self) -> bool:
        """Something was left out that C{due} has not told yet."""
        return any(each.leftOut for here in self._seconds.values() for each in here.values())
