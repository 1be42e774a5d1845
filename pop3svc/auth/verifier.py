"""
Passwords verified in threads, as few at once and as seldom as can be.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import NoReturn

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from ..errors import CheckerUnavailable
from ..interfaces import ScramVerifier
from ..limits import Limits
from ..pools import Pool, PoolFull
from . import schemes
from .remembered import RememberedLogins
from .scram import makeVerifier
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
        self.pool = Pool("passwords", bounds.hashThreads, bounds.hashQueue, modest=True)
        self._remembered = RememberedLogins(
            clock, bounds.rememberedSeconds, bounds.rememberedLogins
        )
        self._inFlight: InFlight[int | None] = InFlight()

    def useLimits(self, limits: Limits) -> None:
        """New bounds; what is being verified is not touched."""
        self.pool.resize(limits.hashThreads, limits.hashQueue)
        self._remembered.resize(limits.rememberedSeconds, limits.rememberedLogins)

    async def matches(self, stored: bytes, name: bytes, password: bytes) -> bool:
        """
        Whether the password is right.

        @param stored: the user's hash.
        @raise CheckerUnavailable: too many wait to be verified, or memory is short.
        @raise pop3svc.errors.SettingError: as L{schemes.verifier}.
        """
        return await self.first([stored], name, password) is not None

    async def first(
        self, stored: Sequence[bytes], name: bytes, password: bytes, recalled: int | None = None
    ) -> int | None:
        """
        Which of a user's hashes is the password's. Who is remembered pays for none
        of them; a wrong password pays for all, in one thread.

        @param stored: the user's hashes, in the order in which they are tried.
        @param recalled: how many of them, from the front, memory may answer for;
            all, if nothing else is said. One behind them, which is no use
            now, must not come before one in front that was not verified yet.
        @return: the index of the first that fits.
        @raise CheckerUnavailable: as L{matches}, and what else that raises.
        """
        logins = [self._remembered.digest(each, name, password) for each in stored]
        for index, login in enumerate(logins[:recalled]):
            if self._remembered.holds(login):
                return index
        found = await self._verify(stored, name, password)
        if found is not None:
            self._remembered.remember(logins[found])
        return found

    async def pretend(self, stored: bytes | Sequence[bytes], name: bytes, password: bytes) -> None:
        """
        Take as long as for a wrong password; nothing comes of it.

        @param stored: somebody's hash, or hashes.
        """
        hashes = [stored] if isinstance(stored, bytes) else stored
        await self._verify(hashes, name, password)

    def scramVerifier(
        self, hashName: str, password: bytes, salt: bytes, iterations: int
    ) -> Deferred[ScramVerifier]:
        """
        @see: L{makeVerifier}
        @return: fails as L{matches} does.
        """
        made = self.pool.run(makeVerifier, hashName, password, salt, iterations)
        return made.addErrback(_ebPool)

    def _verify(
        self, stored: Sequence[bytes], name: bytes, password: bytes
    ) -> Deferred[int | None]:
        """A mail program that logs in four times at once is verified once."""
        return self._inFlight.join(
            self._remembered.digest(*stored, name, password),
            lambda: self.pool.run(schemes.verifyFirst, stored, password).addErrback(_ebPool),
        )


def _ebPool(failure: Failure) -> NoReturn:
    """Nothing is known of the password then; argon2 may find too little memory."""
    failure.trap(PoolFull, MemoryError)
    raise CheckerUnavailable(str(failure.value)) from failure.value


@cache
def sharedVerifier() -> PasswordVerifier:
    """The one of this process: checkers share its threads and its bounds."""
    return PasswordVerifier()
