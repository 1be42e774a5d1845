"""
Listening sockets: bound by the parent, and all workers accept from the same ones.

Why they share them, where each could have one of its own with SO_REUSEPORT, was measured:
see C{docs/workers.rst}.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from twisted.internet import tcp, unix
from twisted.internet.defer import Deferred, execute
from twisted.internet.interfaces import (
    IListeningPort,
    IProtocolFactory,
    IReadDescriptor,
    IStreamServerEndpoint,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from ..errors import SettingError
from ..listeners import Listener, ListenerSettings


class HeldListener(Listener):
    """
    The parent's: it accepts nobody. Whoever connects waits in the kernel's queue for one
    of the workers, also while none is there.

    @ivar descriptor: of the socket, once it is bound.
    """

    descriptor: int

    @property
    def settings(self) -> ListenerSettings:
        """Of those who will accept."""
        return self._settings

    def privilegedStartService(self) -> None:
        super().privilegedStartService()
        if not self.listening.called:
            # An endpoint of somebody else's. The first workers would come too soon.
            late = SettingError("it takes its time; leave --workers out, or use tcp:")
            self._fail(Failure(late))

    def _cbListening(self, port: IListeningPort) -> None:
        if not IReadDescriptor.providedBy(port):
            raise SettingError("its sockets cannot be shared; leave --workers out, or use tcp:")
        held: Any = port
        if held.factory is not self._factory:
            # Such as ssl: workers would know nothing of it, and speak in the clear.
            raise SettingError(
                "workers share sockets, and not the TLS that the endpoint puts around them;"
                " leave --workers out, or use --pop3s tcp:"
            )
        # Twisted adds readers before it runs, and accepts nobody before that.
        held.stopReading()
        # Not shut down at the end, which would be an error for who still accepts.
        held._shouldShutdown = False
        self.descriptor = held.fileno()
        self._listens(port)


class SharedListener(Listener):
    """A worker's. The parent has said where the service listens."""

    def _tell(self) -> None:
        """Once is enough."""


@implementer(IStreamServerEndpoint)
class InheritedEndpoint:
    """A socket that listens already."""

    def __init__(self, reactor: Any, descriptor: int) -> None:
        """@param descriptor: ours; closed by L{listen}."""
        self._reactor = reactor
        self._descriptor = descriptor

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """@see: L{IStreamServerEndpoint.listen}"""
        return execute(self._listen, protocolFactory)

    def _listen(self, factory: IProtocolFactory) -> IListeningPort:
        descriptor, reactor = self._descriptor, self._reactor
        with socket.socket(fileno=os.dup(descriptor)) as probe:
            family = probe.family
        try:
            if family == socket.AF_UNIX:
                port = _UnixPort._fromListeningDescriptor(reactor, descriptor, factory)
                port.startListening()
                return port
            return reactor.adoptStreamPort(descriptor, family, factory)
        finally:
            # Either has made its own copy.
            os.close(descriptor)


class _UnixPort(unix.Port):
    """
    Twisted's own gives the socket's file another mode when it adopts it, and removes it
    at its end. It is the parent's.
    """

    _shouldShutdown = False

    def startListening(self) -> None:
        tcp._reservedFD.reserve()
        inherited: Any = self._preexistingSocket
        self.socket, self._preexistingSocket = inherited, None
        self.fileno = inherited.fileno  # type: ignore[method-assign]
        self.connected = True
        self.numberAccepts = 100
        self.startReading()

    def connectionLost(self, reason: Failure) -> None:
        tcp.Port.connectionLost(self, reason)
