"""
The protocol factory: what all connections of a service share.

It can be used in any Twisted program: C{POP3Factory(portal)} behind an endpoint
is a POP3 service.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from twisted.cred.credentials import IUsernamePassword
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IOpenSSLServerConnectionCreator, IReactorTime
from twisted.internet.protocol import ServerFactory

from . import __version__
from .core.capabilities import Situation
from .core.session import Session
from .limits import Limits
from .operations.audit import Audit
from .peers import isLocal
from .protocol import POP3Protocol

ClearTextLogins = Literal["never", "loopback", "always"]


class POP3Factory(ServerFactory):
    """
    @ivar connections: the connections that are open, or still have a wait open.
    """

    protocol: Callable[..., POP3Protocol] = POP3Protocol  # type: ignore[assignment]
    noisy = False

    def __init__(
        self,
        portal: Portal,
        limits: Limits | None = None,
        tls: IOpenSSLServerConnectionCreator | None = None,
        clearTextLogins: ClearTextLogins = "loopback",
        audit: Audit | None = None,
        clock: IReactorTime | None = None,
    ) -> None:
        """
        @param portal: its realm hands out L{pop3svc.interfaces.IMaildrop}.
        @param tls: for STLS; without it STLS is not offered.
        @param clearTextLogins: from where passwords are taken outside TLS.
        @param clock: the reactor, if nothing else is said.
        """
        if clock is None:
            from twisted.internet import reactor

            clock = IReactorTime(reactor)
        self.portal = portal
        self.limits = limits or Limits()
        self.tls = tls
        self.audit = audit or Audit()
        self.clock = clock
        self.connections: set[POP3Protocol] = set()
        self._clearTextLogins = clearTextLogins
        self._passwords = IUsernamePassword in portal.listCredentialsInterfaces()
        self._empty: list[Deferred[None]] = []

    def makeSession(self, peer: IAddress, secure: bool) -> Session:
        """
        @param peer: the other end's address.
        @param secure: the channel is inside TLS.
        """
        clear = self._clearTextLogins
        fit = secure or clear == "always" or (clear == "loopback" and isLocal(peer))
        situation = Situation(
            secure=secure,
            startTLS=self.tls is not None and not secure,
            passwords=self._passwords,
            passwordsHere=fit,
        )
        return Session(situation, self.limits, __version__.encode())

    def connectionBegan(self, connection: POP3Protocol) -> None:
        """Called by a protocol when it is connected."""
        self.connections.add(connection)

    def connectionEnded(self, connection: POP3Protocol) -> None:
        """Called by a protocol when it is disconnected and no wait is open."""
        self.connections.discard(connection)
        if not self.connections:
            waiting, self._empty = self._empty, []
            for each in waiting:
                each.callback(None)

    def whenEmpty(self) -> Deferred[None]:
        """Fires when no connection is left."""
        if not self.connections:
            return succeed(None)
        waiting: Deferred[None] = Deferred()
        self._empty.append(waiting)
        return waiting

    def endConnections(self, reason: str, alsoLoggedIn: bool) -> None:
        """
        End connections without UPDATE.

        @param reason: a word for the log.
        @param alsoLoggedIn: if not, only those where nobody has logged in.
        """
        for connection in list(self.connections):
            if alsoLoggedIn or not connection.loggedIn:
                connection.endNow(reason)
