"""
L{pop3svc.maildrops.arranging}: whatever happens to a Maildir between sessions, the
listing is the one that a look at all of it gives.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pop3svc.canonical import canonicalOctets
from pop3svc.maildrops import columns
from pop3svc.maildrops.files import Directory
from pop3svc.maildrops.listing import Listing
from pop3svc.maildrops.refreshing import keep, listMessages
from pop3svc.maildrops.sidefiles import SideFiles
from pop3svc.maildrops.slices import Slices

from .maildirs import makeMaildir

_STEPS = st.tuples(
    st.sampled_from(
        [
            *("deliver", "deliverEarlier", "move", "flag", "remove", "restore", "twin"),
            *("imposter", "link", "directory", "rename", "restart", "forget", "damage"),
            *("importId", "look"),
        ]
    ),
    st.integers(0, 50),
)


def finish(slices: Slices[Listing]) -> Listing:
    """What the slices come to, all at once."""
    try:
        while True:
            next(slices)
    except StopIteration as end:
        result: Listing = end.value
        return result


class Model:
    """A Maildir, those who work on it, and two ways to look at it."""

    def __init__(self, root: Path) -> None:
        self.maildir = makeMaildir(root / "maildir")
        self.outside = root / "outside"
        self.outside.mkdir()
        self.remembered: Listing | None = None
        self.uniqueIds: dict[bytes, bytes] = {}
        self.imported: dict[bytes, bytes] = {}
        self._count = 0
        self._times: dict[str, int] = {}
        self._changes = 0

    def messages(self) -> list[Path]:
        found = [*(self.maildir / "new").iterdir(), *(self.maildir / "cur").iterdir()]
        return sorted(path for path in found if path.is_file() and not path.is_symlink())

    def step(self, what: str, number: int) -> None:
        getattr(self, "do_" + what)(number)
        # However coarse the clock of the file system: each change is one.
        for name in ("new", "cur"):
            path = self.maildir / name
            if path.stat().st_mtime_ns != self._times.get(name):
                self._times[name] = 10**18 + self._changes
                os.utime(path, ns=(self._times[name], self._times[name]))
                self._changes += 1

    def path(self, number: int, folder: str, rest: str = "", message: bytes = b"") -> Path:
        self._count += 1
        sizes = f",S={len(message)},W={canonicalOctets([message])}"
        end = ("", sizes, ",S=99,W=99", "\udcff")[number % 4]
        return self.maildir / folder / f"{number}.M{self._count}P1{end}{rest}"

    def do_deliver(self, number: int) -> None:
        message = b"x" * self._count
        self.path(number + 100, "new", message=message).write_bytes(message)

    def do_deliverEarlier(self, number: int) -> None:
        message = b"x\n" * self._count
        self.path(number, "cur", ":2,", message).write_bytes(message)

    def some(self, number: int, act: Callable[[Path], object]) -> None:
        messages = self.messages()
        if messages:
            act(messages[number % len(messages)])

    def do_move(self, number: int) -> None:
        self.some(number, lambda path: rename(path, self.maildir / "cur" / path.name))

    def do_flag(self, number: int) -> None:
        rest = (":2,S", ":2,", "")[number % 3]
        self.some(number, lambda path: rename(path, path.with_name(base(path) + rest)))

    def do_remove(self, number: int) -> None:
        self.some(number, lambda path: path.unlink())

    def do_restore(self, number: int) -> None:
        """Remove one and put it back under another name."""
        self.some(number, lambda path: rename(path, path.with_name(base(path) + ":2,RST")))

    def do_twin(self, number: int) -> None:
        def link(path: Path) -> None:
            twin = self.maildir / "cur" / (base(path) + ":2,T")
            if not twin.exists():
                os.link(path, twin)

        self.some(number, link)

    def do_imposter(self, number: int) -> None:
        """Another file of the same base name."""

        def write(path: Path) -> None:
            other = self.maildir / "cur" / (base(path) + ":2,X")
            if not other.exists():
                other.write_bytes(b"other\n")

        self.some(number, write)

    def do_link(self, number: int) -> None:
        path = self.path(number, "cur")
        path.symlink_to("/etc/passwd")

    def do_directory(self, number: int) -> None:
        self.path(number, "new").mkdir()

    def do_rename(self, number: int) -> None:
        """The message becomes another one."""
        name = f"{self._count}"
        self.some(number, lambda path: rename(path, path.with_name(name + path.name)))

    def do_restart(self, number: int) -> None:
        self.remembered = None

    def do_forget(self, number: int) -> None:
        (self.maildir / "pop3svc-ledger").unlink(missing_ok=True)

    def do_damage(self, number: int) -> None:
        path = self.maildir / "pop3svc-ledger"
        if path.exists():
            octets = bytearray(path.read_bytes())
            octets[number * 7 % len(octets)] ^= 1
            path.write_bytes(octets)
            self.remembered = None

    def do_importId(self, number: int) -> None:
        """An id of its own, or one that another message has by its name."""

        def import_(path: Path) -> None:
            name = os.fsencode(base(path))
            other = os.fsencode(base(self.messages()[0]))
            wanted = other if number % 2 and b"\xff" not in other else b"id%d" % self._count
            if name not in self.imported and wanted not in self.imported.values():
                self.imported[name] = wanted
                lines = [
                    b"%s %s\n" % (each, key.replace(b"\xff", b"%FF"))
                    for key, each in self.imported.items()
                ]
                (self.maildir / "pop3svc-uidl").write_bytes(b"".join(lines))
                self.uniqueIds.clear()

        self._count += 1
        self.some(number, import_)

    def do_look(self, number: int) -> None:
        """A session, by what is known."""
        self.look()

    def look(self) -> Listing:
        with Directory.outside(os.fsencode(self.maildir)) as directory:
            files = SideFiles(directory)
            self.remembered = finish(listMessages(directory, files, self.remembered, 1000))
            keep(files, self.remembered)
        return self.remembered

    def lookAtAll(self) -> Listing:
        """A session that knows nothing but the imported unique-ids."""
        shutil.rmtree(self.outside)
        self.outside.mkdir()
        if self.imported:
            shutil.copy(self.maildir / "pop3svc-uidl", self.outside)
        with (
            Directory.outside(os.fsencode(self.maildir)) as directory,
            Directory.outside(os.fsencode(self.outside)) as outside,
        ):
            return finish(listMessages(directory, SideFiles(outside), None, 1000))


def rename(path: Path, target: Path) -> None:
    """A mail reader takes no name that is in use."""
    if not target.exists():
        path.rename(target)


def base(path: Path) -> str:
    return path.name.partition(":")[0]


class ModelTests(SynchronousTestCase):
    def setUp(self) -> None:
        # Each step leaves other times, and all of them are old enough.
        clock = time.time_ns
        self.patch(time, "time_ns", lambda: clock() + 10**12)

    @settings(deadline=None, max_examples=60)
    @given(st.lists(_STEPS, max_size=25), st.sampled_from([1, 3, 2000]))
    def test_sameAsAFreshLook(self, steps: list[tuple[str, int]], rows: int) -> None:
        """
        Unique-ids, order, sizes, places and second names are those that a look at
        everything gives, and no unique-id ever changes.
        """
        patches = [self.patch(columns, "PIECE_ROWS", rows), self.patch(columns, "_FEW", rows)]
        with tempfile.TemporaryDirectory() as root:
            model = Model(Path(root))
            for what, number in [*steps, ("look", 0), ("look", 0)]:
                model.step(what, number)
                if what == "look":
                    self.check(model)
        for each in patches:
            each.restore()

    def check(self, model: Model) -> None:
        found, fresh = model.look(), model.lookAtAll()
        self.assertEqual(found.snapshot.uniqueIdListing, fresh.snapshot.uniqueIdListing)
        self.assertEqual(found.snapshot.uniqueIds, fresh.snapshot.uniqueIds)
        self.assertEqual(found.snapshot.octets, fresh.snapshot.octets)
        self.assertEqual(found.snapshot.scanListing, fresh.snapshot.scanListing)
        self.assertEqual(found.snapshot.totalOctets, sum(fresh.snapshot.octets))
        self.assertEqual((found.twins, found.leftOut), (fresh.twins, fresh.leftOut))
        columns = found.columns
        names = [columns.name(row) for row in range(len(columns))]
        self.assertEqual(names, [fresh.columns.name(row) for row in range(len(columns))])
        self.assertEqual(columns.directories, fresh.columns.directories)
        self.assertEqual(len(set(found.snapshot.uniqueIds)), len(columns))
        for row, name in enumerate(names):
            path = model.maildir / ("new", "cur")[columns.directories[row]] / os.fsdecode(name)
            if columns.signatures[row] or b",S=6," not in name:
                # What the imposter's name notes is found out when it is sent.
                self.assertEqual(columns.octets[row], canonicalOctets([path.read_bytes()]))
            before = model.uniqueIds.setdefault(columns.base(row), columns.lines[row])
            self.assertEqual(columns.lines[row], before)
