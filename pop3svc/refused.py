"""
A connection that is not served: one line, and the end of it.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress, ISSLTransport
from twisted.internet.protocol import Protocol
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure

from .prompt import PromptTLS


class RefusedProtocol(Protocol):
    """
    Tells a peer why. There is no timer here and nothing to read: the line always
    fits into the kernel's buffer of a new connection, and then it is closed.
    """

    # Whatever the endpoint makes, see POP3Protocol.
    transport: Any

    def __init__(self, reply: bytes, all: set[RefusedProtocol]) -> None:
        """
        @param reply: one line with its line end.
        @param all: this one is among them while it is connected.
        """
        self._reply = reply
        self._all = all

    def connectionMade(self) -> None:
        self._all.add(self)
        if ISSLTransport.providedBy(self.transport):
            # To tell it, a handshake would have to be paid for.
            self.transport.abortConnection()
        else:
            self.transport.write(self._reply)
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        self._all.discard(self)


class TLSFactory(TLSMemoryBIOFactory):
    """TLS for those who are served; the others are hung up on before it."""

    protocol = PromptTLS

    def buildProtocol(  # type: ignore[override]  # every factory may say None
        self, addr: IAddress | None
    ) -> TLSMemoryBIOProtocol | None:
        inside = self.wrappedFactory.buildProtocol(addr)
        if inside is None or isinstance(inside, RefusedProtocol):
            return None
        return self.protocol(self, inside)
