"""
What the tests of stores are written with.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from twisted.trial.unittest import SkipTest

from ..interfaces import IMaildrop, IMaildropSource, IMessageReader

if TYPE_CHECKING:
    from twisted.trial.unittest import TestCase as _Mixed
else:
    _Mixed = object


def gist(message: bytes) -> bytes:
    """A message as a failed test should show it."""
    if len(message) < 80:
        return message
    return b"%d octets, sha256 %s" % (len(message), sha256(message).hexdigest().encode())


class MaildropContractCase(_Mixed):
    """
    What an author tells about a store, and what the tests do with it.

    @ivar avatarId: whose maildrop is tested.
    @ivar strangerId: somebody without a maildrop, or L{None} if everybody has
        one.
    """

    avatarId = b"karl"
    strangerId: bytes | None = b"nobody"

    def makeSource(self, messages: list[bytes]) -> IMaildropSource | Awaitable[IMaildropSource]:
        """A new source, in which C{avatarId} has these messages, as stored, in this order."""
        raise NotImplementedError

    def deliver(self, source: IMaildropSource, message: bytes) -> Awaitable[None]:
        """Add a message to the maildrop of C{avatarId}, as an MTA would, session or not."""
        raise SkipTest("no deliver in this test case")

    def takeAway(self, source: IMaildropSource, uniqueId: bytes) -> Awaitable[None]:
        """Remove a message of C{avatarId} behind the back of a session."""
        raise SkipTest("no takeAway in this test case")

    def asStored(self, message: bytes) -> bytes:
        """
        What the store makes of a message that it is given: a format may have no
        message without a line end at its end.
        """
        return message

    # What the tests are written with.

    async def _start(self, messages: list[bytes]) -> IMaildropSource:
        self._open: list[IMaildrop] = []
        self.addCleanup(self._closeRest)
        made = self.makeSource(messages)
        return await made if isinstance(made, Awaitable) else made

    async def _enter(self, source: IMaildropSource) -> IMaildrop:
        maildrop = await source.openMaildrop(self.avatarId)
        self._open.append(maildrop)
        return maildrop

    async def _leave(self, maildrop: IMaildrop) -> None:
        self._open.remove(maildrop)
        await maildrop.close()

    async def _closeRest(self) -> None:
        while self._open:
            await self._open.pop().close()

    async def _ids(self, source: IMaildropSource) -> list[bytes]:
        """The unique-ids that a session of its own sees."""
        maildrop = await self._enter(source)
        await self._leave(maildrop)
        return list(maildrop.messages.uniqueIds)

    async def _contents(self, maildrop: IMaildrop) -> list[bytes]:
        numbers = range(1, len(maildrop.messages) + 1)
        return [await self._content(maildrop, number) for number in numbers]

    async def _assertContents(self, maildrop: IMaildrop, messages: Sequence[bytes]) -> None:
        got = await self._contents(maildrop)
        expected = map(self.asStored, messages)
        self.assertEqual(list(map(gist, got)), list(map(gist, expected)))

    async def _content(self, maildrop: IMaildrop, number: int, octets: int = 65536) -> bytes:
        reader = await maildrop.openMessage(number)
        try:
            return await self._readRest(reader, octets)
        finally:
            reader.close()

    async def _readRest(self, reader: IMessageReader, octets: int) -> bytes:
        content = []
        while data := await reader.read(octets):
            self.assertLessEqual(len(data), octets, "read() returned more than was asked for")
            content.append(data)
        self.assertEqual(await reader.read(octets), b"", "read() went on behind the end")
        return b"".join(content)
