"""
Questions to an authorization server, over HTTP: bounded in time, in octets and
in number, TLS verified, no redirect followed.
"""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any, NoReturn

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.interfaces import IProtocol, IStreamClientEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.ssl import optionsForClientTLS
from twisted.python.failure import Failure
from twisted.web.client import (
    URI,
    Agent,
    FileBodyProducer,
    RequestGenerationFailed,
    RequestTransmissionFailed,
    ResponseDone,
    ResponseFailed,
)
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory, IResponse
from zope.interface import implementer

from ..errors import CheckerUnavailable
from ..hits import hit
from ..interfaces import ILimited
from ..limits import Limits

_AGENT_ERRORS = (RequestGenerationFailed, RequestTransmissionFailed, ResponseFailed)


@implementer(ILimited)
class HTTPClient:
    """
    Asks one server. Each question has a connection of its own: what is asked
    often is remembered elsewhere.
    """

    def __init__(self, trustRoot: Any = None) -> None:
        """
        @param trustRoot: authorities, as C{optionsForClientTLS} takes them; C{None}
            for those of the system.
        """
        self._trustRoot = trustRoot
        self._pending = 0
        self.useLimits(Limits())

    def useLimits(self, limits: Limits) -> None:
        """New bounds, for questions from now on."""
        self._seconds = limits.checkerSeconds
        self._octets = limits.checkerOctets
        self._most = limits.checkerThreads + limits.checkerQueue

    async def ask(self, url: str, headers: Headers, form: bytes | None = None) -> bytes:
        """
        @param url: C{https:}, or C{http:} to this machine.
        @param form: for a POST; without it, it is a GET.
        @return: the body of an answer with status 200.
        @raise CheckerUnavailable: there is no such answer, for whatever reason.
        """
        # Late, so that importing this module installs no reactor.
        from twisted.internet import reactor

        if self._pending >= self._most:
            hit("checkerQueue")
            raise CheckerUnavailable(f"{self._pending} logins wait for {url} already")
        self._pending += 1
        asked = Deferred.fromCoroutine(self._exchange(reactor, url, headers, form))
        try:
            return await asked.addTimeout(self._seconds, reactor, _tooLate)
        except _Unfit as error:
            raise CheckerUnavailable(f"{url} {error}") from error
        except (ConnectError, DNSLookupError, *_AGENT_ERRORS) as error:
            raise CheckerUnavailable(f"{url} cannot be asked: {_reason(error)}") from error
        finally:
            self._pending -= 1

    async def _exchange(
        self, reactor: Any, url: str, headers: Headers, form: bytes | None
    ) -> bytes:
        way = _Way(reactor, self._trustRoot)
        agent = Agent.usingEndpointFactory(reactor, way)
        method, body = (
            (b"GET", None) if form is None else (b"POST", FileBodyProducer(BytesIO(form)))
        )
        try:
            response: IResponse = await agent.request(method, url.encode("ascii"), headers, body)
            if response.code != 200:
                raise _Unfit(f"answers with the status {response.code}")
            collector = _Collector(self._octets)
            response.deliverBody(collector)
            return await collector.body
        finally:
            way.cut()


def objectOf(url: str, octets: bytes) -> dict[str, Any]:
    """
    @param octets: the answer of C{url}: a JSON object.
    @raise CheckerUnavailable: it is something else.
    """
    try:
        found = json.loads(octets, parse_constant=_noNumber)
    except (ValueError, RecursionError) as error:
        raise CheckerUnavailable(f"{url} answers something that is no JSON") from error
    if not isinstance(found, dict):
        raise CheckerUnavailable(f"{url} answers JSON that is no object")
    return found


class _Unfit(Exception):
    """An answer that is no answer. The text follows the URL in a sentence."""


@implementer(IAgentEndpointFactory, IStreamClientEndpoint)
class _Way:
    """
    The way to the server. It keeps the connection, because Agent can close one
    only politely once the answer has begun, and over TLS that waits for a peer
    that may never say goodbye.
    """

    def __init__(self, reactor: Any, trustRoot: Any) -> None:
        self._reactor = reactor
        self._trustRoot = trustRoot
        self._endpoint: Any = None
        self._protocol: Any = None

    def endpointForURI(self, uri: URI) -> _Way:
        """@see: C{IAgentEndpointFactory}"""
        self._endpoint = HostnameEndpoint(self._reactor, uri.host, uri.port)
        if uri.scheme == b"https":
            # Verifies the chain and the name.
            options = optionsForClientTLS(uri.host.decode("ascii"), self._trustRoot)
            self._endpoint = wrapClientTLS(options, self._endpoint)
        return self

    def connect(self, protocolFactory: Any) -> Deferred[IProtocol]:
        """@see: C{IStreamClientEndpoint}"""
        # Or there is a line in the log for each question.
        protocolFactory.noisy = False
        connected: Deferred[IProtocol] = self._endpoint.connect(protocolFactory)
        return connected.addCallback(self._keep)

    def cut(self) -> None:
        """End the connection, if there is one, without waiting for the peer."""
        if self._protocol is not None:
            self._protocol.transport.abortConnection()

    def _keep(self, protocol: IProtocol) -> IProtocol:
        self._protocol = protocol
        return protocol


class _Collector(Protocol):
    """
    The body of an answer, up to a bound.

    @ivar body: fires with it.
    """

    def __init__(self, most: int) -> None:
        self.body: Deferred[bytes] = Deferred()
        self._most = most
        self._octets = b""

    def dataReceived(self, data: bytes) -> None:
        self._octets += data
        if len(self._octets) > self._most and not self.body.called:
            hit("checkerOctets")
            self.body.errback(_Unfit(f"answers more than {self._most} octets"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.body.called:
            return
        # Without Content-Length its end is the end of the connection; half of a
        # JSON object is no JSON object.
        if reason.check(ResponseDone, PotentialDataLoss):
            self.body.callback(self._octets)
        else:
            self.body.errback(reason)


def _tooLate(result: object, seconds: float) -> NoReturn:
    hit("checkerSeconds")
    raise _Unfit(f"does not answer within {seconds:g} seconds")


def _reason(error: BaseException) -> str:
    """What lies at the bottom of an error of Agent, on one line."""
    while isinstance(error, _AGENT_ERRORS) and error.reasons:
        error = error.reasons[0].value
    return " ".join(f"{type(error).__name__} {error}".split())


def _noNumber(constant: str) -> NoReturn:
    """C{NaN} and C{Infinity}, which JSON does not have and which compare oddly."""
    raise ValueError(constant)
