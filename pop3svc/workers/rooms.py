"""
Whose place is free for somebody who comes to another worker: what a worker and the parent
say to each other about L{pop3svc.workers.places}.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionClosed
from twisted.protocols.amp import AmpError, Boolean, Command
from twisted.python.failure import Failure

from .link import Part
from .places import Places, SharedAdmission


class MakeRoom(Command):
    """To the parent: the total is exceeded, and no stranger is left here."""

    response = [(b"made", Boolean())]


class CrowdOut(Command):
    """To a worker: its oldest stranger is to make room."""

    response = [(b"made", Boolean())]


class PlacesPart(Part):
    """The worker's side of making room."""

    def __init__(self, admission: SharedAdmission) -> None:
        super().__init__()
        self._admission = admission
        admission.askForRoom(self._ask)

    def lost(self) -> None:
        """Nobody elsewhere makes room."""
        self._admission.askForRoom(None)

    def _ask(self) -> Deferred[bool]:
        return self.link.ask(MakeRoom).addCallbacks(_made, _nobody)

    @CrowdOut.responder
    def crowdOut(self) -> dict[str, bool]:
        """@see: L{CrowdOut}"""
        return {"made": self._admission.crowdOutOldest()}


class RoomMaker:
    """The parent's side: it knows which workers have strangers."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self._parts: dict[int, RoomPart] = {}

    def part(self, row: int) -> RoomPart:
        """
        @param row: of a new worker; it is empty then.
        @return: the part of its link.
        """
        self.places.clear(row)
        part = self._parts[row] = RoomPart(self, row)
        return part

    def lost(self, row: int, part: RoomPart) -> None:
        """That worker is gone, with all who had places there."""
        if self._parts.get(row) is part:
            del self._parts[row]
            self.places.clear(row)

    async def makeRoom(self, asking: int) -> bool:
        """
        @param asking: the row of a worker that has no stranger.
        @return: somebody makes room, in the worker that has most strangers.
        """
        rows = [row for row in self._parts if row != asking]
        for row in sorted(rows, key=self.places.strangers, reverse=True):
            part = self._parts.get(row)
            if part is not None and self.places.strangers(row) and await part.crowdOut():
                return True
        return False


class RoomPart(Part):
    """The parent's side of one worker's link."""

    def __init__(self, rooms: RoomMaker, row: int) -> None:
        super().__init__()
        self._rooms = rooms
        self._row = row

    def lost(self) -> None:
        """@see: L{RoomMaker.lost}"""
        self._rooms.lost(self._row, self)

    def crowdOut(self) -> Deferred[bool]:
        """@return: somebody there makes room."""
        return self.link.ask(CrowdOut).addCallbacks(_made, _nobody)

    @MakeRoom.responder
    def makeRoom(self) -> Deferred[dict[str, bool]]:
        """@see: L{MakeRoom}"""
        made = Deferred.fromCoroutine(self._rooms.makeRoom(self._row))
        return made.addCallback(lambda made: {"made": made})


def _made(answer: dict[str, bool]) -> bool:
    return answer["made"]


def _nobody(failure: Failure) -> bool:
    """Nobody can be asked there."""
    failure.trap(ConnectionClosed, AmpError)
    return False
