"""
L{pop3svc.prompt.PromptTLS}: inside TLS too, what is written while something is read
leaves in the same round, in one record.
"""

from __future__ import annotations

import contextlib
import socket
from typing import Any

from OpenSSL import SSL
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from pop3svc.prompt import PromptServer, PromptTLS, Round
from pop3svc.refused import TLSFactory
from pop3svc.tls import ServerTLS

from .pki import Authority
from .test_prompt import Talker, Watched


class PromptTLSTests(TestCase):
    def connect(self, *texts: bytes) -> None:
        path = Authority().issue(self.mktemp(), "localhost")
        self.peer, ours = socket.socketpair()
        self.addCleanup(self.peer.close)
        self.addCleanup(ours.close)
        self.peer.setblocking(False)
        self.reactor, self.clock, self.protocol = Watched(), Clock(), Talker(*texts)
        nothing: Any = None
        tls: Any = ServerTLS([(path, path)])
        factory: Any = TLSFactory(tls, False, nothing, self.clock)
        # How much each record holds that the service sends.
        self.records: list[int] = []
        write = PromptTLS._write

        def record(inside: PromptTLS, data: bytes) -> None:
            self.records.append(len(data))
            write(inside, data)

        self.patch(PromptTLS, "_write", record)
        self.inside = factory.protocol(factory, self.protocol)
        self.server = PromptServer(
            Round(self.clock), ours, self.inside, ("192.0.2.1", 1), None, 1, self.reactor
        )
        self.inside.makeConnection(self.server)
        self.client = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), None)
        self.client.set_connect_state()

    def flight(self) -> None:
        """What the client has to send goes, and in one round the answer comes."""
        with contextlib.suppress(SSL.WantReadError):
            self.client.do_handshake()
        with contextlib.suppress(SSL.WantReadError):
            while True:
                self.peer.sendall(self.client.bio_read(1 << 16))
        with contextlib.suppress(BlockingIOError):
            self.server.doRead()
        self.clock.advance(0)
        with contextlib.suppress(BlockingIOError):
            while data := self.peer.recv(1 << 16):
                self.client.bio_write(data)

    def say(self, text: bytes) -> bytes:
        self.client.send(text)
        self.flight()
        return self.heard()

    def heard(self) -> bytes:
        got = b""
        with contextlib.suppress(SSL.WantReadError, SSL.ZeroReturnError):
            while True:
                got += self.client.recv(1 << 16)
        return got

    def greeted(self, *answers: bytes) -> None:
        self.connect(b"hello", *answers)
        self.flight()
        self.flight()
        self.assertEqual(self.heard(), b"hello")
        self.records.clear()

    def test_greeting(self) -> None:
        """With the end of the handshake, and OpenSSL is not troubled before."""
        self.connect(b"hello")
        self.flight()
        self.assertEqual((self.heard(), self.records), (b"", []))
        self.flight()
        self.assertEqual((self.heard(), self.records), (b"hello", [5]))
        self.assertEqual(self.reactor.writers, [])

    def test_answers(self) -> None:
        self.greeted(b"one", b"two")
        self.assertEqual(self.say(b"x"), b"onetwo")
        self.assertEqual((self.records, self.reactor.writers), ([6], []))

    def test_sequence(self) -> None:
        self.greeted()
        self.patch(
            Talker,
            "dataReceived",
            lambda talker, data: talker.transport.writeSequence([b"one", b"two"]),
        )
        self.assertEqual(self.say(b"x"), b"onetwo")
        self.assertEqual(self.records, [6])

    def test_much(self) -> None:
        """No more than that is held back."""
        self.greeted(b"x" * 64_000, b"y", b"z")
        self.assertEqual(self.say(b"x"), b"x" * 64_000 + b"yz")
        self.assertEqual(self.records, [64_001, 1])

    def test_later(self) -> None:
        """Not while something is read: nothing else would let it go."""
        self.greeted()
        self.inside.write(b"late")
        self.server.doWrite()
        self.flight()
        self.assertEqual(self.heard(), b"late")

    def test_quit(self) -> None:
        """The last answer comes before the goodbye of TLS."""
        self.greeted(b"bye")
        self.assertEqual(self.say(b"QUIT"), b"bye")
        self.assertTrue(self.client.get_shutdown() & SSL.RECEIVED_SHUTDOWN)

    def test_goodbye(self) -> None:
        """What was asked before the peer's goodbye is answered before ours."""
        self.greeted(b"one")
        self.client.send(b"x")
        self.client.shutdown()
        self.flight()
        self.assertEqual(self.heard(), b"one")
        self.assertTrue(self.client.get_shutdown() & SSL.RECEIVED_SHUTDOWN)

    def test_afterSTLS(self) -> None:
        """It is the same TLS there, to the goodbye."""
        self.connect(b"")
        talker = Talker(b"", b"one", b"two")
        path = Authority().issue(self.mktemp(), "localhost")
        ours, self.reactor = self.server.socket, Watched()
        self.server = PromptServer(
            Round(self.clock), ours, talker, ("192.0.2.1", 1), None, 1, self.reactor
        )
        talker.makeConnection(self.server)
        self.server.startTLS(ServerTLS([(path, path)]))
        for _ in range(2):
            self.flight()
        self.assertEqual(self.say(b"x"), b"onetwo")
        self.client.send(b"x")
        self.client.shutdown()
        self.flight()
        self.assertEqual(self.heard(), b"onetwo")
        self.assertEqual((self.records, self.reactor.writers), ([6, 6], []))

    def test_fault(self) -> None:
        """What was answered before a command that fails is sent all the same."""
        self.greeted()

        def fail(talker: Talker, data: bytes) -> None:
            talker.transport.write(b"one")
            raise ZeroDivisionError

        self.patch(Talker, "dataReceived", fail)
        self.client.send(b"x")
        self.assertRaises(ZeroDivisionError, self.flight)
        self.clock.advance(0)
        self.client.bio_write(self.peer.recv(1 << 16))
        self.assertEqual(self.heard(), b"one")

    def test_lostBefore(self) -> None:
        """The peer has gone without a handshake; the greeting is nobody's."""
        self.connect(b"hello")
        self.inside.connectionLost(Failure(ConnectionDone()))
        self.assertEqual((self.protocol.lost, self.records), ([ConnectionLost], []))
