"""
C{--auth oauth2:FILE}: tokens of an authorization server.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.strcred import ICheckerFactory
from twisted.internet.defer import Deferred
from twisted.plugin import IPlugin
from twisted.web.http_headers import Headers
from zope.interface import implementer

from ..errors import CheckerUnavailable, LoginRefused, SettingError
from ..interfaces import ILimited
from ..limits import Limits
from ..pools import Pool, PoolFull
from ..startfiles import readFile
from .credentials import IBearerToken
from .names import normalised
from .oauth2http import HTTPClient
from .oauth2introspection import Introspector
from .oauth2settings import OAuth2Settings, readSettings

if TYPE_CHECKING:
    from .oauth2jwt import JWTValidator

# A longer one is not looked at: what is verified costs time for each octet.
_TOKEN_OCTETS = 64 * 1024


class TokenValidator(Protocol):
    """One way to find out whose a token is."""

    async def userOf(self, token: bytes) -> bytes:
        """
        @return: the user's name, normalised.
        @raise UnauthorizedLogin: the token is unknown here.
        @raise LoginRefused: it is known, and not good.
        @raise CheckerUnavailable: nobody can say now.
        """


@implementer(ICredentialsChecker, ILimited)
class OAuth2Checker:
    """Lets in whoever has a good token for the user that they say they are."""

    credentialInterfaces = (IBearerToken,)

    def __init__(self, validator: TokenValidator, limited: tuple[ILimited, ...] = ()) -> None:
        """@param limited: what keeps to limits behind the validator."""
        self._validator = validator
        self._limited = limited

    def requestAvatarId(self, credentials: IBearerToken) -> Deferred[bytes | tuple[()]]:
        """
        @return: the name that the token has for its user; fails as
            L{TokenValidator.userOf} does, and with L{LoginRefused} when the
            client says it is somebody else.
        """
        return Deferred.fromCoroutine(self._check(credentials.username, credentials.token))

    def useLimits(self, limits: Limits) -> None:
        """@see: L{ILimited.useLimits}"""
        for each in self._limited:
            each.useLimits(limits)

    async def _check(self, name: bytes, token: bytes) -> bytes | tuple[()]:
        if len(token) > _TOKEN_OCTETS or not token.isascii():
            raise UnauthorizedLogin("this is no token")
        user = await self._validator.userOf(token)
        if name and normalised(name) != user:
            raise LoginRefused("the token is another user's")
        return user


@implementer(ICheckerFactory, IPlugin)
class OAuth2CheckerFactory:
    """C{oauth2:FILE}."""

    authType = "oauth2"
    argStringFormat = "FILE"
    authHelp = """
A TOML file about an authorization server, whose tokens mail programs bring by
OAUTHBEARER or XOAUTH2. Either the server is asked for each token (RFC 7662):

    introspect = "https://id.example.org/oauth2/introspect"
    client-id = "pop3svc"
    client-secret-file = "/etc/pop3svc/oauth2.secret"
    scope = "mail"          # or audience, or both

or tokens are JWTs, verified with its keys (needs pop3svc[oauth2]):

    jwks = "https://id.example.org/oauth2/keys"     # or a file
    issuer = "https://id.example.org/"
    audience = "pop3svc"                            # or a list

In both: user-claim = "email" names the claim that is the user's name, ca-file =
"..." holds authorities in PEM in place of the system's. See docs/auth-oauth2.rst.
"""
    credentialInterfaces = (IBearerToken,)

    def generateChecker(self, argumentText: str) -> OAuth2Checker:
        """
        The server need not be up yet.

        @param argumentText: the path of the file.
        @raise SettingError: with a sentence.
        """
        if not argumentText.strip():
            raise SettingError("--auth oauth2 needs a file; write --auth oauth2:FILE")
        settings = readSettings(argumentText)
        http = HTTPClient(settings.trustRoot)
        if not settings.introspect:
            validator = _jwtValidator(settings, http)
            return OAuth2Checker(validator, (http, validator))
        introspector = Introspector(
            settings.rules,
            settings.introspect,
            settings.client,
            http,
            settings.issuer,
            settings.audiences,
        )
        return OAuth2Checker(introspector, (http, introspector))


def _jwtValidator(settings: OAuth2Settings, http: HTTPClient) -> JWTValidator:
    try:
        from .oauth2jwt import JWTValidator
        from .oauth2keys import Keys
    except ImportError as error:
        raise SettingError(
            "tokens are verified by another library; run: pip install 'pop3svc[oauth2]'"
        ) from error
    if "://" in settings.jwks:
        headers = Headers({"Accept": ["application/jwk-set+json, application/json"]})
        keys = Keys(settings.jwks, lambda: http.ask(settings.jwks, headers))
    else:
        path = Path(settings.jwks)
        keys = Keys(settings.jwks, partial(_readAgain, Pool("token keys", 1, 0), path))
        try:
            keys.use(readFile(settings.jwks))
        except (OSError, SettingError) as error:
            raise SettingError(f"the keys in {path} cannot be used: {error}") from error
    return JWTValidator(settings.rules, settings.issuer, settings.audiences, keys)


async def _readAgain(files: Pool, path: Path) -> bytes:
    try:
        return await files.run(path.read_bytes)
    except (OSError, PoolFull) as error:
        raise CheckerUnavailable(str(error)) from error
