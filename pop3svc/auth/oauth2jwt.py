"""
Tokens that are JWTs (RFC 7519), verified with the keys of their issuer and
without asking it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import jwt
from twisted.cred.error import UnauthorizedLogin
from zope.interface import implementer

from ..errors import CheckerUnavailable, LoginRefused
from ..interfaces import ILimited
from ..limits import Limits
from ..pools import Pool, PoolFull
from .oauth2claims import ClaimRules
from .oauth2keys import ALGORITHMS, Keys

P = ParamSpec("P")
T = TypeVar("T")

# Between the issuer's clock and ours.
_LEEWAY_SECONDS = 30


@implementer(ILimited)
class JWTValidator:
    """
    Verifies tokens of one issuer. In threads: a usual token takes a quarter of a
    millisecond, but one of 64 KiB takes ten, and anybody can send those.
    """

    def __init__(
        self, rules: ClaimRules, issuer: str, audiences: tuple[str, ...], keys: Keys
    ) -> None:
        """@param audiences: a token must be for one of them."""
        bounds = Limits()
        self._rules = rules
        self._issuer = issuer
        self._audiences = audiences
        self._keys = keys
        self._pool = Pool("tokens", bounds.hashThreads, bounds.hashQueue)

    def useLimits(self, limits: Limits) -> None:
        """The bounds of verifying: as for the hashes of passwords."""
        self._pool.resize(limits.hashThreads, limits.hashQueue)

    async def userOf(self, token: bytes) -> bytes:
        """
        @return: the name of the user whose token it is, normalised.
        @raise UnauthorizedLogin: it is not a token of this issuer.
        @raise LoginRefused: it is, but not good here and now.
        @raise CheckerUnavailable: the keys cannot be had, or too many wait.
        """
        name, algorithm = await self._run(self._look, token)
        key = await self._keys.find(name, algorithm)
        if key is None:
            raise UnauthorizedLogin("the token is signed with a key that is not in the set")
        return self._rules.userOf(await self._run(self._verify, token, key))

    async def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await self._pool.run(work, *args, **kwargs)
        except PoolFull as error:
            raise CheckerUnavailable(str(error)) from error

    def _look(self, token: bytes) -> tuple[str | None, str]:
        """
        Before a key is looked for: neither an algorithm that is not accepted nor
        the token of another issuer makes anybody ask for keys.

        @return: the key's id, and the algorithm.
        """
        try:
            found = jwt.decode_complete(token, options={"verify_signature": False})
        except jwt.PyJWTError as error:
            raise UnauthorizedLogin("the token is no JWT") from error
        algorithm = found["header"].get("alg")
        if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
            raise UnauthorizedLogin("the token is signed by an algorithm that is not accepted")
        if found["payload"].get("iss") != self._issuer:
            raise UnauthorizedLogin("the token is of another issuer")
        return found["header"].get("kid"), algorithm

    def _verify(self, token: bytes, key: jwt.PyJWK) -> dict[str, Any]:
        """@return: what the token says."""
        try:
            return jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                issuer=self._issuer,
                audience=self._audiences,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud"]},
            )
        except jwt.DecodeError as error:
            raise UnauthorizedLogin("the token is not signed with its issuer's key") from error
        except jwt.PyJWTError as error:
            raise LoginRefused(f"the token is not good: {error}") from error
