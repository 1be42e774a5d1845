"""
Stores that relent or reclaim wrongly, for the tests of that part of the contract.
"""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import TestCase
from zope.interface import implementer_only

from pop3svc.interfaces import IMaildrop
from pop3svc.maildrops.memory import MemoryMaildrop, MemoryMaildropSource
from pop3svc.testing import MaildropContract


class RelentsNothing(MemoryMaildrop):
    """Keeps the lock, whatever it says."""

    def relent(self) -> Deferred[None]:
        return succeed(None)

    def close(self) -> Deferred[None]:
        return super().relent()


class ReclaimsFromOthers(MemoryMaildrop):
    """Goes on beside the session that has the lock now."""

    def reclaim(self) -> Deferred[bool]:
        return succeed(True)


class ReclaimsWithoutLock(MemoryMaildrop):
    """Looks whether the maildrop is free, and does not lock it."""

    def reclaim(self) -> Deferred[bool]:
        return succeed(self._avatarId not in self._inUse)


class OverlooksRemovals(MemoryMaildrop):
    """Goes on with messages that another session has removed."""

    def reclaim(self) -> Deferred[bool]:
        free = self._avatarId not in self._inUse
        if free:
            self._locked = True
            self._inUse.add(self._avatarId)
        return succeed(free)


class SuspectsVisitors(MemoryMaildrop):
    """Gives up when anybody was there, whatever was done."""

    latest: ClassVar[dict[bytes, Any]] = {}

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.latest[self._avatarId] = self

    def reclaim(self) -> Deferred[bool]:
        if self.latest[self._avatarId] is not self:
            return succeed(False)
        return super().reclaim()


class SuspectsDeliveries(MemoryMaildrop):
    """Takes new mail for a change that it cannot live with."""

    def reclaim(self) -> Deferred[bool]:
        if len(self._stored) != len(self.messages):
            return succeed(False)
        return super().reclaim()


class FreesAnyLock(MemoryMaildrop):
    """Frees the lock at its end, whosever it is by then."""

    def close(self) -> Deferred[None]:
        self._inUse.discard(self._avatarId)
        return succeed(None)


# Each fault with the tests of the contract that find it.
FAULTS: dict[type, set[str]] = {
    RelentsNothing: {"test_relentFreesTheLock", "test_closeWithoutReclaim"},
    ReclaimsFromOthers: {"test_relentFreesTheLock"},
    ReclaimsWithoutLock: {"test_reclaim"},
    OverlooksRemovals: {"test_reclaimAfterARemoval"},
    SuspectsVisitors: {"test_reclaimAfterAVisit"},
    SuspectsDeliveries: {"test_reclaimAfterDelivery"},
    FreesAnyLock: {"test_closeWithoutReclaim"},
}


@implementer_only(IMaildrop)
class KeepsLock(MemoryMaildrop):
    """A store whose maildrops cannot be lent."""


class KeepingSource(MemoryMaildropSource):
    def openMaildrop(self, avatarId: bytes) -> Deferred[IMaildrop]:
        stored = self._stored(avatarId)
        return (
            super()
            .openMaildrop(avatarId)
            .addCallback(lambda _: KeepsLock(stored, self._inUse, avatarId))
        )


class WithoutRelenting(MaildropContract, TestCase):
    """An author who has left the optional part out."""

    def makeSource(self, messages: list[bytes]) -> KeepingSource:
        return KeepingSource({self.avatarId: messages})
