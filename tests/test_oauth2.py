"""
L{pop3svc.auth.oauth2} and L{pop3svc.auth.oauth2settings}.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.strcred import ICheckerFactory, makeChecker
from twisted.internet.ssl import PrivateCertificate
from twisted.logger import capturedLogs
from twisted.plugin import IPlugin
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from pop3svc.auth.credentials import IBearerToken
from pop3svc.auth.oauth2 import OAuth2Checker, OAuth2CheckerFactory
from pop3svc.errors import CheckerUnavailable, LoginRefused, SettingError
from pop3svc.interfaces import ILimited
from pop3svc.limits import Limits

from .oauthserver import AuthorizationServer, OAuth2TestCase, claims, fails, says, signingKey
from .pki import Authority

JWT = {"jwks": "keys.json", "issuer": "https://id.example.org/", "audience": "pop3svc"}
INTROSPECTION = {
    "introspect": "https://id.example.org/ask",
    "client-id": "pop3svc",
    "client-secret-file": "secret",
    "scope": "mail",
}


class Files:
    """A directory with the settings, and what they name."""

    def __init__(self, directory: str) -> None:
        self.directory = os.path.abspath(directory)
        os.mkdir(directory)
        self.write("keys.json", json.dumps({"keys": [signingKey("ES256", "one").public()]}))
        self.write("secret", "hush-hush\n")

    def write(self, name: str, text: str) -> str:
        path = os.path.join(self.directory, name)
        Path(path).write_text(text)
        return path

    def settings(self, values: dict[str, Any]) -> str:
        """@return: the path of the file; JSON's texts and lists are TOML's as well."""
        lines = [f"{key} = {json.dumps(value)}\n" for key, value in values.items()]
        return self.write("oauth2.toml", "".join(lines))


class SettingTests(SynchronousTestCase):
    """What is wrong is found at the start, and said in one sentence."""

    def setUp(self) -> None:
        self.files = Files(self.mktemp())

    def refusal(self, values: dict[str, Any], **changes: Any) -> str:
        """@return: the sentence, without the path of the file."""
        merged = {key.replace("_", "-"): value for key, value in changes.items()}
        whole = {k: v for k, v in {**values, **merged}.items() if v is not None}
        path = self.files.settings(whole)
        error = self.assertRaises(SettingError, OAuth2CheckerFactory().generateChecker, path)
        return str(error).replace(path + ": ", "").replace(self.files.directory, "DIR")

    def test_factory(self) -> None:
        factory = OAuth2CheckerFactory()
        verifyObject(ICheckerFactory, factory)
        self.assertTrue(IPlugin.providedBy(factory))
        self.assertEqual((factory.authType, factory.argStringFormat), ("oauth2", "FILE"))
        self.assertEqual(factory.credentialInterfaces, OAuth2Checker.credentialInterfaces)

    def test_plugin(self) -> None:
        for values in (JWT, INTROSPECTION):
            checker = makeChecker("oauth2:" + self.files.settings(values))
            self.assertIsInstance(checker, OAuth2Checker)
            verifyObject(ICredentialsChecker, checker)
            verifyObject(ILimited, checker)
            self.assertEqual(tuple(checker.credentialInterfaces), (IBearerToken,))
            checker.useLimits(Limits())

    def test_noFile(self) -> None:
        for argument in ("", " "):
            error = self.assertRaises(
                SettingError, OAuth2CheckerFactory().generateChecker, argument
            )
            self.assertEqual(str(error), "--auth oauth2 needs a file; write --auth oauth2:FILE")
        error = self.assertRaises(SettingError, makeChecker, "oauth2:/nonexistent/file")
        self.assertEqual(
            str(error),
            "cannot read /nonexistent/file: No such file or directory; make it readable for the"
            " user that starts the service",
        )

    def test_noTOML(self) -> None:
        path = self.files.write("oauth2.toml", "jwks =")
        error = self.assertRaises(SettingError, makeChecker, "oauth2:" + path)
        self.assertEqual(str(error), f"{path} is not TOML: Invalid value (at end of document)")

    def test_keys(self) -> None:
        self.assertEqual(
            self.refusal(JWT, audiense="x"), "audiense is no setting; did you mean audience?"
        )
        self.assertEqual(
            self.refusal(JWT, xyzzy="x"),
            "xyzzy is no setting; there are introspect, client-id, client-secret-file, jwks,"
            " issuer, audience, scope, user-claim, ca-file",
        )

    def test_oneWay(self) -> None:
        either = (
            "write either introspect, the URL where the server is asked for a token, or jwks, the"
            " URL or the file of its keys"
        )
        self.assertEqual(self.refusal({**JWT, **INTROSPECTION}), either)
        self.assertEqual(self.refusal({}), either)

    def test_required(self) -> None:
        """A JWT is never taken from anybody, or for anybody."""
        self.assertEqual(
            self.refusal(JWT, issuer=None), "issuer is missing; write it into the file"
        )
        self.assertEqual(
            self.refusal(JWT, audience=None), "audience is missing; write for whom the tokens are"
        )
        for key in ("client-id", "client-secret-file"):
            self.assertEqual(
                self.refusal(INTROSPECTION, **{key: None}),
                f"{key} is missing; write it into the file",
            )
        self.assertEqual(
            self.refusal(INTROSPECTION, scope=None),
            "audience or scope is missing; without either, a token that any other program of the"
            " same server was given would open its user's maildrop",
        )

    def test_values(self) -> None:
        self.assertEqual(self.refusal(JWT, issuer=5), 'issuer takes a text: issuer = "..."')
        self.assertEqual(self.refusal(JWT, issuer=""), 'issuer takes a text: issuer = "..."')
        for odd in (5, [], [5], "", [""]):
            self.assertEqual(
                self.refusal(JWT, audience=odd),
                'audience takes a text or a list of texts: audience = ["...", "..."]',
            )

    def test_urls(self) -> None:
        """No password goes over a network in the clear, and none stands in the URL."""
        insecure = "introspect begins with https://, or with http:// on this machine only"
        for url in ("http://id.example.org/", "ftp://127.0.0.1/", "http://127.0.0.1.example.org/"):
            self.assertEqual(self.refusal(INTROSPECTION, introspect=url), insecure)
        for url in ("id.example.org", "https:///ask", "https://k\xe4rl/", "https://a b/", "x\n"):
            self.assertEqual(
                self.refusal(INTROSPECTION, introspect=url),
                "introspect is no URL; write https://HOST/PATH",
            )
        self.assertEqual(
            self.refusal(INTROSPECTION, introspect="https://pop3svc:secret@id.example.org/"),
            "introspect has a user in it; write client-id and client-secret-file",
        )
        self.assertIn(
            "introspect is no URL: ", self.refusal(INTROSPECTION, introspect="https://h:99999/")
        )
        for url in (
            "http://127.0.0.1:5000/",
            "http://[::1]/",
            "http://localhost/",
            "https://[::2]/",
        ):
            path = self.files.settings({**INTROSPECTION, "introspect": url})
            self.assertIsInstance(makeChecker("oauth2:" + path), OAuth2Checker)

    def test_files(self) -> None:
        missing = "No such file or directory"
        self.assertEqual(
            self.refusal(JWT, jwks="none.json"),
            "the keys in DIR/none.json cannot be used: [Errno 2] No such file or directory:"
            " 'DIR/none.json'",
        )
        self.assertEqual(
            self.refusal(JWT, jwks="secret"),
            "the keys in DIR/secret cannot be used: it is no JWK Set; RFC 7517 section 5 has an"
            " example",
        )
        for key in ("client-secret-file", "ca-file"):
            self.assertEqual(
                self.refusal(INTROSPECTION, **{key: "none"}),
                f"cannot read DIR/none: {missing}; make it readable for the user that starts the"
                " service",
            )
        self.files.write("empty", "\n")
        self.assertEqual(
            self.refusal(INTROSPECTION, client_secret_file="empty"),
            "client-secret-file names an empty file; write the secret into it",
        )
        for name in ("empty", "secret"):
            self.assertEqual(
                self.refusal(JWT, ca_file=name), "ca-file has no certificates in PEM in it"
            )

    def test_missingLibrary(self) -> None:
        """Only for JWTs; and it says what to install."""
        with patch.dict(sys.modules, {"jwt": None, "pop3svc.auth.oauth2jwt": None}):
            self.assertEqual(
                self.refusal(JWT),
                "tokens are verified by another library; run: pip install 'pop3svc[oauth2]'",
            )
            path = self.files.settings(INTROSPECTION)
            self.assertIsInstance(OAuth2CheckerFactory().generateChecker(path), OAuth2Checker)


class ServedTests(OAuth2TestCase):
    """As C{--auth} makes it, with a server."""

    def setUp(self) -> None:
        self.files = Files(self.mktemp())
        self.key = signingKey("ES256", "one")
        self.server = AuthorizationServer(self)
        self.server.answers["/keys"] = says({"keys": [self.key.public()]})
        self.server.answers["/ask"] = says(
            {"active": True, "email": "karl@example.org", "scope": "mail"}
        )

    def make(self, values: dict[str, Any], **changes: Any) -> None:
        path = self.files.settings({**values, **changes})
        self.checker = makeChecker("oauth2:" + path)

    async def test_keysFromServer(self) -> None:
        self.make(JWT, jwks=self.server.base + "/keys")
        self.assertEqual(await self.answer(self.key.sign(claims())), b"karl@example.org")

    async def test_keysFromFile(self) -> None:
        """Read again for a key id that is not in it."""
        self.make(JWT)
        new = signingKey("ES256", "new")
        self.assertEqual(await self.answer(self.key.sign(claims())), b"karl@example.org")
        self.files.write("keys.json", json.dumps({"keys": [new.public()]}))
        self.assertEqual(await self.answer(new.sign(claims())), b"karl@example.org")
        self.assertIs((await self.refusal(self.key.sign(claims())))[0], UnauthorizedLogin)

    async def test_keyFileIsGone(self) -> None:
        """Its keys count, and who needs another is told to come back later."""
        self.make(JWT)
        os.remove(os.path.join(self.files.directory, "keys.json"))
        new = signingKey("ES256", "new")
        self.assertIs((await self.refusal(new.sign(claims())))[0], CheckerUnavailable)
        self.assertEqual(await self.answer(self.key.sign(claims())), b"karl@example.org")

    async def test_introspection(self) -> None:
        self.make(INTROSPECTION, introspect=self.server.base + "/ask")
        self.assertEqual(await self.answer(b"token"), b"karl@example.org")
        self.assertIs((await self.refusal(b"token", b"joe@example.org"))[0], LoginRefused)

    async def test_settings(self) -> None:
        """Each comes to where it counts."""
        ask = self.server.base + "/ask"
        for changes, sentence in (
            ({"scope": "mail pop"}, "the token lacks the scope pop"),
            ({"scope": ["mail", "pop"]}, "the token lacks the scope pop"),
            ({"audience": "pop3svc"}, "the token is for another audience"),
            ({"issuer": "https://id.example.org/"}, "the token is of another issuer"),
            ({"user-claim": "sub"}, "the token has no sub that is a name"),
        ):
            self.make(INTROSPECTION, introspect=ask, **changes)
            await self.assertRefused(b"token", sentence)

    async def test_ownAuthority(self) -> None:
        """The second of two in the file."""
        directory = self.files.directory
        authorities = [Authority("first"), Authority("second")]
        pems = [Path(each.save(directory + "/ca")).read_text() for each in authorities]
        self.files.write("ca", "".join(pems))
        pem = Path(authorities[1].issue(directory + "/server")).read_bytes()
        server = AuthorizationServer(self, PrivateCertificate.loadPEM(pem).options())
        server.answers["/keys"] = self.server.answers["/keys"]
        self.make(JWT, jwks=server.base + "/keys")
        self.assertIs((await self.refusal(self.key.sign(claims())))[0], CheckerUnavailable)
        self.make(JWT, jwks=server.base + "/keys", **{"ca-file": "ca"})
        self.assertEqual(await self.answer(self.key.sign(claims())), b"karl@example.org")

    async def test_secrets(self) -> None:
        """Neither the token nor our own secret gets into the log, or into an error."""
        texts = []
        with capturedLogs() as events:
            self.make(INTROSPECTION, introspect=self.server.base + "/ask")
            texts.append(await self.refusal(b"unsayable", b"joe@example.org"))
            self.server.answers["/ask"] = fails(401)
            texts.append(await self.refusal(b"unsayable-2"))
            await self.server.stop()
            texts.append(await self.refusal(b"unsayable-3"))
            self.make(JWT)
            token = self.key.sign(claims(exp=1))
            texts.append(await self.refusal(token))
        shown = repr(texts) + repr(events)
        for secret in ("unsayable", "hush-hush", token[-20:].decode(), token[:20].decode()):
            self.assertNotIn(secret, shown)
        self.assertEqual(len(texts), 4)
