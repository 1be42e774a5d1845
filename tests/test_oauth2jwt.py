"""
L{pop3svc.auth.oauth2jwt} and L{pop3svc.auth.oauth2keys}, with real keys from a
real server.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64encode
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from twisted.internet.defer import DeferredList
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, eventAsText
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers

from pop3svc.auth.oauth2 import OAuth2Checker
from pop3svc.auth.oauth2claims import ClaimRules
from pop3svc.auth.oauth2http import HTTPClient
from pop3svc.auth.oauth2jwt import JWTValidator
from pop3svc.auth.oauth2keys import ALGORITHMS, Keys, KeyTable
from pop3svc.errors import CheckerUnavailable, LoginRefused, SettingError
from pop3svc.limits import Limits

from .oauthserver import (
    AUDIENCE,
    ISSUER,
    AuthorizationServer,
    OAuth2TestCase,
    SigningKey,
    Token,
    claims,
    fails,
    says,
    signingKey,
)

LOG = "pop3svc.auth.oauth2keys.Keys#warn"
NOT_SIGNED = "the token is not signed with its issuer's key"
NO_KEY = "the token is signed with a key that is not in the set"
ALGORITHM = "the token is signed by an algorithm that is not accepted"


def segment(value: object) -> bytes:
    """A part of a token, made without any library that would refuse to."""
    octets = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(octets).rstrip(b"=")


class JWTTestCase(OAuth2TestCase):
    """A checker over the keys of a server."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.key = signingKey("ES256", "one")
        self.server = AuthorizationServer(self)
        self.publish(self.key)
        self.checker = self.makeChecker(ClaimRules("email"))

    def publish(self, *keys: SigningKey) -> None:
        self.server.answers["/keys"] = says({"keys": [each.public() for each in keys]})

    def makeChecker(self, rules: ClaimRules) -> OAuth2Checker:
        http, url = HTTPClient(), self.server.base + "/keys"
        keys = Keys(url, lambda: http.ask(url, Headers()), self.clock.seconds)
        validator = JWTValidator(rules, ISSUER, (AUDIENCE, "other"), keys)
        return OAuth2Checker(validator, (http, validator))

    def token(self, **changes: object) -> bytes:
        return self.key.sign(claims(**changes))


class TokenTests(JWTTestCase):
    """Which tokens are good."""

    async def test_right(self) -> None:
        self.assertEqual(await self.answer(self.token()), b"karl@example.org")
        self.assertEqual(await self.answer(self.token()), b"karl@example.org")
        self.assertEqual(self.server.asked, ["/keys"])

    async def test_algorithms(self) -> None:
        """Each that is accepted, with the kind of key that belongs to it."""
        kinds = {"RS": "RS256", "PS": "RS256", "ES": None, "Ed": "EdDSA"}
        for name in ALGORITHMS:
            key = signingKey(kinds[name[:2]] or name, f"for {name}")
            key = SigningKey(key.private, name, key.name)
            self.publish(key)
            self.clock.advance(10)
            self.assertEqual(await self.answer(key.sign(claims())), b"karl@example.org")

    async def test_tooMany(self) -> None:
        """Neither right nor wrong, for those that would wait too long."""
        self.checker.useLimits(Limits(hashThreads=1, hashQueue=1))
        asked = [self.checker.requestAvatarId(Token(b"", self.token())) for _ in range(3)]
        outcomes = await DeferredList(asked, consumeErrors=True)
        self.assertEqual([good for good, _ in outcomes], [True, True, False])
        self.assertIs(outcomes[2][1].type, CheckerUnavailable)

    async def test_otherUser(self) -> None:
        """Karl has a good token, and says that he is Joe."""
        self.assertEqual(
            await self.refusal(self.token(), b"joe@example.org"),
            (LoginRefused, "the token is another user's"),
        )

    async def test_noName(self) -> None:
        """The token alone says who it is (RFC 7628 section 3.1)."""
        self.assertEqual(await self.answer(self.token(), b""), b"karl@example.org")

    async def test_audiences(self) -> None:
        unfit = ("Audience doesn't match", "Invalid claim format in token")
        for good in ("other", ["somebody", AUDIENCE]):
            self.assertEqual(await self.answer(self.token(aud=good)), b"karl@example.org")
        others: tuple[object, ...] = (
            "somebody",
            ["somebody"],
            "pop3svc2",
            5,
            {"pop3svc": 1},
            [[AUDIENCE]],
        )
        for audience in others:
            kind, text = await self.refusal(self.token(aud=audience))
            self.assertIs(kind, LoginRefused)
            self.assertIn(text.removeprefix("the token is not good: "), unfit)

    async def test_issuer(self) -> None:
        """Of the same keys as well: a later checker may be for it."""
        other = "the token is of another issuer"
        for issuer in ("https://evil.example.org/", ISSUER.rstrip("/"), [ISSUER], 5, None):
            await self.assertRefused(self.token(iss=issuer), other, decided=False)
        self.assertEqual(self.server.asked, [])

    async def test_times(self) -> None:
        """With half a minute between the clocks, and never without an end."""
        now = int(time.time())
        good: list[dict[str, Any]] = [{"exp": now - 20}, {"nbf": now + 20}, {"iat": now + 20}]
        for changes in good:
            self.assertEqual(await self.answer(self.token(**changes)), b"karl@example.org")
        expired = "the token is not good: Signature has expired"
        await self.assertRefused(self.token(exp=now - 40), expired)
        await self.assertRefused(self.token(exp=0), expired)
        await self.assertRefused(self.token(exp=-1e300), expired)
        await self.assertRefused(
            self.token(nbf=now + 60), "the token is not good: The token is not yet valid (nbf)"
        )
        await self.assertRefused(
            self.token(iat=now + 60), "the token is not good: The token is not yet valid (iat)"
        )

    async def test_required(self) -> None:
        for name in ("exp", "aud"):
            await self.assertRefused(
                self.token(**{name: None}),
                f'the token is not good: Token is missing the "{name}" claim',
            )
        odd: object
        for odd in ("soon", [], float("inf"), float("nan"), "9" * 5000):
            await self.assertRefused(self.token(exp=odd), NOT_SIGNED, decided=False)

    async def test_userClaim(self) -> None:
        self.checker = self.makeChecker(ClaimRules("sub"))
        self.assertEqual(await self.answer(self.token(), b"1234"), b"1234")
        self.assertEqual(await self.answer(self.token(sub="k\xe4rl"), b""), "k\xe4rl".encode())
        await self.assertRefused(self.token(), "the token is another user's")
        for odd in (None, "", "karl\0", "karl\r\n", "\ud800"):
            await self.assertRefused(self.token(sub=odd), "the token has no sub that is a name")

    async def test_oddUsers(self) -> None:
        for odd in (None, "", 5, True, ["karl@example.org"], {"a": 1}):
            await self.assertRefused(self.token(email=odd), "the token has no email that is a name")

    async def test_verifiedAddress(self) -> None:
        for yes in (True, "true"):
            self.assertEqual(await self.answer(self.token(email_verified=yes)), b"karl@example.org")
        for no in (False, "false", "", 0):
            await self.assertRefused(
                self.token(email_verified=no), "the mail address in the token is not verified"
            )

    async def test_scope(self) -> None:
        self.checker = self.makeChecker(ClaimRules("email", ("mail", "pop")))
        good: list[dict[str, Any]] = [
            {"scope": "openid pop mail"},
            {"scp": ["mail", "pop"]},
            {"scp": "mail pop"},
        ]
        for changes in good:
            self.assertEqual(await self.answer(self.token(**changes)), b"karl@example.org")
        await self.assertRefused(self.token(scope="mail"), "the token lacks the scope pop")
        for odd in ("mailpop", "", None, 5, {"mail": 1, "pop": 1}):
            await self.assertRefused(self.token(scope=odd), "the token lacks the scope mail")


class ForgedTests(JWTTestCase):
    """Which tokens are somebody's invention."""

    async def test_withoutSignature(self) -> None:
        """C{none} in any spelling; and no key is asked for."""
        payload = segment(claims())
        name: object
        for name in ("none", "None", "NONE", "", "HS256", "es256", None, ["ES256"], {}, 5):
            for signature in (b"", segment(b"x" * 64)):
                header = segment({"alg": name, "kid": "one"})
                await self.assertRefused(
                    b".".join((header, payload, signature)), ALGORITHM, decided=False
                )
        self.assertEqual(self.server.asked, [])

    async def test_publicKeyAsSecret(self) -> None:
        """HS256 with what everybody knows: each shape that the public key has."""
        self.key = signingKey("RS256", "rsa")
        self.publish(self.key)
        public = self.key.private.public_key()
        format = serialization.PublicFormat
        secrets = [
            public.public_bytes(encoding, shape)
            for encoding in (serialization.Encoding.PEM, serialization.Encoding.DER)
            for shape in (format.SubjectPublicKeyInfo, format.PKCS1)
        ]
        secrets += [json.dumps(self.key.public()).encode(), b"", self.key.public()["n"].encode()]
        for name in ("HS256", "RS256"):
            signed = segment({"alg": name, "kid": "rsa"}) + b"." + segment(claims())
            for secret in secrets:
                digest = hmac.digest(secret, signed, hashlib.sha256)
                await self.assertRefused(
                    signed + b"." + segment(digest),
                    ALGORITHM if name == "HS256" else NOT_SIGNED,
                    decided=False,
                )

    async def test_otherKey(self) -> None:
        """The key id of the right key, the signature of another."""
        forger = SigningKey(signingKey("ES256", "forger").private, "ES256", "one")
        await self.assertRefused(forger.sign(claims()), NOT_SIGNED, decided=False)

    async def test_ownKeyInTheHeader(self) -> None:
        """C{jwk}, C{jku}, C{x5u}: what a token says of keys counts for nothing."""
        forger = signingKey("ES256", "forger")
        self.server.answers["/evil"] = says({"keys": [forger.public()]})
        evil = self.server.base + "/evil"
        for header in ({"jwk": forger.public()}, {"jku": evil}, {"x5u": evil}, {"x5c": ["aa"]}):
            await self.assertRefused(forger.sign(claims(), header), NO_KEY, decided=False)
        self.assertEqual(self.server.asked, ["/keys"])

    async def test_keyIdIsNoPlace(self) -> None:
        """It is compared, never opened or fetched (CVE-2021-29157)."""
        for name in ("../../etc/passwd", "/dev/null", self.server.base + "/evil", "x" * 9999, ""):
            forger = SigningKey(self.key.private, "ES256", name)
            await self.assertRefused(forger.sign(claims()), NO_KEY, decided=False)
        self.assertEqual(self.server.asked, ["/keys"])

    async def test_changed(self) -> None:
        header, _, signature = self.token().split(b".")
        other = segment({**claims(), "email": "joe@example.org"})
        await self.assertRefused(b".".join((header, other, signature)), NOT_SIGNED, decided=False)

    async def test_critical(self) -> None:
        """RFC 7515 section 4.1.11: who does not understand it must not accept it."""
        header: dict[str, Any]
        for header in ({"crit": ["exp2"], "exp2": 1}, {"crit": []}, {"crit": "b64"}):
            signed = segment({"alg": "ES256", "kid": "one", **header}) + b"." + segment(claims())
            await self.assertRefused(
                signed + b"." + segment(b"x" * 64), "the token is no JWT", decided=False
            )

    async def test_noToken(self) -> None:
        nested = segment(b"[" * 40000)
        for odd in (
            b"",
            b".",
            b"..",
            b"a.b.c",
            b"opaque-token",
            b"....",
            b"\xff.\xff.\xff",
            nested + b"." + nested + b".",
            segment({"alg": "ES256"}) + b"." + nested + b".",
            segment({"alg": "ES256", "kid": 5}) + b"." + segment(claims()) + b".",
            segment({"alg": "ES256"}) + b"." + segment([1]) + b".",
        ):
            kind, text = await self.refusal(odd)
            self.assertIsNot(kind, CheckerUnavailable)
            self.assertIn(text, ("the token is no JWT", "this is no token"))
        self.assertEqual(self.server.asked, [])

    async def test_size(self) -> None:
        """64 KiB are good, one octet more is not looked at."""
        room = (65536 - len(self.token(pad=""))) * 3 // 4
        tokens = [self.token(pad="x" * size) for size in range(room - 8, room + 8)]
        good = [each for each in tokens if len(each) <= 65536]
        self.assertGreater(len(good[-1]), 65534)
        self.assertLess(len(tokens[len(good)]), 65539)
        for token in good:
            self.assertEqual(await self.answer(token), b"karl@example.org")
        for token in tokens[len(good) :]:
            await self.assertRefused(token, "this is no token", decided=False)


class RotationTests(JWTTestCase):
    """The server changes its keys, or is away."""

    async def test_newKey(self) -> None:
        """It counts with the first token that is signed with it."""
        await self.answer(self.token())
        new = signingKey("ES256", "new")
        self.publish(self.key, new)
        self.clock.advance(10)
        self.assertEqual(await self.answer(new.sign(claims())), b"karl@example.org")
        self.assertEqual(await self.answer(self.token()), b"karl@example.org")
        self.assertEqual(self.server.asked, ["/keys"] * 2)

    async def test_unknownKeysAskSeldom(self) -> None:
        """Anybody can send tokens with a new key id each."""
        for number in range(30):
            forger = SigningKey(self.key.private, "ES256", f"key {number}")
            await self.assertRefused(forger.sign(claims()), NO_KEY, decided=False)
            self.clock.advance(1)
        self.assertEqual(len(self.server.asked), 3)

    async def test_withdrawnKey(self) -> None:
        """It counts for an hour at the most."""
        await self.answer(self.token())
        self.publish(signingKey("ES256", "new"))
        self.clock.advance(3599)
        self.assertEqual(await self.answer(self.token()), b"karl@example.org")
        self.clock.advance(1)
        await self.assertRefused(self.token(), NO_KEY, decided=False)

    async def test_withoutKeyId(self) -> None:
        """Good while there is one key that fits."""
        self.key = SigningKey(self.key.private, "ES256", None)
        self.publish(self.key, signingKey("EdDSA", "other kind"))
        self.assertEqual(await self.answer(self.token()), b"karl@example.org")
        self.publish(self.key, signingKey("ES256", "second"))
        self.clock.advance(3600)
        await self.assertRefused(self.token(), NO_KEY, decided=False)

    async def test_downAtFirst(self) -> None:
        """Neither right nor wrong; and not asked again for each login."""
        self.server.answers["/keys"] = fails(503)
        url = self.server.base + "/keys"
        down = f"the keys of {url} cannot be had: {url} answers with the status 503"
        with capturedLogs() as events:
            for _ in range(3):
                self.assertEqual(await self.refusal(self.token()), (CheckerUnavailable, down))
        self.assertEqual(self.server.asked, ["/keys"])
        texts = [eventAsText(each, includeTimestamp=False) for each in events]
        self.assertEqual([each for each in texts if "oauth2" in each], [f"[{LOG}] {down}"])
        self.publish(self.key)
        self.clock.advance(10)
        self.assertEqual(await self.answer(self.token()), b"karl@example.org")

    async def test_downLater(self) -> None:
        """The keys of before count for a day."""
        await self.answer(self.token())
        self.server.answers["/keys"] = fails(500)
        self.clock.advance(86399)
        self.assertEqual(await self.answer(self.token()), b"karl@example.org")
        self.clock.advance(1)
        kind, _ = await self.refusal(self.token())
        self.assertIs(kind, CheckerUnavailable)

    async def test_badSet(self) -> None:
        """As if the server were away."""
        await self.answer(self.token())
        odd: object
        for odd in ({}, [], {"keys": 5}, {"keys": [5]}, {"keys": []}, "keys", None):
            self.server.answers["/keys"] = says(odd)
            self.clock.advance(3600)
            self.assertEqual(await self.answer(self.token()), b"karl@example.org")
        self.assertEqual(len(self.server.asked), 8)

    async def test_atOnce(self) -> None:
        """Many at the same time wait for one answer."""
        asked = [self.checker.requestAvatarId(Token(b"", self.token())) for _ in range(5)]
        self.assertEqual([await each for each in asked], [b"karl@example.org"] * 5)
        self.assertEqual(self.server.asked, ["/keys"])


class KeyTableTests(SynchronousTestCase):
    """Which keys of a set are used."""

    def table(self, *keys: dict[str, Any]) -> KeyTable:
        return KeyTable(json.dumps({"keys": keys}).encode())

    def test_leftOut(self) -> None:
        """One that cannot be used is told, and the others count."""
        small = SigningKey(rsa.generate_private_key(65537, 1024), "RS256", "small")
        good = signingKey("ES256", "one").public()
        table = self.table(
            small.public(),
            {"kty": "oct", "k": "c2VjcmV0", "kid": "secret", "alg": "HS256"},
            {**good, "use": "enc"},
            {**good, "d": good["x"]},
            {**good, "x": "!"},
            {**good, "y": good["x"]},
            {**good, "alg": "HS256"},
            {"kid": "nothing"},
            good,
        )
        self.assertEqual(
            table.complaints,
            [
                "key 1 is left out: it has fewer than 2048 bits",
                "key 2 is left out: there is no algorithm for it",
                "key 3 is left out: it is not for signatures",
                "key 4 is left out: it is a private key, which must not be here",
                "key 5 is left out: it is damaged",
                "key 6 is left out: it is damaged",
                "key 7 is left out: there is no algorithm for it",
                "key 8 is left out: there is no algorithm for it",
            ],
        )
        self.assertIsNotNone(table.pick("one", "ES256"))

    def test_algorithmOfTheKey(self) -> None:
        """A key that says its algorithm is used with no other."""
        public = signingKey("RS256", "rsa").public()
        free, bound = self.table(public), self.table({**public, "alg": "PS256"})
        self.assertEqual([free.pick("rsa", one) is None for one in ("RS256", "PS256")], [False] * 2)
        self.assertEqual(
            [bound.pick("rsa", one) is None for one in ("RS256", "PS256", "RS512")],
            [True, False, True],
        )
        self.assertIsNone(free.pick("rsa", "ES256"))

    def test_curves(self) -> None:
        """RFC 7518 section 3.4: an algorithm has one curve."""
        table = self.table(signingKey("ES384", "one").public())
        self.assertIsNone(table.pick("one", "ES256"))
        self.assertIsNotNone(table.pick("one", "ES384"))

    def test_twice(self) -> None:
        """Two keys by one name: neither is picked."""
        name = "one"
        keys = (
            signingKey("ES256", name),
            SigningKey(signingKey("ES256", "b").private, "ES256", name),
        )
        self.assertIsNone(self.table(*(each.public() for each in keys)).pick(name, "ES256"))

    def test_nothingUsable(self) -> None:
        error = self.assertRaises(SettingError, self.table, {"kty": "oct", "k": "c2VjcmV0"})
        self.assertEqual(str(error), "the set has no key that tokens can be verified with")
        for octets in (b"", b"[]", b"{}", b'{"keys": 5}', b"[" * 99999, b"\xff"):
            self.assertRaises(SettingError, KeyTable, octets)
