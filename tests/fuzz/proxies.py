"""
Headers of proxies that are none, almost: the parser, and a connection behind it.
"""

from __future__ import annotations

import re
import socket
import struct
from random import Random

from twisted.internet.address import IPv4Address, IPv6Address

from pop3svc.proxied import Header, ProxiedFactory, readHeader
from tests.support import Connection, Transport

from .case import Case, corpus
from .logged import LoggedErrors
from .mutation import cut, mutate
from .naiveanswers import Wrong

_TEXT = re.compile(
    rb"PROXY (TCP4|TCP6) ([0-9A-Fa-f.:]+) ([0-9A-Fa-f.:]+)"
    rb" (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})\r\n"
)
_FAMILIES = {b"TCP4": socket.AF_INET, b"TCP6": socket.AF_INET6}
_START = b"\r\n\r\n\0\r\nQUIT\n"
# A header has no more octets, in either version.
_MOST = 536


class Proxies:
    """The target."""

    name = "proxies"
    unit = "headers"

    def make(self, dice: Random) -> Case:
        known = [each.data for each in corpus(self.name)]
        data = dice.choice(known) + dice.choice((b"", b"CAPA\r\n", b"QUIT\r\n"))
        for _ in range(dice.choice((0, 1, 1, 1, 2, 4))):
            data = mutate(dice, data, known)
        if data.startswith(_START) and len(data) > 16 and dice.randrange(2):
            # A length that is right, or almost.
            length = max(0, min(0xFFFF, len(data) - 16 + dice.choice((-1, 0, 0, 0, 1))))
            data = data[:14] + struct.pack("!H", length) + data[16:]
        return Case(self.name, tuple(cut(dice, data)))

    def check(self, case: Case) -> int:
        data = case.data[:4096]
        found = _read(data)
        if found != _read(data + b"CAPA\r\n") and found is not None:
            raise Wrong("what follows a header changes it")
        if isinstance(found, Header):
            if not 0 < found.octets <= min(_MOST, len(data)):
                raise Wrong(f"a header of {found.octets} octets")
            # Before its last octet it is not whole, and never another.
            for length in (0, 1, 5, 6, 11, 12, 15, 16, found.octets // 2, found.octets - 1):
                if length < found.octets and _read(data[:length]) is not None:
                    raise Wrong(f"{length} of {found.octets} octets are enough")
        elif found is None and len(data) >= _MOST:
            raise Wrong("so many octets, and no decision")
        self._checkAddresses(data, found)
        self._checkConnection(case.pieces, found)
        return 1

    def _checkAddresses(self, data: bytes, found: Header | ValueError | None) -> None:
        """Version 1 by a naive reading; version 2 by counting octets."""
        expected: tuple[object, ...] = ()
        if text := _TEXT.match(data[:107]):
            family = _FAMILIES[text[1]]
            hosts = [_packed(family, each) for each in text.groups()[1:3]]
            ports = [int(each) for each in text.groups()[3:]]
            if None not in hosts and max(ports) <= 65535:
                expected = (*hosts, *ports)
        elif data[:13] == _START + b"\x21" and data[13:14] in (b"\x11", b"\x21"):
            size = 4 if data[13] == 0x11 else 16
            length = struct.unpack("!H", data[14:16])[0] if len(data) >= 16 else 0
            if 2 * size + 4 <= length <= min(len(data), _MOST) - 16:
                expected = struct.unpack_from(f"!{size}s{size}sHH", data, 16)
        got: tuple[object, ...] = ()
        if isinstance(found, Header) and found.source is not None:
            ports = []
            for each in (found.source, found.destination):
                if not isinstance(each, IPv4Address | IPv6Address):
                    raise Wrong(f"{each!r} is no address")
                family = socket.AF_INET if isinstance(each, IPv4Address) else socket.AF_INET6
                got += (socket.inet_pton(family, each.host),)
                ports.append(each.port)
            got += tuple(ports)
        if got != expected:
            raise Wrong(f"{data[:120]!r} says {expected}, and is read as {got}")

    def _checkConnection(self, pieces: tuple[bytes, ...], found: object) -> None:
        """Through a proxied connection, cut anywhere: one end, no traceback."""
        connection = Connection()
        connection.lose()
        factory = ProxiedFactory(connection.factory, connection.factory)
        transport = Transport()
        with LoggedErrors() as logged:
            protocol = factory.buildProtocol(transport.getPeer())
            assert protocol is not None
            protocol.makeConnection(transport)
            for piece in pieces:
                if transport.disconnecting:
                    break
                protocol.dataReceived(piece)
            greeted = transport.value().startswith(b"+OK")
            aborted = transport.aborted
            connection.protocol = protocol
            connection.lose()
        faults = connection.audit.events("fault")
        if logged.texts or faults:
            raise Wrong(f"a fault: {[*logged.texts, *faults][0]}")
        if isinstance(found, Header) != greeted or isinstance(found, ValueError) != aborted:
            raise Wrong(f"{found!r}, and the connection is greeted {greeted}, aborted {aborted}")
        late = connection.clock.getDelayedCalls()
        if late:
            raise Wrong(f"left behind: {late}")


def _read(octets: bytes) -> Header | ValueError | None:
    """@raise Exception: anything but C{ValueError} is a fault."""
    try:
        return readHeader(octets)
    except ValueError as error:
        # Only that there is one can be compared.
        return _REFUSED if str(error) else error


def _packed(family: int, host: bytes) -> bytes | None:
    try:
        return socket.inet_pton(family, host.decode())
    except OSError:
        return None


_REFUSED = ValueError("no header")
