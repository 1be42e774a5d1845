"""
L{pop3svc.workers.places}: the bounds of L{pop3svc.admission} over several workers.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionLost
from twisted.trial.unittest import TestCase

from pop3svc.admission import Crowded, Place
from pop3svc.limits import Limits
from pop3svc.workers import places
from pop3svc.workers.places import Places, SharedAdmission, makeMemory
from pop3svc.workers.rooms import CrowdOut, PlacesPart, RoomMaker

from . import test_admission
from .sharing import Links

KEY = b"k" * 32
MANY = Limits(connections=9, connectionsPerNetwork=4, loggingInPerNetwork=2)


class OneWorkerTests(test_admission.AdmissionTests):
    """A worker that is alone is like a service without workers."""

    def setUp(self) -> None:
        super().setUp()
        descriptor = makeMemory(1)
        self.addCleanup(os.close, descriptor)
        self.places = Places(descriptor, 1, KEY)
        self.admission = self.shared = SharedAdmission(self.places, 0)

    def tearDown(self) -> None:
        """Whatever was told in whatever order, nobody is left in the memory."""
        for place in list(self.shared._taken):
            place.leave()
        self.shared._expectNobody()
        self.assertFalse(any(self.places.words))


class PlacesTestCase(TestCase):
    """Three workers. Each has its own view of the memory, as processes have."""

    def setUp(self) -> None:
        descriptor = makeMemory(3)
        self.addCleanup(os.close, descriptor)
        self.rooms = RoomMaker(Places(descriptor, 3, KEY))
        self.links = Links()
        self.out: list[str] = []
        self.views = [Places(descriptor, 3, KEY) for _ in range(3)]
        self.workers = [self.hire(row) for row in range(3)]

    def hire(self, row: int) -> SharedAdmission:
        worker = SharedAdmission(self.views[row], row)
        self.links.make([self.rooms.part(row)], [PlacesPart(worker)])
        return worker

    def enter(self, row: int, network: str, name: str = "", limits: Limits = MANY) -> Place:
        self.assertIs(self.workers[row].crowded(network, limits), None)
        return self.workers[row].enter(network, limits, lambda: self.out.append(name))

    def enterLoggedIn(self, row: int, network: str) -> Place:
        place = self.enter(row, network)
        place.loggedIn()
        return place

    def crowded(self, network: str, limits: Limits = MANY) -> list[Crowded | None]:
        """What each worker says, one after the other; nobody comes."""
        found = []
        for each in self.workers:
            found.append(each.crowded(network, limits))
            each._expectNobody()
        return found


class BoundTests(PlacesTestCase):
    def test_loggingIn(self) -> None:
        first = self.enter(0, "a")
        self.enter(1, "a")
        self.assertEqual(self.crowded("a"), [Crowded.LOGGING_IN] * 3)
        self.assertEqual(self.crowded("b"), [None] * 3)
        first.loggedIn()
        self.assertEqual(self.crowded("a"), [None] * 3)

    def test_network(self) -> None:
        held = [self.enterLoggedIn(row % 3, "a") for row in range(4)]
        self.assertEqual(self.crowded("a"), [Crowded.NETWORK] * 3)
        held[2].leave()
        self.assertEqual(self.crowded("a"), [None] * 3)

    def test_all(self) -> None:
        held = [self.enterLoggedIn(row % 3, str(row)) for row in range(9)]
        for network in ("x", ""):
            self.assertEqual(self.crowded(network), [Crowded.ALL] * 3)
        held[0].leave()
        self.assertEqual(self.crowded(""), [None] * 3)
        self.assertEqual((self.views[2].total, self.workers[0].total), (8, 2))

    def test_expected(self) -> None:
        """A place that was found counts from then on, and once."""
        self.assertIs(self.workers[0].crowded("a", MANY), None)
        self.assertEqual(self.views[1].total, 1)
        place = self.workers[0].enter("a", MANY, lambda: None)
        self.assertEqual(self.views[1].total, 1)
        place.leave()
        self.assertEqual(self.views[1].total, 0)

    def test_neverCame(self) -> None:
        """Who was expected and did not come holds no place when the next one does."""
        self.workers[0].crowded("a", MANY)
        self.workers[0].crowded("b", MANY)
        self.assertEqual(self.views[1].total, 1)
        self.workers[0].enter("c", MANY, lambda: None).leave()
        self.assertFalse(any(self.views[1].words))

    def test_sameInstant(self) -> None:
        """Another comes in another worker between our count and our look at the sums."""
        limits = Limits(connections=9, connectionsPerNetwork=1)
        said: list[Crowded | None] = []

        def meanwhile() -> None:
            said.append(self.workers[1].crowded("a", limits))

        self.patch(self.workers[0], "_show", meanwhile)
        said.append(self.workers[0].crowded("a", limits))
        self.assertEqual(said, [Crowded.NETWORK, None])

    def test_bothLook(self) -> None:
        """Both have counted before either looks: none of them is served."""
        limits = Limits(connections=9, connectionsPerNetwork=1)
        other, said = self.workers[1], []

        def meanwhile() -> None:
            cells = self.views[1].cells("a")
            other._write(cells, 1)
            self.patch(other, "_show", lambda: None)
            said.append(other._over(cells, limits))

        self.patch(self.workers[0], "_show", meanwhile)
        self.assertEqual(self.workers[0].crowded("a", limits), Crowded.NETWORK)
        self.assertEqual(said, [Crowded.NETWORK])

    def test_death(self) -> None:
        """Whoever had places in a worker that died has none; all others keep theirs."""
        for row in (0, 0, 1):
            self.enterLoggedIn(row, "a")
        self.enter(0, "a")
        self.assertEqual(self.crowded("a"), [Crowded.NETWORK] * 3)
        self.workers[0] = self.hire(0)
        self.assertEqual((self.views[2].total, self.views[2].strangers(0)), (1, 0))
        for _ in range(3):
            self.enterLoggedIn(0, "a")
        self.assertEqual(self.crowded("a"), [Crowded.NETWORK] * 3)

    def test_lost(self) -> None:
        """Its part says so before it is replaced, and does not touch the next one's row."""
        self.enter(0, "a")
        part = self.rooms._parts[0]
        part.lost()
        self.assertEqual(self.views[1].total, 0)
        self.workers[0] = self.hire(0)
        self.enter(0, "a")
        part.lost()
        self.assertEqual(self.views[1].total, 1)

    def test_cannotBeMadeShorter(self) -> None:
        """By one of them: all others would die at their next look."""
        self.assertRaises(PermissionError, os.ftruncate, self.rooms.places.descriptor, 0)


class StrangersTests(PlacesTestCase):
    """Who makes room when the total is reached."""

    def fill(self, *strangers: int) -> None:
        """So many in each worker; those who are left have logged in, in the first."""
        for row, many in enumerate(strangers):
            for number in range(many):
                self.enter(row, f"{row}{number}", f"{row}{number}")
        for number in range(9 - sum(strangers)):
            self.enterLoggedIn(0, f"x{number}")

    def test_own(self) -> None:
        self.fill(2, 3, 3)
        self.enter(0, "new")
        self.assertEqual((self.out, self.views[0].total), (["00"], 9))
        self.links.settle()
        self.assertEqual(self.out, ["00"])

    def test_elsewhere(self) -> None:
        """The oldest of the worker that has most, and the newcomer does not wait for it."""
        self.fill(0, 2, 3)
        self.enter(0, "new").loggedIn()
        self.assertEqual((self.out, self.views[0].total), ([], 10))
        self.links.settle()
        self.assertEqual((self.out, self.views[0].total), (["20"], 9))
        self.assertEqual([each.crowdedOut for each in self.workers], [0, 0, 1])

    def test_noMoreThanThereAre(self) -> None:
        """Each stranger elsewhere makes room once, however many come in one moment."""
        self.fill(0, 1, 1)
        for network in "ab":
            self.enterLoggedIn(0, network)
        self.assertIs(self.workers[0].crowded("c", MANY), Crowded.ALL)
        self.links.settle()
        self.assertEqual((self.out, self.views[0].total), (["10", "20"], 9))

    def test_askedMost(self) -> None:
        self.patch(places, "_ASKED_MOST", 2)
        self.fill(0, 4, 4)
        for network in "ab":
            self.enterLoggedIn(0, network)
        self.assertIs(self.workers[0].crowded("c", MANY), Crowded.ALL)
        self.links.settle()
        self.assertIs(self.workers[0].crowded("c", MANY), None)

    def test_loggedInMeanwhile(self) -> None:
        """Then the newcomer makes room, being a stranger."""
        self.fill(0, 1, 0)
        [stranger] = self.workers[1]._taken
        self.enter(0, "new", "new")
        stranger.loggedIn()
        self.links.settle()
        self.assertEqual((self.out, self.views[0].total), (["new"], 9))

    def test_nextWorker(self) -> None:
        """One whose stranger has logged in meanwhile is not the last that is asked."""
        self.fill(0, 1, 1)
        [stranger] = self.workers[1]._taken
        self.enterLoggedIn(0, "new")
        self.views[1].words[self.workers[1]._first + 1] += 1
        stranger.loggedIn()
        self.links.settle()
        self.assertEqual((self.out, self.views[0].total), (["20"], 9))

    def test_noLink(self) -> None:
        """Without a parent only the own strangers make room."""
        self.fill(0, 2, 3)
        self.workers[0].askForRoom(None)
        self.assertIs(self.workers[0].crowded("new", MANY), Crowded.ALL)

    def test_lost(self) -> None:
        """The worker that is asked dies: the newcomer makes room, or there is enough."""
        self.fill(0, 0, 3)
        self.enter(0, "new", "new")
        part = self.rooms._parts[2]
        self.patch(part, "link", _Dead())
        self.links.settle()
        self.assertEqual((self.out, self.views[0].total), (["new"], 9))

    def test_commandAtNobody(self) -> None:
        """A worker without strangers says so."""
        asked = self.rooms._parts[1].link.ask(CrowdOut)
        self.links.settle()
        self.assertEqual(self.successResultOf(asked), {"made": False})


class _Dead:
    """A link whose other end is gone."""

    def ask(self, command: object) -> Deferred[Any]:
        return fail(ConnectionLost())


@dataclass(eq=False)
class Guest:
    row: int
    network: str
    stranger: bool = True
    place: Place | None = None


class PropertyTests(PlacesTestCase):
    """Whatever happens in whatever order."""

    def test_bounds(self) -> None:
        for seed in range(30):
            self.setUp()
            self.guests: list[Guest] = []
            self.expected: dict[int, Guest] = {}
            chance = random.Random(seed)
            for _ in range(400):
                self.happen(chance)
                self.check()
            self.links.settle()
            for each in list(self.guests):
                self.placeOf(each).leave()
            for worker in self.workers:
                worker._expectNobody()
            self.assertFalse(any(self.views[1].words))

    def happen(self, chance: random.Random) -> None:
        row = chance.randrange(3)
        deed = chance.choices(("come", "log in", "leave", "settle", "die"), (60, 15, 20, 30, 1))[0]
        if row in self.expected:
            guest = self.expected.pop(row)
            worker = self.workers[row]
            guest.place = worker.enter(guest.network, MANY, partial(self.crowdOut, guest))
            self.guests.append(guest)
        elif deed == "come":
            network = chance.choice("aabcdef")
            if self.workers[row].crowded(network, MANY) is None:
                self.expected[row] = Guest(row, network)
        elif deed == "die":
            self.workers[row] = self.hire(row)
            self.guests = [each for each in self.guests if each.row != row]
        elif deed == "settle":
            self.links.settle()
        elif self.guests and deed == "log in":
            # That takes longer than to make room.
            self.links.settle()
            guest = chance.choice(self.guests)
            self.placeOf(guest).loggedIn()
            guest.stranger = False
        elif self.guests:
            guest = chance.choice(self.guests)
            self.placeOf(guest).leave()
            self.guests.remove(guest)

    def check(self) -> None:
        here = Counter(each.network for each in self.guests)
        self.assertLessEqual(max(here.values(), default=0), MANY.connectionsPerNetwork)
        loggingIn = Counter(each.network for each in self.guests if each.stranger)
        self.assertLessEqual(max(loggingIn.values(), default=0), MANY.loggingInPerNetwork)
        asked = sum(each._asked for each in self.workers)
        self.assertLessEqual(len(self.guests), MANY.connections + asked)
        self.assertEqual(self.views[0].total, len(self.guests) + len(self.expected))

    def crowdOut(self, guest: Guest) -> None:
        self.assertTrue(guest.stranger)
        self.guests.remove(guest)

    def placeOf(self, guest: Guest) -> Place:
        assert guest.place is not None
        return guest.place


class CollisionTests(PlacesTestCase):
    """Who shares cells with others."""

    def test_key(self) -> None:
        """Nobody can tell whose cells are whose without it."""
        other = Places(self.views[0].descriptor, 3, b"l" * 32)
        self.assertNotEqual(other.cells("192.0.2.7"), self.views[0].cells("192.0.2.7"))
        self.assertEqual(self.views[1].cells("192.0.2.7"), self.views[0].cells("192.0.2.7"))

    def test_oneTable(self) -> None:
        """The other one tells them apart."""
        first = self.views[0].cells("a")
        cells = {"a": first, "b": tuple(each ^ (number & 1) for number, each in enumerate(first))}
        for view in self.views:
            self.patch(view, "cells", cells.__getitem__)
        for row in range(2):
            self.enter(row, "a")
        self.assertEqual(self.crowded("a"), [Crowded.LOGGING_IN] * 3)
        self.assertEqual(self.crowded("b"), [None] * 3)

    def test_bothTables(self) -> None:
        """Refused, which is the safe side."""
        cells = self.views[0].cells("a")
        for view in self.views:
            self.patch(view, "cells", lambda network: cells)
        for row in range(2):
            self.enter(row, "a")
        self.assertEqual(self.crowded("b"), [Crowded.LOGGING_IN] * 3)

    def test_seldom(self) -> None:
        """
        With default limits, all places taken, and as many networks as can be have all the
        places of theirs where nobody has logged in: whom that keeps out besides them.
        """
        full = [f"2001:db8:0:{number:x}::/64" for number in range(200)]
        tables = [{cells[table] for cells in map(self.views[0].cells, full)} for table in (0, 1)]
        others = [f"198.51.{each >> 8}.{each & 255}" for each in range(65536)]
        refused = sum(
            cells[0] in tables[0] and cells[1] in tables[1]
            for cells in map(self.views[0].cells, others)
        )
        # With another key it may be 0 or 3 as well.
        self.assertEqual(refused, 1)
