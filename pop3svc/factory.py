"""
The protocol factory: what all connections of a service share.

It can be used in any Twisted program: C{POP3Factory(portal)} behind an endpoint
is a POP3 service.
"""

from __future__ import annotations

import re
import secrets
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Literal, cast

from twisted.cred.credentials import IUsernameHashedPassword, IUsernamePassword
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IOpenSSLServerConnectionCreator, IReactorTime
from twisted.internet.protocol import Protocol, ServerFactory

from . import __version__
from .admission import Admission, Crowded
from .auth.credentials import IBearerToken, ICertificateName
from .channel import Channel
from .connection import Connection
from .core.capabilities import Situation
from .core.replies import Code, err
from .core.session import Session
from .doorkeeper import Doorkeeper
from .hits import hit
from .limits import Limits
from .operations.audit import Audit
from .operations.descriptors import descriptorsLeft
from .peers import isLocal, networkOf, peerName
from .protocol import POP3Protocol
from .refused import RefusedProtocol
from .scramverifiers import verifiersOf
from .tracing.transcript import Transcript

ClearTextLogins = Literal["never", "loopback", "always"]


class POP3Factory(ServerFactory):
    """
    @ivar name: of the listener, for people.
    @ivar accepted: connections that were served since the start.
    @ivar connections: the connections that are open, have a wait open, or are being
        logged out.
    @ivar tracing: while somebody traces, makes a new connection's transcript.
    """

    tracing: Callable[[Connection], Transcript | None] | None = None

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
        mechanisms: Sequence[bytes] | None = None,
        apop: bool = False,
        scramKey: bytes | None = None,
        host: bytes | None = None,
        random: Callable[[int], bytes] = secrets.token_bytes,
        admission: Admission | None = None,
        doorkeeper: Doorkeeper | None = None,
    ) -> None:
        """
        @param portal: its realm hands out L{pop3svc.interfaces.IMaildrop}.
        @param tls: for STLS; without it STLS is not offered.
        @param clearTextLogins: from where passwords are taken outside TLS.
        @param clock: the reactor, if nothing else is said.
        @param mechanisms: the ways to log in that are wanted, of those that
            L{pop3svc.core.mechanisms.MECHANISMS} names and C{USER} (for USER
            and PASS); all, if nothing else is said.
        @param apop: offer APOP, if a checker holds clear-text secrets.
        @param scramKey: makes the salts that SCRAM shows of users who have
            none. One that does not survive a restart shows them new ones then,
            which tells who they are: 32 octets, kept where nobody reads them.
        @param host: our name in timestamps; this machine's, if nothing else is
            said.
        @param random: gives so many octets that nobody can foretell.
        @param admission: counts connections, perhaps those of other factories too.
        @param doorkeeper: delays guesses, perhaps those at other factories too.
        """
        if clock is None:
            from twisted.internet import reactor

            clock = IReactorTime(reactor)
        self.portal = portal
        self.limits = limits or Limits()
        self.tls = tls
        self.audit = audit or Audit(clock=clock)
        self.clock = clock
        self.admission = admission or Admission()
        self.doorkeeper = doorkeeper or Doorkeeper(self.limits, clock, self.audit)
        self.connections: set[Connection] = set()
        self.name = ""
        self.accepted = 0
        self._clearTextLogins = clearTextLogins
        self._wanted = None if mechanisms is None else frozenset(mechanisms)
        self._apop = apop
        self._host = _fit(socket.gethostname().encode() if host is None else host)
        self._random = random
        self.scramKey = random(32) if scramKey is None else scramKey
        self._kinds = frozenset(portal.listCredentialsInterfaces())
        self._verifiers = verifiersOf(portal)
        self._empty: list[Deferred[None]] = []
        # The same for nearly all who come to one listener.
        self._situation = lru_cache(maxsize=8)(self._makeSituation)
        self._refused: set[RefusedProtocol] = set()

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        """
        @param addr: the other end's.
        @return: who serves the connection, or only tells it why nobody does; C{None}
            where even that is too much.
        """
        name = peerName(addr)
        crowded = self.crowded(networkOf(name))
        if crowded is not None:
            return self.refuse(crowded, name)
        return cast(Protocol | None, super().buildProtocol(addr))

    def crowded(self, network: str) -> Crowded | None:
        """
        @param network: as L{Admission.crowded} takes it.
        @return: why one more connection cannot be served, if it cannot.
        """
        spare = self.limits.spareDescriptors
        if descriptorsLeft(spare) < spare:
            return Crowded.DESCRIPTORS
        return self.admission.crowded(network, self.limits)

    def refuse(self, crowded: Crowded, name: str) -> Protocol | None:
        """
        @param name: the peer's, for the log.
        @return: as L{buildProtocol}, for somebody who is not served.
        """
        reason, text = crowded.value
        self.admission.refused[reason] += 1
        self.audit.connectionRefused(name, reason)
        if len(self._refused) >= self.limits.refusedAtOnce or not descriptorsLeft(1):
            hit("refusedAtOnce")
            return None
        return RefusedProtocol(err(text, Code.TEMPORARY), self._refused)

    def makeSession(self, peer: IAddress, secure: bool, before: Session | None = None) -> Session:
        """
        @param peer: the other end's address.
        @param secure: the channel is inside TLS, or will be after a handshake.
        @param before: the session that STLS ended.
        """
        situation = self.situation(peer, secure)
        return Session(situation, self.limits, self._random, __version__.encode(), before)

    def situation(self, peer: IAddress, secure: bool, channel: Channel | None = None) -> Situation:
        """
        @param peer: the other end's address.
        @param secure: the channel is inside TLS.
        @param channel: what the handshake has told.
        """
        hashes = self._verifiers.scramHashes if self._verifiers else frozenset[str]()
        situation = self._situation(isLocal(peer), secure, hashes)
        if channel is None:
            return situation
        return replace(situation, certificateNames=channel.names, bindings=channel.bindings)

    def _makeSituation(self, local: bool, secure: bool, hashes: frozenset[str]) -> Situation:
        """What holds before a handshake has told anything."""
        clear = self._clearTextLogins
        digests = IUsernameHashedPassword in self._kinds
        return Situation(
            secure=secure,
            startTLS=self.tls is not None and not secure,
            passwords=IUsernamePassword in self._kinds,
            passwordsHere=secure or clear == "always" or (clear == "loopback" and local),
            digests=digests,
            apop=digests and self._apop,
            tokens=IBearerToken in self._kinds,
            certificates=ICertificateName in self._kinds,
            certificateNames=(),
            scramHashes=hashes,
            bindings={},
            wanted=self._wanted,
            host=self._host,
        )

    def connectionBegan(self, connection: Connection) -> None:
        """Called by a protocol when it is connected."""
        self.connections.add(connection)
        self.accepted += 1

    def connectionEnded(self, connection: Connection) -> None:
        """Called by a protocol when it is disconnected and logged out."""
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


def _fit(host: bytes) -> bytes:
    """A host's name as it may stand in a timestamp: mpop refuses odd signs there."""
    return re.sub(rb"[^A-Za-z0-9.-]", b"-", host) or b"localhost"
