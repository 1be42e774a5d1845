"""
L{pop3svc.auth.oauth2introspection}, against a real server.
"""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qs

from twisted.cred.error import UnauthorizedLogin
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import Request
from zope.interface.verify import verifyObject

from pop3svc.auth.oauth2 import OAuth2Checker
from pop3svc.auth.oauth2claims import ClaimRules
from pop3svc.auth.oauth2http import HTTPClient
from pop3svc.auth.oauth2introspection import Introspector, RememberedTokens
from pop3svc.errors import CheckerUnavailable, LoginRefused
from pop3svc.interfaces import ILimited
from pop3svc.limits import Limits

from .oauthserver import AuthorizationServer, OAuth2TestCase, Token, fails

NOW = 1_800_000_000


class IntrospectionTests(OAuth2TestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.server = AuthorizationServer(self)
        self.tokens: dict[str, Any] = {
            "karls": {"active": True, "email": "karl@example.org", "scope": "mail"},
            "joes": {"active": True, "email": "joe@example.org", "scope": "mail"},
        }
        self.requests: list[Request] = []
        self.server.answers["/ask"] = self.introspect
        self.checker = self.makeChecker(scopes=("mail",))

    def introspect(self, request: Request) -> bytes:
        """RFC 7662 section 2."""
        assert request.content is not None
        self.requests.append(request)
        form = parse_qs(request.content.read().decode(), strict_parsing=True)
        self.assertEqual(form["token_type_hint"], ["access_token"])
        found = self.tokens.get(form["token"][0], {"active": False})
        # An infinity that is JSON.
        return json.dumps(found).encode().replace(b"Infinity", b"1e999")

    def makeChecker(self, scopes: tuple[str, ...] = (), **more: Any) -> OAuth2Checker:
        client = ("pop3svc", b"s:\xc3\xa4 cret")
        introspector = Introspector(
            ClaimRules("email", scopes),
            self.server.base + "/ask",
            client,
            HTTPClient(),
            clock=self.clock.seconds,
            now=lambda: NOW + self.clock.seconds(),
            **more,
        )
        return OAuth2Checker(introspector, (introspector,))

    async def test_right(self) -> None:
        verifyObject(ILimited, self.checker)
        self.assertEqual(await self.answer(b"karls"), b"karl@example.org")
        self.assertEqual(await self.answer(b"karls", b""), b"karl@example.org")

    async def test_request(self) -> None:
        """We say who we are (RFC 6749 section 2.3.1); any token arrives as it is."""
        odd = "a+b/c=&token=karls%20"
        self.tokens[odd] = self.tokens["joes"]
        self.assertEqual(await self.answer(odd.encode(), b""), b"joe@example.org")
        [request] = self.requests
        self.assertEqual(request.method, b"POST")
        scheme, _, encoded = (request.getHeader("authorization") or "").partition(" ")
        self.assertEqual((scheme, base64.b64decode(encoded)), ("Basic", b"pop3svc:s%3A%C3%A4+cret"))

    async def test_otherUser(self) -> None:
        """Also when the token is remembered."""
        for _ in range(2):
            await self.assertRefused(b"joes", "the token is another user's")

    async def test_notActive(self) -> None:
        """A later checker may know it; and nothing but C{true} is true."""
        await self.assertRefused(b"nobodys", "the token is not active", decided=False)
        odd: object
        for odd in (1, "true", "yes", [True], None, {}):
            self.tokens["odd"] = {"active": odd, "email": "karl@example.org", "scope": "mail"}
            await self.assertRefused(b"odd", "the token is not active", decided=False)

    async def test_notForUs(self) -> None:
        self.tokens["karls"]["scope"] = "openid"
        await self.assertRefused(b"karls", "the token lacks the scope mail")
        del self.tokens["karls"]["email"]
        self.tokens["karls"]["scope"] = "mail"
        await self.assertRefused(b"karls", "the token has no email that is a name")

    async def test_audience(self) -> None:
        self.checker = self.makeChecker(audiences=("pop3svc", "other"))
        odd: object
        for odd in (None, "pop3svc2", ["somebody"], [], 5, {"pop3svc": 1}):
            self.tokens["karls"]["aud"] = odd
            await self.assertRefused(b"karls", "the token is for another audience")
        for good in ("pop3svc", ["somebody", "other"]):
            self.tokens[f"for {good}"] = {**self.tokens["karls"], "aud": good}
            self.assertEqual(await self.answer(f"for {good}".encode()), b"karl@example.org")

    async def test_issuer(self) -> None:
        self.checker = self.makeChecker(issuer="https://id.example.org/")
        await self.assertRefused(b"karls", "the token is of another issuer")
        self.tokens["karls"]["iss"] = "https://id.example.org/"
        self.assertEqual(await self.answer(b"karls"), b"karl@example.org")

    async def test_expiry(self) -> None:
        """The server may forget to look at it."""
        for expired in (NOW, NOW - 1, 0, -1):
            self.tokens["karls"]["exp"] = expired
            await self.assertRefused(b"karls", "the token has expired")
        odd: object
        for odd in ("soon", True, [], 10**400, 1e400):
            self.tokens["karls"]["exp"] = odd
            await self.assertRefused(b"karls", "the token's expiry is no time")

    async def test_remembered(self) -> None:
        """For a minute: what is withdrawn meanwhile counts no longer after it."""
        for _ in range(3):
            await self.answer(b"karls")
            self.clock.advance(19)
        self.assertEqual(len(self.requests), 1)
        del self.tokens["karls"]
        self.clock.advance(3)
        await self.assertRefused(b"karls", "the token is not active", decided=False)

    async def test_notRememberedBeyondExpiry(self) -> None:
        self.tokens["karls"]["exp"] = NOW + 10
        await self.answer(b"karls")
        self.clock.advance(9)
        await self.answer(b"karls")
        self.assertEqual(len(self.requests), 1)
        self.clock.advance(1)
        await self.assertRefused(b"karls", "the token has expired")

    async def test_refusedAreNotRemembered(self) -> None:
        """A token may become good."""
        await self.assertRefused(b"new", "the token is not active", decided=False)
        self.tokens["new"] = self.tokens["karls"]
        self.assertEqual(await self.answer(b"new"), b"karl@example.org")

    async def test_limits(self) -> None:
        self.checker.useLimits(Limits(rememberedSeconds=0))
        await self.answer(b"karls")
        await self.answer(b"karls")
        self.assertEqual(len(self.requests), 2)

    async def test_atOnce(self) -> None:
        """A program that logs in four times at once is asked about once."""
        asked = [self.checker.requestAvatarId(Token(b"", b"karls")) for _ in range(4)]
        self.assertEqual([await each for each in asked], [b"karl@example.org"] * 4)
        self.assertEqual(len(self.requests), 1)

    async def test_down(self) -> None:
        """Neither right nor wrong: also when it is us whom the server refuses."""
        for code in (401, 403, 500, 503):
            self.server.answers["/ask"] = fails(code)
            self.assertEqual(
                await self.refusal(b"karls"),
                (CheckerUnavailable, f"{self.server.base}/ask answers with the status {code}"),
            )
        self.server.answers["/ask"] = lambda request: b"<html>"
        kind, _ = await self.refusal(b"karls")
        self.assertIs(kind, CheckerUnavailable)

    async def test_noToken(self) -> None:
        """The server is not asked about what cannot be a token."""
        for odd in (b"\xff", b"x" * 65537):
            self.assertEqual(await self.refusal(odd), (UnauthorizedLogin, "this is no token"))
        self.assertEqual(self.requests, [])
        self.tokens["x" * 65536] = self.tokens["karls"]
        self.assertEqual(await self.answer(b"x" * 65536), b"karl@example.org")
        self.assertIs((await self.refusal(b"joes"))[0], LoginRefused)


class RememberedTokensTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.tokens = RememberedTokens(self.clock.seconds)

    def test_bound(self) -> None:
        """The oldest goes first."""
        self.tokens.resize(60, 2)
        for each in (b"a", b"b", b"a", b"c"):
            self.tokens.remember(each, b"karl", None)
        self.assertEqual(len(self.tokens), 2)
        self.assertEqual(
            [self.tokens.userOf(each) for each in (b"a", b"b", b"c")], [b"karl", None, b"karl"]
        )
        self.tokens.resize(60, 1)
        self.assertEqual(len(self.tokens), 1)

    def test_life(self) -> None:
        """The shorter of what the limit and what the token says."""
        self.tokens.remember(b"long", b"karl", 3600)
        self.tokens.remember(b"short", b"karl", 0.5)
        self.clock.advance(0.5)
        self.assertEqual(self.tokens.userOf(b"short"), None)
        self.clock.advance(59)
        self.assertEqual(self.tokens.userOf(b"long"), b"karl")
        self.clock.advance(0.5)
        self.assertEqual(self.tokens.userOf(b"long"), None)

    def test_digest(self) -> None:
        """It says nothing of the token without the key."""
        other = RememberedTokens(self.clock.seconds)
        self.assertEqual(self.tokens.digest(b"a"), self.tokens.digest(b"a"))
        self.assertNotEqual(self.tokens.digest(b"a"), self.tokens.digest(b"b"))
        self.assertNotEqual(self.tokens.digest(b"a"), other.digest(b"a"))
