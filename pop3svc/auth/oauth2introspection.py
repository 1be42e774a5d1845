"""
Tokens that only their server understands: it is asked (RFC 7662).
"""

from __future__ import annotations

import hashlib
import secrets
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote_plus, urlencode

from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred
from twisted.web.http_headers import Headers
from zope.interface import implementer

from ..errors import LoginRefused
from ..interfaces import ILimited
from ..limits import Limits
from .oauth2claims import ClaimRules
from .oauth2http import HTTPClient, objectOf
from .shared import InFlight

# In seconds since 1970. Nobody means the year 33658; it keeps infinity out.
_NEVER = 10**12


@implementer(ILimited)
class Introspector:
    """Asks one server for each token, and remembers the good ones for a while."""

    def __init__(
        self,
        rules: ClaimRules,
        url: str,
        client: tuple[str, bytes],
        http: HTTPClient,
        issuer: str = "",
        audiences: tuple[str, ...] = (),
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        """
        @param client: who we are to the server: id and secret.
        @param issuer: whose the token must be, if anything is said.
        @param audiences: for one of which it must be, if there are any.
        @param clock: seconds of a monotonic clock.
        @param now: seconds since 1970.
        """
        self._rules = rules
        self._url = url
        self._http = http
        self._issuer = issuer
        self._audiences = audiences
        self._now = now
        self._headers = Headers(
            {
                "Accept": ["application/json"],
                "Content-Type": ["application/x-www-form-urlencoded"],
                "Authorization": [_basic(*client)],
            }
        )
        self._remembered = RememberedTokens(clock)
        self._asking: InFlight[bytes] = InFlight()

    def useLimits(self, limits: Limits) -> None:
        """New bounds, for what is remembered already too."""
        self._remembered.resize(limits.rememberedSeconds, limits.rememberedLogins)

    async def userOf(self, token: bytes) -> bytes:
        """
        @return: the name of the user whose token it is, normalised.
        @raise UnauthorizedLogin: the server does not know it, or no longer.
        @raise LoginRefused: it is good, but not here.
        @raise CheckerUnavailable: the server does not answer as it should.
        """
        digest = self._remembered.digest(token)
        user = self._remembered.userOf(digest)
        if user is not None:
            return user
        return await self._asking.join(
            digest, lambda: Deferred.fromCoroutine(self._ask(digest, token))
        )

    async def _ask(self, digest: bytes, token: bytes) -> bytes:
        form = urlencode({"token": token, "token_type_hint": "access_token"})
        answer = await self._http.ask(self._url, self._headers, form.encode("ascii"))
        claims = objectOf(self._url, answer)
        # The word itself: a text, a 1 or a list is not what RFC 7662 section 2.2 says.
        if claims.get("active") is not True:
            raise UnauthorizedLogin("the token is not active")
        self._check(claims)
        user = self._rules.userOf(claims)
        expires = claims.get("exp")
        self._remembered.remember(digest, user, None if expires is None else expires - self._now())
        return user

    def _check(self, claims: Mapping[str, Any]) -> None:
        if self._issuer and claims.get("iss") != self._issuer:
            raise LoginRefused("the token is of another issuer")
        found = claims.get("aud")
        audiences = found if isinstance(found, list) else [found]
        if self._audiences and not any(each in audiences for each in self._audiences):
            raise LoginRefused("the token is for another audience")
        expires = claims.get("exp")
        if expires is not None and not (type(expires) in (int, float) and expires < _NEVER):
            raise LoginRefused("the token's expiry is no time")
        if expires is not None and expires <= self._now():
            raise LoginRefused("the token has expired")


class RememberedTokens:
    """
    Whose the tokens are that were good a moment ago: by keyed digests, so that
    no token can be had from our memory.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """@param clock: seconds of a monotonic clock."""
        self._clock = clock
        self._key = secrets.token_bytes(32)
        # digest -> user, since when, until when; in the order of their age
        self._tokens: dict[bytes, tuple[bytes, float, float]] = {}
        self.resize(Limits.rememberedSeconds, Limits.rememberedLogins)

    def __len__(self) -> int:
        return len(self._tokens)

    def resize(self, seconds: int, entries: int) -> None:
        """
        @param seconds: how long a token is remembered at the most.
        @param entries: how many are; the oldest goes first.
        """
        self._seconds, self._entries = seconds, entries
        self._forget()

    def digest(self, token: bytes) -> bytes:
        """What stands for the token here."""
        return hashlib.blake2b(token, key=self._key, digest_size=32).digest()

    def remember(self, digest: bytes, user: bytes, life: float | None) -> None:
        """@param life: for how many seconds the token is good; C{None} if nobody says."""
        now = self._clock()
        self._tokens.pop(digest, None)
        self._tokens[digest] = user, now, now + (float("inf") if life is None else life)
        self._forget()

    def userOf(self, digest: bytes) -> bytes | None:
        """Asking does not prolong."""
        found = self._tokens.get(digest)
        return found[0] if found and self._isGood(found) else None

    def _isGood(self, found: tuple[bytes, float, float]) -> bool:
        _, since, until = found
        return self._clock() < min(since + self._seconds, until)

    def _forget(self) -> None:
        while self._tokens:
            oldest = next(iter(self._tokens))
            if len(self._tokens) <= self._entries and self._isGood(self._tokens[oldest]):
                return
            del self._tokens[oldest]


def _basic(name: str, secret: bytes) -> str:
    """RFC 6749 section 2.3.1: both are encoded as in a form, then as RFC 7617 says."""
    pair = f"{quote_plus(name)}:{quote_plus(secret)}"
    return "Basic " + b64encode(pair.encode("ascii")).decode("ascii")
