"""
Where the service listens, and what holds there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any, Literal, NoReturn

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamServerEndpoint,
)
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from .accepting import restWhenExhausted
from .errors import SettingError
from .factory import ClearTextLogins
from .operations.audit import Audit
from .operations.startup import endStart
from .peers import peerName
from .prompt import answerPromptly
from .tls import Version

TLSMode = Literal["none", "stls", "implicit"]
Network = IPv4Network | IPv6Network

# Before the endpoint of a listener that only a proxy connects to.
_PROXIED = "haproxy:"

# Twisted's own queue of 50 is full at once in a flood; whoever comes then knocks again
# a second later, and their mail program looks slow. The kernel may have a smaller bound.
_QUEUEING = ("tcp", "tcp6", "unix")
_BACKLOG = ":backlog=1024"

# Endpoints that put nothing between a connection and the factory.
_BARE = (*_QUEUEING, "systemd", _PROXIED.removesuffix(":"))


@dataclass(frozen=True)
class ListenerSettings:
    """
    One listener.

    @ivar endpoint: a Twisted server endpoint, as text.
    @ivar tls: no TLS, TLS after STLS, or TLS from the first octet.
    @ivar minimumTLS: the oldest version spoken there.
    @ivar networks: who may connect; everybody, if none is given.
    @ivar clearTextLogins: from where passwords are taken outside TLS.
    """

    endpoint: str
    tls: TLSMode
    clearTextLogins: ClearTextLogins = "loopback"
    minimumTLS: Version = "1.2"
    networks: tuple[Network, ...] = field(default=())

    @property
    def proxied(self) -> bool:
        """Only a proxy connects, which tells for whom."""
        return self.endpoint.startswith(_PROXIED)


def makeEndpoint(reactor: Any, description: str) -> IStreamServerEndpoint:
    """
    @param description: a Twisted server endpoint, perhaps behind C{haproxy:}.
    @raise SettingError: it is none.
    """
    # Twisted has a wrapper of this name, too; L{ProxiedFactory} says why not that.
    bare = description.removeprefix(_PROXIED)
    if bare != description and bare.partition(":")[0] in ("ssl", "haproxy"):
        raise SettingError(
            f"{description!r}: a proxy's header comes once, and before TLS;"
            " write --pop3s haproxy:tcp:995"
        )
    if bare.partition(":")[0] in _QUEUEING and ":backlog=" not in bare:
        bare += _BACKLOG
    try:
        return serverFromString(reactor, bare)
    except Exception as error:
        # Whoever reads it may be somebody else's, and raise what they like.
        raise SettingError(
            f"{description!r} is no server endpoint, such as tcp:110 or"
            f" tcp:995:interface=192.0.2.1: {error}"
        ) from error


class _Around:
    """A factory around another one."""

    noisy = False

    def __init__(self, inside: IProtocolFactory) -> None:
        self._inside = inside

    def doStart(self) -> None:
        self._inside.doStart()

    def doStop(self) -> None:
        self._inside.doStop()


@implementer(IProtocolFactory)
class Fence(_Around):
    """
    Lets only some networks through to a factory. Behind a proxy endpoint the
    proxy's own address counts: it is what connects.
    """

    def __init__(self, inside: IProtocolFactory, networks: Sequence[Network], audit: Audit) -> None:
        super().__init__(inside)
        self._networks = networks
        self._audit = audit

    def buildProtocol(self, addr: IAddress) -> IProtocol | None:
        """@return: C{None}, so that the connection is closed at once, for strangers."""
        name = peerName(addr)
        if name == "unix" or (
            name != "unknown" and any(ip_address(name) in each for each in self._networks)
        ):
            return self._inside.buildProtocol(addr)
        self._audit.strangerRefused(name)
        return None


class _HangUp(Protocol):
    """Nobody is served."""

    # Whatever the endpoint makes, see POP3Protocol.
    transport: Any

    def connectionMade(self) -> None:
        self.transport.abortConnection()


@implementer(IProtocolFactory)
class NeverNone(_Around):
    """
    Hangs up itself where a factory says C{None}. An endpoint with a TLS of its own, such
    as C{ssl:}, puts that around whatever it is told: such a connection would end with its
    peer alone, and be counted nowhere.
    """

    def buildProtocol(self, addr: IAddress) -> IProtocol:
        """@return: always one."""
        return self._inside.buildProtocol(addr) or _HangUp()


class Listener(Service):
    """
    One endpoint. It is bound while twistd still has the privileges to.

    @ivar listening: fires when it is.
    """

    def __init__(
        self,
        settings: ListenerSettings,
        endpoint: IStreamServerEndpoint,
        factory: IProtocolFactory,
        audit: Audit,
        daemon: bool,
    ) -> None:
        """
        @param daemon: the terminal is already left when the endpoint is bound.
        """
        self._settings = settings
        self._endpoint = endpoint
        isBare = settings.endpoint.partition(":")[0] in _BARE
        self._factory = factory if isBare else NeverNone(factory)
        self._audit = audit
        self._daemon = daemon
        self._port: IListeningPort | None = None
        self.listening: Deferred[None] = Deferred()

    def privilegedStartService(self) -> None:
        super().privilegedStartService()
        failures: list[Failure] = []
        listening = self._endpoint.listen(self._factory)
        listening.addCallback(self._cbListening).addErrback(failures.append)
        if failures:
            self._fail(failures[0])
        listening.addCallback(lambda _: self._ebLate(failures[0]) if failures else None)

    def stopService(self) -> Deferred[None] | None:
        super().stopService()
        port, self._port = self._port, None
        return None if port is None else port.stopListening()

    @property
    def closed(self) -> str:
        """The endpoint, if it was listened on and is not any more; else nothing."""
        isOpen = self._port is not None and getattr(self._port, "connected", True)
        return "" if isOpen or not self.listening.called else self._settings.endpoint

    def _cbListening(self, port: IListeningPort) -> None:
        from twisted.internet import reactor

        answerPromptly(port)
        restWhenExhausted(port, self._settings.endpoint, self._audit, IReactorTime(reactor))
        self._listens(port)

    def _listens(self, port: IListeningPort) -> None:
        self._port = port
        self._tell()
        self.listening.callback(None)

    def _tell(self) -> None:
        self._audit.listening(self._settings.endpoint, self._settings.tls)

    def _ebLate(self, failure: Failure) -> None:
        """An endpoint of somebody else's may need time to fail."""
        from twisted.internet import reactor

        self._audit.listeningFailed(self._settings.endpoint, failure.getErrorMessage())
        reactor.stop()

    def _fail(self, failure: Failure) -> NoReturn:
        reason = getattr(failure.value, "socketError", failure.value)
        reason = getattr(reason, "strerror", None) or reason
        endStart(f"cannot listen on {self._settings.endpoint}: {reason}", self._daemon)
