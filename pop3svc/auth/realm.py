"""
Avatar id -> opened, locked maildrop, with a logout that closes it.
"""

from __future__ import annotations

from typing import Any

from twisted.cred.portal import IRealm
from twisted.internet.defer import Deferred, maybeDeferred
from zope.interface import implementer

from ..interfaces import IMaildrop, IMaildropSource
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
        @param mind: not used.
        @return: L{IMaildrop}, the maildrop, and a L{Logout}; or what the
            source fails with.
        @raise NotImplementedError: L{IMaildrop} is not among C{interfaces}.
        """
        if IMaildrop not in interfaces:
            raise NotImplementedError("this realm hands out maildrops only: ask for IMaildrop")
        assert isinstance(avatarId, bytes)
        opening = maybeDeferred(self._source.openMaildrop, avatarId)
        return opening.addCallback(lambda maildrop: (IMaildrop, maildrop, Logout(maildrop)))


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
