"""
Logins that are checked outside of this process: by a directory, PAM, a program.

What is outside may be slow, down, or charge for each question. So equal logins
are asked about once at a time, no answer is waited for beyond a deadline, and
a good login is remembered for a while.
"""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable

from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from ..errors import CheckerUnavailable, LoginRefused
from ..hits import hit
from ..limits import Limits
from ..pools import Pool, PoolFull
from .names import normalised
from .remembered import RememberedLogins
from .shared import InFlight

# Enough that one slow answer is not seen again and again.
_SAMPLES = 32

# Name, password, and when nobody waits for the answer any more, in seconds of
# the monotonic clock -> the avatar id, or an error of L{pop3svc.errors}.
Ask = Callable[[bytes, bytes, float], Deferred[bytes]]


class OutsideLogins:
    """
    What one checker asks and remembers. Called from the reactor's thread.

    Its memory has a key of its own, so that nothing that one checker has found
    good counts for another.
    """

    def __init__(
        self,
        whom: str,
        ask: Ask,
        reactor: IReactorTime | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        @param whom: is asked; for messages.
        @param reactor: that of the process unless given.
        @param clock: seconds of a monotonic clock.
        """
        bounds = Limits()
        self._whom = whom
        self._ask = ask
        self._reactor = reactor
        self._clock = clock
        self._seconds = bounds.checkerSeconds
        self._inFlight: InFlight[bytes] = InFlight()
        self._remembered = RememberedLogins(
            clock, bounds.rememberedSeconds, bounds.rememberedLogins
        )
        self._avatarIds: dict[bytes, bytes] = {}  # in the order of their age
        # How many seconds it took of late to find a password of somebody known good,
        # or wrong: PAM may take its time over a wrong one.
        self._tookGood: deque[float] = deque(maxlen=_SAMPLES)
        self._tookWrong: deque[float] = deque(maxlen=_SAMPLES)

    def useLimits(self, limits: Limits) -> None:
        """New bounds, for what is asked from now on."""
        self._seconds = limits.checkerSeconds
        self._remembered.resize(limits.rememberedSeconds, limits.rememberedLogins)

    def check(self, name: bytes, password: bytes) -> Deferred[bytes | tuple[()]]:
        """
        @return: the avatar id; fails as C{ask} does, and with
            L{CheckerUnavailable} when too many wait or no answer comes.
        """
        return Deferred.fromCoroutine(self._check(normalised(name), password))

    async def _check(self, name: bytes, password: bytes) -> bytes | tuple[()]:
        if not name or not password or b"\0" in name + password:
            # Nobody's, and not even asked about: a directory takes an empty
            # password for an anonymous login that succeeds (RFC 4513 section
            # 5.1.2), and C programs would cut what they get at the NUL.
            raise UnauthorizedLogin("an empty name or password, or one with a NUL")
        login = self._remembered.digest(name, password)
        if self._remembered.holds(login):
            return self._avatarIds[login]
        end = self._clock() + self._seconds
        asked = self._inFlight.join(
            login, lambda: Deferred.fromCoroutine(self._evenly(name, password, end))
        )
        try:
            avatarId = await asked.addTimeout(self._seconds, self._timer())
        except TimeoutError as error:
            hit("checkerSeconds")
            raise CheckerUnavailable(
                f"{self._whom} gave no answer in {self._seconds} seconds"
            ) from error
        except PoolFull as error:
            raise CheckerUnavailable(str(error)) from error
        self._remember(login, avatarId)
        return avatarId

    async def _evenly(self, name: bytes, password: bytes, end: float) -> bytes:
        """
        Ask; and if the user may be unknown take as long as for one who was known.
        There is no other way: nobody outside pretends to verify a hash, and PAM
        answers for an unknown user a tenth of a second sooner.
        """
        began = self._clock()
        try:
            avatarId = await self._ask(name, password, end)
        except LoginRefused:
            self._tookWrong.append(self._clock() - began)
            raise
        except UnauthorizedLogin:
            took = self._tookWrong or self._tookGood or [0.0]
            left = began + secrets.choice(took) - self._clock()
            if left > 0:
                await deferLater(self._timer(), left)
            raise
        self._tookGood.append(self._clock() - began)
        return avatarId

    def _remember(self, login: bytes, avatarId: bytes) -> None:
        self._remembered.remember(login)
        self._avatarIds.pop(login, None)
        self._avatarIds[login] = avatarId
        # Both are in the order of age, and the oldest is forgotten first.
        while len(self._avatarIds) > len(self._remembered):
            del self._avatarIds[next(iter(self._avatarIds))]

    def _timer(self) -> IReactorTime:
        if self._reactor is None:
            # Late, so that importing this module installs no reactor.
            from twisted.internet import reactor

            self._reactor = IReactorTime(reactor)
        return self._reactor


def askInThread(
    pool: Pool,
    work: Callable[[bytes, bytes, float], bytes],
    clock: Callable[[], float] = time.monotonic,
) -> Ask:
    """
    @param work: asks and blocks meanwhile; called in a thread of the pool.
    """

    def ask(name: bytes, password: bytes, end: float) -> Deferred[bytes]:
        return pool.run(workInTime, name, password, end)

    def workInTime(name: bytes, password: bytes, end: float) -> bytes:
        # Or a slow server would be asked for logins long given up, while those
        # behind them in the queue grow too old in their turn.
        if clock() >= end:
            raise CheckerUnavailable("the login has waited for a thread too long")
        return work(name, password, end)

    return ask
