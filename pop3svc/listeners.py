"""
Where the service listens, and what holds there.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Literal, NoReturn

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IProtocol,
    IProtocolFactory,
    IStreamServerEndpoint,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from .errors import SettingError
from .factory import ClearTextLogins
from .operations.audit import Audit
from .peers import peerName
from .tls import Version

TLSMode = Literal["none", "stls", "implicit"]
Network = IPv4Network | IPv6Network


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


@implementer(IProtocolFactory)
class Fence:
    """
    Lets only some networks through to a factory. Behind a proxy endpoint the
    proxy's own address counts: it is what connects.
    """

    noisy = False

    def __init__(self, inside: IProtocolFactory, networks: Sequence[Network], audit: Audit) -> None:
        self._inside = inside
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

    def doStart(self) -> None:
        self._inside.doStart()

    def doStop(self) -> None:
        self._inside.doStop()


class Listener(Service):
    """
    One endpoint. It is bound while twistd still has the privileges to.
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
        self._factory = factory
        self._audit = audit
        self._daemon = daemon
        self._port: IListeningPort | None = None

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

    def _cbListening(self, port: IListeningPort) -> None:
        self._port = port
        self._audit.listening(self._settings.endpoint, self._settings.tls)

    def _ebLate(self, failure: Failure) -> None:
        """An endpoint of somebody else's may need time to fail."""
        from twisted.internet import reactor

        self._audit.listeningFailed(self._settings.endpoint, failure.getErrorMessage())
        reactor.stop()

    def _fail(self, failure: Failure) -> NoReturn:
        reason = getattr(failure.value, "socketError", failure.value)
        reason = getattr(reason, "strerror", None) or reason
        sentence = f"cannot listen on {self._settings.endpoint}: {reason}"
        if self._daemon:
            # twistd itself hands this to the terminal and exits with status 1.
            raise SettingError(sentence)
        # twistd has turned sys.stderr into the log by now.
        print(f"twistd pop3svc: {sentence}", file=sys.__stderr__)
        raise SystemExit(1)
