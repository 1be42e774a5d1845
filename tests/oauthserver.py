"""
An authorization server over real sockets, and the keys that it signs with.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.api_jws import encode
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site
from zope.interface import implementer

from pop3svc.auth.credentials import IBearerToken
from pop3svc.errors import CheckerUnavailable, LoginRefused, SettingError

ISSUER = "https://id.example.org/"
AUDIENCE = "pop3svc"

Answer = Callable[[Request], bytes | int]


@implementer(IBearerToken)
class Token:
    """Credentials, as the SASL mechanisms make them."""

    def __init__(self, username: bytes, token: bytes) -> None:
        self.username = username
        self.token = token


class _Connections(WrappingFactory):
    """Counts its connections, and says when the last has gone."""

    gone: Deferred[None] | None = None

    def unregisterProtocol(self, wrapped: ProtocolWrapper) -> None:
        super().unregisterProtocol(wrapped)
        if self.gone is not None and not self.protocols:
            self.gone.callback(None)


class AuthorizationServer(Resource):
    """
    @ivar asked: the path of each request, in their order.
    @ivar answers: what is answered, by path.
    @ivar base: the URL without a path.
    """

    isLeaf = True

    def __init__(self, case: TestCase, tls: Any = None) -> None:
        """
        @param case: stops it in the end.
        @param tls: the context factory of a server with TLS.
        """
        super().__init__()
        self.asked: list[str] = []
        self.answers: dict[str, Answer] = {}
        self._case, self._tls = case, tls
        self.start()

    def start(self, port: int = 0) -> None:
        """@param port: where; the system chooses when it is 0."""
        from twisted.internet import reactor

        listen: Any = reactor.listenTCP
        site: Any = Site(self)
        site.displayTracebacks = False
        site = TLSMemoryBIOFactory(self._tls, False, site) if self._tls else site
        self._connections: Any = _Connections(site)
        self._listening = listen(port, self._connections, interface="127.0.0.1")
        self.port = self._listening.getHost().port
        scheme, host = ("https", "localhost") if self._tls else ("http", "127.0.0.1")
        self.base = f"{scheme}://{host}:{self.port}"
        self._case.addCleanup(self.stop)

    async def stop(self) -> None:
        """Nobody listens any more, and all connections have ended."""
        await maybeDeferred(self._listening.stopListening)
        if self._connections.protocols:
            self._connections.gone = Deferred()
            await self._connections.gone

    def render(self, request: Request) -> bytes | int:
        path = request.path.decode("ascii")
        self.asked.append(path)
        return self.answers[path](request)


def says(value: object) -> Answer:
    """An answer in JSON."""
    octets = json.dumps(value).encode()
    return lambda request: octets


def fails(code: int) -> Answer:
    """An answer with another status."""

    def answer(request: Request) -> bytes:
        request.setResponseCode(code)
        return b'{"keys": [], "active": true, "email": "karl@example.org"}'

    return answer


def silent(request: Request) -> int:
    """No answer, ever."""
    return NOT_DONE_YET


def stalls(request: Request) -> int:
    """An answer that begins well."""
    request.write(b'{"active"')
    return NOT_DONE_YET


class SigningKey:
    """A key pair with a key id and the algorithm that it is used with."""

    def __init__(self, private: Any, algorithm: str, name: str | None) -> None:
        self.private, self.algorithm, self.name = private, algorithm, name

    def public(self, **changes: object) -> dict[str, Any]:
        """The public part, as it stands in a JWK Set."""
        kind = {"E": ECAlgorithm, "R": RSAAlgorithm, "P": RSAAlgorithm}.get(self.algorithm[0])
        kind = OKPAlgorithm if self.algorithm == "EdDSA" else kind
        found = kind.to_jwk(self.private.public_key(), as_dict=True)  # type: ignore[union-attr]
        found.pop("key_ops", None)
        if self.name is not None:
            found["kid"] = self.name
        return {**found, **changes}

    def sign(self, claims: dict[str, Any], headers: dict[str, Any] | None = None) -> bytes:
        """A token. The claims may be such that no library would write them."""
        named = {} if self.name is None else {"kid": self.name}
        payload = json.dumps(claims).encode()
        return encode(payload, self.private, self.algorithm, {**named, **(headers or {})}).encode()


@cache
def signingKey(kind: str, name: str | None = None) -> SigningKey:
    """@param kind: an algorithm; keys are made once for all tests."""
    if kind == "EdDSA":
        private: Any = ed25519.Ed25519PrivateKey.generate()
    elif kind.startswith("ES"):
        curves = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
        private = ec.generate_private_key(curves[kind])
    else:
        private = rsa.generate_private_key(65537, 2048)
    return SigningKey(private, kind, name)


def claims(**changes: object) -> dict[str, Any]:
    """Of a good token for karl; a change to C{None} leaves a claim out."""
    now = int(time.time())
    found = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "exp": now + 300,
        "iat": now,
        "sub": "1234",
        "email": "karl@example.org",
        **changes,
    }
    return {name: value for name, value in found.items() if value is not None}


class OAuth2TestCase(TestCase):
    """How the checkers of tokens are asked."""

    checker: Any

    async def answer(self, token: bytes, name: bytes = b"karl@example.org") -> Any:
        return await self.checker.requestAvatarId(Token(name, token))

    async def refusal(self, token: bytes, name: bytes = b"karl@example.org") -> Any:
        """The kind and the text of the error."""
        try:
            avatarId = await self.answer(token, name)
        except (UnauthorizedLogin, CheckerUnavailable, SettingError) as error:
            return type(error), str(error)
        return self.fail(f"let in as {avatarId!r}")

    async def assertRefused(self, token: bytes, sentence: str, decided: bool = True) -> None:
        """@param decided: no later checker is asked."""
        kind = LoginRefused if decided else UnauthorizedLogin
        self.assertEqual(await self.refusal(token), (kind, sentence))
