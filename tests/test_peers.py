"""L{pop3svc.peers} and L{pop3svc.progress}, on real sockets."""

import contextlib
import socket
from typing import cast

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.trial.unittest import TestCase

from pop3svc.peers import isLocal, networkOf, peerName, tuneConnection
from pop3svc.progress import octetsAcknowledged, octetsOutstanding


class Wrapped:
    def __init__(self, connection: object) -> None:
        self.socket = connection


class PeerTests(TestCase):
    def test_names(self) -> None:
        for address, name, local in (
            (IPv4Address("TCP", "127.3.2.1", 9), "127.3.2.1", True),
            (IPv4Address("TCP", "192.0.2.7", 9), "192.0.2.7", False),
            (IPv6Address("TCP", "::1", 9), "::1", True),
            (IPv6Address("TCP", "::ffff:127.0.0.1", 9), "127.0.0.1", True),
            (IPv6Address("TCP", "::ffff:192.0.2.7", 9), "192.0.2.7", False),
            (IPv6Address("TCP", "fe80::1%eth0", 9), "fe80::1", False),
            (UNIXAddress("/run/pop3"), "unix", True),
            (cast(IAddress, object()), "unknown", False),
        ):
            self.assertEqual((peerName(address), isLocal(address)), (name, local))


class SocketTests(TestCase):
    def setUp(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.client = socket.create_connection(server.getsockname())
            self.server, _ = server.accept()
        self.addCleanup(self.client.close)
        self.addCleanup(self.server.close)

    def test_networks(self) -> None:
        """What one customer has is one: an IPv4 address, an IPv6 /64."""
        for name, network in (
            ("192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
            ("2001:db8:1:3::", "2001:db8:1:3::/64"),
            ("::1", "::/64"),
            ("unix", ""),
            ("unknown", ""),
            ("", ""),
            ("-", ""),
        ):
            self.assertEqual(networkOf(name), network)

    def test_tuned(self) -> None:
        tuneConnection(Wrapped(self.server))
        get = self.server.getsockopt
        self.assertTrue(get(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        self.assertTrue(get(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
        quiet = get(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
        probes = get(socket.IPPROTO_TCP, socket.TCP_KEEPCNT)
        between = get(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL)
        self.assertLessEqual(quiet + probes * between, 120)

    def test_octetsAcknowledged(self) -> None:
        before = octetsAcknowledged(Wrapped(self.server))
        self.server.sendall(b"x" * 1000)
        self.assertEqual(len(self.client.recv(1000, socket.MSG_WAITALL)), 1000)
        assert before is not None
        self.assertEqual(octetsAcknowledged(Wrapped(self.server)), before + 1000)

    def test_octetsOutstanding(self) -> None:
        """What the peer's machine has not taken yet."""
        transport = Wrapped(self.server)
        self.assertEqual(octetsOutstanding(transport), 0)
        self.server.setblocking(False)
        sent = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                sent += self.server.send(b"x" * 65536)
        self.assertGreater(octetsOutstanding(transport), 0)
        self.assertLess(octetsOutstanding(transport), sent)
        left = sent
        while left:
            left -= len(self.client.recv(1 << 20))
        self.assertEqual(octetsOutstanding(transport), 0)
        self.assertEqual(octetsOutstanding(object()), 0)

    def test_whereNothingIsCounted(self) -> None:
        left, right = socket.socketpair()
        self.addCleanup(left.close)
        self.addCleanup(right.close)
        for transport in (Wrapped(left), Wrapped(None), object()):
            self.assertIsNone(octetsAcknowledged(transport))
            tuneConnection(transport)
