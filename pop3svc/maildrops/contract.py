"""
The tests that every store must pass; L{pop3svc.testing} offers them to authors.
"""

from __future__ import annotations

import re

from twisted.trial.unittest import SkipTest
from zope.interface.verify import verifyObject

from ..canonical import canonicalOctets
from ..errors import MaildropError, MaildropInUse, MessageVanished
from ..interfaces import IMaildrop, IMaildropSource, IMessageReader, IReadyMessages
from .contractcase import gist
from .contractrelenting import RelentingContract

# What breaks stores and the counting of octets: nothing at all, no line end at
# the end, lines of dots, each sort of line end alone and cut by a block, NUL,
# 8-bit octets, and more than one block of the disk.
AWKWARD_MESSAGES = (
    b"",
    b"Subject: one\n\nbody\n",
    b"Subject: two\r\n\r\nbody\r\n",
    b"Subject: no line end\n\nbody",
    b".\n..\n.dots\r\n.\r\n",
    b"\r\r\n\n\r\rx\r",
    b"\x00NUL \xe4 8-bit \xff\n",
    b"\n" * 5000,
    b"a line of 64 octets that is repeated until it fills some blocks\r\n" * 4000,
)
_UNIQUE_ID = re.compile(rb"[\x21-\x7e]{1,70}\Z")


class MaildropContract(RelentingContract):
    """
    What a session, and the client behind it, relies on.

    Tests that need C{deliver} or C{takeAway} are skipped where these are missing,
    and so are those of L{RelentingContract} where a maildrop does not provide
    L{pop3svc.interfaces.IRelenting}. L{MaildropContractCase} tells what to set.
    """

    async def test_interfaces(self) -> None:
        """Source, maildrop and reader provide their interfaces."""
        source = await self._start([b"x\n"])
        self.assertTrue(verifyObject(IMaildropSource, source))
        maildrop = await self._enter(source)
        self.assertTrue(verifyObject(IMaildrop, maildrop))
        reader = await maildrop.openMessage(1)
        self.assertTrue(verifyObject(IMessageReader, reader))
        reader.close()

    async def test_content(self) -> None:
        """Messages are what was stored, in order, to the last octet."""
        maildrop = await self._enter(await self._start(list(AWKWARD_MESSAGES)))
        await self._assertContents(maildrop, AWKWARD_MESSAGES)

    async def test_sizes(self) -> None:
        """The snapshot promises the octets that a client will get (RFC 1939 section 11)."""
        maildrop = await self._enter(await self._start(list(AWKWARD_MESSAGES)))
        sizes = [canonicalOctets([each]) for each in await self._contents(maildrop)]
        self.assertEqual(list(maildrop.messages.octets), sizes)

    async def test_emptyMessage(self) -> None:
        """A message of no octets is a message."""
        maildrop = await self._enter(await self._start([b"", b""]))
        self.assertEqual(list(maildrop.messages.octets), [0, 0])
        await self._assertContents(maildrop, [b"", b""])

    async def test_emptyMaildrop(self) -> None:
        """A maildrop without messages can be opened, and nothing removed from it."""
        maildrop = await self._enter(await self._start([]))
        self.assertEqual(len(maildrop.messages), 0)
        self.assertEqual(list(await maildrop.remove([])), [])

    async def test_smallReads(self) -> None:
        """A reader never gives more than it is asked for, and then all the rest."""
        source = await self._start([AWKWARD_MESSAGES[5], AWKWARD_MESSAGES[8]])
        maildrop = await self._enter(source)
        messages = AWKWARD_MESSAGES[5], AWKWARD_MESSAGES[8]
        for number, octets, message in ((1, 1, messages[0]), (2, 7001, messages[1])):
            got = await self._content(maildrop, number, octets)
            self.assertEqual(gist(got), gist(self.asStored(message)))

    async def test_readyMessages(self) -> None:
        """What L{IReadyMessages} gives, where there is that, is what a reader would read."""
        maildrop = await self._enter(await self._start(list(AWKWARD_MESSAGES)))
        ready = IReadyMessages(maildrop, None)
        for number, stored in enumerate(await self._contents(maildrop), 1):
            message = None if ready is None else ready.readyMessage(number)
            self.assertIn(message, (None, stored))

    async def test_closeReaderEarly(self) -> None:
        """A message that was not read to its end can be opened again."""
        maildrop = await self._enter(await self._start([AWKWARD_MESSAGES[8]]))
        reader = await maildrop.openMessage(1)
        await reader.read(10)
        reader.close()
        await self._assertContents(maildrop, [AWKWARD_MESSAGES[8]])

    async def test_twoReaders(self) -> None:
        """Two readers of one message do not disturb each other."""
        maildrop = await self._enter(await self._start([AWKWARD_MESSAGES[8]]))
        one, two = await maildrop.openMessage(1), await maildrop.openMessage(1)
        start = await one.read(100)
        for got in (await self._readRest(two, 4096), start + await self._readRest(one, 65536)):
            self.assertEqual(gist(got), gist(AWKWARD_MESSAGES[8]))
        one.close()
        two.close()

    async def test_uniqueIds(self) -> None:
        """Unique-ids are well-formed and distinct, equal messages or not."""
        ids = await self._ids(await self._start([b"same\n"] * 5))
        self.assertEqual([each for each in ids if not _UNIQUE_ID.match(each)], [])
        self.assertEqual(len(set(ids)), 5)

    async def test_sameInEachSession(self) -> None:
        """Unique-ids and order are the same in every session."""
        source = await self._start([b"%d\n" % i for i in range(20)])
        ids = await self._ids(source)
        maildrop = await self._enter(source)
        await self._assertContents(maildrop, [b"%d\n" % i for i in range(20)])
        await self._leave(maildrop)
        self.assertEqual(await self._ids(source), ids)

    async def test_exclusive(self) -> None:
        """Others are told that the maildrop is in use, and do not free the lock."""
        source = await self._start([b"x\n"])
        await self._enter(source)
        for _ in range(2):
            with self.assertRaises(MaildropInUse):
                await self._enter(source)

    async def test_closeFreesTheLock(self) -> None:
        """As soon as close() is done, the next session can begin."""
        source = await self._start([b"x\n"])
        for _ in range(3):
            await self._leave(await self._enter(source))

    async def test_closeRemovesNothing(self) -> None:
        """Whatever was read, only remove() removes (RFC 1939 section 6)."""
        source = await self._start([b"one\n", b"two\n"])
        maildrop = await self._enter(source)
        ids = list(maildrop.messages.uniqueIds)
        await self._contents(maildrop)
        await self._leave(maildrop)
        self.assertEqual(await self._ids(source), ids)

    async def test_remove(self) -> None:
        """Exactly the numbered messages are removed; the rest keep id and order."""
        source = await self._start([b"1\n", b"2\n", b"3\n", b"4\n", b"5\n"])
        maildrop = await self._enter(source)
        ids = list(maildrop.messages.uniqueIds)
        self.assertEqual(list(await maildrop.remove([1, 2, 4])), [])
        await self._leave(maildrop)
        maildrop = await self._enter(source)
        await self._assertContents(maildrop, [b"3\n", b"5\n"])
        self.assertEqual(list(maildrop.messages.uniqueIds), [ids[2], ids[4]])

    async def test_removeAll(self) -> None:
        """All messages can be removed at once."""
        source = await self._start([b"1\n", b"2\n", b"3\n"])
        maildrop = await self._enter(source)
        self.assertEqual(list(await maildrop.remove([1, 2, 3])), [])
        await self._leave(maildrop)
        self.assertEqual(await self._ids(source), [])

    async def test_openRemoved(self) -> None:
        """A removed message is gone, and the snapshot still the same."""
        maildrop = await self._enter(await self._start([b"1\n", b"2\n"]))
        await maildrop.remove([1])
        with self.assertRaises(MessageVanished):
            await maildrop.openMessage(1)
        self.assertEqual(await self._content(maildrop, 2), b"2\n")
        self.assertEqual(len(maildrop.messages), 2)

    async def test_stranger(self) -> None:
        """Who has no maildrop gets an error of ours, and no empty listing."""
        source = await self._start([b"x\n"])
        if self.strangerId is None:
            raise SkipTest("everybody has a maildrop here")
        with self.assertRaises(MaildropError):
            await source.openMaildrop(self.strangerId)

    async def test_deliveredInSession(self) -> None:
        """New mail is for the next session, at the end of its listing."""
        source = await self._start([b"old\n"])
        maildrop = await self._enter(source)
        ids = list(maildrop.messages.uniqueIds)
        await self.deliver(source, b"new\n")
        self.assertEqual(list(maildrop.messages.uniqueIds), ids)
        await self._assertContents(maildrop, [b"old\n"])
        await self._leave(maildrop)
        maildrop = await self._enter(source)
        await self._assertContents(maildrop, [b"old\n", b"new\n"])
        self.assertEqual(list(maildrop.messages.uniqueIds)[:1], ids)

    async def test_deliveredBeforeRemove(self) -> None:
        """New mail does not shift what remove() means."""
        source = await self._start([b"1\n", b"2\n"])
        maildrop = await self._enter(source)
        await self.deliver(source, b"3\n")
        self.assertEqual(list(await maildrop.remove([1, 2])), [])
        await self._leave(maildrop)
        await self._assertContents(await self._enter(source), [b"3\n"])

    async def test_uniqueIdsAreNotUsedAgain(self) -> None:
        """A message that comes after another was removed does not get its id."""
        source = await self._start([b"1\n", b"2\n"])
        maildrop = await self._enter(source)
        ids = list(maildrop.messages.uniqueIds)
        await maildrop.remove([1, 2])
        await self._leave(maildrop)
        await self.deliver(source, b"2\n")
        self.assertEqual(len(set(await self._ids(source)) - set(ids)), 1)

    async def test_takenAway(self) -> None:
        """What somebody else removed cannot be opened, counts as removed, and shifts nothing."""
        source = await self._start([b"1\n", b"2\n", b"3\n"])
        maildrop = await self._enter(source)
        await self.takeAway(source, maildrop.messages.uniqueIds[0])
        with self.assertRaises(MessageVanished):
            await maildrop.openMessage(1)
        self.assertEqual(await self._content(maildrop, 2), b"2\n")
        self.assertEqual(list(await maildrop.remove([1, 2])), [])
        await self._leave(maildrop)
        await self._assertContents(await self._enter(source), [b"3\n"])
