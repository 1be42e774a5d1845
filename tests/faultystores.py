"""
Stores with faults that real ones have had, for the tests of the contract.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from itertools import count
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from pop3svc.canonical import whole
from pop3svc.errors import MaildropInUse
from pop3svc.interfaces import IMaildrop, IMessageReader, IReadyMessages
from pop3svc.maildrops.memory import MemoryMaildrop, MemoryMaildropSource, MemoryReader
from pop3svc.snapshot import Snapshot
from pop3svc.testing import MaildropContract


class StoredSize(MemoryMaildrop):
    """Counts octets as stored, not as sent."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.messages = Snapshot(map(len, self._stored.values()), self._stored)


class SkipsEmpty(MemoryMaildrop):
    """Takes a message of no octets for none."""

    def __init__(self, stored: dict[bytes, bytes], *args: Any) -> None:
        super().__init__({key: each for key, each in stored.items() if each}, *args)


class UnstableIds(MemoryMaildrop):
    """Makes new unique-ids for each session."""

    sessions = count()

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        session = next(self.sessions)
        ids = [b"%d.%s" % (session, each) for each in self.messages.uniqueIds]
        self.messages = Snapshot(self.messages.octets, ids)


class Positions(MemoryMaildrop):
    """Gives message-numbers away as unique-ids."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        ids = [b"%d" % number for number in self._uniqueIds]
        self.messages = Snapshot(self.messages.octets, ids)


class DigestIds(MemoryMaildrop):
    """Makes unique-ids of what messages contain; equal ones get equal ids."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        ids = [sha256(each).hexdigest().encode() for each in self._stored.values()]
        self.messages = Snapshot(self.messages.octets, ids)


@implementer(IReadyMessages)
class ReadyTooSoon(MemoryMaildrop):
    """Has a message ready as it is to be sent, not as a reader would read it."""

    def readyMessage(self, number: int) -> bytes | None:
        return whole(self._stored[self._uniqueIds[number]])


class LatestFirst(MemoryMaildrop):
    """Lists the newest message first."""

    def __init__(self, stored: dict[bytes, bytes], *args: Any) -> None:
        super().__init__(dict(reversed(stored.items())), *args)


class StalePositions(MemoryMaildrop):
    """Removes by number from a list that gets shorter meanwhile."""

    def remove(self, numbers: Sequence[int]) -> Deferred[Sequence[int]]:
        for number in numbers:
            ids = list(self._stored)
            if number <= len(ids):
                del self._stored[ids[number - 1]]
        return succeed([])


class CountsFromTheEnd(MemoryMaildrop):
    """Removes by distance from the end, where new mail arrives meanwhile."""

    def remove(self, numbers: Sequence[int]) -> Deferred[Sequence[int]]:
        ids = list(self._stored)
        for number in numbers:
            del self._stored[ids[number - len(self.messages) - 1]]
        return succeed([])


class NothingToRemove(MemoryMaildrop):
    """Takes the first number without looking whether there is one."""

    def remove(self, numbers: Sequence[int]) -> Deferred[Sequence[int]]:
        self._stored.pop(self._uniqueIds[numbers[0]], None)
        return super().remove(numbers)


class RemovesAtOnce(MemoryMaildrop):
    """Takes what was sent for done."""

    def openMessage(self, number: int) -> Deferred[IMessageReader]:
        opened = super().openMessage(number)
        self._stored.pop(self._uniqueIds[number], None)
        return opened


class RemovesNothing(MemoryMaildrop):
    """Says that it removed what it did not."""

    def remove(self, numbers: Sequence[int]) -> Deferred[Sequence[int]]:
        return succeed([])


class RefusesTheVanished(MemoryMaildrop):
    """Reports what is gone already as not removed."""

    def remove(self, numbers: Sequence[int]) -> Deferred[Sequence[int]]:
        left = [each for each in numbers if self._uniqueIds[each] not in self._stored]
        return super().remove(numbers).addCallback(lambda _: left)


class ServesWhatIsGone(MemoryMaildrop):
    """Keeps messages of the snapshot although they are removed."""

    def __init__(self, stored: dict[bytes, bytes], *args: Any) -> None:
        super().__init__(stored, *args)
        self._copy = dict(stored)

    def openMessage(self, number: int) -> Deferred[IMessageReader]:
        return succeed(MemoryReader(self._copy[self._uniqueIds[number]]))


class LeaksTheLock(MemoryMaildrop):
    """Never frees the lock."""

    def close(self) -> Deferred[None]:
        return succeed(None)


class SeesDeliveries(MemoryMaildrop):
    """Numbers the messages anew whenever it is asked."""

    @property
    def messages(self) -> Snapshot:
        return Snapshot(map(len, self._stored.values()), self._stored)

    @messages.setter
    def messages(self, snapshot: Snapshot) -> None:
        self._uniqueIds = dict(enumerate(self._stored, 1))


class LosesLastOctet(MemoryReader):
    """Takes the last octet for a line end that may be left out."""

    def __init__(self, octets: bytes) -> None:
        super().__init__(octets[:-1])


class ReadsTooMuch(MemoryReader):
    """Gives whole blocks, whatever it was asked for."""

    def read(self, octets: int) -> Deferred[bytes]:
        return super().read(max(octets, 8192))


class SharedPosition(MemoryReader):
    """All readers of a message share one position."""

    offsets: dict[bytes, int] = {}

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self.offsets[octets] = self.offsets.get(octets, 0)

    def read(self, octets: int) -> Deferred[bytes]:
        start = self.offsets[self._octets]
        self.offsets[self._octets] = min(start + octets, len(self._octets))
        return succeed(self._octets[start : start + octets])

    def close(self) -> None:
        self.offsets.pop(self._octets, None)


class OneReading(SharedPosition):
    """Reads on where the reader before was closed."""

    def close(self) -> None:
        return


class NoReader(MemoryReader):
    """Has everything but the close() that is owed."""

    close: Any = None


class NoLock(MemoryMaildropSource):
    """Lets everybody in."""

    def openMaildrop(self, avatarId: bytes) -> Deferred[IMaildrop]:
        self._inUse.clear()
        return super().openMaildrop(avatarId)


class RefusalFreesLock(MemoryMaildropSource):
    """Cleans up after a refused session what belongs to the other one."""

    def openMaildrop(self, avatarId: bytes) -> Deferred[IMaildrop]:
        if avatarId in self._inUse:
            self._inUse.remove(avatarId)
            return fail(MaildropInUse())
        return super().openMaildrop(avatarId)


class ForeignError(MemoryMaildropSource):
    """Says in its own words that it does not know somebody."""

    def openMaildrop(self, avatarId: bytes) -> Deferred[IMaildrop]:
        if avatarId not in self._initial:
            return fail(KeyError(avatarId))
        return super().openMaildrop(avatarId)


class EmptyForStrangers(MemoryMaildropSource):
    """Gives an empty maildrop to whom it does not know."""

    def openMaildrop(self, avatarId: bytes) -> Deferred[IMaildrop]:
        if avatarId not in self._initial:
            return succeed(MemoryMaildrop({}, self._inUse, avatarId))
        return super().openMaildrop(avatarId)


class UsesIdsAgain(MemoryMaildropSource):
    """Numbers new messages from the highest number that is left."""

    def deliver(self, avatarId: bytes, octets: bytes) -> None:
        stored = self._stored(avatarId)
        ids = next(iter(self._uniqueIds)).partition(b".")[0]
        stored[b"%s.%d" % (ids, len(stored) + 1)] = octets


# Each fault with the tests of the contract that find it.
FAULTS: dict[type, set[str]] = {
    StoredSize: {"test_sizes"},
    SkipsEmpty: {"test_content", "test_emptyMessage"},
    UnstableIds: {"test_sameInEachSession", "test_closeRemovesNothing", "test_remove"}
    | {"test_deliveredInSession"},
    Positions: {"test_remove"},
    DigestIds: {"test_uniqueIds"},
    ReadyTooSoon: {"test_readyMessages"},
    LatestFirst: {"test_content", "test_sameInEachSession", "test_remove"}
    | {"test_deliveredInSession"},
    StalePositions: {"test_remove", "test_removeAll"},
    CountsFromTheEnd: {"test_deliveredBeforeRemove"},
    NothingToRemove: {"test_emptyMaildrop"},
    RemovesAtOnce: {"test_closeRemovesNothing", "test_twoReaders"},
    RemovesNothing: {"test_remove", "test_removeAll", "test_openRemoved"},
    RefusesTheVanished: {"test_takenAway"},
    ServesWhatIsGone: {"test_openRemoved", "test_takenAway"},
    LeaksTheLock: {"test_closeFreesTheLock"},
    SeesDeliveries: {"test_deliveredInSession"},
    LosesLastOctet: {"test_content", "test_twoReaders"},
    ReadsTooMuch: {"test_smallReads"},
    SharedPosition: {"test_twoReaders"},
    OneReading: {"test_closeReaderEarly"},
    NoReader: {"test_interfaces"},
    NoLock: {"test_exclusive"},
    RefusalFreesLock: {"test_exclusive"},
    ForeignError: {"test_stranger"},
    EmptyForStrangers: {"test_stranger"},
    UsesIdsAgain: {"test_uniqueIdsAreNotUsedAgain"},
}


class Case(MaildropContract, TestCase):
    """The contract over the memory store, or over a faulty one."""

    source: type[MemoryMaildropSource] = MemoryMaildropSource

    def makeSource(self, messages: list[bytes]) -> MemoryMaildropSource:
        return self.source({self.avatarId: messages})

    async def deliver(self, source: Any, message: bytes) -> None:
        source.deliver(self.avatarId, message)

    async def takeAway(self, source: Any, uniqueId: bytes) -> None:
        del source._stored(self.avatarId)[uniqueId]


class WithoutHooks(MaildropContract, TestCase):
    """An author who can neither deliver nor take away."""

    strangerId = None

    def makeSource(self, messages: list[bytes]) -> Deferred[MemoryMaildropSource]:
        return succeed(MemoryMaildropSource({self.avatarId: messages}))
