"""
Silence in TRANSACTION: who says nothing for long keeps nobody from the maildrop.

A session whose peer is silent lets go of its maildrop's lock and goes on as if
nothing were; before the peer's next command it takes the lock back. If another
session has come meanwhile, that one goes on, and this one ends without UPDATE.
Only the store's own lock tells them of each other, so they may as well be in two
processes.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from .core.effects import Effects
from .core.replies import Refusal
from .visit import Visit

# What the Session is to be told.
Outcome = Callable[[], Effects]
Wait = Coroutine[Any, Any, Outcome]


class Silence:
    """
    The silence of one peer.

    @ivar relented: others may have the maildrop.
    """

    def __init__(
        self,
        clock: IReactorTime,
        seconds: int,
        busy: Callable[[], bool],
        wait: Callable[[Wait], None],
    ) -> None:
        """
        @param seconds: how long it may last; 0 for as long as the session does.
        @param busy: tells whether it is we who let the peer wait.
        @param wait: opens a wait, so that no command comes in between.
        """
        self.relented = False
        self._clock = clock
        self._seconds = seconds
        self._busy = busy
        self._wait = wait
        self._visit: Visit
        self._heard = 0.0
        self._looking: IDelayedCall | None = None

    def begin(self, visit: Visit) -> None:
        """Somebody has logged in."""
        self._visit = visit
        if visit.mayRelent and self._seconds:
            self._start()

    def heard(self) -> None:
        """
        The peer is there. This sets no timer, as a mail program is heard a
        thousand times in a session.
        """
        self._heard = self._clock.seconds()

    def stop(self) -> None:
        """The session is over."""
        self._seconds = 0
        looking, self._looking = self._looking, None
        if looking is not None:
            looking.cancel()

    async def reclaim(self, tell: Outcome, refused: Callable[[Refusal], Effects]) -> Outcome:
        """
        Take the lock back.

        @param tell: what the peer has said meanwhile.
        @return: C{tell}, or a call of C{refused} with the reason.
        """
        refusal = await self._visit.reclaim()
        if refusal is not None:
            return lambda: refused(refusal)
        self.relented = False
        if self._seconds:
            self._start()
        return tell

    async def _relent(self) -> Outcome:
        self.relented = True
        await self._visit.relent()
        return list

    def _start(self) -> None:
        self.heard()
        self._looking = self._clock.callLater(self._seconds, self._look)

    def _look(self) -> None:
        if self._busy():
            self.heard()
        left = self._heard + self._seconds - self._clock.seconds()
        if left > 0:
            self._looking = self._clock.callLater(left, self._look)
        else:
            self._looking = None
            self._wait(self._relent())
