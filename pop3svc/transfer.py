"""
Octets on their way to a peer, under backpressure.

An L{Outlet} knows whether the transport's buffer is full; L{sendMessage} and
L{sendListing} go on only while it is not, so that a peer that does not read
holds a block or two of ours and no more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from zope.interface import Interface, implementer

from .canonical import whole
from .core.stuffing import Stuffing, stuffed
from .hits import hit
from .interfaces import IMessageReader
from .limits import Limits
from .progress import isClosing, octetsAcknowledged, octetsOutstanding

# What a transport may hold of its own accord: it asks for a pause above 64 KiB
# of output, and reads up to 64 KiB of input at once.
_TRANSPORT_OCTETS = 128 * 1024

# How often a peer is looked at within the time it has. What it took just behind a look
# counts for the next: with 24 of them that is five seconds of 120.
_STALL_LOOKS = 24
_CLOSING_LOOKS = 5


class OutletClosed(Exception):
    """Nothing can be written: the connection is lost, or is being closed."""


class IOutletListener(Interface):
    """Who wants to hear how an outlet fares."""

    def outletChanged() -> None:
        """It is congested, or no longer so."""

    def outletStalled() -> None:
        """The peer has taken nothing of a full buffer for C{writeStallSeconds}."""


@implementer(IPushProducer)
class Outlet:
    """
    The way out of one connection: it is registered as the transport's producer
    and hears from it when the buffer fills and when it is empty again.

    @ivar congested: the buffer is full; write no more than what is begun.
    @ivar block: how much to read from a store before it is written.
    @ivar octets: how many were written.
    """

    def __init__(
        self,
        transport: Any,
        clock: IReactorTime,
        limits: Limits,
        listener: IOutletListener,
    ) -> None:
        self.congested = False
        # Stuffing at most doubles what is read.
        self.block = (limits.bufferedOctets - _TRANSPORT_OCTETS) // 2
        self.octets = 0
        self._transport = transport
        self._clock = clock
        self._limits = limits
        self._listener = listener
        self._waiting: Deferred[None] | None = None
        self._look: IDelayedCall | None = None
        self._shut = False

    def write(self, octets: bytes) -> None:
        """@raise OutletClosed: the outlet is closed."""
        if self._shut:
            raise OutletClosed
        self.octets += len(octets)
        self._transport.write(octets)

    def writeAll(self, pieces: list[bytes]) -> None:
        """
        As L{write}, without putting the pieces together first.

        @raise OutletClosed: the outlet is closed.
        """
        if self._shut:
            raise OutletClosed
        self.octets += sum(map(len, pieces))
        self._transport.writeSequence(pieces)

    async def drained(self) -> None:
        """
        Wait until there is room for more.

        @raise OutletClosed: the outlet is closed.
        """
        if self.congested and not self._shut:
            hit("bufferedOctets")
            self._waiting = Deferred()
            await self._waiting
        if self._shut:
            raise OutletClosed

    async def breathe(self) -> None:
        """
        Let the reactor do something else.

        @raise OutletClosed: the outlet is closed.
        """
        turn: Deferred[None] = Deferred()
        self._clock.callLater(0, turn.callback, None)
        await turn
        if self._shut:
            raise OutletClosed

    def close(self, deliver: bool) -> None:
        """
        End the connection when all is written that has been given to the
        transport. TLS alone would wait for the peer's goodbye without end.

        @param deliver: what is on its way must arrive: messages that have just
            been removed may be among it. C{closeSeconds} then begin when the
            peer's machine has it all, and a slow peer has C{writeStallSeconds}
            to take some of it. Otherwise they begin now.
        """
        self.lost()
        self._transport.unregisterProducer()
        self._transport.loseConnection()
        seconds = self._limits.closeSeconds
        if deliver:
            self._watchDelivery(seconds / _CLOSING_LOOKS)
        else:
            self._look = self._clock.callLater(seconds, self._cut)

    def lost(self) -> None:
        """Nothing can be written any more; whoever waits for room hears of it."""
        self._shut = True
        self._goOn()

    # IPushProducer, called by the transport.

    def pauseProducing(self) -> None:
        """The buffer is full."""
        self.congested = True
        if self._look is None:
            self._watchStall(self._limits.writeStallSeconds / _STALL_LOOKS)
        self._listener.outletChanged()

    def resumeProducing(self) -> None:
        """The buffer is empty."""
        if isClosing(self._transport):
            # As long as somebody has more to send, it would not close.
            self._transport.unregisterProducer()
            return
        self.congested = False
        self._goOn()
        self._listener.outletChanged()

    def stopProducing(self) -> None:
        """The transport is lost; the protocol hears of it from connectionLost."""

    def _goOn(self) -> None:
        if self._look is not None:
            self._look.cancel()
            self._look = None
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)

    def _watchStall(self, seconds: float) -> None:
        """
        Look now and then whether the peer takes anything of a full buffer.

        @param seconds: from one look to the next.
        """
        before = octetsAcknowledged(self._transport)
        inVain = 0

        def look() -> None:
            nonlocal before, inVain
            self._look = None
            now = octetsAcknowledged(self._transport)
            inVain = inVain + 1 if now == before else 0
            before = now
            if inVain == _STALL_LOOKS:
                self._listener.outletStalled()
            else:
                self._look = self._clock.callLater(seconds, look)

        self._look = self._clock.callLater(seconds, look)

    def _cut(self) -> None:
        hit("closeSeconds")
        self._look = None
        self._transport.abortConnection()

    def _watchDelivery(self, seconds: float) -> None:
        """
        Look now and then whether all has arrived, and cut the connection in the
        end.

        @param seconds: from one look to the next.
        """
        # The first look is the one that later looks are compared with: most peers
        # have gone by then, and nobody need be asked about them.
        before: int | None = None
        inVain = delivered = 0

        def look() -> None:
            nonlocal before, inVain, delivered
            now = octetsAcknowledged(self._transport)
            inVain = inVain + 1 if now == before else 0
            before = now
            delivered = 0 if octetsOutstanding(self._transport) else delivered + 1
            stalled = inVain * seconds >= self._limits.writeStallSeconds
            if delivered == _CLOSING_LOOKS or stalled:
                self._cut()
            else:
                self._look = self._clock.callLater(seconds, look)

        self._look = self._clock.callLater(seconds, look)


async def sendMessage(
    reader: IMessageReader, opening: bytes, lines: int | None, outlet: Outlet
) -> int:
    """
    Send a message, or its top, as a multi-line response.

    A small message leaves in one write, together with its first line and its
    termination octet.

    @param opening: the first line.
    @param lines: TOP's lines of the body; C{None} for the whole message.
    @return: how many octets of the message were sent, without stuffing.
    """
    stuffing = Stuffing(lines)
    ready, octets = [opening], 0
    while not stuffing.finished:
        # What is ready counts too: it was doubled already.
        data = await reader.read(outlet.block - octets // 2)
        if not data:
            break
        data = stuffing.block(data)
        ready.append(data)
        octets += len(data)
        # Nothing is held twice while the peer makes up its mind.
        del data
        if octets >= outlet.block:
            outlet.writeAll(ready)
            ready, octets = [], 0
            await outlet.drained()
    outlet.writeAll([*ready, stuffing.end()])
    return stuffing.octets


def sendWhole(message: bytes, opening: bytes, outlet: Outlet) -> int:
    """
    As L{sendMessage}, of a whole message that is there.

    @param message: all of its octets, as stored; no more than the outlet's C{block}.
    @raise OutletClosed: the outlet is closed.
    """
    canonical = whole(message)
    outlet.writeAll([opening, stuffed(canonical), b".\r\n"])
    return len(canonical)


async def sendListing(opening: bytes, listing: Iterable[bytes], outlet: Outlet) -> None:
    """
    Send a listing as a multi-line response.

    @param listing: lines of digits and unique-ids, none of which begins with a
        dot, in pieces. Between two pieces others have their turn.
    """
    ready, octets, breathe = [opening], 0, False
    for piece in listing:
        if breathe:
            await outlet.breathe()
        breathe = True
        for offset in range(0, len(piece), outlet.block):
            # Of a piece that fits, this is the piece itself.
            ready.append(piece[offset : offset + outlet.block])
            octets += len(ready[-1])
            if octets >= outlet.block:
                outlet.writeAll(ready)
                ready, octets = [], 0
                await outlet.drained()
    outlet.writeAll([*ready, b".\r\n"])
