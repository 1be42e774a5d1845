"""
Silence in TRANSACTION: who says nothing for long keeps nobody from the maildrop, and
ends in the end.

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
from .limits import Limits
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
        busy: Callable[[], bool],
        wait: Callable[[Wait], None],
        end: Callable[[], None],
    ) -> None:
        """
        @param busy: tells whether it is we who let the peer wait.
        @param wait: opens a wait, so that no command comes in between.
        @param end: called when it has lasted as long as it may.
        """
        self.relented = False
        self._clock = clock
        self._busy = busy
        self._wait = wait
        self._end = end
        self._visit: Visit
        self._heard = 0.0
        self._lendSeconds = self._idleSeconds = 0
        self._stopped = False
        self._looking: IDelayedCall | None = None

    def begin(self, visit: Visit, limits: Limits) -> None:
        """Somebody has logged in."""
        self._visit = visit
        self._idleSeconds = limits.idleSeconds
        self._lendSeconds = limits.takeoverSeconds if visit.mayRelent else 0
        self.heard()
        self._look()

    def heard(self) -> None:
        """
        The peer is there, unless its silence has lasted long already. This sets no
        timer, as a mail program is heard a thousand times in a session.
        """
        if not self.relented:
            self._heard = self._clock.seconds()

    def stop(self) -> None:
        """The session is over."""
        self._stopped = True
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
        self.heard()
        if not self._stopped:
            self._lookAgain()
        return tell

    async def _relent(self) -> Outcome:
        await self._visit.relent()
        return list

    def _look(self) -> None:
        self._looking = None
        now = self._clock.seconds()
        if self._busy():
            self._heard = now
        if now >= self._heard + self._idleSeconds:
            # RFC 1939 section 3 wants neither UPDATE nor an answer.
            self._end()
            return
        lend = self._lends() and now >= self._heard + self._lendSeconds
        if lend:
            self.relented = True
        self._lookAgain()
        if lend:
            self._wait(self._relent())

    def _lends(self) -> bool:
        """Before the session ends, its maildrop is lent."""
        return bool(self._lendSeconds) and not self.relented

    def _lookAgain(self) -> None:
        seconds = self._idleSeconds
        if self._lends():
            seconds = min(seconds, self._lendSeconds)
        left = self._heard + seconds - self._clock.seconds()
        if self._looking is None:
            self._looking = self._clock.callLater(left, self._look)
        else:
            self._looking.reset(left)
