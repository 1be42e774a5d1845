"""
A visit: one user's time with a maildrop, from login to logout.

Here Cred, the store and the log meet; what a client gets to see of their
errors is decided in one place, L{pop3svc.refusals}.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from twisted.cred.portal import Portal
from zope.interface import implementer

from .account import Account
from .auth.credentials import credentialsOf
from .core.effects import Claim
from .core.replies import Refusal
from .errors import MaildropError
from .hits import hit
from .interfaces import (
    ILoginListener,
    IMaildrop,
    IMessageReader,
    IReadyMessages,
    IRelenting,
)
from .operations.audit import Audit, Subject
from .pools import PoolFull
from .refusals import refuse
from .transfer import Outlet, OutletClosed, sendMessage, sendWhole

# What a disk, a network or too much work does to a store; anything else is a fault of
# its program.
_TROUBLES = (MaildropError, OSError, PoolFull)


class Visit:
    """
    @ivar maildrop: what the realm handed out.
    @ivar readOnly: nothing may be deleted.
    @ivar mayRelent: the maildrop can be lent to another session.
    @ivar retrieved: the messages sent whole.
    @ivar retrievedOctets: their size.
    @ivar deleted: the messages removed.
    """

    def __init__(
        self,
        maildrop: IMaildrop,
        readOnly: bool,
        logout: Callable[[], Awaitable[None]],
        subject: Subject,
        audit: Audit,
        seconds: Callable[[], float],
    ) -> None:
        """@param seconds: a monotonic clock."""
        self.maildrop = maildrop
        self.readOnly = readOnly
        self._ready = IReadyMessages(maildrop, None)
        self._relenting = IRelenting(maildrop, None)
        self.mayRelent = self._relenting is not None
        self.retrieved = self.retrievedOctets = self.deleted = 0
        self._logout: Callable[[], Awaitable[None]] | None = logout
        self._subject = subject
        self._audit = audit
        self._seconds = seconds
        self._began = seconds()
        messages = maildrop.messages
        audit.login(subject, len(messages), messages.totalOctets)

    async def send(self, number: int, opening: bytes, lines: int | None, outlet: Outlet) -> bool:
        """
        Send a message, or its top.

        @param opening: the first line of the reply.
        @param lines: TOP's lines of the body; C{None} for the whole message.
        @return: whether it is sent; what failed is in the log.
        @raise OutletClosed: the peer is gone.
        """
        reader: IMessageReader | None = None
        try:
            reader = await self.maildrop.openMessage(number)
            octets = await sendMessage(reader, opening, lines, outlet)
        except OutletClosed:
            raise
        except _TROUBLES as error:
            self._storeFault("retrieve", f"message {number}: {error}")
            return False
        except Exception:
            self._audit.fault(self._subject, "retrieving a message")
            return False
        finally:
            if reader is not None:
                self._closeReader(reader)
        if lines is None:
            self._retrieved(number, octets)
        return True

    def sendReady(self, number: int, opening: bytes, outlet: Outlet) -> bool:
        """
        As L{send}, of a whole message, if it is small and there is nothing to wait for.

        @return: whether it is sent; if not, nothing has happened.
        @raise OutletClosed: the peer is gone.
        """
        if self._ready is None or self.maildrop.messages.octets[number - 1] > outlet.block:
            return False
        try:
            message = self._ready.readyMessage(number)
        except _TROUBLES:
            # openMessage has the last word on what is wrong.
            return False
        except Exception:
            self._audit.fault(self._subject, "retrieving a message")
            return False
        if message is None:
            return False
        self._retrieved(number, sendWhole(message, opening, outlet))
        return True

    def _retrieved(self, number: int, octets: int) -> None:
        """@param octets: how many were sent."""
        self.retrieved += 1
        self.retrievedOctets += octets
        self._audit.tally.retrieved += 1
        self._audit.tally.retrievedOctets += octets
        promised = self.maildrop.messages.octets[number - 1]
        if octets != promised:
            self._storeFault(
                "retrieve", f"message {number} has {octets} octets, {promised} were promised"
            )

    async def relent(self) -> None:
        """Let other sessions have the maildrop while the peer is silent."""
        assert self._relenting is not None
        hit("takeoverSeconds")
        try:
            await self._relenting.relent()
        except _TROUBLES as error:
            self._storeFault("relent", str(error))
        except Exception:
            self._audit.fault(self._subject, "relenting")

    async def reclaim(self) -> Refusal | None:
        """
        Have the maildrop back.

        @return: C{None}, or why it cannot be had.
        """
        assert self._relenting is not None
        try:
            reclaimed = await self._relenting.reclaim()
        except _TROUBLES as error:
            self._storeFault("reclaim", str(error))
            return Refusal.TEMPORARY
        except Exception:
            self._audit.fault(self._subject, "reclaiming")
            return Refusal.TEMPORARY
        return None if reclaimed else Refusal.IN_USE

    async def commit(self, numbers: tuple[int, ...]) -> int | None:
        """
        Remove messages, and free the lock in any case.

        @return: how many could not be removed, or C{None} when it failed as a
            whole; both are in the log.
        """
        try:
            notRemoved = len(await self.maildrop.remove(numbers)) if numbers else 0
            self.deleted = len(numbers) - notRemoved
            self._audit.tally.deleted += self.deleted
        except _TROUBLES as error:
            self._storeFault("remove", str(error))
            return None
        except Exception:
            self._audit.fault(self._subject, "removing messages")
            return None
        finally:
            await self._endLogout()
        if notRemoved:
            self._storeFault("remove", f"{notRemoved} of {len(numbers)} messages not removed")
        return notRemoved

    async def end(self, reason: str) -> None:
        """
        The connection is gone: free the lock if that is still to be done.

        @param reason: C{quit}, or why the session ended without UPDATE.
        """
        await self._endLogout()
        self._audit.logout(
            self._subject,
            reason,
            retrieved=self.retrieved,
            retrievedOctets=self.retrievedOctets,
            deleted=self.deleted,
            left=len(self.maildrop.messages) - self.deleted,
            seconds=self._seconds() - self._began,
        )
        # Whoever still holds this object holds no listing with it.
        del self.maildrop, self._ready, self._relenting

    async def _endLogout(self) -> None:
        """Log out; on every path it is called exactly once."""
        logout, self._logout = self._logout, None
        if logout is None:
            return
        try:
            await logout()
        except _TROUBLES as error:
            self._storeFault("close", str(error))
        except Exception:
            self._audit.fault(self._subject, "closing a maildrop")

    def _closeReader(self, reader: IMessageReader) -> None:
        """The message is sent, or it is not: the session goes on in any case."""
        try:
            reader.close()
        except _TROUBLES as error:
            self._storeFault("retrieve", str(error))
        except Exception:
            self._audit.fault(self._subject, "closing a message")

    def _storeFault(self, operation: str, text: str) -> None:
        self._audit.storeFault(self._subject, operation, text)


async def beginVisit(
    portal: Portal,
    claim: Claim,
    subject: Subject,
    audit: Audit,
    seconds: Callable[[], float],
    proved: Callable[[], None],
) -> Visit | Refusal:
    """
    Check a claim and open the maildrop.

    @param proved: called when the checker has said who it is.
    @return: the visit, or why there is none; both are in the log.
    """
    mind = _Mind(subject, proved)
    try:
        login = await portal.login(credentialsOf(claim, subject.peer), mind, IMaildrop)
    except Exception as error:
        return refuse(error, subject, audit)
    _, maildrop, logout = cast(tuple[Any, IMaildrop, Callable[[], Awaitable[None]]], login)
    try:
        return Visit(maildrop, mind.readOnly, logout, subject, audit, seconds)
    except Exception as error:
        # A store whose snapshot fails must not keep its lock.
        await logout()
        return refuse(error, subject, audit)


@implementer(ILoginListener)
class _Mind:
    """Hears who has logged in, for the log and for what may be done."""

    def __init__(self, subject: Subject, proved: Callable[[], None]) -> None:
        self.readOnly = False
        self._subject = subject
        self._proved = proved
        subject.credential = ""

    def loggedInAs(self, avatarId: bytes) -> None:
        self._proved()
        if isinstance(avatarId, Account):
            self.readOnly = avatarId.readOnly
            self._subject.credential = avatarId.credential
