"""
The HTTP of the pages: three paths, GET and HEAD, one request a connection.

So there is no pipelining, no body to read, and one deadline for all of it, which no
slowness prolongs. Nothing of a request goes into a label or into the log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel, Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from ..hits import hit
from ..limits import Limits
from .access import Access

_HEADER_OCTETS = 8 * 1024
_HEADERS = 50
_BODY = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_CHALLENGES = (b'Basic realm="pop3svc", charset="UTF-8"', b'Bearer realm="pop3svc"')
_SENTENCES = {
    401: b"Give the token of --http-token, as a bearer token or as a password.\n",
    404: b"There are /, /metrics and /healthz.\n",
    405: b"These pages can only be read.\n",
    421: b"These pages have no such name: ask for localhost, or set --http-token.\n",
    500: b"This page could not be made; the log says why.\n",
}
_FOR_ALL = {
    b"Cache-Control": b"no-store",
    b"Content-Security-Policy": b"default-src 'none'; frame-ancestors 'none'",
    b"Cross-Origin-Resource-Policy": b"same-origin",
    b"Referrer-Policy": b"no-referrer",
    b"X-Content-Type-Options": b"nosniff",
}


@dataclass
class Answer:
    """
    @ivar headers: besides those that all have.
    """

    content: bytes
    contentType: str
    status: int = 200
    headers: dict[bytes, bytes] = field(default_factory=dict)


# Takes the request; what it returns is shown.
Page = Callable[[Request], Deferred[Answer]]


class Pages(Resource):
    """
    @ivar requests: path and status -> how many there were.
    """

    isLeaf = True

    def __init__(
        self, pages: Mapping[bytes, Page], access: Access, failed: Callable[[Failure], None]
    ) -> None:
        """
        @param pages: by their paths.
        @param failed: hears of a page that could not be made.
        """
        super().__init__()
        self.requests: Counter[tuple[str, str]] = Counter()
        self._pages = pages
        self._access = access
        self._failed = failed

    def render(self, request: Request) -> int | bytes:
        """@see: L{Resource.render}"""
        request.responseHeaders.removeHeader(b"Server")
        status = self._refusal(request)
        if status:
            if status == 401:
                request.responseHeaders.setRawHeaders(b"WWW-Authenticate", _CHALLENGES)
            elif status == 405:
                request.setHeader(b"Allow", b"GET, HEAD")
            self._finish(request, _plain(status))
            return NOT_DONE_YET
        gone: list[Failure] = []
        request.notifyFinish().addErrback(gone.append)
        answered = self._pages[request.path](request)
        answered.addErrback(self._ebAnswer)
        answered.addCallback(self._cbAnswer, request, gone)
        return NOT_DONE_YET

    def _refusal(self, request: Request) -> int:
        if request.method not in (b"GET", b"HEAD"):
            return 405
        authorization, host = (request.getHeader(name) for name in (b"Authorization", b"Host"))
        status = self._access.refusal(authorization, host)
        return status or (0 if request.path in self._pages else 404)

    def _ebAnswer(self, failure: Failure) -> Answer:
        self._failed(failure)
        return _plain(500)

    def _cbAnswer(self, answer: Answer, request: Request, gone: list[Failure]) -> None:
        if not gone:
            self._finish(request, answer)

    def _finish(self, request: Request, answer: Answer) -> None:
        path = request.path.decode("ascii") if request.path in self._pages else "other"
        self.requests[path, str(answer.status)] += 1
        request.setResponseCode(answer.status)
        for name, value in {**_FOR_ALL, **answer.headers}.items():
            request.setHeader(name, value)
        request.setHeader(b"Content-Type", answer.contentType.encode("ascii"))
        request.setHeader(b"Content-Length", b"%d" % len(answer.content))
        request.write(answer.content)
        request.finish()


class PagesSite(Site):
    """
    Where browsers and Prometheus connect to.

    @ivar open: the connections.
    """

    noisy = False

    def __init__(self, pages: Pages, limits: Callable[[], Limits], clock: IReactorTime) -> None:
        """@param limits: tells those in force."""
        super().__init__(pages, reactor=clock, timeout=None, parsePOSTFormSubmission=False)
        self.protocol = _Channel  # type: ignore[assignment]  # of which Twisted's own is a wrapper
        self.open: set[_Channel] = set()
        self.limits = limits

    def buildProtocol(self, addr: object) -> _Channel | None:  # type: ignore[override]
        """@return: C{None}, so that it is closed, for one too many."""
        if len(self.open) >= self.limits().httpConnections:
            hit("httpConnections")
            return None
        channel: _Channel = super().buildProtocol(addr)
        return channel

    # No access log: its clock is not the time of day here, and the audit log is about mail.

    def startFactory(self) -> None:
        """@see: L{Site}"""

    def stopFactory(self) -> None:
        """@see: L{Site}"""

    def log(self, request: Request) -> None:
        """@see: L{Site}"""


class _Channel(HTTPChannel):
    """One connection, one request, one deadline."""

    site: PagesSite
    # Whatever the endpoint makes, see POP3Protocol.
    transport: Any
    maxHeaders = _HEADERS
    totalHeadersSize = _HEADER_OCTETS
    _deadline: IDelayedCall | None = None

    def connectionMade(self) -> None:
        super().connectionMade()
        self.site.open.add(self)
        seconds = self.site.limits().httpSeconds
        self._deadline = self.site.reactor.callLater(seconds, self._cut)

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        self.site.open.discard(self)
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        super().connectionLost(reason)

    def dataReceived(self, data: bytes) -> None:
        """Of a connection that is over TLS still hands on what comes, and Twisted fails there."""
        if not self.transport.disconnecting:
            super().dataReceived(data)

    def headerReceived(self, line: bytes) -> bool:
        """What comes with a body is refused before the body comes."""
        name, _, value = line.partition(b":")
        name, value = name.strip().lower(), value.strip()
        if name == b"transfer-encoding" or (name == b"content-length" and value != b"0"):
            self.transport.write(_BODY)
            self.loseConnection()
            return False
        found: bool = super().headerReceived(line)
        return found

    def checkPersistence(self, request: Request, version: bytes) -> bool:
        """No: whoever wants more connects again."""
        request.setHeader(b"Connection", b"close")
        return False

    def _cut(self) -> None:
        hit("httpSeconds")
        self.transport.abortConnection()


def _plain(status: int) -> Answer:
    return Answer(_SENTENCES[status], "text/plain; charset=utf-8", status)
