"""
The connection between the parent and one worker.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import connectionDone
from twisted.protocols.amp import AMP, BinaryBoxProtocol, Command, CommandLocator
from twisted.python.failure import Failure


class Part(CommandLocator):
    """
    One matter that parent and worker talk about: its C{@Command.responder} methods
    answer what the other side says.

    @ivar link: to the other side, from L{Link}'s making on.
    """

    link: Link

    def lost(self) -> None:
        """
        The other process is gone, and nothing can be said to it any more. In the parent
        this is after the worker's end, and before another takes its place.
        """


class Link(AMP):
    """
    One end. Commands are looked up in all parts.

    @ivar up: something can be said.
    """

    def __init__(self, parts: Sequence[Part], closed: Callable[[], None]) -> None:
        """@param closed: called when the connection has ended."""
        super().__init__()
        self.up = self._closing = False
        self._parts = parts
        self._closed = closed
        for each in parts:
            each.link = self

    def locateResponder(self, name: bytes) -> Any:
        """@see: L{CommandLocator.locateResponder}"""
        for each in self._parts:
            found = each.locateResponder(name)
            if found is not None:
                return found
        return super().locateResponder(name)

    def makeConnection(self, transport: Any) -> None:
        """Without AMP's own two lines in the log for each worker."""
        self.up = True
        BinaryBoxProtocol.makeConnection(self, transport)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Whatever was asked and not answered fails."""
        self.up = False
        BinaryBoxProtocol.connectionLost(self, reason)
        self.transport = None
        self._closed()

    def dataReceived(self, data: bytes) -> None:
        """What arrives after L{close}, of somebody who is gone, is not heard."""
        if not self._closing:
            super().dataReceived(data)

    def tellLost(self) -> None:
        """The other process is gone: tell all parts."""
        for each in self._parts:
            each.lost()

    def ask(self, command: type[Command], **arguments: Any) -> Deferred[Any]:
        """
        @return: the answer, a dictionary; C{ConnectionLost} where there is no other side
            any more, and what the command says may go wrong.
        """
        if not self.up:
            return fail(ConnectionLost("the other process is gone"))
        return self.callRemote(command, **arguments)

    def close(self) -> None:
        """Say nothing more, and hear nothing."""
        self._closing = True
        if self.transport is not None:
            self.transport.loseConnection()
