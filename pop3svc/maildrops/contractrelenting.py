"""
The tests for stores whose maildrops can be lent while a peer is silent.
"""

from __future__ import annotations

from twisted.trial.unittest import SkipTest

from ..errors import MaildropInUse
from ..interfaces import IMaildrop, IMaildropSource, IRelenting
from .contractcase import MaildropContractCase


class RelentingContract(MaildropContractCase):
    """Skipped where a maildrop does not provide L{IRelenting}."""

    async def _lend(self, source: IMaildropSource) -> tuple[IMaildrop, IRelenting]:
        """A session that has relented."""
        maildrop = await self._enter(source)
        relenting = IRelenting(maildrop, None)
        if relenting is None:
            raise SkipTest("maildrops here keep their lock")
        await relenting.relent()
        return maildrop, relenting

    async def test_relentFreesTheLock(self) -> None:
        """Another session can begin, and then it has the maildrop for itself."""
        source = await self._start([b"x\n"])
        _, relenting = await self._lend(source)
        other = await self._enter(source)
        for _ in range(2):
            self.assertFalse(await relenting.reclaim())
            with self.assertRaises(MaildropInUse):
                await self._enter(source)
        self.assertEqual(await self._content(other, 1), b"x\n")

    async def test_reclaim(self) -> None:
        """Whoever has the lock back has it alone, time and again."""
        source = await self._start([b"1\n", b"2\n"])
        maildrop, relenting = await self._lend(source)
        for _ in range(3):
            self.assertTrue(await relenting.reclaim())
            with self.assertRaises(MaildropInUse):
                await self._enter(source)
            await relenting.relent()
        self.assertTrue(await relenting.reclaim())
        await self._assertContents(maildrop, [b"1\n", b"2\n"])
        self.assertEqual(list(await maildrop.remove([1])), [])
        await self._leave(maildrop)
        await self._assertContents(await self._enter(source), [b"2\n"])

    async def test_reclaimAfterAVisit(self) -> None:
        """Who only looked, or marked and went without QUIT, has changed nothing."""
        source = await self._start([b"1\n", b"2\n"])
        maildrop, relenting = await self._lend(source)
        await self._contents(await self._enter(source))
        await self._leave(self._open[-1])
        self.assertTrue(await relenting.reclaim())
        await self._assertContents(maildrop, [b"1\n", b"2\n"])

    async def test_reclaimAfterARemoval(self) -> None:
        """Where another session has removed something, this one is over."""
        source = await self._start([b"1\n", b"2\n", b"3\n"])
        maildrop, relenting = await self._lend(source)
        other = await self._enter(source)
        await other.remove([2])
        await self._leave(other)
        self.assertFalse(await relenting.reclaim())
        await self._leave(maildrop)
        await self._assertContents(await self._enter(source), [b"1\n", b"3\n"])

    async def test_reclaimAfterDelivery(self) -> None:
        """New mail ends no session, and is not in its listing."""
        source = await self._start([b"1\n", b"2\n"])
        maildrop, relenting = await self._lend(source)
        await self.deliver(source, b"3\n")
        await self._ids(source)
        self.assertTrue(await relenting.reclaim())
        self.assertEqual(len(maildrop.messages), 2)
        self.assertEqual(list(await maildrop.remove([1, 2])), [])
        await self._leave(maildrop)
        await self._assertContents(await self._enter(source), [b"3\n"])

    async def test_closeWithoutReclaim(self) -> None:
        """The end of a session that has relented frees nobody else's lock."""
        source = await self._start([b"x\n"])
        maildrop, relenting = await self._lend(source)
        await self._enter(source)
        self.assertFalse(await relenting.reclaim())
        await self._leave(maildrop)
        with self.assertRaises(MaildropInUse):
            await self._enter(source)
        await self._leave(self._open[-1])
        await self._enter(source)
