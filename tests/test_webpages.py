"""The HTTP of the pages, octet by octet."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.address import IPv4Address
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from pop3svc.hits import HITS
from pop3svc.limits import Limits
from pop3svc.monitoring.access import Access

from .monitored import Monitored

PATHS = (b"/", b"/metrics", b"/healthz")


class RequestTests(TestCase):
    def setUp(self) -> None:
        self.web = Monitored()

    def test_headers(self) -> None:
        """Nothing is kept, guessed, framed or run; nobody learns what serves it."""
        for path in PATHS:
            content = self.web.get(path)
            self.assertEqual(self.web.status, 200)
            headers = self.web.headers
            self.assertEqual(headers["content-length"], str(len(content)))
            self.assertEqual(headers["cache-control"], "no-store")
            self.assertEqual(headers["x-content-type-options"], "nosniff")
            self.assertEqual(headers["referrer-policy"], "no-referrer")
            self.assertEqual(headers["connection"], "close")
            self.assertIn("default-src 'none'", headers["content-security-policy"])
            self.assertIn("frame-ancestors 'none'", headers["content-security-policy"])
            self.assertNotIn("unsafe", headers["content-security-policy"])
            self.assertNotIn("server", headers)

    def test_head(self) -> None:
        for path in PATHS:
            self.assertEqual(self.web.get(path, method=b"HEAD"), b"")
            self.assertEqual(self.web.status, 200)
            self.assertGreater(int(self.web.headers["content-length"]), 10)

    def test_otherMethods(self) -> None:
        for method in (b"POST", b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"NONSENSE"):
            self.web.get(b"/", method=method)
            self.assertEqual((self.web.status, self.web.headers["allow"]), (405, "GET, HEAD"))

    def test_otherPaths(self) -> None:
        """What is asked for stands neither in the answer nor in a label."""
        for path in (b"/x<script>", b"/metrics/", b"/../etc/passwd", b"//", b"http://a/"):
            content = self.web.get(path)
            self.assertEqual(self.web.status, 404, path)
            self.assertEqual(content, b"There are /, /metrics and /healthz.\n")
        text = self.web.get(b"/metrics").decode()
        self.assertIn('pop3svc_http_requests_total{code="404",path="other"} 5.0', text)

    def test_query(self) -> None:
        """It does not change the path; a fragment of a label would be another matter."""
        self.web.get(b"/healthz?x=/metrics")
        self.assertEqual(self.web.headers["content-type"], "application/json")

    def test_body(self) -> None:
        """It is refused before it comes."""
        for header in (
            b"Content-Length: 1",
            b"Transfer-Encoding: chunked",
            b"content-length:9" * 99,
        ):
            answer = self.web.ask(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + header + b"\r\n\r\nx")
            self.assertTrue(answer.startswith(b"HTTP/1.1 413 "), answer)
            self.assertEqual(answer.count(b"HTTP/1.1"), 1)
        self.web.get(b"/", b"Content-Length: 0")
        self.assertEqual(self.web.status, 200)

    def test_headerOctets(self) -> None:
        self.web.get(b"/healthz", b"X: " + b"x" * 7000)
        self.assertEqual(self.web.status, 200)
        for many in ([b"X: " + b"x" * 8192], [b"X: x"] * 60, [b"X: " + b"x" * 100] * 90):
            answer = self.web.ask(
                b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"\r\n".join(many) + b"\r\n\r\n"
            )
            self.assertTrue(answer.startswith(b"HTTP/1.1 400 "), answer)

    def test_oneRequest(self) -> None:
        """A second one on the same connection, smuggled or not, is not answered."""
        one = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n"
        self.assertEqual(self.web.ask(one + one).count(b"HTTP/1.1 200"), 1)

    def test_afterTheEnd(self) -> None:
        """What comes behind a refusal, as it does inside TLS, is neither answered nor a fault."""
        good = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
        for bad, status in ((b"bad\r\n", b"400"), (good + b"Content-Length: 1\r\n\r\n", b"413")):
            channel, transport = self.web.open()
            for octets in (bad, b"\r\n", good + b"\r\n"):
                channel.dataReceived(octets)
            self.assertEqual(transport.value().split(b" ")[1], status)
            self.assertEqual(transport.value().count(b"HTTP/1.1 "), 1)

    def test_peerGone(self) -> None:
        """Whoever hangs up while the processes are asked makes no noise."""
        from twisted.internet.defer import Deferred

        late: Deferred[list[object]] = Deferred()
        self.web.questions.learn("measures", lambda argument: late)
        channel, transport = self.web.open()
        channel.dataReceived(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        channel.connectionLost(Failure(ConnectionError()))
        late.errback(ValueError("slow"))
        self.assertEqual(transport.value(), b"")
        self.assertEqual(len(self.web.faults), 1)

    def test_fault(self) -> None:
        """A page that cannot be made is told in the log, and not to the peer."""
        self.web.questions.learn("sessions", lambda argument: {"wrong": "shape"})
        self.web.get(b"/")
        self.assertEqual(self.web.status, 500)
        (failure,) = self.web.faults
        failure.trap(KeyError)


class BoundsTests(TestCase):
    def setUp(self) -> None:
        self.web = Monitored(limits=Limits(httpConnections=2, httpSeconds=10))
        HITS.clear()

    def test_connections(self) -> None:
        first, _ = self.web.open()
        self.web.open()
        peer = IPv4Address("TCP", "127.0.0.1", 1)
        self.assertIs(self.web.monitor.site.buildProtocol(peer), None)
        self.assertEqual(HITS["httpConnections"], 1)
        first.connectionLost(Failure(ConnectionError()))
        self.web.open()

    def test_deadline(self) -> None:
        """It is for all of the connection: an octet a second does not prolong it."""
        channel, transport = self.web.open()
        for octet in b"GET / HTT":
            channel.dataReceived(bytes([octet]))
            self.web.clock.advance(1)
        self.assertFalse(transport.aborted)
        self.web.clock.advance(1)
        self.assertTrue(transport.aborted)
        self.assertEqual(HITS["httpSeconds"], 1)

    def test_noDeadlineAfterwards(self) -> None:
        channel, transport = self.web.open()
        channel.connectionLost(Failure(ConnectionError()))
        self.web.clock.advance(10)
        self.assertFalse(transport.aborted)


class TokenTests(TestCase):
    def setUp(self) -> None:
        path = self.mktemp()
        Path(path).write_bytes(b"0123456789abcdef")
        self.web = Monitored(Access("tcp:1:interface=192.0.2.1", path))

    def test_all(self) -> None:
        """Every path needs it, also those that do not exist."""
        for path in (*PATHS, b"/other"):
            content = self.web.get(path)
            self.assertEqual((self.web.status, len(content)), (401, 68))
            self.assertIn("bearer", self.web.headers["www-authenticate"].lower())
        for path in PATHS:
            self.web.get(path, b"Authorization: Bearer 0123456789abcdef")
            self.assertEqual(self.web.status, 200)

    def test_browser(self) -> None:
        """A browser is asked for a name and a password first."""
        answer = self.web.ask(b"GET / HTTP/1.1\r\nHost: pop\r\n\r\n").lower()
        self.assertLess(answer.index(b"basic realm"), answer.index(b"bearer realm"))

    def test_rebinding(self) -> None:
        """Without a token, another name is refused."""
        web = Monitored()
        for host, status in ((b"localhost:8110", 200), (b"rebound.example:8110", 421)):
            answer = web.ask(b"GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n" % host)
            self.assertEqual(int(answer.split(b" ")[1]), status)
