"""
Passwords verified in threads, as few at once and as seldom as can be.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import NoReturn

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from ..errors import CheckerUnavailable
from ..limits import Limits
from ..pools import Pool, PoolFull
from . import hashing
from .remembered import RememberedLogins
from .shared import InFlight


class PasswordVerifier:
    """
    Verifies passwords against stored hashes. Called from the reactor's thread.

    @ivar pool: where the hashing is done.
    """

    def __init__(
        self, limits: Limits | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """@param clock: seconds of a monotonic clock."""
        bounds = limits or Limits()
        self.pool = Pool("passwords", bounds.hashThreads, bounds.hashQueue)
        self._remembered = RememberedLogins(
            clock, bounds.rememberedSeconds, bounds.rememberedLogins
        )
        self._inFlight: InFlight[bool] = InFlight()

    def useLimits(self, limits: Limits) -> None:
        """New bounds; what is being verified is not touched."""
        self.pool.resize(limits.hashThreads, limits.hashQueue)
        self._remembered.resize(limits.rememberedSeconds, limits.rememberedLogins)

    async def matches(self, stored: bytes, name: bytes, password: bytes) -> bool:
        """
        Whether the password is right.

        @param stored: the user's hash.
        @raise CheckerUnavailable: too many wait to be verified, or memory is short.
        @raise pop3svc.errors.SettingError: as L{hashing.verifier}.
        """
        login = self._remembered.digest(stored, name, password)
        if self._remembered.holds(login):
            return True
        right = await self._verify(login, stored, password)
        if right:
            self._remembered.remember(login)
        return right

    async def pretend(self, stored: bytes, name: bytes, password: bytes) -> None:
        """
        Take as long as L{matches} takes for a wrong password; nothing comes of it.

        @param stored: somebody's hash.
        """
        await self._verify(self._remembered.digest(stored, name, password), stored, password)

    def _verify(self, login: bytes, stored: bytes, password: bytes) -> Deferred[bool]:
        """A mail program that logs in four times at once is verified once."""
        return self._inFlight.join(
            login, lambda: self.pool.run(hashing.verify, stored, password).addErrback(_ebPool)
        )


def _ebPool(failure: Failure) -> NoReturn:
    """Nothing is known of the password then; argon2 may find too little memory."""
    failure.trap(PoolFull, MemoryError)
    raise CheckerUnavailable(str(failure.value)) from failure.value


@cache
def sharedVerifier() -> PasswordVerifier:
    """The one of this process: checkers share its threads and its bounds."""
    return PasswordVerifier()
