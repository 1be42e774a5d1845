"""
Tokens of authorization servers, and what such servers answer: nobody but the issuer
of a token may be believed, and whatever else stands there is refused.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm
from twisted.cred.error import UnauthorizedLogin

from pop3svc.auth.oauth2claims import ClaimRules
from pop3svc.auth.oauth2http import objectOf
from pop3svc.auth.oauth2jwt import JWTValidator
from pop3svc.auth.oauth2keys import Keys, KeyTable
from pop3svc.errors import CheckerUnavailable, SettingError

from .case import Case
from .mutation import mutate
from .naiveanswers import Wrong

_ISSUER, _AUDIENCE = "https://issuer.example", "pop3"
_RULES = ClaimRules("sub", ("mail",))
_GOOD = {"iss": _ISSUER, "aud": _AUDIENCE, "sub": "karl", "exp": 4e9, "scope": "mail"}
_HEADERS: tuple[dict[str, Any], ...] = (
    *({}, {"alg": "none"}, {"alg": "HS256"}, {"alg": ["EdDSA"]}, {"alg": None}, {"kid": 7}),
    *({"kid": "../../etc/passwd"}, {"crit": ["x"]}, {"crit": "x"}, {"b64": False}, {"typ": {}}),
    *({"jku": "http://x"}, {"zip": "DEF"}, {"alg": "EdDSA", "kid": None}, {"jwk": {"kty": "EC"}}),
)
_ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 1e300, 1e-300, "", "\0", "\ud800", [], {}, [[]], "karl\n", "karl " * 500),
    *(float("inf"), float("nan"), "HUGE", "4e9", ["mail"], {"mail": 1}, "mail", _ISSUER, "ﬀ"),
)


class Tokens:
    """
    The target. The piece of a case is one token; C{plan["good"]} says whether its
    issuer has signed just that.
    """

    name = "tokens"
    unit = "tokens"

    def make(self, dice: Random) -> Case:
        claims: dict[str, Any] = dict(_GOOD)
        for _ in range(dice.choice((0, 1, 1, 2))):
            claims[dice.choice([*_GOOD, "nbf", "iat", "jti", "email", "x"])] = dice.choice(_ODD)
        kind = dice.randrange(4)
        if kind == 0:
            token = _signed(claims, dice.choice(_HEADERS))
        elif kind == 1:
            header = dice.choice(_HEADERS) or {"alg": "EdDSA"}
            parts = [_json(header), _json(claims)]
            at = dice.randrange(2)
            parts[at] = dice.choice((parts[at], b"[" * 30_000, b'{"a":' * 20_000, b"9" * 6000))
            parts[at] = mutate(dice, parts[at], parts)
            token = b".".join(urlsafe_b64encode(each).rstrip(b"=") for each in (*parts, b"sign"))
        else:
            good = _signed(dict(_GOOD), {})
            token = good
            for _ in range(dice.choice((1, 1, 2, 3))):
                token = mutate(dice, token, [good, b".", b"eyJhbGciOiJub25lIn0."])
        return Case(self.name, (token,))

    def check(self, case: Case) -> int:
        token = case.data
        validator = JWTValidator(_RULES, _ISSUER, (_AUDIENCE,), _keys())
        try:
            name, algorithm = validator._look(token)
            key = KeyTable(_jwks()).pick(name, algorithm)
            if key is None:
                return 1
            user = _RULES.userOf(validator._verify(token, key))
        except (UnauthorizedLogin, CheckerUnavailable) as error:
            str(error).encode("utf-8", "backslashreplace")
            return 1
        # Whoever is let in has a token that another implementation takes, too.
        claims = _trusted(token)
        good = claims.get("iss") == _ISSUER and claims.get("sub") == user.decode()
        if not good or _AUDIENCE not in claims["aud"] or claims["exp"] < 1e9:
            raise Wrong(f"{user!r} gets in with {claims}")
        return 1


class KeySets:
    """The target: a JWK Set, an answer of introspection, and claims, as JSON."""

    name = "keysets"
    unit = "sets"

    def make(self, dice: Random) -> Case:
        known = [_jwks(), _json({**_GOOD, "active": True}), b"[" * 30_000]
        data = dice.choice(known)
        if dice.randrange(3) == 0:
            found = json.loads(known[0])
            member = dice.choice(("kty", "crv", "x", "y", "alg", "use", "kid", "d", "n", "e", "k"))
            found["keys"][0][member] = dice.choice((*_ODD, "AQAB", "RSA", "oct", "OKP", "P-521"))
            data = _json(found)
        for _ in range(dice.choice((0, 1, 1, 2))):
            data = mutate(dice, data, known)
        return Case(self.name, (data,))

    def check(self, case: Case) -> int:
        _allow(SettingError, lambda: KeyTable(case.data))
        claims = _allow(CheckerUnavailable, lambda: objectOf("https://x", case.data))
        if claims is not None:
            user = _allow(UnauthorizedLogin, lambda: _RULES.userOf(claims))
            if user is not None and (not user or claims.get("sub") != user.decode()):
                raise Wrong(f"{user!r} out of {claims}")
        return 1


def _json(found: object) -> bytes:
    """With a number that Python itself does not write."""
    return json.dumps(found).encode().replace(b'"HUGE"', b"9" * 5000)


def _allow(allowed: type[Exception], work: Callable[[], Any]) -> Any:
    try:
        return work()
    except allowed:
        return None


@cache
def _key() -> Ed25519PrivateKey:
    """It signs the same text in the same way each time."""
    return Ed25519PrivateKey.from_private_bytes(b"RFC 7519".ljust(32))


@cache
def _jwks() -> bytes:
    jwk = OKPAlgorithm.to_jwk(_key().public_key(), as_dict=True)
    return _json({"keys": [{**jwk, "kid": "one", "alg": "EdDSA"}]})


@cache
def _keys() -> Keys:
    async def fetch() -> bytes:
        return _jwks()

    return Keys("fuzz", fetch)


def _signed(claims: dict[str, Any], header: dict[str, Any]) -> bytes:
    """By the issuer, whatever it says."""
    whole = {"alg": "EdDSA", "kid": "one", **header}
    parts = [urlsafe_b64encode(_json(each)).rstrip(b"=") for each in (whole, claims)]
    data = b".".join(parts)
    signature = OKPAlgorithm().sign(data, _key())
    return data + b"." + urlsafe_b64encode(signature).rstrip(b"=")


def _trusted(token: bytes) -> dict[str, Any]:
    """@raise Exception: it is not signed by the issuer."""
    return jwt.decode(token, _key().public_key(), ["EdDSA"], options={"verify_aud": False})
