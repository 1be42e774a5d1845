"""
L{pop3svc.auth.oauth2http}, over real sockets.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.ssl import Certificate, PrivateCertificate, trustRootFromCertificates
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.http_headers import Headers
from twisted.web.server import NOT_DONE_YET, Request
from zope.interface.verify import verifyObject

from pop3svc.auth.oauth2http import HTTPClient, objectOf
from pop3svc.errors import CheckerUnavailable
from pop3svc.interfaces import ILimited
from pop3svc.limits import Limits

from .oauthserver import AuthorizationServer, fails, says, silent, stalls
from .pki import Authority

QUICK = Limits(checkerSeconds=0.2)  # type: ignore[arg-type]


class HTTPTestCase(TestCase):
    """A server, and whoever asks it."""

    def setUp(self) -> None:
        self.server = AuthorizationServer(self)
        self.client = HTTPClient()

    async def ask(self, path: str = "/", form: bytes | None = None) -> bytes:
        return await self.client.ask(self.server.base + path, Headers(), form)

    async def refusal(self, path: str = "/") -> str:
        try:
            answer = await self.ask(path)
        except CheckerUnavailable as error:
            return str(error).replace(self.server.base, "URL")
        return self.fail(f"answered {answer!r}")


class AnswerTests(HTTPTestCase):
    async def test_right(self) -> None:
        verifyObject(ILimited, self.client)
        self.server.answers["/"] = says({"a": 1})
        self.assertEqual(await self.ask(), b'{"a": 1}')

    async def test_form(self) -> None:
        """Whatever it holds, it arrives."""

        def answer(request: Request) -> bytes:
            assert request.content is not None
            return request.method + request.content.read()

        self.server.answers["/"] = answer
        form = b"token=" + b"x" * 65536
        self.assertEqual(await self.ask(form=form), b"POST" + form)
        self.assertEqual(await self.ask(), b"GET")

    async def test_status(self) -> None:
        """Only 200 is an answer; a redirect is not followed, wherever it leads."""

        def redirect(request: Request) -> bytes:
            request.redirect(self.server.base.encode() + b"/other")
            return b""

        self.server.answers.update({"/other": says({}), "/redirect": redirect})
        self.assertEqual(
            await self.refusal("/redirect"), "URL/redirect answers with the status 302"
        )
        for code in (201, 204, 400, 401, 404, 500, 503):
            self.server.answers["/"] = fails(code)
            self.assertEqual(await self.refusal(), f"URL/ answers with the status {code}")
        self.assertNotIn("/other", self.server.asked)

    async def test_size(self) -> None:
        """At the bound it is taken; one octet more ends the connection."""
        self.client.useLimits(Limits(checkerOctets=4096))
        self.server.answers["/"] = lambda request: b"x" * 4096
        self.assertEqual(await self.ask(), b"x" * 4096)
        self.server.answers["/"] = lambda request: b"x" * 4097
        self.assertEqual(await self.refusal(), "URL/ answers more than 4096 octets")

    async def test_endless(self) -> None:
        """It need not say how long it is."""
        sent = []

        def answer(request: Request) -> int:
            def more() -> None:
                sent.append(request.write(b"x" * 65536))
                if len(sent) < 10_000:
                    waiting.append(reactor.callLater(0, more))

            from twisted.internet import reactor

            waiting: list[Any] = []
            gone: Deferred[None] = request.notifyFinish()
            gone.addErrback(lambda _: waiting[-1].active() and waiting[-1].cancel())
            more()
            return NOT_DONE_YET

        self.server.answers["/"] = answer
        self.assertEqual(await self.refusal(), "URL/ answers more than 262144 octets")
        await self.server.stop()
        self.assertLess(len(sent), 1000)

    async def test_cut(self) -> None:
        """Half of an answer is none."""

        def answer(request: Request) -> int:
            request.setHeader(b"content-length", b"100")
            request.write(b'{"active": true}')
            request.transport.loseConnection()  # type: ignore[union-attr]
            return NOT_DONE_YET

        self.server.answers["/"] = answer
        self.assertEqual(
            await self.refusal(),
            "URL/ cannot be asked: ConnectionDone Connection was closed cleanly.",
        )

    async def test_slow(self) -> None:
        """No answer, and one that does not end; nobody waits longer, or for long."""
        self.client.useLimits(QUICK)
        self.server.answers.update({"/silent": silent, "/stalls": stalls})
        asked = [Deferred.fromCoroutine(self.refusal(each)) for each in ("/silent", "/stalls")]
        self.assertEqual(
            [await each for each in asked],
            [f"URL/{each} does not answer within 0.2 seconds" for each in ("silent", "stalls")],
        )

    async def test_down(self) -> None:
        await self.server.stop()
        self.assertEqual(
            await self.refusal(),
            "URL/ cannot be asked: ConnectionRefusedError Connection was refused by other side:"
            " 111: Connection refused.",
        )

    async def test_tooMany(self) -> None:
        """Those that wait are bounded."""
        self.client.useLimits(replace(QUICK, checkerThreads=1, checkerQueue=2))
        self.server.answers["/"] = silent
        waiting = [Deferred.fromCoroutine(self.refusal()) for _ in range(3)]
        self.assertEqual(await self.refusal(), "3 logins wait for URL/ already")
        await DeferredList(waiting)
        self.server.answers["/"] = says({})
        self.assertEqual(await self.ask(), b"{}")


class TLSTests(TestCase):
    """Who the server is, is verified."""

    def setUp(self) -> None:
        directory = Path(self.mktemp())
        os.mkdir(directory)
        self.authority = Authority()
        self.directory = directory
        pem = Certificate.loadPEM(Path(self.authority.save(str(directory / "ca"))).read_bytes())
        self.trusted = trustRootFromCertificates([pem])

    async def ask(self, name: str, trustRoot: Any, days: float = 90) -> bytes:
        pem = Path(self.authority.issue(str(self.directory / "server"), name, days)).read_bytes()
        server = AuthorizationServer(self, PrivateCertificate.loadPEM(pem).options())
        server.answers["/"] = says({})
        self.server = server
        return await HTTPClient(trustRoot).ask(server.base + "/", Headers())

    async def test_right(self) -> None:
        self.assertEqual(await self.ask("localhost", self.trusted), b"{}")

    async def test_wrong(self) -> None:
        """Unknown authority, another name, an ended certificate: nothing is said to it."""
        for name, trustRoot, days in (
            ("localhost", None, 90.0),
            ("id.example.org", self.trusted, 90.0),
            ("localhost", self.trusted, -1.0),
        ):
            error = await self.assertFailure(
                Deferred.fromCoroutine(self.ask(name, trustRoot, days)), CheckerUnavailable
            )
            self.assertIn("/ cannot be asked: ", str(error))
            self.assertEqual(self.server.asked, [])

    async def test_silent(self) -> None:
        """The connection is cut; the server sees the end of it."""
        pem = Path(self.authority.issue(str(self.directory / "server"))).read_bytes()
        server = AuthorizationServer(self, PrivateCertificate.loadPEM(pem).options())
        server.answers["/"] = stalls
        client = HTTPClient(self.trusted)
        client.useLimits(QUICK)
        asked = Deferred.fromCoroutine(client.ask(server.base + "/", Headers()))
        error = await self.assertFailure(asked, CheckerUnavailable)
        self.assertEqual(str(error), f"{server.base}/ does not answer within 0.2 seconds")


class ObjectTests(SynchronousTestCase):
    def test_object(self) -> None:
        self.assertEqual(objectOf("URL", b' {"a": [1]} '), {"a": [1]})

    def test_wrong(self) -> None:
        for octets in (b"", b"{", b"\xff", b'{"a": NaN}', b"[" * 99999, b'{"a": 1}x', b"<html>"):
            error = self.assertRaises(CheckerUnavailable, objectOf, "URL", octets)
            self.assertEqual(str(error), "URL answers something that is no JSON")
        for octets in (b"[]", b'"a"', b"null", b"5"):
            error = self.assertRaises(CheckerUnavailable, objectOf, "URL", octets)
            self.assertEqual(str(error), "URL answers JSON that is no object")
