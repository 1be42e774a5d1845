"""
The driver: octets -> Session -> effects -> octets, over one connection.

It knows transports, timers and waits; keywords and states it does not know. At
most one wait is open. While it is, and while the peer does not read, the
line receiver is paused: unread lines stay in its buffer and in the kernel, and
TCP pushes back.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IDelayedCall, IHandshakeListener, ISSLTransport
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure
from zope.interface import implementer

from .channel import channelOf
from .core import effects
from .core.replies import Refusal
from .core.session import Session
from .lines import BoundedLineReceiver
from .operations.audit import Subject
from .peers import peerName, tuneConnection
from .timers import Deadlines
from .transfer import IOutletListener, Outlet, OutletClosed, sendListing
from .visit import Visit, beginVisit, fetchVerifier

if TYPE_CHECKING:
    from .factory import POP3Factory

# Ends that are nobody's fault; any other is logged as abuse.
_ORDERLY = ("quit", "idle", "drain", "fault", "transfer-failed")


@implementer(IHandshakeListener, IOutletListener)
class POP3Protocol(BoundedLineReceiver, TimeoutMixin):
    """One connection."""

    factory: POP3Factory
    # TCP, TLS or a UNIX socket; no interface of Twisted names what they share.
    transport: Any

    def __init__(self) -> None:
        self._session: Session
        self._subject: Subject
        self._outlet: Outlet
        self._visit: Visit | None = None
        self._waiting = False
        self._ended = False
        self._lost = False
        self._reason = "connection-lost"
        self._deadlines: Deadlines

    # The life of a connection.

    def connectionMade(self) -> None:
        factory = self.factory
        tuneConnection(self.transport)
        self._subject = Subject(secrets.token_hex(6), peerName(self.transport.getPeer()))
        self._outlet = Outlet(self.transport, factory.clock, factory.limits, self)
        self._deadlines = Deadlines(factory.clock, self._end)
        self.transport.registerProducer(self._outlet, True)
        factory.connectionBegan(self)
        # One deadline for the whole login: neither octets nor commands renew it.
        self._deadlines.start("login-deadline", factory.limits.loginSeconds)
        secure = ISSLTransport.providedBy(self.transport)
        if secure:
            self._deadlines.start("handshake-deadline", factory.limits.handshakeSeconds)
        self._session = factory.makeSession(self.transport.getPeer(), secure)
        self.skipOctetsMost = factory.limits.skippedOctets
        self.setLineOctets(factory.limits.commandOctets)
        self._tell(self._session.greet)

    def handshakeCompleted(self) -> None:
        """TLS is up; called by the transport."""
        self._deadlines.stop("handshake-deadline")
        self._adjustPause()
        self._tell(self._learnChannel)

    def timeoutConnection(self) -> None:
        """Silence after login: RFC 1939 section 3 wants neither UPDATE nor an answer."""
        if self._waiting or self._outlet.congested:
            self.setTimeout(self.factory.limits.idleSeconds)
        else:
            self._end("idle")

    def callLater(self, period: float, function: Callable[[], None]) -> IDelayedCall:
        """TimeoutMixin's way to a clock."""
        return self.factory.clock.callLater(period, function)

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        self._lost = True
        self._stop()
        self._outlet.lost()
        self._finish()

    def endNow(self, reason: str) -> None:
        """
        End the session without UPDATE, for the service's own reasons.

        @param reason: a word for the log.
        """
        if not self._ended:
            self._end(reason)

    @property
    def loggedIn(self) -> bool:
        """Somebody is, and has a maildrop open."""
        return self._visit is not None

    # Lines -> the Session.

    def commandReceived(self, line: bytes) -> None:
        self.resetTimeout()
        self._tell(self._session.receiveLine, line)

    def longLineReceived(self) -> None:
        self.resetTimeout()
        self._tell(self._session.receiveLongLine)

    def endlessLineReceived(self) -> None:
        self._tell(self._session.endlessLine)

    def lineOctets(self, start: bytes) -> int:
        return self._session.lineOctets(start)

    def _learnChannel(self) -> effects.Effects:
        """What a handshake tells decides which mechanisms are offered."""
        connection = self.transport.getHandle()
        self._subject.tls = connection.get_protocol_version_name()
        peer, channel = self.transport.getPeer(), channelOf(connection)
        self._session.situation = self.factory.situation(peer, True, channel)
        return []

    def _tell(self, tell: Callable[..., effects.Effects], *arguments: object) -> None:
        """Tell the Session something, and do what it asks for."""
        try:
            for effect in tell(*arguments):
                if self._ended:
                    return
                _PERFORMERS[type(effect)](self, effect)
        except Exception:
            # The one boundary: a fault of ours ends this session and no other.
            self.factory.audit.fault(self._subject, "performing a command")
            self._end("fault")

    # Effects.

    def _performReply(self, effect: effects.Reply) -> None:
        self._outlet.write(effect.octets)

    def _performDisconnect(self, effect: effects.Disconnect) -> None:
        self._end(effect.reason)

    def _performStartTLS(self, effect: effects.StartTLS) -> None:
        if self.takeUnread():
            self._tell(self._session.injected)
            return
        self._outlet.write(effect.opening)
        self._deadlines.start("handshake-deadline", self.factory.limits.handshakeSeconds)
        self.transport.startTLS(self.factory.tls)
        peer = self.transport.getPeer()
        self._session = self.factory.makeSession(peer, True, before=self._session)

    def _performWait(self, effect: effects.Effect) -> None:
        self._waiting = True
        work = _WAITS[type(effect)](self, effect)
        Deferred.fromCoroutine(work).addBoth(self._cbWaited)
        self._adjustPause()

    def _cbWaited(self, outcome: Callable[[], effects.Effects] | Failure) -> None:
        """@param outcome: what to tell the Session, or a fault."""
        self._waiting = False
        if isinstance(outcome, Failure):
            if not outcome.check(OutletClosed):
                self.factory.audit.fault(self._subject, "waiting", outcome)
            self.endNow("fault")
        elif not self._ended:
            self._tell(outcome)
        self._finish()
        self._adjustPause()

    # The waits. Each returns what the Session is to be told.

    async def _fetch(self, effect: effects.FetchVerifier) -> Callable[[], effects.Effects]:
        factory, subject = self.factory, self._subject
        subject.user, subject.mechanism = effect.name, effect.mechanism
        found = await fetchVerifier(
            factory.portal, effect, subject, factory.audit, factory.scramKey
        )
        if isinstance(found, Refusal):
            return lambda: self._session.refused(found)
        return lambda: self._session.verifierFetched(found)

    async def _login(self, effect: effects.CheckClaim) -> Callable[[], effects.Effects]:
        factory, claim = self.factory, effect.claim
        self._subject.user, self._subject.mechanism = claim.name, claim.mechanism
        visit = await beginVisit(
            factory.portal, claim, self._subject, factory.audit, factory.clock.seconds
        )
        if isinstance(visit, Refusal):
            return lambda: self._session.refused(visit)
        self._visit = visit
        if not self._ended:
            self._deadlines.stop("login-deadline")
            self.setTimeout(factory.limits.idleSeconds)
        messages, readOnly = visit.maildrop.messages, visit.readOnly
        return lambda: self._session.authenticated(messages, readOnly)

    async def _sendMessage(self, effect: effects.SendMessage) -> Callable[[], effects.Effects]:
        assert self._visit is not None
        before = self._outlet.octets
        if await self._visit.send(effect.number, effect.opening, effect.lines, self._outlet):
            return self._session.transferred
        return lambda: self._session.transferFailed(begun=self._outlet.octets > before)

    async def _sendListing(self, effect: effects.SendListing) -> Callable[[], effects.Effects]:
        await sendListing(effect.opening, effect.listing, self._outlet)
        return self._session.transferred

    async def _commit(self, effect: effects.Commit) -> Callable[[], effects.Effects]:
        assert self._visit is not None
        notRemoved = await self._visit.commit(effect.numbers)
        if notRemoved is None:
            return self._session.commitFailed
        return lambda: self._session.committed(notRemoved)

    # Pausing, timers and the end.

    def outletChanged(self) -> None:
        """The way out is congested, or no longer so."""
        self._adjustPause()

    def outletStalled(self) -> None:
        """The peer takes nothing of what waits for it."""
        self.endNow("write-stall")

    def _adjustPause(self) -> None:
        # Until the handshake is over TLS cannot write, but it must read.
        handshaking = "handshake-deadline" in self._deadlines
        hold = self._waiting or (self._outlet.congested and not handshaking)
        if self._ended or hold == self.paused:
            return
        if hold:
            self.pauseProducing()
        else:
            self.resumeProducing()

    def _end(self, reason: str) -> None:
        """Nothing is read, written or resumed after this."""
        self._reason = reason
        if reason not in _ORDERLY:
            self.factory.audit.abuse(self._subject, reason)
        self._stop()
        if self.paused:
            # TLS cannot hear the peer's goodbye while nothing is read.
            self.transport.resumeProducing()
        # After UPDATE what is on its way may be the last copy of a message.
        self._outlet.close(deliver=reason == "quit")

    def _stop(self) -> None:
        self._ended = True
        self.discardInput()
        self.setTimeout(None)
        self._deadlines.stopAll()

    def _finish(self) -> None:
        """Once the connection is lost and no wait is open, log out."""
        if not self._lost or self._waiting:
            return
        self.factory.connectionEnded(self)
        visit, self._visit = self._visit, None
        if visit is not None:
            ensureDeferred(visit.end(self._reason))


_WAITS: dict[type, Callable[..., Coroutine[Any, Any, Callable[[], effects.Effects]]]] = {
    effects.FetchVerifier: POP3Protocol._fetch,
    effects.CheckClaim: POP3Protocol._login,
    effects.SendMessage: POP3Protocol._sendMessage,
    effects.SendListing: POP3Protocol._sendListing,
    effects.Commit: POP3Protocol._commit,
}
_PERFORMERS: dict[type, Callable[..., None]] = {
    effects.Reply: POP3Protocol._performReply,
    effects.StartTLS: POP3Protocol._performStartTLS,
    effects.Disconnect: POP3Protocol._performDisconnect,
    **dict.fromkeys(_WAITS, POP3Protocol._performWait),
}
