"""
Who may connect while many do: counts, and no socket.

Three bounds: connections in all, connections from one network, and those of one
network where nobody has logged in yet. Only the first is a matter between
strangers, and there the oldest that has not logged in makes room, so that a
crowd of silent peers never keeps a newcomer out.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from enum import Enum

from .limits import Limits


class Crowded(Enum):
    """Why somebody is not served: the word for the log, and what the peer is told."""

    ALL = ("connections", b"too many connections at the moment; try again later")
    NETWORK = (
        "connections-per-network",
        b"too many connections from your network; close some, or try again later",
    )
    LOGGING_IN = (
        "logging-in-per-network",
        b"too many logins from your network at once; try again in a moment",
    )
    DESCRIPTORS = ("descriptors", b"out of resources at the moment; try again later")


class Place:
    """
    One connection's place among all. What is done twice counts once.
    """

    def __init__(self, admission: Admission, network: str, crowdOut: Callable[[], None]) -> None:
        self.network = network
        self.crowdOut = crowdOut
        self._admission = admission

    def loggedIn(self) -> None:
        """Whoever it is, it makes room for nobody any more."""
        self._admission._settle(self)

    def leave(self) -> None:
        """The connection is gone."""
        self._admission._leave(self)


class Admission:
    """
    The places of a service, over all of its listeners.

    @ivar total: connections now.
    @ivar refused: why -> how many since the start.
    @ivar crowdedOut: how many made room since the start.
    """

    def __init__(self) -> None:
        self.refused = {each.value[0]: 0 for each in Crowded}
        self.crowdedOut = 0
        self._taken: set[Place] = set()
        # The oldest first. A dict would be slow to find its first entry after
        # many that were removed there.
        self._strangers: OrderedDict[Place, None] = OrderedDict()
        # Both hold only networks that have somebody here: they cannot grow
        # beyond the connections.
        self._fromNetwork: dict[str, int] = {}
        self._loggingIn: dict[str, int] = {}

    @property
    def total(self) -> int:
        return len(self._taken)

    @property
    def strangers(self) -> int:
        """How many of them have not logged in."""
        return len(self._strangers)

    def crowded(self, network: str, limits: Limits) -> Crowded | None:
        """
        @param network: as L{pop3svc.peers.networkOf} names it; empty for a peer
            that has none, and then only the total counts.
        @return: why there is no place for one more connection, or C{None}.
        """
        if network:
            if self._fromNetwork.get(network, 0) >= limits.connectionsPerNetwork:
                return Crowded.NETWORK
            if self._loggingIn.get(network, 0) >= limits.loggingInPerNetwork:
                return Crowded.LOGGING_IN
        if len(self._taken) >= limits.connections and not self._strangers:
            return Crowded.ALL
        return None

    def enter(self, network: str, limits: Limits, crowdOut: Callable[[], None]) -> Place:
        """
        Take a place, after L{crowded} has found one.

        @param crowdOut: called, after C{leave}, when this connection has to make
            room.
        """
        while len(self._taken) >= limits.connections and self._strangers:
            oldest = next(iter(self._strangers))
            self._leave(oldest)
            self.crowdedOut += 1
            oldest.crowdOut()
        place = Place(self, network, crowdOut)
        self._taken.add(place)
        self._strangers[place] = None
        _count(self._fromNetwork, network, 1)
        _count(self._loggingIn, network, 1)
        return place

    def _settle(self, place: Place) -> None:
        if place in self._strangers:
            del self._strangers[place]
            _count(self._loggingIn, place.network, -1)

    def _leave(self, place: Place) -> None:
        if place in self._taken:
            self._settle(place)
            self._taken.discard(place)
            _count(self._fromNetwork, place.network, -1)


def _count(counts: dict[str, int], network: str, change: int) -> None:
    if not network:
        return
    count = counts.get(network, 0) + change
    if count:
        counts[network] = count
    else:
        del counts[network]
