"""
Whatever system call of a store fails, and however: answers that are right, a session in
step, nothing lost, nothing doubled, nothing left open.

The tests make each call fail in one of the eight ways, the next one in another, and with
C{EVERY_FAULT=1} in the environment each one in all: that is for C{make fuzz}.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from pop3svc.limits import Limits
from pop3svc.maildrops.files import Directory
from pop3svc.maildrops.journal import Entry, Journal
from pop3svc.maildrops.maildir import MaildirSource
from pop3svc.maildrops.mbox import MboxSource
from pop3svc.maildrops.sidefiles import SideFiles

from . import mboxes
from .live.messages import canonical
from .maildirs import makeMaildir
from .mboxes import Threadless
from .systemcalls import ERRORS, Client, SystemCalls, Visit, descriptorsBelow

_ALL = bool(os.environ.get("EVERY_FAULT"))
_WAYS = len(ERRORS) if _ALL else 1
_BIG = b"Subject: big\n\n" + b".a line, and as many as fill some blocks\n" * 3000
# Names as MTAs and mail readers make them, in their order of arrival.
_MAILS = {
    "new/1700000001.M1P1.host": b"Subject: one\n\n.dots\n..\n",
    "cur/1700000002.M1P1.host:2,S": b"Subject: two\r\n\r\nby CRLF\r\n.\r\n",
    "cur/1700000003.M1P1.host:2,RS": _BIG,
    "new/1700000004.M1P1.host,S=17,W=20": b"Subject: four\n\nx\n",
    "new/1700000005.M1P1.host": b"Subject: five\n\nno end",
    "cur/1700000006.M1P1.host:2,": b"Subject: six\n\nsix\n",
}
_NUMBERS = range(1, len(_MAILS) + 1)


class Store:
    """
    A maildrop in files, and what has to be in it.

    @ivar order: the unique-ids of all, in the order of arrival.
    @ivar must: what is there, by unique-id.
    @ivar may: unique-ids of what may be there as well.
    @ivar most: how many of these at the most.
    """

    def __init__(
        self,
        must: dict[bytes, bytes],
        makeSource: Callable[[Clock], Any],
        stored: Callable[[], int],
    ) -> None:
        """
        @param must: in the order of arrival.
        @param stored: counts the messages in the files.
        """
        self.order = list(must)
        self.must = dict(must)
        self.may: dict[bytes, bytes] = {}
        self.most = 0
        self.clock = Clock()
        self._makeSource, self._stored = makeSource, stored
        self.restart()

    def restart(self) -> None:
        """As after a restart of the service."""
        source = self._makeSource(self.clock)
        source._pool._stop()
        source._pool = Threadless()
        self.client = Client(source, self.clock)

    def visit(self, case: SynchronousTestCase, clean: bool, marked: tuple[int, ...] = ()) -> Visit:
        """One session, and whether all that it was told is right."""
        visit = self.client.visit(range(1, len(self.must) + 1), marked)
        faults = [str(each["failure"]) for each in self.client.audit.events("fault")]
        case.assertEqual(faults, [])
        if clean:
            case.assertEqual((visit.refusal, visit.refused, visit.cut), (b"", {}, False))
            case.assertEqual(visit.notRemoved, 0)
        if visit.refusal:
            # [AUTH] would make a mail program ask for another password.
            case.assertTrue(visit.refusal.startswith(b"-ERR [SYS/TEMP] "), visit.refusal)
            return visit
        self._check(case, visit)
        if visit.marked and visit.notRemoved is not None:
            marks = [visit.uniqueIds[number] for number in visit.marked]
            known = self.must | self.may
            self.must = {each: self.must[each] for each in self.must if each not in marks}
            self.may = {each: known[each] for each in marks} if visit.notRemoved else {}
            self.most = visit.notRemoved
        return visit

    def _check(self, case: SynchronousTestCase, visit: Visit) -> None:
        known = self.must | self.may
        listed = list(visit.uniqueIds.values())
        case.assertEqual(listed, sorted(set(listed), key=self.order.index))
        case.assertEqual(set(self.must) - set(listed), set(), "the listing is short")
        case.assertLessEqual(len(listed), len(self.must) + self.most, "what was removed is back")
        case.assertEqual(list(visit.sizes), list(visit.uniqueIds))
        for number, octets in visit.contents.items():
            case.assertEqual(octets, known[visit.uniqueIds[number]])
            case.assertEqual(len(octets), visit.sizes[number])
        for number, octets in visit.tops.items():
            whole = known[visit.uniqueIds[number]]
            case.assertTrue(whole.startswith(octets.rstrip(b"\r\n")) and octets, number)
        for line in visit.refused.values():
            case.assertTrue(line.startswith(b"-ERR [SYS/TEMP] "), line)

    def settle(self, case: SynchronousTestCase) -> None:
        """Two sessions without a fault, the second one after a restart."""
        known = self.must | self.may
        visit = self.visit(case, clean=True)
        self.must = {each: known[each] for each in visit.uniqueIds.values()}
        self.may, self.most = {}, 0
        self.restart()
        self.visit(case, clean=True)
        case.assertEqual(self._stored(), len(self.must))


class EveryFaultTestCase(TestCase):
    """
    @ivar root: what is below it, the sessions open.
    """

    def setUp(self) -> None:
        self.root = Path(self.mktemp()).absolute()
        self.root.mkdir()
        self.numbers = count()
        self.calls = SystemCalls(self)

    def spoilEach(self, arrange: Callable[[], Store], *sessions: tuple[int, ...]) -> None:
        """
        @param arrange: makes a store as it is before the sessions.
        @param sessions: for each the message-numbers that it removes.
        """
        store = arrange()
        self.calls.record()
        for marked in sessions:
            store.visit(self, True, marked)
        made = list(self.calls.made)
        store.settle(self)
        # So few would mean that most of them are no longer seen.
        self.assertGreater(len(made), 20)
        for nth, code in self._faults(made):
            store = arrange()
            self.calls.failNth(nth, code)
            held = descriptorsBelow(self.root)
            try:
                for marked in sessions:
                    visit = store.visit(self, False, marked)
                    if visit.refusal or visit.cut or visit.notRemoved:
                        # The next one would mark other messages.
                        break
                self.calls.record()
                store.settle(self)
                self.assertEqual(descriptorsBelow(self.root), held)
            except BaseException as error:
                what = f"{self.calls.failed} ({nth}): {errno.errorcode[code]}"
                raise AssertionError(f"{what}: {error}") from error

    def _faults(self, made: list[str]) -> Iterator[tuple[int, int]]:
        for nth in range(len(made)):
            for way in range(_WAYS):
                yield nth, ERRORS[(nth + way) % len(ERRORS)]


def uniqueIdOf(name: str) -> bytes:
    return os.path.basename(name).partition(":")[0].encode()


class MaildirTests(EveryFaultTestCase):
    def arrange(self) -> Store:
        """A Maildir that no session has seen."""
        root = self.root / str(next(self.numbers))
        self.maildir = makeMaildir(root / "karl")
        for name, octets in _MAILS.items():
            (self.maildir / name).write_bytes(octets)
        must = {uniqueIdOf(name): canonical(octets) for name, octets in _MAILS.items()}
        return Store(must, lambda _: MaildirSource(f"{root}/{{user}}", Limits()), self.stored)

    def stored(self) -> int:
        return sum(len(os.listdir(self.maildir / each)) for each in ("new", "cur"))

    def test_removing(self) -> None:
        """The first session in a Maildir, which removes, and the second one."""
        self.spoilEach(self.arrange, (2, 4, 5), (1,))

    async def test_unchanged(self) -> None:
        """A Maildir that is as the session before has left it."""
        store = self.arrange()
        # Until the times of the directories are old enough to be believed.
        await deferLater(reactor, 0.03)

        def visited() -> Store:
            store.restart()
            store.visit(self, True)
            return store

        self.spoilEach(visited, ())

    def test_interrupted(self) -> None:
        """A removal of which a crash has left some, and the journal."""

        def interrupted() -> Store:
            store = self.arrange()
            first, *others = (name for name in _MAILS if name.startswith("cur"))
            with Directory(os.open(self.maildir, os.O_RDONLY)) as directory:
                with directory.enter(b"cur") as cur:
                    names = [os.path.basename(each).encode() for each in (first, *others)]
                    entries = [Entry(1, name, cur.fileStamp(name)) for name in names]
                Journal(lambda: SideFiles(directory), len(_MAILS)).write(entries)
            (self.maildir / first).unlink()
            del store.must[uniqueIdOf(first)]
            store.may = {uniqueIdOf(name): store.must.pop(uniqueIdOf(name)) for name in others}
            store.most = len(others)
            return store

        self.spoilEach(interrupted, ())
        self.assertEqual(self.stored(), 3)


class MboxTests(EveryFaultTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.content = b"".join(map(mboxes.entry, _MAILS.values()))
        self.must: dict[bytes, bytes] = {}
        seen = self.arrange().client.visit(_NUMBERS)
        self.must = {seen.uniqueIds[number]: seen.contents[number] for number in _NUMBERS}
        ends = [octets if octets.endswith(b"\n") else octets + b"\n" for octets in _MAILS.values()]
        self.assertEqual(list(self.must.values()), list(map(canonical, ends)))

    def arrange(self) -> Store:
        """An mbox that no session has seen."""
        root = self.root / str(next(self.numbers))
        root.mkdir()
        self.mbox = root / "karl"
        self.mbox.write_bytes(self.content)
        return Store(
            self.must, lambda clock: MboxSource(f"{root}/{{user}}", Limits(), clock), self.stored
        )

    def stored(self) -> int:
        return self.mbox.read_bytes().count(b"From walter@example.org ")

    def test_removing(self) -> None:
        """The first session in an mbox, which removes, and the second one."""
        self.spoilEach(self.arrange, (2, 4, 5), (1,))
