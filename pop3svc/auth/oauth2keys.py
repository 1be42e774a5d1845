"""
The public keys of an authorization server (a JWK Set, RFC 7517), fetched when
they are wanted and again when they are old.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from ..errors import CheckerUnavailable, SettingError
from .shared import InFlight

# Every algorithm that is accepted, with the kind of key and the curve that it
# needs. Neither "none" nor one with a shared secret (HS256) can ever be here: a
# token signed with the text of a public key as its secret would be good.
ALGORITHMS: dict[str, tuple[str, str | None]] = {
    "RS256": ("RSA", None),
    "RS384": ("RSA", None),
    "RS512": ("RSA", None),
    "PS256": ("RSA", None),
    "PS384": ("RSA", None),
    "PS512": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}

# RFC 7518 section 3.3
_RSA_BITS = 2048

# Keys are fetched again when they are this old, so that one that was withdrawn
# counts no longer.
_YOUNG_SECONDS = 3600.0
# While that does not succeed, the old ones count, but not for ever.
_OLD_SECONDS = 86400.0
# How often at the most, whoever asks: anybody can send tokens that name a key
# that does not exist.
_AGAIN_SECONDS = 10.0


class KeyTable:
    """
    The keys of one set, frozen.

    @ivar complaints: a sentence for each key that is left out.
    """

    def __init__(self, octets: bytes) -> None:
        """
        @param octets: the set, as JSON.
        @raise SettingError: it is no such set.
        """
        self.complaints: list[str] = []
        self._keys: list[tuple[str | None, PyJWK]] = []
        for number, jwk in enumerate(_members(octets), 1):
            try:
                self._keys += ((jwk.get("kid"), each) for each in _usable(jwk))
            except _Unusable as error:
                self.complaints.append(f"key {number} is left out: {error}")
        if not self._keys:
            raise SettingError("the set has no key that tokens can be verified with")

    def pick(self, name: str | None, algorithm: str) -> PyJWK | None:
        """
        @param name: the key id that a token has in its header: compared with
            those of the set, and nothing else is done with it. C{None} serves
            while there is one key only that fits (OpenID Connect Core section
            10.1).
        @param algorithm: one of L{ALGORITHMS}.
        """
        fit = [
            key
            for keyName, key in self._keys
            if key.algorithm_name == algorithm and name in (None, keyName)
        ]
        return fit[0] if len(fit) == 1 else None


class Keys:
    """The keys of one server, as new as they must be."""

    _log = Logger()

    def __init__(
        self,
        source: str,
        fetch: Callable[[], Awaitable[bytes]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        @param source: a URL or a path, for the log.
        @param fetch: fails with L{CheckerUnavailable}.
        @param clock: seconds of a monotonic clock.
        """
        self._source = source
        self._fetch = fetch
        self._clock = clock
        self._octets: bytes | None = None
        self._table: KeyTable | None = None
        self._fault = ""
        self._fetchedAt = self._triedAt = float("-inf")
        self._fetching: InFlight[None] = InFlight()

    async def find(self, name: str | None, algorithm: str) -> PyJWK | None:
        """
        @see: L{KeyTable.pick}
        @return: C{None} when there is no such key now.
        @raise CheckerUnavailable: there might be one, if the keys could be had.
        """
        if self._age() >= _YOUNG_SECONDS:
            await self._fetchAgain()
        key = self._pick(name, algorithm)
        if key is None:
            await self._fetchAgain()
            key = self._pick(name, algorithm)
            if key is None and self._fault:
                raise CheckerUnavailable(self._fault)
        return key

    def use(self, octets: bytes) -> None:
        """
        The set from now on.

        @raise SettingError: it is none, and the one of before stays.
        """
        if octets != self._octets:
            table = KeyTable(octets)
            for sentence in table.complaints:
                self._log.warn("{source}: {sentence}", source=self._source, sentence=sentence)
            self._log.info("read the keys of {source}", source=self._source)
            self._octets, self._table = octets, table
        self._fault = ""
        self._fetchedAt = self._clock()

    def _age(self) -> float:
        return self._clock() - self._fetchedAt

    def _pick(self, name: str | None, algorithm: str) -> PyJWK | None:
        if self._table is None or self._age() >= _OLD_SECONDS:
            return None
        return self._table.pick(name, algorithm)

    async def _fetchAgain(self) -> None:
        if self._clock() - self._triedAt >= _AGAIN_SECONDS:
            await self._fetching.join(None, lambda: Deferred.fromCoroutine(self._try()))

    async def _try(self) -> None:
        try:
            self.use(await self._fetch())
        except (CheckerUnavailable, SettingError) as error:
            self._fault = f"the keys of {self._source} cannot be had: {error}"
            self._log.warn("{fault}", fault=self._fault)
        finally:
            self._triedAt = self._clock()


class _Unusable(Exception):
    """A key that is left out. The text follows a colon."""


def _members(octets: bytes) -> list[dict[str, Any]]:
    try:
        found = json.loads(octets)["keys"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SettingError("it is no JWK Set; RFC 7517 section 5 has an example") from error
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise SettingError("the keys of the JWK Set are no list of objects")
    return found


def _usable(jwk: dict[str, Any]) -> list[PyJWK]:
    """The key, once for each algorithm that it may be used with."""
    if jwk.get("use", "sig") != "sig":
        raise _Unusable("it is not for signatures")
    if "d" in jwk:
        raise _Unusable("it is a private key, which must not be here")
    shape = jwk.get("kty"), jwk.get("crv")
    fit = [name for name, needed in ALGORITHMS.items() if needed == shape]
    fit = [name for name in fit if jwk.get("alg", name) == name]
    try:
        keys = [PyJWK(jwk, name) for name in fit]
    except PyJWTError as error:
        raise _Unusable("it is damaged") from error
    if not keys:
        raise _Unusable("there is no algorithm for it")
    if isinstance(keys[0].key, RSAPublicKey) and keys[0].key.key_size < _RSA_BITS:
        raise _Unusable(f"it has fewer than {_RSA_BITS} bits")
    return keys
