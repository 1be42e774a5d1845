"""L{pop3svc.listeners}: who gets through the fence."""

from ipaddress import ip_network

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import TestCase

from pop3svc.listeners import Fence

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
