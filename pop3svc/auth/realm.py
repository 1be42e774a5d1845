"""
Avatar id -> opened, locked maildrop, with a logout that closes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.cred.portal import IRealm
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from zope.interface import implementer

from ..account import Account
from ..interfaces import (
    ILoginListener,
    IMaildrop,
    IMaildropSource,
    IMessageReader,
    IRelenting,
)
from .shared import Shared


@implementer(IRealm)
class MaildropRealm:
    """What a portal needs to hand out maildrops."""

    def __init__(self, source: IMaildropSource) -> None:
        self._source = source

    def requestAvatar(
        self, avatarId: bytes | tuple[()], mind: object, *interfaces: Any
    ) -> Deferred[Any]:
        """
        Cancelling the answer does not close a maildrop that opens all the same:
        wait for it, then log out.

        @param avatarId: what L{pop3svc.auth.chain.CheckerChain} answered; never
            C{ANONYMOUS}.
        @param mind: told who logs in, if it is an L{ILoginListener}.
        @return: L{IMaildrop}, the maildrop, and a L{Logout}; or what the
            source fails with.
        @raise NotImplementedError: L{IMaildrop} is not among C{interfaces}.
        """
        if IMaildrop not in interfaces:
            raise NotImplementedError("this realm hands out maildrops only: ask for IMaildrop")
        assert isinstance(avatarId, bytes)
        listener = ILoginListener(mind, None)
        if listener is not None:
            listener.loggedInAs(avatarId)
        opening = maybeDeferred(self._source.openMaildrop, avatarId)
        if isinstance(avatarId, Account) and avatarId.readOnly:
            opening.addCallback(ReadOnlyMaildrop)
        return opening.addCallback(lambda maildrop: (IMaildrop, maildrop, Logout(maildrop)))


@implementer(IMaildrop)
class ReadOnlyMaildrop:
    """A maildrop from which nothing is removed: the session is told so at QUIT."""

    def __init__(self, maildrop: IMaildrop) -> None:
        self.messages = maildrop.messages
        self._maildrop = maildrop

    def openMessage(self, number: int) -> Deferred[IMessageReader]:
        """@see: L{IMaildrop.openMessage}"""
        return self._maildrop.openMessage(number)

    def remove(self, numbers: Sequence[int]) -> Deferred[Sequence[int]]:
        """@return: all of the numbers."""
        return succeed(list(numbers))

    def close(self) -> Deferred[None]:
        """@see: L{IMaildrop.close}"""
        return self._maildrop.close()

    def __conform__(self, interface: Any) -> Any:
        """The maildrop itself gives its lock away and takes it back, if it can."""
        return IRelenting(self._maildrop, None) if interface is IRelenting else None


class Logout:
    """Closes a maildrop once, however often it is called."""

    def __init__(self, maildrop: IMaildrop) -> None:
        self._maildrop = maildrop
        self._closing: Shared[None] | None = None

    def __call__(self) -> Deferred[None]:
        """
        @return: how the one C{close} ends, or has ended.
        """
        if self._closing is None:
            self._closing = Shared(maybeDeferred(self._maildrop.close))
        return self._closing.wait()
