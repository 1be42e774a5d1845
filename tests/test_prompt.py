"""
L{pop3svc.prompt}: what is written while something is read leaves in the same round.
"""

from __future__ import annotations

import contextlib
import socket
from types import SimpleNamespace
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from pop3svc.peers import tuneConnection
from pop3svc.prompt import PromptServer, Round, answerPromptly

reactor: Any = _reactor


class Watched:
    """A reactor that is asked to watch, and does not."""

    def __init__(self) -> None:
        self.writers: list[object] = []

    def addReader(self, reader: object) -> None:
        """Whether something can be read is for the test to say."""

    def removeReader(self, reader: object) -> None:
        """As C{addReader}."""

    def addWriter(self, writer: object) -> None:
        self.writers.append(writer)

    def removeWriter(self, writer: object) -> None:
        self.writers.remove(writer)


class Talker(Protocol):
    """Answers each block by what it was told to write, in several writes."""

    transport: Any

    def __init__(self, greeting: bytes, *answers: bytes) -> None:
        self.greeting, self.answers = greeting, answers
        self.lost: list[Any] = []

    def connectionMade(self) -> None:
        self.transport.write(self.greeting)

    def dataReceived(self, data: bytes) -> None:
        for each in self.answers:
            self.transport.write(each)
        if data == b"QUIT":
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        self.lost.append(type(reason.value))


class PromptTests(TestCase):
    def connect(self, *texts: bytes) -> None:
        self.peer, ours = socket.socketpair()
        self.addCleanup(self.peer.close)
        self.addCleanup(ours.close)
        self.peer.setblocking(False)
        self.reactor, self.clock, self.protocol = Watched(), Clock(), Talker(*texts)
        self.server = PromptServer(
            Round(self.clock), ours, self.protocol, ("192.0.2.1", 1), None, 1, self.reactor
        )
        self.protocol.makeConnection(self.server)

    def say(self, text: bytes) -> None:
        self.peer.sendall(text)
        self.assertIsNone(self.server.doRead())
        self.clock.advance(0)

    def test_greeting(self) -> None:
        self.connect(b"hello")
        self.assertEqual(self.peer.recv(100), b"hello")
        self.assertEqual(self.reactor.writers, [])

    def test_answers(self) -> None:
        """All of a block together, and the reactor need not watch."""
        sent: list[bytes] = []
        write = PromptServer.writeSomeData

        def writeSomeData(server: PromptServer, data: bytes) -> Any:
            sent.append(data)
            return write(server, data)

        self.patch(PromptServer, "writeSomeData", writeSomeData)
        self.connect(b"hello", b"one", b"two")
        self.say(b"x")
        self.assertEqual(self.peer.recv(100), b"helloonetwo")
        self.assertEqual((sent, self.reactor.writers), ([b"hello", b"onetwo"], []))

    def test_later(self) -> None:
        """Not while something is read: the reactor sends it."""
        self.connect(b"hello")
        self.server.write(b"late")
        self.assertEqual(self.reactor.writers, [self.server])
        self.server.doWrite()
        self.assertEqual(self.peer.recv(100), b"hellolate")
        self.assertEqual(self.reactor.writers, [])

    def test_full(self) -> None:
        """What the kernel does not take waits until it does."""
        large = b"x" * 5_000_000
        self.connect(b"", large)
        self.say(b"x")
        self.assertEqual(self.reactor.writers, [self.server])
        octets = 0
        while octets < len(large):
            octets += len(self.peer.recv(1 << 20))
            self.server.doWrite()
        self.assertEqual((octets, self.reactor.writers), (len(large), []))

    def test_quit(self) -> None:
        """The last answer leaves before the connection is closed, in the same round."""
        self.connect(b"hello", b"bye")
        self.say(b"QUIT")
        self.assertEqual(self.peer.recv(100), b"hellobye")
        self.assertEqual(self.peer.recv(100), b"")
        self.assertEqual(self.protocol.lost, [ConnectionDone])

    def test_peerGone(self) -> None:
        self.connect(b"hello", b"one")
        self.peer.sendall(b"x")
        self.server.doRead()
        self.peer.close()
        self.clock.advance(0)
        self.assertEqual(self.protocol.lost, [ConnectionLost])

    def test_fault(self) -> None:
        """Of one connection: it ends, and others of the round are not touched."""
        self.connect(b"hello", b"one")
        broken, protocol = self.server, self.protocol
        self.patch(broken, "doWrite", lambda: 1 / 0)
        self.peer.sendall(b"x")
        broken.doRead()
        self.clock.advance(0)
        self.assertEqual(protocol.lost, [ZeroDivisionError])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_faultOfAnEnd(self) -> None:
        """A protocol that cannot bear to lose its connection keeps no answer from others."""
        self.connect(b"hello", b"one")
        broken, peer = self.server, self.peer
        self.connect(b"hello", b"two")
        self.server._round = broken._round
        self.patch(broken, "doWrite", lambda: ConnectionLost())
        self.patch(broken, "connectionLost", lambda reason: 1 / 0)
        for end, server in ((peer, broken), (self.peer, self.server)):
            end.sendall(b"x")
            server.doRead()
        broken._round._end()
        self.assertEqual(self.peer.recv(100), b"hellotwo")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_producer(self) -> None:
        """It is not told to go on before what it is writing is written."""
        self.connect(b"")
        told: list[str] = []
        producer = SimpleNamespace(
            pauseProducing=lambda: told.append("pause"), resumeProducing=lambda: told.append("go")
        )
        self.server.registerProducer(producer, True)
        self.say(b"x")
        self.server.write(b"x" * 70_000)
        self.assertEqual(told, ["pause"])
        while "go" not in told:
            self.server.doWrite()
            self.peer.recv(1 << 17)
        self.assertEqual(told, ["pause", "go"])

    def test_halfClosed(self) -> None:
        """Who says no more and still listens gets all answers, and then the end."""
        large = b"x" * 5_000_000
        self.connect(b"", large)
        self.say(b"x")
        self.peer.shutdown(socket.SHUT_WR)
        self.assertIsNone(self.server.doRead())
        octets, why = 0, None
        while why is None:
            with contextlib.suppress(BlockingIOError):
                octets += len(self.peer.recv(1 << 20))
            why = self.server.doWrite()
        with contextlib.suppress(BlockingIOError):
            while data := self.peer.recv(1 << 20):
                octets += len(data)
        self.assertEqual((octets, type(why)), (len(large), ConnectionDone))

    def test_closed(self) -> None:
        """Where there is nothing to send the end is the end."""
        self.connect(b"hello")
        self.peer.shutdown(socket.SHUT_WR)
        self.assertIsInstance(self.server.doRead(), ConnectionDone)

    def test_lostMeanwhile(self) -> None:
        """Nothing is sent on a connection that has ended in this round."""
        self.connect(b"hello", b"one")
        self.peer.sendall(b"x")
        self.server.doRead()
        self.server.connectionLost(Failure(ConnectionDone()))
        self.clock.advance(0)
        self.assertEqual(self.peer.recv(100), b"hello")
        self.assertEqual(self.protocol.lost, [ConnectionDone])


class PortTests(TestCase):
    async def test_options(self) -> None:
        """Those of the port are those of what is accepted, without a call for each."""
        accepted: Deferred[Any] = Deferred()

        class Accepting(Protocol):
            def connectionMade(self) -> None:
                accepted.callback(self.transport)

        port = reactor.listenTCP(0, Factory.forProtocol(Accepting), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        answerPromptly(port)
        client = socket.create_connection(("127.0.0.1", port.getHost().port))
        self.addCleanup(client.close)
        transport = await accepted
        self.assertIsInstance(transport, PromptServer)
        # It sets none: they are there.
        tuneConnection(transport)
        options = [
            (socket.IPPROTO_TCP, socket.TCP_NODELAY),
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
            (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
            (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
            (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
        ]
        found = [transport.socket.getsockopt(*each) for each in options]
        self.assertEqual(found, [1, 1, 60, 15, 4])
        transport.abortConnection()

    def test_others(self) -> None:
        """A port of another kind stays as it is."""
        port = object()
        answerPromptly(port)  # type: ignore[arg-type]
