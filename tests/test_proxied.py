"""L{pop3svc.proxied}: headers of proxies, and the real service behind one."""

import contextlib
import os
import poplib
import re
import socket
import ssl
import struct
import time
from pathlib import Path
from typing import Any

from twisted.cred.portal import Portal
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

from pop3svc.demo import makeCertificate
from pop3svc.errors import SettingError
from pop3svc.factory import POP3Factory
from pop3svc.limits import Limits
from pop3svc.listeners import makeEndpoint
from pop3svc.proxied import Header, ProxiedFactory, readHeader

from .running import RunningService, freePort
from .support import FIRST, ControlledCred, ControlledMaildrop, RecordingAudit, Transport

TEXT = b"PROXY TCP4 203.0.113.9 192.0.2.1 50001 110\r\n"
TEXT6 = b"PROXY TCP6 2001:db8::9 2001:db8::1 50001 110\r\n"
START = b"\r\n\r\n\0\r\nQUIT\n"
BLOCK = bytes([203, 0, 113, 9, 192, 0, 2, 1]) + struct.pack("!HH", 50001, 110)
SOURCE = IPv4Address("TCP", "203.0.113.9", 50001)
DESTINATION = IPv4Address("TCP", "192.0.2.1", 110)


def binary(block: bytes, command: int = 0x21, family: int = 0x11) -> bytes:
    """A header of version 2."""
    return START + struct.pack("!BBH", command, family, len(block)) + block


class HeaderTests(TestCase):
    def test_text(self) -> None:
        self.assertEqual(readHeader(TEXT + b"CAPA\r\n"), Header(44, SOURCE, DESTINATION))
        source, destination = (
            IPv6Address("TCP", "2001:db8::9", 50001),
            IPv6Address("TCP", "2001:db8::1", 110),
        )
        self.assertEqual(readHeader(TEXT6), Header(len(TEXT6), source, destination))
        for line in (b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN ffff::1 x 1\r\n"):
            self.assertEqual(readHeader(line), Header(len(line)))

    def test_binary(self) -> None:
        self.assertEqual(readHeader(binary(BLOCK) + b"CAPA"), Header(28, SOURCE, DESTINATION))
        self.assertEqual(
            readHeader(binary(BLOCK + b"\4\0\1x")), Header(32, SOURCE, DESTINATION), "a TLV"
        )
        six = socket.inet_pton(socket.AF_INET6, "2001:db8::9") * 2 + struct.pack("!HH", 7, 8)
        address = IPv6Address("TCP", "2001:db8::9", 7)
        self.assertEqual(
            readHeader(binary(six, family=0x21)),
            Header(52, address, IPv6Address("TCP", "2001:db8::9", 8)),
        )
        self.assertEqual(readHeader(binary(BLOCK, command=0x20)), Header(28), "LOCAL")
        self.assertEqual(readHeader(binary(b"", family=0x00)), Header(16))
        self.assertEqual(readHeader(binary(b"/run/x".ljust(216, b"\0"), family=0x31)), Header(232))
        self.assertEqual(readHeader(binary(b"\0" * 520, command=0x20)), Header(536))

    def test_notWhole(self) -> None:
        for header in (TEXT, TEXT6, binary(BLOCK)):
            for length in range(len(header)):
                self.assertIsNone(readHeader(header[:length]))

    def test_malformed(self) -> None:
        for octets in (
            b"CAPA\r\n",
            b"\x16\x03\x01",
            b"proxy TCP4",
            b"PROXY\r\n",
            b"PROXY  TCP4 203.0.113.9 192.0.2.1 1 2\r\n",
            b"PROXY UDP4 203.0.113.9 192.0.2.1 1 2\r\n",
            b"PROXY TCP4 999.0.2.7 192.0.2.1 1 2\r\n",
            b"PROXY TCP4 203.0.113.09 192.0.2.1 1 2\r\n",
            b"PROXY TCP4 2001:db8::9 2001:db8::1 1 2\r\n",
            b"PROXY TCP6 203.0.113.9 192.0.2.1 1 2\r\n",
            b"PROXY TCP6 fe80::1%eth0 fe80::2 1 2\r\n",
            b"PROXY TCP4 203.0.113.9 192.0.2.1 1\r\n",
            b"PROXY TCP4 203.0.113.9 192.0.2.1 1 2 3\r\n",
            b"PROXY TCP4 203.0.113.9 192.0.2.1 1 65536\r\n",
            b"PROXY TCP4 203.0.113.9 192.0.2.1 01 2\r\n",
            b"PROXY TCP4 203.0.113.9 192.0.2.1 +1 2\r\n",
            b"PROXY TCP4 203.0.113.\xb2 192.0.2.1 1 2\r\n",
            b"PROXY UNKNOWN ".ljust(107, b"x"),
            b"PROXY UNKNOWN ".ljust(106, b"x") + b"\r\n",
            binary(BLOCK, command=0x11),
            binary(BLOCK, command=0x22),
            binary(BLOCK, family=0x12),
            binary(BLOCK, family=0x41),
            binary(BLOCK[:-1]),
            START + b"\x20\0" + struct.pack("!H", 521),
        ):
            with self.assertRaises(ValueError, msg=repr(octets)):
                readHeader(octets)
        longest = b"PROXY UNKNOWN ".ljust(105, b"x") + b"\r\n"
        self.assertEqual(readHeader(longest), Header(107))


class WrapperTests(TestCase):
    """One connection of a proxy, without a network."""

    def setUp(self) -> None:
        self.clock, self.audit = Clock(), RecordingAudit()
        cred = ControlledCred(ControlledMaildrop((FIRST,)), {b"karl": b"secret"})
        self.service = POP3Factory(
            Portal(cred, [cred]), Limits(proxySeconds=3), clock=self.clock, audit=self.audit
        )
        self.factory = ProxiedFactory(self.service, self.service)
        self.transport = Transport("127.0.0.1")
        protocol: Any = self.factory.buildProtocol(self.transport.getPeer())
        protocol.makeConnection(self.transport)
        self.protocol = protocol

    def lose(self) -> None:
        self.protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.factory.protocols, {})
        self.assertEqual(self.service.connections, set())

    def test_octetByOctet(self) -> None:
        """Nothing is said or counted before the header, and nothing behind it is lost."""
        for header in (TEXT, binary(BLOCK)):
            self.setUp()
            for octet in header[:-1]:
                self.protocol.dataReceived(bytes([octet]))
            self.assertEqual((self.transport.value(), self.service.connections), (b"", set()))
            self.protocol.dataReceived(header[-1:] + b"XTND\r\n")
            greeting, answer, _ = self.transport.value().split(b"\r\n")
            self.assertEqual((greeting[:3], answer), (b"+OK", b"-ERR unknown command"))
            self.assertEqual(self.protocol.getPeer(), SOURCE)
            self.assertEqual(self.protocol.getHost(), DESTINATION)
            self.lose()

    def test_noAddress(self) -> None:
        """The connection's own are all there is then."""
        self.protocol.dataReceived(b"PROXY UNKNOWN\r\n")
        self.assertEqual(self.protocol.getPeer(), self.transport.getPeer())
        self.assertEqual(self.protocol.getHost(), self.transport.getHost())
        self.lose()

    def test_malformed(self) -> None:
        self.protocol.dataReceived(b"CAPA\r\n")
        self.assertTrue(self.transport.aborted)
        self.assertEqual(self.transport.value(), b"")
        (record,) = self.audit.records
        self.assertEqual(
            (record["event"], record["reason"], record["peer"]),
            ("abuse", "proxy-header", "127.0.0.1"),
        )
        self.lose()

    def test_crowdedOutWhileCutOff(self) -> None:
        """Whoever needs the place has it, and nothing is told twice."""
        for reason in ("proxy-header", "proxy-deadline"):
            self.setUp()
            if reason == "proxy-header":
                self.protocol.dataReceived(b"CAPA\r\n")
            else:
                self.clock.advance(3)
            admission, limits = self.service.admission, Limits(connections=1)
            admission.enter("192.0.2.7", limits, lambda: None).leave()
            self.assertEqual(admission.total, 0)
            self.assertEqual([each["reason"] for each in self.audit.events()], [reason])
            self.lose()

    def test_deadline(self) -> None:
        """Octets do not renew it, and a header in time ends it."""
        self.protocol.dataReceived(TEXT[:-1])
        self.clock.advance(2.5)
        self.assertFalse(self.transport.aborted)
        self.clock.advance(0.5)
        self.assertTrue(self.transport.aborted)
        self.assertEqual([each["reason"] for each in self.audit.events()], ["proxy-deadline"])
        self.lose()
        self.setUp()
        self.protocol.dataReceived(TEXT)
        self.clock.advance(4)
        self.assertFalse(self.transport.aborted)
        self.lose()

    def test_lostBeforeTheHeader(self) -> None:
        """A proxy that looks whether the port is open is no abuse."""
        self.lose()
        self.assertEqual(self.audit.records, [])

    def test_drained(self) -> None:
        """A header that is on its way when the listener closes is still waited for."""
        self.factory.doStart()
        self.factory.doStop()
        empty = self.factory.whenEmpty()
        self.assertNoResult(empty)
        self.protocol.dataReceived(TEXT)
        self.successResultOf(empty)
        self.successResultOf(self.factory.whenEmpty())
        self.assertEqual(self.transport.value()[:3], b"+OK")
        # From here on it is the service's.
        self.factory.endConnections("drain", True)
        self.assertFalse(self.transport.aborted)
        self.lose()

    def test_drainedWithoutHeader(self) -> None:
        empty = self.factory.whenEmpty()
        self.factory.endConnections("drain", False)
        self.assertTrue(self.transport.aborted)
        self.assertNoResult(empty)
        self.lose()
        self.successResultOf(empty)
        self.assertEqual(self.audit.records, [])

    def test_endpoint(self) -> None:
        for inside in ("ssl:995", "haproxy:tcp:110"):
            with self.assertRaises(SettingError) as caught:
                makeEndpoint(None, f"haproxy:{inside}")
            self.assertEqual(
                str(caught.exception),
                f"'haproxy:{inside}': a proxy's header comes once, and before TLS;"
                " write --pop3s haproxy:tcp:995",
            )


class Proxied(poplib.POP3):
    """A client behind a proxy."""

    header = TEXT
    context: ssl.SSLContext | None = None

    def _create_socket(self, timeout: Any) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout)
        connection.sendall(self.header)
        if self.context is None:
            return connection
        return self.context.wrap_socket(connection, server_hostname="localhost")


class ServiceTests(SynchronousTestCase):
    """The real command, on real sockets."""

    def setUp(self) -> None:
        self.port, self.tlsPort = freePort(), freePort()
        pem = os.path.abspath(self.mktemp())
        Path(pem).write_bytes(makeCertificate("localhost"))
        passwd = os.path.abspath(self.mktemp())
        Path(passwd).write_text(
            "karl:{PLAIN}secret\njoe:{PLAIN}secret:networks=203.0.113.0/24\n"
            "ann:{PLAIN}secret:networks=203.0.113.9\neve:{PLAIN}secret:networks=127.0.0.0/8\n"
        )
        os.chmod(passwd, 0o600)
        self.trust = ssl.create_default_context(cafile=pem)
        self.service = RunningService(
            Path(self.mktemp()),
            *("--pop3", f"haproxy:tcp:{self.port}:interface=127.0.0.1"),
            *("--pop3s", f"haproxy:tcp:{self.tlsPort}:interface=127.0.0.1"),
            *("--certificate", pem, "--auth", f"passwd:{passwd}", "--maildrop", "memory:"),
            *("--limit", "handshake-seconds=1", "--limit", "proxy-seconds=1"),
        )
        self.addCleanup(self.service.process.wait)
        self.addCleanup(self.service.process.kill)
        self.service.waitFor(f"haproxy:tcp:{self.tlsPort}:")

    def connect(self, header: bytes = TEXT) -> Proxied:
        class Client(Proxied):
            pass

        Client.header = header
        client = Client("127.0.0.1", self.port, timeout=20)
        self.addCleanup(client.close)
        return client

    def raw(self, octets: bytes) -> tuple[bytes, float]:
        """@return: what comes until the connection is closed, and after how long."""
        began, got = time.monotonic(), b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(octets)
            with contextlib.suppress(ConnectionResetError):
                while data := connection.recv(1000):
                    got += data
        return got, time.monotonic() - began

    def test_clearTextLogins(self) -> None:
        """From the internet there are none, and from loopback there are."""
        for header in (TEXT, TEXT6, binary(BLOCK)):
            client = self.connect(header)
            self.assertNotIn("USER", client.capa())
            self.assertRaises(poplib.error_proto, client.user, "karl")
        client = self.connect(b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n")
        client.user("karl")
        client.pass_("secret")
        client.quit()

    def test_insideTLS(self) -> None:
        """
        STLS lasts longer than a handshake may, and so does TLS from the first
        octet; passwords and log have the client's address.
        """
        afterSTLS = self.connect()
        afterSTLS.stls(self.trust)

        class Client(Proxied):
            context = self.trust
            header = binary(BLOCK)

        implicit = Client("127.0.0.1", self.tlsPort, timeout=20)
        self.addCleanup(implicit.close)
        # Two strangers, because of one the log has one line a second.
        for client, user, stranger in ((afterSTLS, "joe", "eve"), (implicit, "ann", "eva")):
            client.user(stranger)
            self.assertRaises(poplib.error_proto, client.pass_, "secret")
            client.user(user)
            client.pass_("secret")
        time.sleep(1.5)
        for client in (afterSTLS, implicit):
            self.assertEqual(client.stat(), (0, 0))
            client.quit()
        self.assertEqual(self.service.stop(), 0)
        output = self.service.output()
        for event in ("login-refused", "login", "logout"):
            lines = [each for each in output.splitlines() if f"event={event} " in each]
            self.assertEqual(len(lines), 2, output)
            for line in lines:
                self.assertIn("peer=203.0.113.9 tls=TLSv1.3 ", line)
        self.assertNotIn("event=abuse", output)
        self.assertNotIn("Traceback", output)

    def test_headers(self) -> None:
        """Nobody is greeted before the header; without a good one there is nothing."""
        for octets in (b"CAPA\r\n", b"PROXY TCP4 999.0.2.7 192.0.2.1 1 2\r\n", b"\r\n\r\nCAPA"):
            got, seconds = self.raw(octets)
            self.assertEqual(got, b"")
            self.assertLess(seconds, 0.9)
        for octets in (b"", TEXT[:20], binary(BLOCK)[:20]):
            got, seconds = self.raw(octets)
            self.assertEqual(got, b"")
            self.assertGreater(seconds, 0.9)
        got, _ = self.raw(TEXT + b"QUIT\r\n")
        self.assertEqual([each[:3] for each in got.splitlines()], [b"+OK", b"+OK"])
        self.assertEqual(self.service.stop(), 0)
        output = self.service.output()
        told = output.count("peer=127.0.0.1 tls=none reason=proxy-header")
        left = re.findall("class=abuse/proxy-header of=127.0.0.1 count=([0-9]+)", output)
        self.assertEqual(told + sum(map(int, left)), 3, output)
        self.assertEqual(output.count("peer=127.0.0.1 tls=none reason=proxy-deadline"), 3)
        self.assertNotIn("Traceback", output)
