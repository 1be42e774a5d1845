"""
The orderly end of connections, once nobody listens any more.

Whoever the service has accepted is served to the end: a mail program that came in the
last moment would else see its connection break before the greeting.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from .limits import Limits


class Drained(Protocol):
    """Where connections are; L{pop3svc.factory.POP3Factory} is one."""

    def endConnections(self, reason: str, alsoLoggedIn: bool) -> None:
        """@see: L{pop3svc.factory.POP3Factory.endConnections}"""

    def whenEmpty(self) -> Deferred[None]:
        """Fires when no connection is left."""


async def drain(places: Sequence[Drained], limits: Limits, clock: IReactorTime) -> None:
    """
    Returns when all connections are over: those that do not log in soon are ended, and
    sessions that do not finish, too, without UPDATE.

    @param places: those first where connections come from.
    """

    def end(alsoLoggedIn: bool) -> None:
        for each in places:
            each.endConnections("drain", alsoLoggedIn)

    ends = [
        clock.callLater(limits.drainLoginSeconds, end, False),
        clock.callLater(limits.drainSeconds, end, True),
    ]
    for each in places:
        await each.whenEmpty()
    for call in ends:
        if call.active():
            call.cancel()
