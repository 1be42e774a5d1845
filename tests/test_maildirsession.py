"""L{pop3svc.maildrops.maildirsession}: a Maildir that is lent while its peer is silent."""

from __future__ import annotations

import errno
import fcntl
import os
from typing import Any

from pop3svc.errors import MaildropInUse, MaildropUnavailable, MessageVanished
from pop3svc.interfaces import IRelenting
from pop3svc.maildrops.files import Directory
from pop3svc.pools import PoolFull

from .maildirs import MaildirTestCase, deliver


class RelentingTests(MaildirTestCase):
    async def lend(self) -> Any:
        """A session with three messages that has relented."""
        self.paths = [deliver(self.maildir, b"%d\n" % number) for number in range(3)]
        maildrop = await self.enter()
        await IRelenting(maildrop).relent()
        return maildrop

    async def isFree(self) -> bool:
        try:
            await (await self.makeMaildirSource().openMaildrop(b"karl")).close()
        except MaildropInUse:
            return False
        return True

    async def test_flagged(self) -> None:
        """A mail reader at work meanwhile is no reason to give up."""
        maildrop = await self.lend()
        self.paths[1].rename(self.maildir / "cur" / f"{self.paths[1].name}:2,S")
        self.assertTrue(await self.isFree())
        self.assertTrue(await maildrop.reclaim())
        self.assertEqual(await self.contents(maildrop), [b"0\n", b"1\n", b"2\n"])
        self.assertEqual(await maildrop.remove([2]), [])
        self.assertEqual([path.name for path in (self.maildir / "cur").iterdir()], [])

    async def test_removedByOthers(self) -> None:
        """What is gone, went while nobody kept others out: the session is over."""
        maildrop = await self.lend()
        self.paths[1].unlink()
        self.assertFalse(await maildrop.reclaim())
        self.assertTrue(await self.isFree())

    async def test_cannotBeRead(self) -> None:
        """Whoever cannot tell does not go on, and keeps nobody out."""
        maildrop = await self.lend()
        patched = self.failing("enter", errno.EIO, self.maildir / "cur")
        with self.assertRaises(OSError):
            await maildrop.reclaim()
        patched.restore()
        self.assertTrue(await self.isFree())

    async def test_cannotBeLocked(self) -> None:
        maildrop = await self.lend()

        def refuse(descriptor: int, operation: int) -> None:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

        patched = self.patch(fcntl, "flock", refuse)
        with self.assertRaises(MaildropUnavailable):
            await maildrop.reclaim()
        patched.restore()

    async def test_noThread(self) -> None:
        maildrop = await self.lend()
        self.source._pool.resize(0, 0)
        with self.assertRaises(PoolFull):
            await maildrop.reclaim()
        self.source._pool.resize(8, 8)
        self.assertTrue(await self.isFree())

    async def test_exclusiveUntilTheEnd(self) -> None:
        """From the reclaim on, and through the removal, nobody else comes in."""
        maildrop = await self.lend()
        self.assertTrue(await maildrop.reclaim())
        free: list[bool] = []
        unlink = Directory.unlink

        def spying(directory: Directory, name: bytes) -> None:
            descriptor = os.open(self.maildir, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                free.append(True)
            except BlockingIOError:
                free.append(False)
            finally:
                os.close(descriptor)
            unlink(directory, name)

        self.patch(Directory, "unlink", spying)
        self.assertEqual(await maildrop.remove([1, 3]), [])
        self.assertEqual(set(free), {False})
        await maildrop.close()
        self.assertTrue(await self.isFree())

    async def test_onlyWhatWasListed(self) -> None:
        """What came meanwhile stays, whatever the session removes."""
        maildrop = await self.lend()
        late = deliver(self.maildir, b"late\n")
        self.assertTrue(await self.isFree())
        self.assertTrue(await maildrop.reclaim())
        self.assertEqual(await maildrop.remove([1, 2, 3]), [])
        self.assertEqual(list((self.maildir / "new").iterdir()), [late])

    async def test_ledgerOfOthers(self) -> None:
        """Who has no lock writes no ledger: what another session removed would seem lost."""
        self.paths = [deliver(self.maildir, b"x\n") for _ in range(101)]
        await self.waitForTick()
        maildrop = await self.enter()
        self.paths[100].write_bytes(b"changed\n\n")
        with self.assertRaises(MessageVanished):
            await maildrop.openMessage(101)
        await IRelenting(maildrop).relent()
        other = await self.enter(self.makeMaildirSource())
        self.assertEqual(await other.remove(range(1, 101)), [])
        await other.close()
        self.assertFalse(await IRelenting(maildrop).reclaim())
        await maildrop.close()
        # Else this is refused as shrunk.
        self.assertEqual(len((await self.enter(self.makeMaildirSource())).messages), 1)
