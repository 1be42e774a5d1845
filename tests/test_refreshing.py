"""L{pop3svc.maildrops.refreshing}: sessions, processes and others' work, one after the other."""

from __future__ import annotations

import errno
import gc
import os
import socket
import weakref
from typing import Any, cast

from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import Portal
from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.internet.threads import deferToThread
from twisted.logger import capturedLogs

from pop3svc.auth.realm import MaildropRealm
from pop3svc.errors import MaildropUnavailable, MessageVanished
from pop3svc.factory import POP3Factory
from pop3svc.limits import Limits
from pop3svc.maildrops.files import Directory
from pop3svc.maildrops.listing import Listing
from pop3svc.maildrops.maildir import MaildirSource
from pop3svc.maildrops.opened import NewFile
from pop3svc.maildrops.sidefiles import SideFiles
from pop3svc.snapshot import Snapshot

from .maildirs import MaildirTestCase, deliver


class RefreshingTestCase(MaildirTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.paths = [deliver(self.maildir, b"%d\n" % number) for number in range(4)]
        self.ids = [path.name.encode() for path in self.paths]
        self.ledger = self.maildir / "pop3svc-ledger"

    async def look(self, source: MaildirSource | None = None) -> Snapshot:
        """What one session sees; without a source, one in a new process."""
        maildrop = await (source or self.makeMaildirSource()).openMaildrop(b"karl")
        await maildrop.close()
        return maildrop.messages

    def spyOpened(self) -> list[bytes]:
        """The names of messages that are opened from now on."""
        opened: list[bytes] = []
        called = Directory.open

        def noting(directory: Directory, name: bytes) -> Any:
            if not name.startswith(b"pop3svc"):
                opened.append(name)
            return called(directory, name)

        self.patch(Directory, "open", noting)
        return opened


class ProcessTests(RefreshingTestCase):
    """What one process knows, the next one need not find out."""

    async def test_restart(self) -> None:
        """An unchanged maildrop is neither surveyed nor read nor stored again."""
        await self.waitForTick()
        before = await self.look()
        self.patch(Directory, "names", None)
        self.patch(NewFile, "write", None)
        opened = self.spyOpened()
        after = await self.look()
        self.assertEqual(after.octets, (3, 3, 3, 3))
        self.assertEqual(after.uniqueIdListing, before.uniqueIdListing)
        self.assertEqual(after.scanListing, before.scanListing)
        self.assertEqual(after.totalOctets, 12)
        self.assertEqual(opened, [])

    async def test_turns(self) -> None:
        """Two processes that take turns read each message once between them."""
        sources = [self.makeMaildirSource() for _ in range(2)]
        opened = self.spyOpened()
        for turn in range(6):
            path = deliver(self.maildir, b"more\n")
            if turn % 3:
                path.rename(self.maildir / "cur" / f"{path.name}:2,S")
            snapshot = await self.look(sources[turn % 2])
            self.assertEqual(len(snapshot), 5 + turn)
        self.assertEqual(len(opened), 10)
        self.assertEqual(len(set(opened)), 10)

    async def test_oneDirectory(self) -> None:
        """A delivery does not cost a look at the mail that lies in cur."""
        for path in self.paths:
            path.rename(self.maildir / "cur" / f"{path.name}:2,S")
        await self.waitForTick()
        await self.look()
        deliver(self.maildir, b"more\n")
        await self.waitForTick()
        calls = self.spy(Directory, "names")
        self.assertEqual(len(await self.look()), 5)
        self.assertEqual(len(calls), 1)

    async def test_headerOnly(self) -> None:
        """Times that have become old enough are noted without writing all again."""
        await self.look()
        await self.waitForTick()
        deliver(self.maildir, b"gone again\n").unlink()
        await self.waitForTick()
        whole = self.spy(SideFiles, "writePieces")
        written = self.spy(NewFile, "write")
        await self.look()
        self.assertEqual((whole, len(written)), ([], 1))
        self.patch(Directory, "names", None)
        self.assertEqual(len(await self.look()), 4)

    async def test_twins(self) -> None:
        """A second name of a message is known from the ledger too, and removed with it."""
        twin = self.maildir / "cur" / f"{self.paths[1].name}:2,"
        twin.hardlink_to(self.paths[1])
        await self.waitForTick()
        await self.look()
        self.patch(Directory, "names", None)
        maildrop = await self.makeMaildirSource().openMaildrop(b"karl")
        self.assertEqual(await maildrop.remove([2]), [])
        await maildrop.close()
        self.assertEqual((twin.exists(), self.paths[1].exists()), (False, False))

    async def test_doubt(self) -> None:
        """A message that was changed in its file is refused in one session, not in each process."""
        await self.waitForTick()
        await self.look()
        self.paths[2].write_bytes(b"longer than before\n")
        maildrop = await self.makeMaildirSource().openMaildrop(b"karl")
        with self.assertRaises(MessageVanished):
            await maildrop.openMessage(3)
        await maildrop.close()
        self.assertEqual((await self.look()).octets, (3, 3, 20, 3))

    async def test_replaced(self) -> None:
        """A file that is renamed over by another of the same name has its own size."""
        await self.look()
        self.write("tmp/x", b"another one\n").rename(self.paths[1])
        self.paths[1].rename(self.maildir / "cur" / f"{self.paths[1].name}:2,S")
        self.assertEqual((await self.look()).octets, (3, 13, 3, 3))

    async def test_becameALink(self) -> None:
        """What is no message under its new name is none, and never opened."""
        await self.look()
        secret = self.root / "secret"
        self.paths[1].rename(secret)
        (self.maildir / "cur" / f"{self.paths[1].name}:2,S").symlink_to(secret)
        opened = self.spyOpened()
        self.assertEqual((await self.look()).uniqueIds, [self.ids[0], *self.ids[2:]])
        self.assertEqual(opened, [])

    async def test_gaveMemoryBack(self) -> None:
        """A big listing lives no longer than its session, also without the collector."""
        await self.waitForTick()
        await self.look()
        gc.disable()
        self.addCleanup(gc.enable)
        for octets, remembered in [(4 * 2500, True), (4 * 2000, False)]:
            found: list[weakref.ref[Any]] = []
            source = self.makeMaildirSource(rememberedOctets=octets)
            put = source._remembered.put

            def note(path: bytes, listing: Listing, put: Any = put, found: Any = found) -> None:
                found.extend(map(weakref.ref, (listing.columns, listing.snapshot)))
                put(path, listing)

            self.patch(source._remembered, "put", note)
            checker = InMemoryUsernamePasswordDatabaseDontUse(karl=b"secret")
            factory = POP3Factory(Portal(MaildropRealm(source), [checker]))
            port = reactor.listenTCP(0, factory, interface="127.0.0.1")
            self.addCleanup(port.stopListening)
            await deferToThread(self.visit, cast(IPv4Address, port.getHost()).port)
            while factory.connections:
                await self.waitForTick()
            self.assertEqual([each() is not None for each in found], [remembered] * 2)

    def visit(self, port: int) -> None:
        """A whole session."""
        with socket.create_connection(("127.0.0.1", port), 10) as client:
            lines = client.makefile("rb")
            for command in (b"USER karl", b"PASS secret", b"UIDL", b"QUIT"):
                lines.readline()
                client.sendall(command + b"\r\n")
            self.assertEqual(lines.read().count(b"\r\n"), 6)
            lines.close()


class LostTests(RefreshingTestCase):
    """What the guard against falsely short listings is told."""

    async def lost(self) -> tuple[int, int]:
        source = self.makeMaildirSource()
        calls = self.spy(source._remembered, "put")
        await self.look(source)
        [(_, listing)] = calls
        return listing.before, listing.lost

    async def test_others(self) -> None:
        self.assertEqual(await self.lost(), (0, 0))
        self.paths[0].unlink()
        self.paths[1].unlink()
        self.paths[2].rename(self.maildir / "cur" / f"{self.paths[2].name}:2,S")
        deliver(self.maildir, b"more\n")
        self.assertEqual(await self.lost(), (4, 2))
        self.assertEqual((await self.lost())[1], 0)

    async def test_ours(self) -> None:
        """What we have removed is not lost, whichever process removed it."""
        await self.look()
        maildrop = await self.makeMaildirSource().openMaildrop(b"karl")
        await maildrop.remove([1, 2])
        await maildrop.close()
        self.assertEqual(await self.lost(), (4, 0))
        self.paths[2].unlink()
        self.assertEqual(await self.lost(), (2, 1))


class WriteTests(RefreshingTestCase):
    """A ledger that cannot be written or read is no trouble but a slow one."""

    async def test_unwritable(self) -> None:
        """One warning for a maildrop, and another if it comes back after it was mended."""
        source = self.makeMaildirSource()
        for code in (errno.EROFS, errno.ENOSPC, errno.EDQUOT):

            def failing(directory: Directory, name: bytes, code: int = code) -> NewFile:
                raise OSError(code, os.strerror(code))

            create, patched = Directory.create, self.patch(Directory, "create", failing)
            with capturedLogs() as logs:
                for _ in range(3):
                    deliver(self.maildir, b"more\n")
                    await self.look(source)
            self.assertEqual(
                [each["text"] for each in logs],
                [
                    f"the ledger cannot be written ({os.strerror(code)}), so messages are measured"
                    " again after a restart; make room, or name another place with ?ledger="
                ],
            )
            patched.restore()
            self.assertIs(Directory.create, create)
            deliver(self.maildir, b"more\n")
            self.assertEqual(len(await self.look(source)), len(await self.look()))

    async def test_cutShort(self) -> None:
        """A disk that is full in the middle of it leaves nothing behind."""
        write = NewFile.write

        def failing(file: NewFile, octets: bytes) -> None:
            write(file, octets[:3])
            raise OSError(errno.ENOSPC, "no")

        self.patch(NewFile, "write", failing)
        self.assertEqual(len(await self.look()), 4)
        self.assertEqual({path.name for path in self.maildir.iterdir()}, {"new", "cur", "tmp"})

    async def test_unreadable(self) -> None:
        await self.look()
        for code in (errno.EIO, errno.EACCES):
            patched = self.failing("open", code, self.ledger)
            self.assertEqual((await self.look()).uniqueIds, self.ids)
            patched.restore()

    async def test_inTheWay(self) -> None:
        """What stands under its name is not written through, and a directory is left alone."""
        secret = self.root / "secret"
        secret.write_bytes(b"secret")
        for name in ("pop3svc-ledger", "pop3svc-ledger.unfinished"):
            self.forgetLedger()
            (self.maildir / name).symlink_to(secret)
            await self.look()
            self.assertEqual(secret.read_bytes(), b"secret")
            self.assertFalse(self.ledger.is_symlink())
        self.forgetLedger()
        self.ledger.mkdir()
        self.assertEqual((await self.look()).uniqueIds, self.ids)

    async def test_outside(self) -> None:
        """?ledger= keeps the Maildir itself free of our files, and maildrops apart."""
        outside = self.root / "outside"
        outside.mkdir()
        text = f"{self.root}/{{user}}?ledger={outside}"
        for _ in range(2):
            source = MaildirSource(text, Limits())
            self.addCleanup(source._pool._stop)
            await self.look(source)
            self.assertEqual({path.name for path in self.maildir.iterdir()}, {"new", "cur", "tmp"})
        self.assertEqual(len(list(outside.iterdir())), 1)


class NotedTests(RefreshingTestCase):
    """W= in a name."""

    def setUp(self) -> None:
        super().setUp()
        self.opened = self.spyOpened()

    async def test_right(self) -> None:
        """It is not read to be listed, and is read before it is sent for the first time."""
        for path in self.paths:
            path.rename(self.maildir / "cur" / f"{path.name},S=2,W=3:2,")
        maildrop = await self.enter()
        self.assertEqual(maildrop.messages.octets, (3,) * 4)
        self.assertEqual(self.opened, [])
        self.assertEqual(await self.contents(maildrop), [b"0\n", b"1\n", b"2\n", b"3\n"])

    async def test_wrong(self) -> None:
        """It is not sent with a size that was not promised, but in the next session."""
        self.paths[1].rename(self.maildir / "cur" / f"{self.paths[1].name},W=4:2,")
        maildrop = await self.source.openMaildrop(b"karl")
        self.assertEqual(sorted(maildrop.messages.octets), [3, 3, 3, 4])
        with self.assertRaisesRegex(MessageVanished, "was changed in its file"):
            await maildrop.openMessage(2)
        await maildrop.close()
        for source in (self.makeMaildirSource(), self.makeMaildirSource()):
            maildrop = await source.openMaildrop(b"karl")
            self.assertEqual(maildrop.messages.octets, (3,) * 4)
            self.assertEqual(await self.content(maildrop, 2), b"1\n")
            await maildrop.close()

    async def test_impossible(self) -> None:
        """What cannot be the size of this file is not asked."""
        for path, end in zip(self.paths, (",W=1", ",W=7", ",S=3,W=3", ",W=x"), strict=True):
            path.rename(self.maildir / "cur" / f"{path.name}{end}:2,")
        self.assertEqual((await self.look()).octets, (3,) * 4)
        self.assertEqual(len(self.opened), 4)

    async def test_noMessage(self) -> None:
        """A link is not opened, whatever its name says."""
        self.paths[1].unlink()
        (self.maildir / "cur" / f"{self.paths[1].name},W=3:2,").symlink_to(self.paths[0])
        self.assertEqual(len(await self.look()), 3)


class ImportedTests(RefreshingTestCase):
    """Unique-ids of another server."""

    def importIds(self, octets: bytes) -> None:
        (self.maildir / "pop3svc-uidl").write_bytes(octets)

    async def test_imported(self) -> None:
        """They count from the next session on, for old messages and new ones."""
        await self.waitForTick()
        await self.look(self.source)
        late = b"9999999999.a"
        self.importIds(b"old-1 %s\nold-9 %s\n" % (self.ids[1], late))
        expected = [self.ids[0], b"old-1", *self.ids[2:]]
        for source in (self.source, None):
            snapshot = await self.look(source)
            self.assertEqual(snapshot.uniqueIds, expected)
            self.assertEqual(snapshot.octets, (3,) * 4)
        self.write("cur/9999999999.a:2,S")
        self.assertEqual((await self.look()).uniqueIds, [*expected, b"old-9"])
        self.importIds(b"new-1 %s\n" % self.ids[1])
        self.assertEqual(
            (await self.look(self.source)).uniqueIds, [self.ids[0], b"new-1", *self.ids[2:], late]
        )

    async def test_somebodyElses(self) -> None:
        """The owner of the Maildir has no say in it, and nothing is taken back silently."""
        self.importIds(b"old-1 %s\n" % self.ids[1])
        path = self.maildir / "pop3svc-uidl"
        self.assertEqual((await self.look()).uniqueIds[1], b"old-1")
        self.forgetLedger()
        # Somebody else's is one that has a second name elsewhere, too.
        os.link(path, path.with_name("another"))
        with self.assertRaises(MaildropUnavailable) as caught:
            await self.look()
        self.assertIn("are not believed", str(caught.exception))

    async def test_clash(self) -> None:
        """What is imported wins, and no two messages ever have the same."""
        self.importIds(b"%s %s\n" % (self.ids[0], self.ids[1]))
        found = list((await self.look()).uniqueIds)
        self.assertRegex(found[0], b"^digest=")
        self.assertEqual(found[1:], [self.ids[0], *self.ids[2:]])
        self.forgetLedger()
        self.assertEqual((await self.look()).uniqueIds, found)

    async def test_damaged(self) -> None:
        """Without knowing the unique-ids nobody is let in: all would be downloaded again."""
        for octets in (b"no line end", b"only-one\n", b"a b\na c\n"):
            self.importIds(octets)
            with self.assertRaisesRegex(
                MaildropUnavailable, "^the imported unique-ids in pop3svc-uidl are damaged .line"
            ):
                await self.look()

    async def test_unreadable(self) -> None:
        self.importIds(b"old-1 %s\n" % self.ids[1])
        self.failing("open", errno.EACCES, self.maildir / "pop3svc-uidl")
        with self.assertRaisesRegex(MaildropUnavailable, "correct owner and mode"):
            await self.look()

    async def test_gone(self) -> None:
        """That they are gone is a fault of the disk, until an empty file says that it is right."""
        self.importIds(b"old-1 %s\n" % self.ids[1])
        await self.look(self.source)
        (self.maildir / "pop3svc-uidl").unlink()
        for source in (self.source, None):
            with self.assertRaisesRegex(
                MaildropUnavailable, "^the imported unique-ids .* are gone"
            ):
                await self.look(source)
        self.importIds(b"")
        for source in (self.source, None):
            self.assertEqual((await self.look(source)).uniqueIds, self.ids)
