"""L{pop3svc.listeners}: who gets through the fence, and what cannot listen."""

from ipaddress import ip_network
from pathlib import Path
from typing import Any, cast

from twisted.internet import reactor
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import clientFromString
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IStreamServerEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.testing import MemoryReactor
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from pop3svc.errors import SettingError
from pop3svc.listeners import Fence, Listener, ListenerSettings, makeEndpoint

from .pki import Authority
from .support import RecordingAudit


class FenceTests(TestCase):
    def test_networks(self) -> None:
        audit = RecordingAudit()
        networks = [ip_network("192.0.2.0/24"), ip_network("2001:db8::/64")]
        fence = Fence(Factory.forProtocol(Protocol), networks, audit)
        for address in (
            IPv4Address("TCP", "192.0.2.255", 9),
            IPv6Address("TCP", "::ffff:192.0.2.1", 9),
            IPv6Address("TCP", "2001:db8::7", 9),
            UNIXAddress("/run/pop3"),
        ):
            self.assertIsInstance(fence.buildProtocol(address), Protocol)
        self.assertEqual(audit.records, [])
        for address in (IPv4Address("TCP", "192.0.3.0", 9), IPv6Address("TCP", "::1", 9)):
            self.assertIsNone(fence.buildProtocol(address))
        self.assertEqual(
            audit.records,
            [
                {"event": "stranger-refused", "peer": "192.0.3.0"},
                {"event": "stranger-refused", "peer": "::1"},
            ],
        )


class EndpointTests(TestCase):
    def test_backlog(self) -> None:
        """In a flood, others must find a place in the kernel's queue; who says so, has less."""
        for description, backlog in (
            ("tcp:110", 1024),
            ("tcp6:110:interface=\\:\\:1", 1024),
            ("haproxy:tcp:110:interface=192.0.2.1", 1024),
            ("tcp:110:backlog=7", 7),
        ):
            memory = MemoryReactor()
            makeEndpoint(memory, description).listen(Factory.forProtocol(Protocol))
            self.assertEqual(memory.tcpServers[0][2], backlog, description)
        memory = MemoryReactor()
        makeEndpoint(memory, "unix:/run/pop3").listen(Factory.forProtocol(Protocol))
        self.assertEqual(memory.unixServers[0][2], 1024)

    def test_wrong(self) -> None:
        """One sentence, whatever its parser makes of it."""
        path = self.mktemp()
        Path(path).write_text("no certificate")
        for description in (f"ssl:995:privateKey={path}", f"ssl:995:privateKey={path}:sslmethod=x"):
            with self.assertRaises(SettingError) as caught:
                makeEndpoint(MemoryReactor(), description)
            self.assertIn(f"{description!r} is no server endpoint", str(caught.exception))


class HangUpTests(TestCase):
    timeout = 5

    async def test_tlsOfTheEndpoint(self) -> None:
        """Around nobody C{ssl:} would put TLS, and keep that as long as the peer likes."""

        class Nobody(Factory):
            noisy = False

            def buildProtocol(self, addr: object) -> None:
                return None

        authority, pem = Authority(), self.mktemp()
        authority.issue(pem, "localhost")
        endpoint = f"ssl:0:interface=127.0.0.1:privateKey={pem}:certKey={pem}"
        settings = ListenerSettings(endpoint, "none")
        listener = Listener(
            settings, makeEndpoint(reactor, endpoint), Nobody(), RecordingAudit(), False
        )
        listener.privilegedStartService()
        self.addCleanup(listener.stopService)
        port = cast(Any, listener)._port.getHost().port
        over: Deferred[None] = Deferred()

        class Silent(Protocol):
            def connectionLost(self, reason: Failure = connectionDone) -> None:
                over.callback(None)

        there = clientFromString(cast(Any, reactor), f"tcp:127.0.0.1:{port}")
        await there.connect(Factory.forProtocol(Silent))
        await over

    def test_bare(self) -> None:
        """Others close the socket themselves, before anything is made for it."""
        for endpoint in ("tcp:0:interface=127.0.0.1", "haproxy:tcp:0:interface=127.0.0.1"):
            factory = Factory.forProtocol(Protocol)
            settings = ListenerSettings(endpoint, "none")
            memory = MemoryReactor()
            made = makeEndpoint(memory, endpoint)
            Listener(settings, made, factory, RecordingAudit(), False).privilegedStartService()
            self.assertIs(memory.tcpServers[0][1], factory)


@implementer(IStreamServerEndpoint)
class SlowEndpoint:
    """An endpoint that takes its time."""

    def __init__(self) -> None:
        self.listening: Deferred[IListeningPort] = Deferred()

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        return self.listening


class LateFailureTests(TestCase):
    def test_serviceEnds(self) -> None:
        """Nobody is told that all is well while one listener is missing."""
        stopped: list[str] = []
        self.patch(reactor, "stop", lambda: stopped.append("stop"))
        audit, endpoint = RecordingAudit(), SlowEndpoint()
        settings = ListenerSettings("slow:1", "none")
        listener = Listener(settings, endpoint, Factory.forProtocol(Protocol), audit, False)
        listener.privilegedStartService()
        self.assertEqual((audit.records, stopped), ([], []))
        endpoint.listening.errback(OSError("it does not work"))
        self.assertEqual(
            audit.records,
            [{"event": "listening-failed", "endpoint": "slow:1", "text": "it does not work"}],
        )
        self.assertEqual(stopped, ["stop"])
