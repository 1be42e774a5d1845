"""
Connections that are not served: L{pop3svc.refused}, and the factory that decides it.
"""

from typing import Any

from twisted.cred.portal import Portal
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator, ISSLTransport
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from zope.interface import directlyProvides, implementer

from pop3svc import factory as factories
from pop3svc.admission import Admission
from pop3svc.factory import POP3Factory
from pop3svc.limits import Limits
from pop3svc.proxied import ProxiedFactory
from pop3svc.refused import RefusedProtocol, TLSFactory

from .support import FIRST, ControlledCred, ControlledMaildrop, RecordingAudit, Transport

LOST = Failure(ConnectionDone())
NETWORK = b"-ERR [SYS/TEMP] too many connections from your network; close some, or try again later"
LOGINS = b"-ERR [SYS/TEMP] too many logins from your network at once; try again in a moment"
ALL = b"-ERR [SYS/TEMP] too many connections at the moment; try again later"
DESCRIPTORS = b"-ERR [SYS/TEMP] out of resources at the moment; try again later"


@implementer(IOpenSSLServerConnectionCreator)
class NoTLS:
    """A TLS that nobody may begin."""

    def serverConnectionForTLS(self, protocol: object) -> Any:
        raise AssertionError("a handshake is being paid for")


class RefusalTestCase(TestCase):
    limits = Limits(connections=6, connectionsPerNetwork=4, loggingInPerNetwork=2, refusedAtOnce=3)

    def setUp(self) -> None:
        self.clock, self.audit = Clock(), RecordingAudit()
        self.admission = Admission()
        self.factory = self.makeFactory()

    def makeFactory(self) -> POP3Factory:
        cred = ControlledCred(ControlledMaildrop((FIRST,)), {b"karl": b"secret"})
        return POP3Factory(
            Portal(cred, [cred]),
            self.limits,
            clearTextLogins="always",
            clock=self.clock,
            audit=self.audit,
            admission=self.admission,
        )

    def connect(self, peer: str = "192.0.2.1", factory: Any = None) -> tuple[Any, Transport]:
        transport = Transport(peer)
        protocol = (factory or self.factory).buildProtocol(transport.getPeer())
        if protocol is not None:
            protocol.makeConnection(transport)
        return protocol, transport

    def login(self, peer: str = "192.0.2.1") -> tuple[Any, Transport]:
        protocol, transport = self.connect(peer)
        protocol.dataReceived(b"USER karl\r\nPASS secret\r\n")
        # Where it was slow, there is somebody at the door who makes it so.
        self.clock.advance(1)
        self.assertIn(b"+OK maildrop has 1 message", transport.value())
        return protocol, transport

    def assertRefused(self, connected: tuple[Any, Transport], line: bytes, reason: str) -> None:
        protocol, transport = connected
        self.assertIsInstance(protocol, RefusedProtocol)
        self.assertEqual(transport.value(), line + b"\r\n")
        self.assertTrue(transport.disconnecting)
        self.assertEqual(
            self.audit.events()[-1],
            {"event": "connection-refused", "peer": transport.getPeer().host, "reason": reason},
        )
        protocol.connectionLost(LOST)


class FactoryTests(RefusalTestCase):
    def test_loggingIn(self) -> None:
        """The second is served, the third is not, and a login makes room."""
        protocols = [self.connect()[0] for _ in range(2)]
        self.assertRefused(self.connect(), LOGINS, "logging-in-per-network")
        protocols[0].dataReceived(b"USER karl\r\nPASS secret\r\n")
        self.clock.advance(1)
        self.assertNotIsInstance(self.connect()[0], RefusedProtocol)
        self.assertRefused(self.connect(), LOGINS, "logging-in-per-network")

    def test_network(self) -> None:
        """The fourth is served, the fifth is not, others are, and who leaves makes room."""
        protocols = [self.login()[0] for _ in range(4)]
        self.assertRefused(self.connect(), NETWORK, "connections-per-network")
        self.assertNotIsInstance(self.connect("192.0.2.2")[0], RefusedProtocol)
        protocols[0].connectionLost(LOST)
        self.assertNotIsInstance(self.connect()[0], RefusedProtocol)
        self.assertEqual(self.admission.refused["connections-per-network"], 1)

    def test_everybodyLoggedIn(self) -> None:
        for number in range(6):
            self.login(f"192.0.2.{number}")
        self.assertRefused(self.connect("192.0.2.99"), ALL, "connections")
        self.assertEqual(self.audit.events("abuse"), [])

    def test_oldestMakesRoom(self) -> None:
        """Cut off at once, without a timer and without a word; who is in stays."""
        self.login()
        crowd = [self.connect(f"192.0.2.{number}") for number in range(5)]
        self.assertEqual([each.aborted for _, each in crowd], [False] * 5)
        _, transport = self.connect("192.0.2.99")
        self.assertTrue(transport.value().startswith(b"+OK"))
        self.assertEqual([each.aborted for _, each in crowd], [True] + [False] * 4)
        self.assertEqual(crowd[0][1].value().count(b"\r\n"), 1)
        self.assertEqual(
            self.audit.events("connection-refused", "abuse"),
            [{"event": "connection-refused", "peer": "192.0.2.0", "reason": "crowded-out"}],
        )
        before = len(self.clock.getDelayedCalls())
        crowd[0][0].connectionLost(LOST)
        # The timer that would have cut it is gone with it.
        self.assertEqual(len(self.clock.getDelayedCalls()), before - 1)
        self.assertEqual(self.admission.total, 6)

    def test_crowdedOutWhileChecked(self) -> None:
        """A login that comes too late is logged out again."""
        cred: Any = self.factory.portal.realm
        cred.holdLogin = True
        protocol, transport = self.connect("192.0.2.50")
        protocol.dataReceived(b"USER karl\r\nPASS secret\r\n")
        for number in range(6):
            self.connect(f"192.0.2.{number}")
        self.assertTrue(transport.aborted)
        protocol.connectionLost(LOST)
        cred.waiting[0].callback(None)
        self.clock.advance(20)
        self.assertEqual((cred.logouts, self.admission.total), (1, 6))

    def test_nothingIsLeft(self) -> None:
        """Of a refused connection: no timer, no connection, no place."""
        for _ in range(2):
            self.connect()
        timers, places = len(self.clock.getDelayedCalls()), self.admission.total
        for _ in range(100):
            self.assertRefused(self.connect(), LOGINS, "logging-in-per-network")
        self.assertEqual(len(self.clock.getDelayedCalls()), timers)
        self.assertEqual((self.admission.total, len(self.factory.connections)), (places, 2))

    def test_refusedAtOnce(self) -> None:
        """Three are told why; whoever comes while they are being told is hung up on."""
        for _ in range(2):
            self.connect()
        told = [self.connect()[0] for _ in range(3)]
        self.assertEqual([type(each) for each in told], [RefusedProtocol] * 3)
        self.assertIs(self.connect()[0], None)
        told[0].connectionLost(LOST)
        self.assertIsInstance(self.connect()[0], RefusedProtocol)
        self.assertEqual(self.admission.refused["logging-in-per-network"], 5)

    def test_descriptors(self) -> None:
        """As many as are to be spare are enough; one fewer is not; without any no word."""
        spare = self.limits.spareDescriptors
        left = spare
        self.patch(factories, "descriptorsLeft", lambda most: min(most, left))
        self.assertNotIsInstance(self.connect()[0], RefusedProtocol)
        left = spare - 1
        self.assertRefused(self.connect(), DESCRIPTORS, "descriptors")
        left = 1
        self.assertRefused(self.connect(), DESCRIPTORS, "descriptors")
        left = 0
        self.assertIs(self.connect()[0], None)
        left = spare
        self.assertNotIsInstance(self.connect()[0], RefusedProtocol)

    def test_socketsOfUNIX(self) -> None:
        """They have no network, and count for the total."""
        for _ in range(5):
            protocol: Any = self.factory.buildProtocol(UNIXAddress("/run/pop3"))
            self.assertNotIsInstance(protocol, RefusedProtocol)
            protocol.makeConnection(Transport())
        self.assertEqual(self.admission.total, 5)

    def test_shared(self) -> None:
        """Two listeners of a service count together."""
        other = self.makeFactory()
        self.connect()
        self.connect(factory=other)
        self.assertRefused(self.connect(), LOGINS, "logging-in-per-network")
        self.assertRefused(self.connect(factory=other), LOGINS, "logging-in-per-network")

    def test_alone(self) -> None:
        """A factory in a program of somebody else's counts for itself."""
        cred = ControlledCred(ControlledMaildrop(()), {})
        limits = Limits(loggingInPerNetwork=1)
        factory = POP3Factory(Portal(cred, [cred]), limits, clock=Clock(), audit=self.audit)
        self.connect(factory=factory)
        self.assertRefused(self.connect(factory=factory), LOGINS, "logging-in-per-network")
        self.assertNotIsInstance(self.connect()[0], RefusedProtocol)


class TLSTests(RefusalTestCase):
    def test_noHandshake(self) -> None:
        """Whoever is refused is hung up on before TLS begins."""
        self.connect()
        self.connect()
        factory: Any = TLSFactory(NoTLS(), False, self.factory)
        for _ in range(10):
            self.assertIs(factory.buildProtocol(IPv4Address("TCP", "192.0.2.1", 1)), None)
        self.assertIsNot(factory.buildProtocol(IPv4Address("TCP", "192.0.2.2", 1)), None)

    def test_anothersTLS(self) -> None:
        """Behind an endpoint that brings TLS with it nothing is said either."""
        self.connect()
        self.connect()
        transport = Transport("192.0.2.1")
        directlyProvides(transport, ISSLTransport)
        protocol: Any = self.factory.buildProtocol(transport.getPeer())
        protocol.makeConnection(transport)
        self.assertEqual((transport.value(), transport.aborted), (b"", True))


class ProxiedTests(RefusalTestCase):
    """Behind a proxy it is the client's network that counts."""

    def setUp(self) -> None:
        super().setUp()
        self.proxied = ProxiedFactory(self.factory, self.factory)

    def connectBy(self, client: bytes = b"") -> tuple[Any, Transport]:
        protocol, transport = self.connect("198.51.100.1", self.proxied)
        if client and protocol is not None:
            protocol.dataReceived(b"PROXY TCP4 %s 192.0.2.1 1 2\r\n" % client)
        return protocol, transport

    def test_clientsNetwork(self) -> None:
        for client in (b"203.0.113.1", b"203.0.113.2"):
            for _ in range(2):
                self.assertTrue(self.connectBy(client)[1].value().startswith(b"+OK"))
        protocol, transport = self.connectBy(b"203.0.113.1")
        self.assertEqual(transport.value(), LOGINS + b"\r\n")
        self.assertTrue(transport.disconnecting)
        protocol.connectionLost(LOST)
        self.assertEqual(self.admission.total, 4)
        self.assertEqual(self.audit.events()[-1]["peer"], "203.0.113.1")

    def test_beforeTheHeader(self) -> None:
        """They count for the total; of those who came first one makes room."""
        crowd = [self.connectBy() for _ in range(6)]
        self.assertEqual((self.admission.total, self.admission.strangers), (6, 6))
        _, transport = self.connectBy(b"203.0.113.1")
        self.assertTrue(transport.value().startswith(b"+OK"))
        self.assertEqual([each.aborted for _, each in crowd], [True] + [False] * 5)
        self.assertEqual(
            self.audit.events()[-1],
            {"event": "connection-refused", "peer": "198.51.100.1", "reason": "crowded-out"},
        )
        for protocol, _ in crowd:
            protocol.connectionLost(LOST)
        self.assertEqual(self.admission.total, 1)

    def test_crowded(self) -> None:
        """Nobody is waited for who could not be served anyway."""
        for number in range(6):
            self.login(f"192.0.2.{number}")
        self.assertRefused(self.connect("198.51.100.1", self.proxied), ALL, "connections")
        inTLS = ProxiedFactory(TLSFactory(NoTLS(), False, self.factory), self.factory)
        self.assertIs(self.connect("198.51.100.1", inTLS)[0], None)

    def test_refusedTLS(self) -> None:
        """Who is found to be too many by the header is cut off without TLS."""
        inTLS = ProxiedFactory(TLSFactory(NoTLS(), False, self.factory), self.factory)
        for _ in range(2):
            self.connectBy(b"203.0.113.1")
        protocol, transport = self.connect("198.51.100.1", inTLS)
        protocol.dataReceived(b"PROXY TCP4 203.0.113.1 192.0.2.1 1 2\r\n")
        self.assertEqual((transport.value(), transport.aborted), (b"", True))
        protocol.connectionLost(LOST)
        self.assertEqual(self.admission.total, 2)
