"""
Connections through a proxy that tells first who connected to it: the PROXY
protocol of HAProxy, versions 1 and 2.

Twisted's own wrapper connects what is inside before it has read the header. POP3
speaks first: the greeting, and all that hangs on the peer's address, would be
for the proxy. Its parsers also take the address 999.0.2.7 and refuse
C{PROXY UNKNOWN}. Here nothing inside begins before the header is read.
"""

from __future__ import annotations

import re
import secrets
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any, cast

from twisted.internet.address import IPv4Address as TCP4Address
from twisted.internet.address import IPv6Address as TCP6Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IAddress,
    IHandshakeListener,
    IProtocol,
    IProtocolFactory,
    ITransport,
)
from twisted.internet.protocol import Protocol
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from zope.interface import directlyProvides, implementer, providedBy

from .factory import POP3Factory
from .operations.audit import Subject
from .peers import peerName
from .refused import TLSFactory

# The bounds that the PROXY protocol's specification gives in sections 2.1 and 2.2.
_TEXT_OCTETS = 107
_BINARY_OCTETS = 536

_TEXT_START = b"PROXY "
_BINARY_START = b"\r\n\r\n\0\r\nQUIT\n"
_FIXED = struct.Struct("!12sBBH")
_LOCAL, _PROXY = 0x20, 0x21
_UNSPECIFIED, _UNIX = 0x00, 0x31
_Host = type[IPv4Address] | type[IPv6Address]
_STREAMS: dict[int, tuple[struct.Struct, _Host]] = {
    0x11: (struct.Struct("!4s4sHH"), IPv4Address),
    0x21: (struct.Struct("!16s16sHH"), IPv6Address),
}

_PORT = re.compile(rb"0|[1-9][0-9]{0,4}")


@dataclass(frozen=True)
class Header:
    """
    What a proxy says.

    @ivar octets: the header's length.
    @ivar source: who connected to the proxy; C{None} where it does not say, as
        when it asks for itself whether we are alive.
    @ivar destination: where to; C{None} together with C{source}.
    """

    octets: int
    source: IAddress | None = None
    destination: IAddress | None = None


def readHeader(octets: bytes) -> Header | None:
    """
    @param octets: all that has arrived.
    @return: C{None} while the header is not whole.
    @raise ValueError: this does not begin with a header.
    """
    if _BINARY_START.startswith(octets[: len(_BINARY_START)]):
        return _readBinary(octets)
    if _TEXT_START.startswith(octets[: len(_TEXT_START)]):
        return _readText(octets)
    raise ValueError("this is no PROXY header")


def _readText(octets: bytes) -> Header | None:
    line, end, _ = octets[:_TEXT_OCTETS].partition(b"\r\n")
    if not end:
        if len(octets) >= _TEXT_OCTETS:
            raise ValueError("the header has no end")
        return None
    words = line.split(b" ")
    length = len(line) + len(end)
    if words[1] == b"UNKNOWN":
        # Whatever follows is to be ignored.
        return Header(length)
    if len(words) != 6 or words[1] not in (b"TCP4", b"TCP6"):
        raise ValueError("the header has a wrong shape")
    host: _Host = IPv4Address if words[1] == b"TCP4" else IPv6Address
    source, destination = (
        _address(host(address.decode("ascii")), _port(port))
        for address, port in zip(words[2:4], words[4:6], strict=True)
    )
    return Header(length, source, destination)


def _port(digits: bytes) -> int:
    if not _PORT.fullmatch(digits) or int(digits) > 65535:
        raise ValueError("the header has a wrong port")
    return int(digits)


def _address(host: IPv4Address | IPv6Address, port: int) -> IAddress:
    if isinstance(host, IPv4Address):
        return TCP4Address("TCP", str(host), port)
    if host.scope_id is not None:
        raise ValueError("a zone means nothing on another machine")
    return TCP6Address("TCP", str(host), port)


def _readBinary(octets: bytes) -> Header | None:
    if len(octets) < _FIXED.size:
        return None
    _, command, family, declared = _FIXED.unpack_from(octets)
    length = _FIXED.size + declared
    if length > _BINARY_OCTETS or command not in (_LOCAL, _PROXY):
        raise ValueError("the header is too long or of an unknown version")
    if len(octets) < length:
        return None
    # A UNIX socket of the proxy's machine is none of ours.
    if command == _LOCAL or family in (_UNSPECIFIED, _UNIX):
        return Header(length)
    if family not in _STREAMS:
        raise ValueError("the header is not about a stream")
    block, host = _STREAMS[family]
    if declared < block.size:
        raise ValueError("the header has no room for its addresses")
    source, destination, sourcePort, destinationPort = block.unpack_from(octets, _FIXED.size)
    # Behind the addresses there may be more, which nobody here needs.
    return Header(
        length,
        _address(host(source), sourcePort),
        _address(host(destination), destinationPort),
    )


@implementer(IHandshakeListener)
class ProxiedProtocol(ProtocolWrapper):
    """
    Reads the header; only then connects what is inside, as whose transport it
    then gives the header's addresses.
    """

    factory: ProxiedFactory
    transport: ITransport

    _unread = b""
    _header: Header | None = None

    def __init__(self, factory: ProxiedFactory) -> None:
        super().__init__(cast(Any, factory), cast(IProtocol, None))

    def makeConnection(self, transport: ITransport) -> None:
        directlyProvides(self, providedBy(transport))
        Protocol.makeConnection(self, transport)
        self.factory.registerProtocol(self)
        service = self.factory.service
        # Until it is known who it is, it counts for the total alone.
        self._place = service.admission.enter("", service.limits, self._crowdOut)
        self._deadline = service.clock.callLater(
            service.limits.proxySeconds, self._refuse, "proxy-deadline"
        )

    @property
    def begun(self) -> bool:
        """The header is read, and what is inside is connected."""
        return self._header is not None

    def dataReceived(self, data: bytes) -> None:
        if self._header is not None:
            self.wrappedProtocol.dataReceived(data)
            return
        self._unread += data
        try:
            self._header = readHeader(self._unread)
        except ValueError:
            self._refuse("proxy-header")
            return
        if self._header is None:
            return
        self._deadline.cancel()
        self._place.leave()
        behind, self._unread = self._unread[self._header.octets :], b""
        inside = self.factory.wrappedFactory.buildProtocol(self.getPeer())
        if inside is None:
            self.abortConnection()
            return
        self.wrappedProtocol = inside
        self.wrappedProtocol.makeConnection(cast(ITransport, self))
        self.factory.begunOrGone()
        if behind:
            self.wrappedProtocol.dataReceived(behind)

    def handshakeCompleted(self) -> None:
        """
        The TLS that STLS began is up. It lies around this wrapper, and so it asks
        this wrapper alone who listens.
        """
        if IHandshakeListener.providedBy(self.wrappedProtocol):
            self.wrappedProtocol.handshakeCompleted()

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        if self.wrappedProtocol is not None:
            super().connectionLost(reason)
            return
        self._place.leave()
        if self._deadline.active():
            self._deadline.cancel()
        self.factory.unregisterProtocol(self)
        self.factory.begunOrGone()

    def getPeer(self) -> IAddress:
        """Who connected to the proxy, or the proxy if it does not say."""
        said = self._header.source if self._header else None
        return said or self.transport.getPeer()

    def getHost(self) -> IAddress:
        said = self._header.destination if self._header else None
        return said or self.transport.getHost()

    def _refuse(self, reason: str) -> None:
        """@param reason: a word for the log."""
        if self._deadline.active():
            self._deadline.cancel()
        subject = Subject(secrets.token_hex(6), peerName(self.transport.getPeer()))
        self.factory.service.audit.abuse(subject, reason)
        self.abortConnection()

    def _crowdOut(self) -> None:
        """Somebody else needs this place; perhaps it is being cut off already."""
        if self._deadline.active():
            self._deadline.cancel()
            self.factory.service.audit.connectionRefused(
                peerName(self.transport.getPeer()), "crowded-out"
            )
        self.abortConnection()


class ProxiedFactory(WrappingFactory):
    """
    A factory behind a proxy.

    @ivar service: whose clock, limits and log count.
    """

    protocol = ProxiedProtocol
    noisy = False

    def __init__(self, inside: IProtocolFactory, service: POP3Factory) -> None:
        """@param inside: C{service}, or what gives it its TLS."""
        super().__init__(inside)
        self.service = service
        self._empty: list[Deferred[None]] = []

    def buildProtocol(  # type: ignore[override]  # every factory may say None
        self, addr: IAddress | None
    ) -> Protocol | None:
        """What is inside is made later, for whom the header names."""
        crowded = self.service.crowded("")
        if crowded is None:
            return self.protocol(self)
        refused = self.service.refuse(crowded, peerName(addr))
        return None if isinstance(self.wrappedFactory, TLSFactory) else refused

    def endConnections(self, reason: str, alsoLoggedIn: bool) -> None:
        """
        Those whose header is not read yet; the others are the service's.

        @see: L{POP3Factory.endConnections}
        """
        for each in list(self.protocols):
            if not each.begun:
                each.abortConnection()

    def whenEmpty(self) -> Deferred[None]:
        """Fires when the header of every connection is read, or will not be."""
        if all(each.begun for each in self.protocols):
            return succeed(None)
        waiting: Deferred[None] = Deferred()
        self._empty.append(waiting)
        return waiting

    def begunOrGone(self) -> None:
        """Called by a protocol when its header is read, or it is disconnected."""
        if self._empty and all(each.begun for each in self.protocols):
            waiting, self._empty = self._empty, []
            for each in waiting:
                each.callback(None)
