"""L{pop3svc.maildrops.shrinking}: a maildrop that is suddenly almost empty."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pop3svc.errors import MaildropShrunk
from pop3svc.interfaces import IRelenting
from pop3svc.limits import Limits
from pop3svc.maildrops import maildirsession
from pop3svc.maildrops.files import Directory
from pop3svc.maildrops.maildir import MaildirSource
from pop3svc.maildrops.shrinking import Shrinking

from .maildirs import MaildirTestCase, deliver, makeMaildir


class CheckTests(SynchronousTestCase):
    def shrunk(self, before: int, lost: int, percent: int = 90, messages: int = 100) -> bool:
        try:
            Shrinking(percent, messages).check(before, lost, "it", b"karl")
        except MaildropShrunk:
            return True
        return False

    def test_edges(self) -> None:
        """More than the part, and at least the number."""
        self.assertEqual([self.shrunk(1000, lost) for lost in (0, 900, 901, 1000)], [0, 0, 1, 1])
        self.assertEqual([self.shrunk(lost, lost) for lost in (1, 99, 100)], [0, 0, 1])
        self.assertEqual([self.shrunk(9, each, 50, 1) for each in (4, 5)], [0, 1])

    def test_switchedOff(self) -> None:
        self.assertFalse(self.shrunk(10**6, 10**6, percent=0))

    def test_limits(self) -> None:
        """The defaults are those that the documents give a reason for."""
        self.assertEqual(Shrinking.of(Limits()), Shrinking(90, 100))

    def test_text(self) -> None:
        """It says what to do, in one line whatever the user is called."""
        with self.assertRaises(MaildropShrunk) as caught:
            Shrinking(90, 1).check(5, 5, "the Maildir b'/x'", b"k\xff\n")
        self.assertEqual(
            str(caught.exception).encode("unicode_escape").decode(),
            "the Maildir b'/x' has lost 5 of the 5 messages that it had in the session before, and"
            " not by POP3; bring them back (is everything mounted?), or confirm that it is right:"
            " pop3svc maildrop accept k\\\\xff\\n",
        )


class MaildirTests(MaildirTestCase):
    """Ten messages, of which five may go."""

    def setUp(self) -> None:
        super().setUp()
        self.source = self.another()
        self.paths = [deliver(self.maildir, b"%d\n" % number) for number in range(10)]

    def another(self, template: str = "", **limits: int) -> MaildirSource:
        """A source as another process has one."""
        limits = {"shrinkPercent": 50, "shrinkMessages": 3} | limits
        source = MaildirSource(template or f"{self.root}/{{user}}", Limits(**limits))
        self.addCleanup(source._pool._stop)
        return source

    async def count(self, source: MaildirSource | None = None) -> int:
        """How many messages a session sees."""
        maildrop = await (source or self.source).openMaildrop(b"karl")
        await maildrop.close()
        return len(maildrop.messages)

    def lose(self, *paths: Path) -> None:
        for path in paths:
            path.unlink()

    async def assertRefused(self, *sources: MaildirSource) -> None:
        for source in sources or (self.source, self.another()):
            for _ in range(2):
                with self.assertRaises(MaildropShrunk):
                    await self.count(source)

    async def test_lost(self) -> None:
        """Nobody is shown it, in whichever process, until the messages are back."""
        self.assertEqual(await self.count(), 10)
        kept = [path.read_bytes() for path in self.paths]
        self.lose(*self.paths[:6])
        deliver(self.maildir, b"new\n")
        await self.assertRefused()
        for path, message in zip(self.paths, kept, strict=True):
            path.write_bytes(message)
        self.assertEqual(await self.count(), 11)

    async def test_notOurOwn(self) -> None:
        """What we could not remove, and is gone next time, was lost."""
        maildrop = await self.source.openMaildrop(b"karl")
        patched = self.patch(Directory, "unlink", self.full)
        self.assertEqual(list(await maildrop.remove(range(1, 11))), [*range(1, 11)])
        await maildrop.close()
        patched.restore()
        self.lose(*self.paths)
        await self.assertRefused()

    async def test_notTooMany(self) -> None:
        """What goes step by step, or is not so much, is somebody's own wish."""
        for left in (10, 5, 3, 1, 0):
            self.lose(*self.paths[left:])
            del self.paths[left:]
            self.assertEqual(await self.count(), left)

    async def test_ourOwn(self) -> None:
        """What was removed by POP3 may go, whichever process looks next."""
        for source in (self.source, self.another()):
            maildrop = await self.source.openMaildrop(b"karl")
            numbers = range(1, len(maildrop.messages) + 1)
            self.assertEqual(await maildrop.remove(numbers), [])
            await maildrop.close()
            self.assertEqual(await self.count(source), 0)
            for number in range(8):
                deliver(self.maildir, b"%d\n" % number)
            await self.count()

    async def test_ourOwnAfterACrash(self) -> None:
        """Also what the login after a crash removes, before it looks."""
        maildrop = await self.source.openMaildrop(b"karl")
        unlink = Directory.unlink

        def unlinkOurs(directory: Directory, name: bytes) -> None:
            assert name.startswith(b"pop3svc")
            unlink(directory, name)

        # Dies before it has noted anything but the journal, or removed the first.
        dead = [self.patch(Directory, "unlink", unlinkOurs)]
        dead.append(self.patch(maildirsession, "noteRemoval", lambda *arguments: None))
        with self.assertRaises(AssertionError):
            await maildrop.remove(range(1, 10))
        for each in dead:
            each.restore()
        await maildrop.close()
        self.assertEqual(await self.count(self.another()), 1)
        self.assertEqual(await self.count(), 1)

    async def test_ourOwnOnAFullDisk(self) -> None:
        """Where it cannot be noted, there is no ledger rather than a wrong one."""
        maildrop = await self.source.openMaildrop(b"karl")
        patched = self.patch(Directory, "overwrite", self.full)
        self.assertEqual(await maildrop.remove(range(1, 10)), [])
        await maildrop.close()
        for source in (self.source, self.another()):
            self.assertEqual(await self.count(source), 1)
        patched.restore()
        self.assertEqual(await self.count(), 1)

    def full(self, *arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def test_ourOwnAfterASilence(self) -> None:
        """A session that others came in between of has not seen their ledger."""
        maildrop = await self.source.openMaildrop(b"karl")
        await IRelenting(maildrop).relent()
        deliver(self.maildir, b"new\n")
        self.assertEqual(await self.count(self.another()), 11)
        self.assertTrue(await IRelenting(maildrop).reclaim())
        self.assertEqual(await maildrop.remove(range(1, 11)), [])
        await maildrop.close()
        for source in (self.source, self.another()):
            self.assertEqual(await self.count(source), 1)

    async def test_withoutLedger(self) -> None:
        """Where it is gone, there is nothing to compare with; others may have removed all."""
        self.assertEqual(await self.count(), 10)
        (self.maildir / "pop3svc-ledger").unlink()
        self.lose(*self.paths)
        self.assertEqual(await self.count(), 0)

    async def test_notMounted(self) -> None:
        """Other directories, and no ledger: this is not the maildrop that we knew."""
        await self.waitForTick()
        self.assertEqual(await self.count(), 10)
        self.maildir.rename(self.root / "elsewhere")
        makeMaildir(self.maildir)
        deliver(self.maildir, b"new\n")
        await self.assertRefused(self.source)
        self.assertEqual(await self.count(self.another(shrinkPercent=0)), 1)
        self.assertEqual(await self.count(), 1)

    async def test_ledgerElsewhere(self) -> None:
        """A ledger on another disk tells it in any process, after any restart."""
        outside = self.root / "outside"
        outside.mkdir()
        template = f"{self.root}/{{user}}?ledger={outside}"
        self.assertEqual(await self.count(self.another(template)), 10)
        self.maildir.rename(self.root / "elsewhere")
        makeMaildir(self.maildir)
        await self.assertRefused(self.another(template), self.another(template))

    async def test_accepted(self) -> None:
        """Once somebody has looked at it without the limit, all processes believe it."""
        self.assertEqual(await self.count(), 10)
        self.lose(*self.paths[:9])
        await self.assertRefused()
        self.assertEqual(await self.count(self.another(shrinkPercent=0)), 1)
        for source in (self.source, self.another()):
            self.assertEqual(await self.count(source), 1)

    async def test_reloaded(self) -> None:
        """The limits may change while the service runs."""
        self.assertEqual(await self.count(), 10)
        self.lose(*self.paths)
        await self.assertRefused(self.source)
        self.source.useLimits(Limits(shrinkPercent=0))
        self.assertEqual(await self.count(), 0)

    async def test_lockAndDescriptors(self) -> None:
        """A refused login leaves nothing behind."""
        self.assertEqual(await self.count(), 10)
        self.lose(*self.paths)
        before = self.descriptors()
        await self.assertRefused()
        self.assertEqual(self.descriptors(), before)
