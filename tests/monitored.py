"""
The pages of C{--http} on a service without a network.
"""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

from twisted.internet.address import IPv4Address
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from pop3svc.limits import Limits
from pop3svc.monitoring.access import Access
from pop3svc.monitoring.learning import learn
from pop3svc.monitoring.monitor import Monitor, Watched
from pop3svc.operations.questions import Questions
from pop3svc.pools import Pool

from .support import Connection


class Transport(StringTransport):
    """@ivar aborted: the connection was cut."""

    aborted = False

    def abortConnection(self) -> None:
        self.aborted = self.disconnecting = True


class Monitored:
    """
    @ivar mail: a connection to the service.
    @ivar clock: also of the pages.
    @ivar faults: what could not be shown.
    @ivar status: of the last answer.
    @ivar headers: of the last answer, by their names in small letters.
    """

    def __init__(self, access: Access | None = None, limits: Limits | None = None) -> None:
        self.mail = Connection(delays=True)
        self.clock = self.mail.clock
        factory = self.mail.factory
        factory.name = "tcp:110"
        factory.limits = limits or factory.limits
        self.questions = Questions()
        self.expires = datetime(2027, 1, 30, 12, tzinfo=UTC)
        pair = SimpleNamespace(certificate="chain.pem", expires=self.expires)
        self.certificates = cast(Any, SimpleNamespace(pairs=[pair]))
        # Pools are known to all as long as somebody holds them.
        self.pool = Pool("maildir", 2, 10)
        self.taking = learn(
            self.questions,
            [factory],
            self.mail.audit,
            None,
            [self.certificates],
            factory.doorkeeper.throttle,
            self.clock,
        )
        self.taking.startService()
        self.draining = False
        self.closed: list[str] = []
        self.expected = 1
        self.faults: list[Failure] = []
        self.monitor = Monitor(
            Watched(
                self.questions,
                self.clock,
                limits=lambda: factory.limits,
                draining=lambda: self.draining,
                closed=lambda: self.closed,
                expected=lambda: self.expected,
                fault=self.faults.append,
            ),
            access or Access("tcp:1:interface=127.0.0.1", None),
            wall=lambda: 1_800_000_000.0,
        )

    def serveSomebody(self) -> None:
        """A whole session, a refusal, and somebody who stays."""
        self.mail.login()
        self.mail.send(b"RETR 1\r\nDELE 1\r\nQUIT\r\n")
        self.mail.lose()
        other = self.connect("127.0.0.9")
        other.dataReceived(b"USER <i>&\"'\r\nPASS wrong\r\n")
        self.clock.advance(1)

    def connect(self, peer: str) -> Any:
        """@return: the protocol of one more mail program."""
        factory = self.mail.factory
        protocol: Any = factory.buildProtocol(IPv4Address("TCP", peer, 50000))
        protocol.makeConnection(type(self.mail.transport)(peer))
        return protocol

    def open(self) -> tuple[Any, Transport]:
        """A connection to the pages."""
        channel: Any = self.monitor.site.buildProtocol(IPv4Address("TCP", "127.0.0.1", 40000))
        transport = Transport()
        channel.makeConnection(transport)
        return channel, transport

    def ask(self, octets: bytes) -> bytes:
        """@return: all that comes for these octets."""
        channel, transport = self.open()
        channel.dataReceived(octets)
        channel.connectionLost(Failure(ConnectionError()))
        return transport.value()

    def get(self, path: bytes, *headers: bytes, method: bytes = b"GET") -> bytes:
        """@return: the content of the answer."""
        lines = [b"%s %s HTTP/1.1" % (method, path), b"Host: localhost", *headers, b"", b""]
        head, _, content = self.ask(b"\r\n".join(lines)).partition(b"\r\n\r\n")
        first, *rest = head.decode("ascii").split("\r\n")
        self.status = int(first.split(" ")[1])
        self.headers = {
            name.lower(): value for name, value in (each.split(": ", 1) for each in rest)
        }
        return content
