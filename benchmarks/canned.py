"""
The floor for any Twisted server: octets made beforehand, and nothing else.

    canned.py DIRECTORY PORT TLS-PORT CERTIFICATE

C{benchmarks/load/floor.c} tells what lies in DIRECTORY.
"""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import Any

from OpenSSL.SSL import TLS_METHOD
from twisted.internet import reactor as _reactor
from twisted.internet import ssl
from twisted.internet.interfaces import IPullProducer
from twisted.internet.protocol import Factory, Protocol
from zope.interface import implementer

_BLOCK = 256 * 1024
reactor: Any = _reactor
Maildrop = dict[bytes, bytes]


@implementer(IPullProducer)
class Blocks:
    """A large answer, in the pieces that a transport takes best."""

    def __init__(self, connection: Canned, octets: bytes) -> None:
        self._connection = connection
        self._octets = octets
        self._offset = 0

    def resumeProducing(self) -> None:
        transport = self._connection.transport
        transport.write(self._octets[self._offset : self._offset + _BLOCK])
        self._offset += _BLOCK
        if self._offset >= len(self._octets):
            transport.unregisterProducer()
            self._connection.sending = False
            self._connection.dataReceived(b"")

    def stopProducing(self) -> None:
        """The connection is lost, and with it all that would use this."""


class Canned(Protocol):
    """
    @ivar maildrops: the answers, by commands, by the users' names.
    @ivar sending: a large answer is on its way; no other overtakes it.
    """

    # TCP or TLS; no interface of Twisted names what they share.
    transport: Any
    maildrops: dict[bytes, Maildrop] = {}
    sending = False

    def connectionMade(self) -> None:
        self._rest = b""
        self._maildrop: Maildrop = {}
        self.transport.setTcpNoDelay(True)
        self.transport.write(b"+OK canned\r\n")

    def dataReceived(self, data: bytes) -> None:
        data = self._rest + data
        while not self.sending:
            line, end, rest = data.partition(b"\r\n")
            if not end:
                break
            data = rest
            self._obey(line)
        self._rest = data

    def _obey(self, line: bytes) -> None:
        answer = self._maildrop.get(line, b"+OK\r\n")
        if line.startswith(b"USER "):
            self._choose(line[5:])
        elif line.startswith(b"AUTH PLAIN "):
            self._choose(base64.b64decode(line[11:]).split(b"\0")[1])
        if len(answer) <= _BLOCK:
            self.transport.write(answer)
        else:
            self.sending = True
            self.transport.registerProducer(Blocks(self, answer), False)
        if line == b"QUIT":
            self.transport.loseConnection()

    def _choose(self, user: bytes) -> None:
        self._maildrop = self.maildrops[user.rstrip(b"0123456789")]


def load(directory: Path) -> Maildrop:
    """All answers for one kind of user."""
    answers = {}
    for each in directory.iterdir():
        name = each.name.encode()
        answers[b"RETR " + name if name.isdigit() else name.upper()] = each.read_bytes()
    return answers


def main(directory: str, port: str, tlsPort: str, certificate: str) -> None:
    Canned.maildrops = {each.name.encode(): load(each) for each in Path(directory).iterdir()}
    factory = Factory.forProtocol(Canned)
    context = ssl.DefaultOpenSSLContextFactory(certificate, certificate, TLS_METHOD)
    reactor.listenTCP(int(port), factory, 1024, "127.0.0.1")
    reactor.listenSSL(int(tlsPort), factory, context, 1024, "127.0.0.1")
    reactor.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
