"""
What many tests need: a store and a checker under the test's control, and a
connection without a network.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import IRealm, Portal
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from pop3svc.canonical import canonicalOctets
from pop3svc.channel import Channel
from pop3svc.errors import MessageVanished
from pop3svc.factory import POP3Factory
from pop3svc.interfaces import IMaildrop, IMessageReader
from pop3svc.limits import Limits
from pop3svc.operations.audit import Audit
from pop3svc.protocol import POP3Protocol
from pop3svc.snapshot import Snapshot

# The two messages of the example in RFC 1939 section 10, by their sizes.
FIRST = b"Subject: one\n\n" + b"a" * 102 + b"\n"
SECOND = b"Subject: two\n\n" + b".dots\n" + b"b" * 175 + b"\n"


@implementer(IMessageReader)
class Reader:
    """Reads a message a few octets at a time, or fails when it is told to."""

    def __init__(self, maildrop: ControlledMaildrop, data: bytes) -> None:
        self.maildrop = maildrop
        self.data = data
        self.closed = 0

    def read(self, octets: int) -> Deferred[bytes]:
        piece, self.data = self.data[:octets], self.data[octets:]
        return self.maildrop.answer("read", piece)

    def close(self) -> None:
        self.closed += 1


@implementer(IMaildrop)
class ControlledMaildrop:
    """
    A maildrop whose every operation can be held up or made to fail.

    @ivar held: the operations that wait; each has a Deferred in C{waiting}.
    @ivar failing: operation -> the exception that it fails with.
    """

    def __init__(self, messages: Sequence[bytes]) -> None:
        self.stored = list(messages)
        self.messages = Snapshot(
            [canonicalOctets([each]) for each in messages],
            [b"id-%d" % number for number in range(1, len(messages) + 1)],
        )
        self.held: set[str] = set()
        self.failing: dict[str, Exception] = {}
        self.waiting: dict[str, tuple[Deferred[Any], Any]] = {}
        self.readers: list[Reader] = []
        self.calls: list[Any] = []

    def openMessage(self, number: int) -> Deferred[IMessageReader]:
        reader = Reader(self, self.stored[number - 1])
        self.readers.append(reader)
        return self.answer("open", reader)

    def remove(self, numbers: Sequence[int]) -> Deferred[Sequence[int]]:
        self.calls.append(("remove", tuple(numbers)))
        return self.answer("remove", ())

    def close(self) -> Deferred[None]:
        self.calls.append("close")
        return self.answer("close", None)

    def answer(self, operation: str, result: Any) -> Deferred[Any]:
        if operation in self.held:
            waiting: Deferred[Any] = Deferred()
            self.waiting[operation] = (waiting, result)
            return waiting
        if operation in self.failing:
            return fail(self.failing[operation])
        return succeed(result)

    def go(self, operation: str) -> None:
        """Let a held operation succeed."""
        waiting, result = self.waiting.pop(operation)
        waiting.callback(result)

    def failNow(self, operation: str, error: Exception | None = None) -> None:
        """Let a held operation fail."""
        waiting, _ = self.waiting.pop(operation)
        waiting.errback(Failure(error or MessageVanished("it is gone")))


@implementer(IRealm, ICredentialsChecker)
class ControlledCred:
    """
    A realm and a checker in one: users, their passwords, and one maildrop.

    @ivar holdLogin: logins wait in C{waiting}.
    @ivar error: what the realm fails with instead of a maildrop.
    """

    credentialInterfaces: tuple[Any, ...] = (IUsernamePassword,)

    def __init__(self, maildrop: ControlledMaildrop, users: dict[bytes, bytes]) -> None:
        self.maildrop = maildrop
        self.users = users
        self.holdLogin = False
        self.error: Exception | None = None
        self.waiting: list[Deferred[Any]] = []
        self.logins = self.logouts = 0

    def requestAvatarId(self, credentials: Any) -> Deferred[bytes | tuple[()]]:
        self.logins += 1
        if self.users.get(credentials.username) == credentials.password:
            return succeed(credentials.username)
        return fail(UnauthorizedLogin("wrong"))

    def requestAvatar(self, avatarId: Any, mind: Any, *interfaces: Any) -> Deferred[Any]:
        if self.error is not None:
            return fail(self.error)
        avatar = (IMaildrop, self.maildrop, self._logout)
        if self.holdLogin:
            waiting: Deferred[Any] = Deferred()
            self.waiting.append(waiting)
            waiting.addCallback(lambda _: avatar)
            return waiting
        return succeed(avatar)

    def _logout(self) -> Deferred[None]:
        self.logouts += 1
        return self.maildrop.close()


def prompt(limits: Limits | None = None) -> Limits:
    """The same limits, by which wrong passwords are refused at once."""
    return replace(limits or Limits(), penaltySecondsMost=0, answerGridMilliseconds=0)


class Transport(StringTransport):
    """
    A transport that pauses its producer as a real one does.

    @ivar room: how many octets the peer takes before it stops reading.
    """

    def __init__(self, peer: str = "127.0.0.1") -> None:
        super().__init__(peerAddress=IPv4Address("TCP", peer, 50000))
        self.room = 1 << 60
        self.aborted = False
        self.contexts: list[Any] = []

    def startTLS(self, context: Any) -> None:
        """The handshake, when it ends, is for the test to tell."""
        self.contexts.append(context)

    def write(self, data: bytes) -> None:
        super().write(data)
        self.room -= len(data)
        if self.room < 0 and self.producer is not None:
            self.producer.pauseProducing()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.write(b"".join(data))

    def takeMore(self, room: int = 1 << 60) -> None:
        """The peer reads all, and will read so much more."""
        self.room = room
        if self.producer is not None:
            self.producer.resumeProducing()

    def resumeProducing(self) -> None:
        """One that is being closed is not read any more."""
        if not self.disconnecting:
            super().resumeProducing()

    def abortConnection(self) -> None:
        self.aborted = True
        self.disconnecting = True

    def loseConnection(self) -> None:
        self.disconnecting = True


class Connection:
    """A protocol with its transport, its clock and its log."""

    def __init__(
        self,
        messages: Sequence[bytes] = (FIRST, SECOND),
        peer: str = "127.0.0.1",
        cred: type[ControlledCred] = ControlledCred,
        channel: Channel | None = None,
        delays: bool = False,
        limits: Limits | None = None,
        **settings: Any,
    ) -> None:
        """
        @param channel: what a TLS handshake has told, if there was one.
        @param delays: guesses are delayed, and refusals leave on a grid.
        """
        limits = limits or Limits()
        if not delays:
            limits = prompt(limits)
        self.clock = Clock()
        self.maildrop = ControlledMaildrop(messages)
        self.cred = cred(self.maildrop, {b"karl": b"secret", b"joe": b"a b "})
        self.audit = RecordingAudit()
        self.factory = POP3Factory(
            Portal(self.cred, [self.cred]),
            limits,
            clock=self.clock,
            audit=self.audit,
            **settings,
        )
        self.transport = Transport(peer)
        protocol = self.factory.buildProtocol(self.transport.getPeer())
        assert isinstance(protocol, POP3Protocol)
        self.protocol: Any = protocol
        self.begin()
        if channel is not None:
            situation = self.factory.situation(self.transport.getPeer(), True, channel)
            self.protocol._session.situation = situation

    def begin(self) -> None:
        """The peer connects."""
        self.protocol.makeConnection(self.transport)

    def send(self, data: bytes) -> None:
        """What the peer sends arrives, if the transport is being read."""
        self.protocol.dataReceived(data)

    def received(self) -> bytes:
        """What the peer has been sent since it was last asked."""
        data = self.transport.value()
        self.transport.clear()
        return data

    def login(self) -> None:
        """Log in as karl, and forget what was answered."""
        self.send(b"USER karl\r\nPASS secret\r\n")
        self.received()

    def lose(self) -> None:
        """The connection is gone."""
        from twisted.internet.error import ConnectionLost

        self.protocol.connectionLost(Failure(ConnectionLost()))

    @property
    def closing(self) -> bool:
        return self.transport.disconnecting


class RecordingAudit(Audit):
    """An audit log that keeps its records."""

    def __init__(self) -> None:
        super().__init__("json")
        self.records: list[dict[str, Any]] = []

    def events(self, *names: str) -> list[dict[str, Any]]:
        """The records of these events, or all."""
        return [each for each in self.records if not names or each["event"] in names]

    def _write(self, level: Any, event: str, record: dict[str, Any]) -> None:
        super()._write(level, event, record)
        self.records.append({"event": event, **record})

    def _leftOut(self, what: Any) -> None:
        """Nothing is left out of the records."""

    def fault(self, subject: Any, during: str, failure: Failure | None = None) -> None:
        self.records.append({"event": "fault", "during": during, "failure": failure or Failure()})
