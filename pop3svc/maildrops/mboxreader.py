"""
Reading one message of an mbox, without a lock, and never the wrong octets.

Whoever works on an mbox may move what is in it while it is read. So what was read is
compared with the digest that the message is known by: a small message before any of
it is sent, a large one before its last octets are; without those the client has no
message, and asks again later.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from zope.interface import implementer

from ..errors import MessageVanished
from ..interfaces import IMessageReader
from ..pools import Pool
from .mboxfiles import MboxFile
from .mboxids import digestOf
from .mboxlines import BLOCK_OCTETS, HEAD_OCTETS, Identity
from .mboxlisting import MboxListing
from .opened import MessageFile
from .reader import MaildirReader
from .slices import SLICE_OCTETS, Slices

# A digest, and a canonical size.
Expected = tuple[bytes, int]


class Section(MessageFile):
    """A part of an mbox, read as the file of one message."""

    __slots__ = ("_start",)

    def __init__(self, descriptor: int, start: int, octets: int) -> None:
        """@param descriptor: of this object alone, which closes it."""
        self._descriptor = descriptor
        self._start = start
        self.octets = octets
        self.signature = 0

    def read(self, octets: int, offset: int) -> bytes:
        """@see: L{MessageFile.read}"""
        return super().read(octets, self._start + offset)

    def readCached(self, octets: int, offset: int) -> bytes | None:
        """@see: L{MessageFile.readCached}"""
        return super().readCached(octets, self._start + offset)


@implementer(IMessageReader)
class MboxReader:
    """A message that is larger than what is read at once."""

    def __init__(
        self, pool: Pool, section: Section, first: bytes, identity: Identity, expected: Expected
    ) -> None:
        """
        @param first: the first octets.
        @param identity: of the separator and these octets.
        """
        self._inner = MaildirReader(pool, section, first)
        self._ahead = len(first)
        self._left = section.octets
        self._identity = identity
        self._expected = expected

    def read(self, octets: int) -> Deferred[bytes]:
        """@return: fails with L{MessageVanished} when it is not the message."""
        return Deferred.fromCoroutine(self._read(octets))

    def close(self) -> None:
        """@see: L{IMessageReader.close}"""
        self._inner.close()

    async def _read(self, octets: int) -> bytes:
        data = await self._inner.read(octets)
        if data:
            self._left -= len(data)
            # All of the first octets come before any other.
            if self._ahead:
                self._ahead -= len(data)
            else:
                self._identity.add(data)
            if not self._left and self._identity.end() != self._expected:
                raise MessageVanished("a message was changed while it was read")
        return data


def openMessage(
    pool: Pool, file: MboxFile, listing: MboxListing, row: int, octets: int
) -> Slices[IMessageReader | None]:
    """
    Open a message where a listing says that it is.

    @param octets: the canonical size that the client was promised.
    @return: L{None} if it is not there.
    @raise OSError: it cannot be read.
    """
    start, end = listing.contents[row], listing.ends[row]
    expected = digestOf(listing.snapshot.uniqueIds[row]), octets
    first = file.read(min(HEAD_OCTETS, end - start), start)
    identity = _begin(file, listing, row, first)
    if start + len(first) == end:
        if identity.end() != expected:
            return None
        # It is closed, for it is read.
        return MaildirReader(pool, Section(-1, start, end - start), first)
    if file.stamp() != listing.stamp:
        # Better an error than half of a message.
        whole = _begin(file, listing, row, first)
        for count, offset in enumerate(range(start + len(first), end, BLOCK_OCTETS), 1):
            whole.add(file.read(min(BLOCK_OCTETS, end - offset), offset))
            if count * BLOCK_OCTETS % SLICE_OCTETS == 0:
                yield
        if whole.end() != expected:
            return None
    section = Section(file.duplicate(), start, end - start)
    return MboxReader(pool, section, first, identity, expected)


def _begin(file: MboxFile, listing: MboxListing, row: int, first: bytes) -> Identity:
    separator = listing.starts[row]
    return Identity(file.read(listing.contents[row] - separator, separator), first)
