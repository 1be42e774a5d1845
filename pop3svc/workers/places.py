"""
The places of a whole service: counts in memory that its workers share.

Each worker has a row, which it alone writes and all read, so that nobody ever waits for
a lock of somebody who hangs. A worker counts its newcomer first, and only then adds up
all rows: of two who come at the same instant for one place, in two workers, at least one
sees the other. So no bound on a network is ever exceeded; at the worst both are told to
come back.

Networks have no names here. Each has two cells by a keyed hash, and the smaller of the
two sums counts: it may be too large, when both cells are shared with others, and never
too small. The key is a secret of the parent's, so that nobody can look for addresses that
share the cells of somebody else. How rarely somebody is refused who should not be is
in C{docs/workers.rst}, and C{tests/test_workers_places.py} measures it.

Where the total is reached a worker has its own oldest stranger make room. If it has none
the newcomer is let in all the same, and the parent is asked to have one in another
worker make room; until that is done, in a millisecond, the total is exceeded by one. It is
by no more than L{_ASKED_MOST} for each worker: beyond that newcomers are refused.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from threading import Lock

from twisted.internet.defer import Deferred

from ..admission import Admission, Crowded, Place
from ..limits import Limits

# A row: two words, and behind their page four tables: two for connections, two for those
# who are logging in.
_TOTAL, _STRANGERS = 0, 1
_WORD = 4
_HEAD = 1024
_CELLS = 65536
_ROW = _HEAD + 4 * _CELLS

# Networks whose cells are known without hashing.
_REMEMBERED = 4096
_ASKED_MOST = 16

# Of a network, as columns of a row: first those for its connections.
Cells = tuple[int, ...]
_CONNECTIONS, _LOGGING_IN = slice(0, 2), slice(2, 4)


class Places:
    """
    The memory with all rows.

    @ivar descriptor: of its file, which workers inherit; not closed here.
    """

    def __init__(self, descriptor: int, rows: int, key: bytes) -> None:
        """
        @param rows: as L{makeMemory} was told.
        @param key: of the hashes, the same in all workers, and nobody else's; 16 octets or
            more.
        """
        self.descriptor = descriptor
        self.words = memoryview(mmap.mmap(descriptor, rows * _ROW * _WORD)).cast("I")
        self.cells = lru_cache(_REMEMBERED)(self._cells)
        self._key = key

    def clear(self, row: int) -> None:
        """Whoever wrote this row is dead."""
        self.words[row * _ROW : (row + 1) * _ROW] = memoryview(bytes(_ROW * _WORD)).cast("I")

    def sum(self, column: int) -> int:
        """@return: over all rows."""
        return sum(self.words[column::_ROW])

    @property
    def total(self) -> int:
        """Connections of all workers."""
        return self.sum(_TOTAL)

    def strangers(self, row: int) -> int:
        return self.words[row * _ROW + _STRANGERS]

    def exceed(self, cells: Cells, most: int) -> bool:
        """@return: all of them hold more than that; one alone may be shared with others."""
        return all(self.sum(each) > most for each in cells)

    def _cells(self, network: str) -> Cells:
        if not network:
            return ()
        digest = blake2b(network.encode(), key=self._key, digest_size=4).digest()
        hashes = int.from_bytes(digest[:2], "big"), int.from_bytes(digest[2:], "big")
        return tuple(_HEAD + table * _CELLS + hashes[table % 2] for table in range(4))


def makeMemory(rows: int) -> int:
    """
    @param rows: one for each worker.
    @return: the descriptor of a file that has no name, with nobody in it.
    """
    descriptor = os.memfd_create("pop3svc-places", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, rows * _ROW * _WORD)
    # Were it made shorter, whoever looks next would die, and the parent, too.
    seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor


class SharedAdmission(Admission):
    """
    A worker's part of the places. What L{Admission} counts, this worker's are of it;
    what is bounded is all workers'.
    """

    def __init__(self, places: Places, row: int) -> None:
        """@param row: this worker's, which is empty."""
        super().__init__()
        self._places = places
        self._first = row * _ROW
        self._cellsOf: dict[Place, Cells] = {}
        # For whom L{crowded} has found a place, and who has not entered yet.
        self._expected: Cells | None = None
        self._asked = 0
        self._askForRoom: Callable[[], Deferred[bool]] | None = None
        # Nobody contends for it: a core that takes it lets others see all that it has
        # written before it reads on, which it would not do for memory alone.
        self._fence = Lock()

    def askForRoom(self, ask: Callable[[], Deferred[bool]] | None) -> None:
        """@param ask: has a stranger elsewhere make room; without it nobody there does."""
        self._askForRoom = ask

    def crowded(self, network: str, limits: Limits) -> Crowded | None:
        """
        The place that is found is kept until L{enter}, or the next call of this.

        @see: L{Admission.crowded}
        """
        self._expectNobody()
        cells = self._places.cells(network)
        self._write(cells, 1)
        crowded = self._over(cells, limits)
        if crowded is None:
            self._expected = cells
        else:
            self._write(cells, -1)
        return crowded

    def enter(self, network: str, limits: Limits, crowdOut: Callable[[], None]) -> Place:
        """@see: L{Admission.enter}"""
        cells = self._places.cells(network)
        if self._expected == cells:
            self._expected = None
        else:
            self._expectNobody()
            self._write(cells, 1)
            self._show()
        full = self._places.total > limits.connections
        while full and self.crowdOutOldest():
            full = self._places.total > limits.connections
        place = Place(self, network, crowdOut)
        self._cellsOf[place] = cells
        self._taken.add(place)
        self._strangers[place] = None
        self._add(_STRANGERS, 1)
        if full and self._mayAsk():
            self._ask(limits)
        return place

    def crowdOutOldest(self) -> bool:
        """@return: somebody was there to make room."""
        if not self._strangers:
            return False
        oldest = next(iter(self._strangers))
        self._leave(oldest)
        self.crowdedOut += 1
        oldest.crowdOut()
        return True

    def _over(self, cells: Cells, limits: Limits) -> Crowded | None:
        """The newcomer is counted already."""
        self._show()
        if cells:
            if self._places.exceed(cells[_CONNECTIONS], limits.connectionsPerNetwork):
                return Crowded.NETWORK
            if self._places.exceed(cells[_LOGGING_IN], limits.loggingInPerNetwork):
                return Crowded.LOGGING_IN
        if self._places.total <= limits.connections or self._strangers or self._mayAsk():
            return None
        return Crowded.ALL

    def _write(self, cells: Cells, change: int) -> None:
        """A connection comes or goes where nobody has logged in."""
        self._add(_TOTAL, change)
        for each in cells:
            self._add(each, change)

    def _add(self, column: int, change: int) -> None:
        self._places.words[self._first + column] += change

    def _show(self) -> None:
        """Let the others see what was written, before anything else is read."""
        with self._fence:
            pass

    def _expectNobody(self) -> None:
        """Whoever had a place may not have come for it."""
        if self._expected is not None:
            self._write(self._expected, -1)
            self._expected = None

    def _settle(self, place: Place) -> None:
        if place not in self._strangers:
            return
        del self._strangers[place]
        self._add(_STRANGERS, -1)
        for each in self._cellsOf[place][_LOGGING_IN]:
            self._add(each, -1)

    def _leave(self, place: Place) -> None:
        if place not in self._taken:
            return
        self._settle(place)
        self._taken.discard(place)
        self._add(_TOTAL, -1)
        for each in self._cellsOf.pop(place)[_CONNECTIONS]:
            self._add(each, -1)

    # Strangers elsewhere.

    def _mayAsk(self) -> bool:
        """There is one more than are asked for already."""
        elsewhere = self._places.sum(_STRANGERS) - len(self._strangers)
        return self._askForRoom is not None and self._asked < min(elsewhere, _ASKED_MOST)

    def _ask(self, limits: Limits) -> None:
        assert self._askForRoom is not None
        self._asked += 1
        self._askForRoom().addCallback(self._cbAsked, limits)

    def _cbAsked(self, made: bool, limits: Limits) -> None:
        self._asked -= 1
        if not made and self._places.total > limits.connections:
            # They have logged in meanwhile. Then it is our own who goes, unless that one has, too.
            self.crowdOutOldest()
