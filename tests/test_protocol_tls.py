"""
The fault table of L{tests.test_protocol} once more, inside TLS from the first
octet and after STLS: the same answers, order and ends, as a TLS client sees them.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import Any

from OpenSSL import SSL
from twisted.internet.error import ConnectionLost
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from pop3svc import protocol
from pop3svc.limits import Limits
from pop3svc.tls import ServerTLS

from . import test_protocol
from .pki import Authority
from .support import Connection


class ImplicitTLS(Connection):
    """
    A connection whose peer is a TLS client.

    @ivar transport: what is below TLS: the peer takes and sends records there.
    """

    server: Any
    connectsWrapped = True

    def __init__(self, tls: ServerTLS, /, *arguments: Any, **settings: Any) -> None:
        self.tls = tls
        self.lost = False
        self.got = b""
        self.client = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), None)
        self.client.set_connect_state()
        super().__init__(*arguments, **settings)

    def begin(self) -> None:
        self.wrap(self.tls)
        self.server.makeConnection(self.transport)
        self.pump()

    def wrap(self, tls: ServerTLS) -> None:
        """Put TLS between the protocol and its transport."""
        nothing: Any = None
        factory = TLSMemoryBIOFactory(tls, False, nothing, self.clock)
        self.server = factory.protocol(factory, self.protocol, self.connectsWrapped)

    def pump(self) -> None:
        """Carry octets to and fro; a server that has paused gets none."""
        for _ in range(10):
            with contextlib.suppress(SSL.WantReadError, SSL.ZeroReturnError):
                self.client.do_handshake()
            while not self.lost and self.transport.producerState == "producing":
                try:
                    self.server.dataReceived(self.client.bio_read(1 << 16))
                except SSL.WantReadError:
                    break
            # TLS gathers what is written until the reactor's next turn.
            self.clock.advance(0)
            if self.transport.value():
                self.client.bio_write(self.transport.value())
                self.transport.clear()
            self._decrypt()

    def _decrypt(self) -> None:
        try:
            while True:
                self.got += self.client.recv(1 << 16)
        except SSL.WantReadError:
            return
        except SSL.ZeroReturnError:
            # A goodbye is answered, or the server would wait for it.
            self.client.shutdown()

    def send(self, data: bytes) -> None:
        self.client.send(data)
        self.pump()

    def received(self) -> bytes:
        self.pump()
        got, self.got = self.got, b""
        return got

    def lose(self) -> None:
        self.lost = True
        self.server.connectionLost(Failure(ConnectionLost()))

    @property
    def closing(self) -> bool:
        self.pump()
        return super().closing


class Upgraded:
    """As a TCP transport of Twisted: itself at first, and TLS from C{startTLS} on."""

    def __init__(self, connection: AfterSTLS) -> None:
        self._connection = connection
        self._current: Any = connection.transport

    def __getattr__(self, name: str) -> Any:
        return getattr(self._current, name)

    @property
    def disconnecting(self) -> bool:
        """TLS does not change what this says."""
        return self._connection.transport.disconnecting

    def startTLS(self, tls: ServerTLS) -> None:
        below = self._connection.transport
        producer = below.producer
        below.unregisterProducer()
        self._connection.wrap(tls)
        self._current = self._connection.server
        self._current.makeConnection(below)
        self._current.registerProducer(producer, True)


class AfterSTLS(ImplicitTLS):
    """The same, where the client has asked for TLS by STLS (RFC 2595 section 4)."""

    # The protocol has its transport already.
    connectsWrapped = False

    def __init__(self, tls: ServerTLS, /, *arguments: Any, **settings: Any) -> None:
        super().__init__(tls, *arguments, tls=tls, **settings)

    def begin(self) -> None:
        self.protocol.makeConnection(Upgraded(self))
        self.transport.clear()
        for line, answer in ((b"CAPA\r\n", b"\r\nSTLS\r\n"), (b"STLS\r\n", b"+OK begin TLS\r\n")):
            self.protocol.dataReceived(line)
            assert answer in self.transport.value(), self.transport.value()
            self.transport.clear()
        self.pump()


class InsideTLS(TestCase):
    """Lets the tests it is mixed into connect by TLS."""

    kind: type[ImplicitTLS] = ImplicitTLS

    def setUp(self) -> None:
        path = Authority().issue(self.mktemp())
        self.connect = partial(self.kind, ServerTLS([(path, path)]))
        self.patch(test_protocol, "Connection", self.connect)


class ImplicitWaitTests(InsideTLS, test_protocol.WaitTests):
    """See L{test_protocol.WaitTests}."""


class ImplicitLostTests(InsideTLS, test_protocol.LostTests):
    """See L{test_protocol.LostTests}."""


class ImplicitFaultTests(InsideTLS, test_protocol.FaultTests):
    """See L{test_protocol.FaultTests}."""


class ImplicitChannelTests(InsideTLS):
    """The tests above are what they say."""

    def test_login(self) -> None:
        connection = self.connect()
        connection.login()
        [record] = connection.audit.events("login")
        self.assertEqual(record["tls"], "TLSv1.3")

    def test_handshakeIsOver(self) -> None:
        """Its deadline must not end the session that follows."""
        connection = self.connect()
        connection.login()
        connection.clock.advance(Limits().handshakeSeconds)
        connection.send(b"NOOP\r\n")
        self.assertEqual(connection.received(), b"+OK still here\r\n")

    def test_channelUnasked(self) -> None:
        """What no mechanism here can use is not asked of OpenSSL."""
        self.patch(protocol, "channelOf", lambda _: self.fail("it was asked"))
        connection = self.connect()
        connection.login()
        [record] = connection.audit.events("login")
        self.assertEqual(record["tls"], "TLSv1.3")

    def test_goodbyes(self) -> None:
        """The transport is closed when both ends have said goodbye."""
        connection = self.connect()
        connection.login()
        self.assertFalse(connection.closing)
        connection.send(b"QUIT\r\n")
        self.assertTrue(connection.closing)
        both = SSL.SENT_SHUTDOWN | SSL.RECEIVED_SHUTDOWN
        self.assertEqual(connection.client.get_shutdown(), both)

    def test_goodbyeWhileSending(self) -> None:
        """What no answer can reach the peer for is not done: the message is not sent whole."""
        connection = self.connect([test_protocol.BIG])
        connection.login()
        connection.transport.room = 60_000
        connection.client.send(b"RETR 1\r\nDELE 1\r\nQUIT\r\n")
        connection.client.shutdown()
        connection.pump()
        connection.transport.takeMore()
        connection.pump()
        connection.lose()
        self.assertEqual(connection.maildrop.calls, ["close"])

    def test_goodbyeWhileWaiting(self) -> None:
        connection = self.connect()
        connection.login()
        connection.maildrop.held.add("open")
        connection.client.send(b"RETR 1\r\nDELE 1\r\nQUIT\r\n")
        connection.client.shutdown()
        connection.pump()
        connection.maildrop.go("open")
        connection.pump()
        connection.lose()
        self.assertEqual(connection.maildrop.calls, ["close"])


class STLSWaitTests(ImplicitWaitTests):
    kind = AfterSTLS


class STLSLostTests(ImplicitLostTests):
    kind = AfterSTLS


class STLSFaultTests(ImplicitFaultTests):
    kind = AfterSTLS


class STLSChannelTests(ImplicitChannelTests):
    kind = AfterSTLS
