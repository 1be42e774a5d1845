"""
The driver: octets -> Session -> effects -> octets, over one connection.

It knows what each effect takes to be done; keywords and states it does not
know, and timers, pauses and ends are L{pop3svc.connection}'s.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from twisted.internet.interfaces import IHandshakeListener
from zope.interface import implementer

from .channel import channelOf
from .connection import Connection
from .core import effects
from .core.replies import Refusal
from .core.session import Session
from .core.states import State
from .hits import hit
from .scramverifiers import fetchVerifier
from .silence import Outcome, Wait
from .transfer import sendListing
from .visit import beginVisit


@implementer(IHandshakeListener)
class POP3Protocol(Connection):
    """One connection."""

    _session: Session
    _lineLimit = "commandOctets"

    def _begin(self, secure: bool) -> None:
        self._session = self.factory.makeSession(self._peer, secure)
        self._tell(self._session.greet)

    def _over(self) -> None:
        self._session.over()

    def handshakeCompleted(self) -> None:
        """TLS is up; called by the transport."""
        self._deadlines.stop("handshake-deadline")
        self._adjustPause()
        self._tell(self._learnChannel)

    @property
    def doing(self) -> str:
        if "handshake-deadline" in self._deadlines:
            return "TLS handshake"
        return "silent, maildrop lent" if self._silence.relented else _DOING[self._session.state]

    # Lines -> the Session.

    @property
    def _isUpdating(self) -> bool:
        return self._session.state is State.UPDATE

    @property
    def _withheld(self) -> str:
        return self._session.withheld

    def commandReceived(self, line: bytes) -> None:
        if self.transcript is not None:
            self.transcript.heard(line, self._session.state)
        self._hear(partial(self._session.receiveLine, line))

    def longLineReceived(self) -> None:
        hit(self._lineLimit)
        if self.transcript is not None:
            self.transcript.heardTooLong()
        self._hear(self._session.receiveLongLine)

    def endlessLineReceived(self) -> None:
        self._tell(self._session.endlessLine)

    def lineBegun(self, start: bytes) -> None:
        self._tell(self._session.lineBegun, start)

    def lineOctets(self, start: bytes) -> int:
        octets = self._session.lineOctets(start)
        isCommand = octets == self.factory.limits.commandOctets
        self._lineLimit = "commandOctets" if isCommand else "saslLineOctets"
        return octets

    def _hear(self, tell: Outcome) -> None:
        """The peer has spoken: first of all it must have its maildrop back."""
        self._silence.heard()
        if self._silence.relented:
            self._wait(self._silence.reclaim(tell, self._session.dispossessed))
        else:
            self._tell(tell)

    def _learnChannel(self) -> effects.Effects:
        """What a handshake tells may decide which mechanisms are offered."""
        connection = self.transport.getHandle()
        version = self._subject.tls = connection.get_protocol_version_name()
        self.factory.audit.tally.handshakes[version] += 1
        if self._session.situation.asksChannel:
            channel = channelOf(connection)
            self._session.situation = self.factory.situation(self._peer, True, channel)
        return []

    def _tell(self, tell: Callable[..., effects.Effects], *arguments: object) -> None:
        """Tell the Session something, and do what it asks for."""
        try:
            for effect in tell(*arguments):
                if self._ended:
                    return
                if self.transcript is not None:
                    self.transcript.performed(effect)
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
        if self.transcript is not None:
            self.transcript.said(effect.opening)
        self._outlet.write(effect.opening)
        self._deadlines.start("handshake-deadline", self.factory.limits.handshakeSeconds)
        self.transport.startTLS(self.factory.tls)
        self._session = self.factory.makeSession(self._peer, True, before=self._session)

    def _performSendMessage(self, effect: effects.SendMessage) -> None:
        """At once, if that can be: nobody has to wait for it then."""
        assert self._visit is not None
        before = self._outlet.octets
        if effect.lines is not None or not self._visit.sendReady(
            effect.number, effect.opening, self._outlet
        ):
            self._performWait(effect)
            return
        if self.transcript is not None:
            self.transcript.sent(self._outlet.octets - before)
        self._tell(self._session.transferred)

    def _performWait(self, effect: effects.Effect) -> None:
        self._wait(_WAITS[type(effect)](self, effect))

    # The waits. Each returns what the Session is to be told.

    async def _fetch(self, effect: effects.FetchVerifier) -> Outcome:
        factory, subject = self.factory, self._subject
        subject.user, subject.mechanism = effect.name, effect.mechanism
        knock = self._knock = factory.doorkeeper.knock(subject)
        found = await fetchVerifier(
            factory.portal, effect, subject, factory.audit, factory.scramKey
        )
        await knock.onGrid()
        if isinstance(found, Refusal):
            return lambda: self._session.refused(found)
        return lambda: self._session.verifierFetched(found)

    async def _login(self, effect: effects.CheckClaim) -> Outcome:
        factory, claim = self.factory, effect.claim
        self._subject.user, self._subject.mechanism = claim.name, claim.mechanism
        knock = self._knock = factory.doorkeeper.knock(self._subject, self._adjustPause)
        check = partial(
            beginVisit,
            factory.portal,
            claim,
            self._subject,
            factory.audit,
            factory.clock.seconds,
        )
        visit = await knock.login(claim, check)
        if isinstance(visit, Refusal):
            return lambda: self._session.refused(visit)
        self._visit = visit
        self._place.loggedIn()
        if self.transcript is not None:
            self.transcript.loggedIn()
        if not self._ended:
            self._deadlines.stop("login-deadline")
            self._silence.begin(visit, factory.limits)
        messages, readOnly = visit.maildrop.messages, visit.readOnly
        return lambda: self._session.authenticated(messages, readOnly)

    async def _sendMessage(self, effect: effects.SendMessage) -> Outcome:
        assert self._visit is not None
        before = self._outlet.octets
        sent = await self._visit.send(effect.number, effect.opening, effect.lines, self._outlet)
        if self.transcript is not None:
            self.transcript.sent(self._outlet.octets - before, whole=sent)
        if sent:
            return self._session.transferred
        return lambda: self._session.transferFailed(begun=self._outlet.octets > before)

    async def _sendListing(self, effect: effects.SendListing) -> Outcome:
        before = self._outlet.octets
        await sendListing(effect.opening, effect.listing, self._outlet)
        if self.transcript is not None:
            self.transcript.sent(self._outlet.octets - before)
        return self._session.transferred

    async def _commit(self, effect: effects.Commit) -> Outcome:
        assert self._visit is not None
        notRemoved = await self._visit.commit(effect.numbers)
        if notRemoved is None:
            return self._session.commitFailed
        return lambda: self._session.committed(notRemoved)


_DOING = {
    State.AUTHORIZATION: "connected",
    State.NAMED: "logging in",
    State.EXCHANGE: "logging in",
    State.LOOKUP: "logging in",
    State.CLAIMED: "login is checked",
    State.TRANSACTION: "logged in",
    State.SENDING: "reading mail",
    State.UPDATE: "removing mail",
    State.ENDED: "ending",
}
_WAITS: dict[type, Callable[..., Wait]] = {
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
    effects.SendMessage: POP3Protocol._performSendMessage,
}
