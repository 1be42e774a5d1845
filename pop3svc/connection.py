"""
The life of one connection: its timers, its waits, its pauses and its end.

At most one wait is open. While it is, and while the peer does not read, the line
receiver is paused: unread lines stay in its buffer and in the kernel, and TCP
pushes back. What lines mean is the business of L{pop3svc.protocol}.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from OpenSSL import SSL
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress, ISSLTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from .admission import Place
from .atonce import start
from .core.effects import Effects
from .doorkeeper import Knock
from .lines import BoundedLineReceiver
from .operations.audit import Subject
from .operations.reasons import ENDS
from .peers import networkOf, peerName, tuneConnection
from .progress import isClosing
from .silence import Outcome, Silence, Wait
from .timers import Deadlines
from .transfer import IOutletListener, Outlet, OutletClosed
from .visit import Visit

if TYPE_CHECKING:
    from .factory import POP3Factory
    from .tracing.transcript import Transcript

# Any other end is nobody's fault.
_ABUSE = frozenset(reason for reason, each in ENDS.items() if each.abuse)


@implementer(IOutletListener)
class Connection(BoundedLineReceiver):
    """
    Whoever inherits says what is heard, and what is told; see L{_begin}, L{_tell}
    and L{_over}.
    """

    factory: POP3Factory
    # TCP, TLS or a UNIX socket; no interface of Twisted names what they share.
    transport: Any

    def __init__(self) -> None:
        self._peer: IAddress
        self._subject: Subject
        self._outlet: Outlet
        self._visit: Visit | None = None
        self._knock: Knock | None = None
        self._waiting = False
        self._ended = False
        self._lost = False
        self._leaving = False
        self._reason = "connection-lost"
        self._deadlines: Deadlines
        self._place: Place
        self._silence: Silence
        self._began = 0.0
        # Whom the peer stands for; see networkOf.
        self.network = ""
        # Lines are shown to it while somebody traces; the test for it is all it costs.
        self.transcript: Transcript | None = None

    def connectionMade(self) -> None:
        factory = self.factory
        tuneConnection(self.transport)
        self._peer = self.transport.getPeer()
        self._subject = Subject(os.urandom(6).hex(), peerName(self._peer))
        self._began = factory.clock.seconds()
        if factory.tracing is not None:
            self.transcript = factory.tracing(self)
        self._outlet = Outlet(self.transport, factory.clock, factory.limits, self)
        self._deadlines = Deadlines(factory.clock, self._end)
        self._silence = Silence(factory.clock, self._isBusy, self._wait, self._endIdle)
        self.transport.registerProducer(self._outlet, True)
        factory.connectionBegan(self)
        self.network = networkOf(self._subject.peer)
        self._place = factory.admission.enter(self.network, factory.limits, self._crowdOut)
        # One deadline for the whole login: neither octets nor commands renew it.
        self._deadlines.start("login-deadline", factory.limits.loginSeconds)
        secure = ISSLTransport.providedBy(self.transport)
        if secure:
            self._deadlines.start("handshake-deadline", factory.limits.handshakeSeconds)
        self.skipOctetsMost = factory.limits.skippedOctets
        self.setLineOctets(factory.limits.commandOctets)
        self._begin(secure)

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        if self.paused and self.unreadOctets > self.factory.limits.commandOctets:
            # Enough is heard of a peer who is kept waiting.
            self.transport.pauseProducing()

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        self._lost = True
        if self.transcript is not None and not self._ended:
            self.transcript.ended(self._reason)
        self._place.leave()
        if "handshake-deadline" in self._deadlines and reason.check(SSL.Error):
            self.factory.audit.abuse(self._subject, "handshake-failed")
        self._stop()
        self._outlet.lost()
        self._finish()

    def endNow(self, reason: str) -> None:
        """
        End the session without UPDATE, for the service's own reasons. An UPDATE that has
        begun ends by itself: what it removes may still be on its way to the peer.

        @param reason: a word for the log.
        """
        if not (self._ended or self._isUpdating):
            self._end(reason)

    @property
    def loggedIn(self) -> bool:
        """Somebody is, and has a maildrop open."""
        return self._visit is not None

    @property
    def subject(self) -> Subject:
        """Who it is, as far as it is known."""
        return self._subject

    @property
    def began(self) -> float:
        """When, in seconds of the factory's clock."""
        return self._began

    @property
    def octetsSent(self) -> int:
        """Of all answers; inside TLS without what that adds."""
        return self._outlet.octets

    @property
    def doing(self) -> str:
        """A few words for whoever watches."""
        raise NotImplementedError

    def _begin(self, secure: bool) -> None:
        """
        The peer may be greeted.

        @param secure: inside TLS, as soon as the handshake is over.
        """
        raise NotImplementedError

    def _tell(self, tell: Callable[..., Effects], *arguments: object) -> None:
        """Tell whoever knows the rules, and do what they ask for."""
        raise NotImplementedError

    def _over(self) -> None:
        """Nothing will be told any more."""
        raise NotImplementedError

    @property
    def _isUpdating(self) -> bool:
        """QUIT was given, and its reply is not yet."""
        raise NotImplementedError

    @property
    def _withheld(self) -> str:
        """The way to log in that was asked for in vain, because it is not offered here."""
        raise NotImplementedError

    # Waits.

    def _wait(self, work: Wait) -> None:
        """@param work: returns what the Session is to be told."""
        self._waiting = True
        start(work, self._cbWaited)
        if self._waiting:
            self._adjustPause()

    def _cbWaited(self, outcome: Outcome | Failure) -> None:
        """@param outcome: what to tell the Session, or a fault."""
        self._waiting = False
        self._silence.heard()
        if isinstance(outcome, Failure):
            if not outcome.check(OutletClosed):
                self.factory.audit.fault(self._subject, "waiting", outcome)
            if not self._ended:
                self._end("fault")
        elif not self._ended:
            self._tell(outcome)
        self._finish()
        self._adjustPause()

    # Pausing, timers and the end.

    def outletChanged(self) -> None:
        """The way out is congested, or no longer so."""
        self._silence.heard()
        self._adjustPause()

    def _isBusy(self) -> bool:
        """It is we who let the peer wait, or the peer is still reading."""
        return self._waiting or self._outlet.congested

    def outletStalled(self) -> None:
        """The peer takes nothing of what waits for it, so that it would take no goodbye."""
        if not self._ended:
            self._end("write-stall")
        self.transport.abortConnection()

    def _adjustPause(self) -> None:
        # Until the handshake is over TLS cannot write, but it must read.
        handshaking = "handshake-deadline" in self._deadlines
        hold = self._waiting or (self._outlet.congested and not handshaking)
        if self._ended:
            return
        if hold:
            self.paused = True
            # That a peer who is kept waiting has hung up is seen only while it is read.
            kept = self._knock is not None and self._knock.kept
            (self.transport.resumeProducing if kept else self.transport.pauseProducing)()
        elif self.paused and not isClosing(self.transport):
            # Else no answer would arrive, and what DELE and QUIT ask for must not be done.
            self.resumeProducing()

    def _crowdOut(self) -> None:
        """Somebody else needs this place, and needs it now."""
        if not self._ended:
            self.factory.audit.connectionRefused(self._subject.peer, "crowded-out")
            self._end("crowded-out")
        self.transport.abortConnection()

    def _endIdle(self) -> None:
        self._end("idle")

    def _end(self, reason: str) -> None:
        """Nothing is read, written or resumed after this."""
        self._reason = reason
        if self.transcript is not None:
            self.transcript.ended(reason)
        if reason in _ABUSE:
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
        self._deadlines.stopAll()
        self._silence.stop()
        if self._knock is not None:
            self._knock.hangUp()

    def _finish(self) -> None:
        """Once the connection is lost and no wait is open, log out."""
        if not self._lost or self._waiting or self._leaving:
            return
        self._leaving = True
        visit, self._visit = self._visit, None
        if visit is None:
            self._tellEnded()
        self._over()
        start(self._leave(visit), self._left)

    def _tellEnded(self) -> None:
        """Nobody has logged in. Monitors come, say nothing, and go: they are not told."""
        subject, withheld = self._subject, self._withheld
        silent = self._reason == "connection-lost" and subject.tls == "none"
        if self._reason in _ABUSE or (silent and not (subject.user or withheld)):
            return
        seconds = self.factory.clock.seconds() - self._began
        self.factory.audit.ended(subject, self._reason, seconds, withheld)

    async def _leave(self, visit: Visit | None) -> None:
        if visit is not None:
            await visit.end(self._reason)

    def _left(self, outcome: Failure | None) -> None:
        """The service may end with this connection: only when the log has all of it."""
        self.factory.connectionEnded(self)
        if outcome is not None:
            self.factory.audit.fault(self._subject, "ending a session", outcome)
