"""
Answers that leave in the round of the reactor in which they were made.

Twisted sends what a protocol writes when the reactor comes round again: it asks the
kernel to tell when the socket can be written to, waits, is told, writes, and asks no
more. Nearly always it could have been written to in the first place. Here answers
leave once all that has arrived, on whatever connection, has been dealt with; only what
the kernel does not take waits for the reactor. To send each of them at once was
dearer, by an eighth: between two of them whoever reads them has gone to sleep.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, cast

from twisted.internet._newtls import _BypassTLS
from twisted.internet.abstract import FileDescriptor
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IListeningPort, IReactorTime, ISSLTransport
from twisted.internet.main import CONNECTION_DONE
from twisted.internet.tcp import Port, Server
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import directlyProvides

from .peers import tuneSocket


class Round:
    """Those that have something to send when the reactor's round is over."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._waiting: list[PromptServer] = []

    def add(self, server: PromptServer) -> None:
        """@param server: is told once to C{sendNow}."""
        if not self._waiting:
            self._clock.callLater(0, self._end)
        self._waiting.append(server)

    def _end(self) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.sendNow()


class PromptServer(Server):
    """
    A connection that was accepted.

    @ivar tuned: it has the options of the socket that it was accepted from.
    """

    tuned = True

    _log = Logger()
    _fresh = True
    _holding = False
    _toWrite = False
    _asking = False

    def __init__(self, thisRound: Round, *arguments: Any) -> None:
        """@param arguments: as C{Server} takes them."""
        super().__init__(*arguments)
        self._round = thisRound

    def doRead(self) -> Any:
        # Who has been heard is past the greeting: no later write may, within itself, have
        # a producer go on.
        self._fresh = False
        before, self._holding = self._toWrite, True
        try:
            why = super().doRead()
        finally:
            self._holding = False
            if self._toWrite and not before:
                self._round.add(self)
        if why is CONNECTION_DONE and self._isSending():
            # The peer has said all, as from a pipe, and may still listen.
            FileDescriptor.loseConnection(self)
            return None
        return why

    def _isSending(self) -> bool:
        """There are answers that the kernel did not take yet, and none behind them."""
        return bool(self.dataBuffer or self._tempDataLen) and not self.producerPaused

    def startTLS(self, creator: Any, normal: bool = True) -> None:
        """
        As Twisted's, with L{PromptTLS}.

        @param creator: makes the connection of OpenSSL.
        @param normal: who was connected to is the server of TLS, too.
        """
        producer, streaming = self.producer, self.streamingProducer
        if producer is not None:
            self.unregisterProducer()
        nothing, clock = cast(Any, None), cast(Any, self.reactor)
        factory = TLSMemoryBIOFactory(creator, not normal, nothing, clock)
        inside = PromptTLS(factory, self.protocol, False)
        self.protocol = inside
        self.getHandle = inside.getHandle  # type: ignore[method-assign]
        self.getPeerCertificate = inside.getPeerCertificate
        directlyProvides(self, ISSLTransport)
        self.TLS = True
        inside.makeConnection(_BypassTLS(FileDescriptor, self))
        if producer is not None:
            self.registerProducer(producer, streaming)

    def sendNow(self) -> None:
        """The round is over."""
        if not self._toWrite or not self.connected:
            return
        self._toWrite = False
        try:
            why = self.doWrite()
        except Exception as error:
            # As the reactor does it: this connection ends, and no other.
            why = error
            self._log.failure("sending")
        if why is not None:
            self._lose(Failure(why))
        elif self.dataBuffer or self._tempDataLen:
            self._ask()

    def _lose(self, failure: Failure) -> None:
        """Whatever a protocol makes of it, others of this round have answers, too."""
        try:
            self.connectionLost(failure)
        except Exception:
            self._log.failure("losing a connection")

    def startWriting(self) -> None:
        if self._holding or self._toWrite:
            self._toWrite = True
            return
        if self._fresh:
            # The greeting; should it fail, the reactor finds out why.
            self._fresh = False
            if self._tempDataLen and self.doWrite() is None and not self.dataBuffer:
                return
        self._ask()

    def stopWriting(self) -> None:
        self._toWrite = False
        if self._asking:
            self._asking = False
            super().stopWriting()

    def writeSomeData(self, data: bytes) -> int | ConnectionLost:
        # Python itself tries again after a signal, and lets memory be: so nothing
        # of what Twisted does for either is needed.
        if len(data) > self.SEND_LIMIT:
            return super().writeSomeData(data)
        try:
            return self.socket.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            return super().writeSomeData(data)

    def _ask(self) -> None:
        """The reactor tells when more can be written."""
        self._asking = True
        super().startWriting()


class PromptTLS(TLSMemoryBIOProtocol):
    """
    TLS over one of those. What answers the commands of one block leaves in one record,
    as it does through Twisted's C{BufferingTLSTransport}, which waits a round for it;
    the greeting leaves with the end of the handshake.
    """

    _HELD_MOST = 64_000

    def __init__(self, *arguments: Any) -> None:
        """@param arguments: as C{TLSMemoryBIOProtocol} takes them."""
        super().__init__(*arguments)
        self._held: list[bytes] = []
        self._heldOctets = 0
        self._holding = False

    def dataReceived(self, data: bytes) -> None:
        self._holding = True
        try:
            super().dataReceived(data)
        finally:
            self._holding = False
            if self._handshakeDone:
                self._letGo()

    def write(self, data: bytes) -> None:
        if self._handshakeDone and not self._holding:
            super().write(data)
            return
        self._held.append(data)
        self._heldOctets += len(data)
        if self._heldOctets > self._HELD_MOST:
            self._letGo()

    def writeSequence(self, pieces: Iterable[bytes]) -> None:
        self.write(b"".join(pieces))

    def loseConnection(self) -> None:
        self._letGo()
        super().loseConnection()

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        self._held = []
        super().connectionLost(reason)

    def _shutdownTLS(self) -> None:
        # To the peer's goodbye OpenSSL answers with ours, and nothing may come behind it.
        if self._handshakeDone:
            self._letGo()
        super()._shutdownTLS()

    def _letGo(self) -> None:
        held, self._held, self._heldOctets = self._held, [], 0
        if held:
            super().write(b"".join(held))


def answerPromptly(port: IListeningPort) -> None:
    """
    @param port: already listening. Other ports than those of TCP do as they like.
    """
    if isinstance(port, Port) and port.transport is Server:
        tuneSocket(port.socket)
        made = partial(PromptServer, Round(IReactorTime(port.reactor)))
        port.transport = made  # type: ignore[assignment]
