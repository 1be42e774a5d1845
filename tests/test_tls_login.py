"""
Logins that need to know the channel, inside real TLS, through memory: client
certificates and channel binding.
"""

import contextlib
from base64 import b64encode
from typing import Any
from unittest.mock import patch

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL
from scramp import ScramClient  # type: ignore[import-untyped]
from scramp.core import CBindData, CbName  # type: ignore[import-untyped]
from twisted.cred.portal import Portal
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import TestCase

from pop3svc.core.replies import Refusal, refused
from pop3svc.factory import POP3Factory
from pop3svc.tls import ServerTLS

from .kinds import EveryKind
from .pki import Authority
from .support import FIRST, SECOND, ControlledMaildrop, RecordingAudit, Transport, prompt
from .test_scram_client import Talk

WELCOME = b"+OK maildrop has 2 messages (320 octets)\r\n"
OFFERED_BEFORE = b"SASL OAUTHBEARER XOAUTH2 CRAM-MD5 SCRAM-SHA-256-PLUS SCRAM-SHA-256 "


class Inside:
    """A connection inside TLS, with what L{Talk} needs of a C{Connection}."""

    def __init__(self, tls: ServerTLS, context: SSL.Context) -> None:
        self.cred = EveryKind(ControlledMaildrop((FIRST, SECOND)), {b"karl": b"secret"})
        self.audit = RecordingAudit()
        self.clock = Clock()
        portal = Portal(self.cred, [self.cred])
        factory = POP3Factory(portal, prompt(), clock=self.clock, audit=self.audit)
        wrapped = TLSMemoryBIOFactory(tls, False, factory, self.clock)
        self.transport = Transport()
        self.server: Any = wrapped.buildProtocol(self.transport.getPeer())
        self.client = SSL.Connection(context, None)
        self.client.set_connect_state()
        self.got = b""
        self.server.makeConnection(self.transport)
        self.pump()

    def pump(self) -> None:
        """Carry octets to and fro until nobody has any."""
        for _ in range(10):
            with contextlib.suppress(SSL.WantReadError):
                self.client.do_handshake()
            with contextlib.suppress(SSL.WantReadError):
                self.server.dataReceived(self.client.bio_read(1 << 16))
            self.clock.advance(0)
            if self.transport.value():
                self.client.bio_write(self.transport.value())
                self.transport.clear()
            with contextlib.suppress(SSL.WantReadError):
                self.got += self.client.recv(1 << 16)

    def send(self, data: bytes) -> None:
        self.client.send(data)
        self.pump()

    def received(self) -> bytes:
        got, self.got = self.got, b""
        return got


class LoginTests(TestCase):
    def setUp(self) -> None:
        self.authority = Authority()
        path = self.authority.issue(self.mktemp())
        self.tls = ServerTLS([(path, path)], self.authority.save(self.mktemp()))

    def connect(self, name: str = "", newest: int = SSL.TLS1_3_VERSION) -> Talk:
        """@param name: in the client's certificate; none without it."""
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_max_proto_version(newest)
        if name:
            path = self.authority.issue(self.mktemp(), name)
            context.use_certificate_file(path)
            context.use_privatekey_file(path)
        inside: Any = Inside(self.tls, context)
        return Talk(inside)

    def test_exporter(self) -> None:
        talk: Any = self.connect()
        self.assertIn(OFFERED_BEFORE, talk.ask(b"CAPA"))
        client = talk.connection.client
        binding = client.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")
        with (
            patch.object(CbName, "SUPPORTED_TYPES", frozenset({"tls-exporter"})),
            patch.object(CbName, "UNSUPPORTED_TYPES", frozenset()),
        ):
            scram = ScramClient(["SCRAM-SHA-256-PLUS"], "karl", "secret", ("tls-exporter", binding))
            self.assertEqual(talk.login(scram), WELCOME)
        [record] = talk.connection.audit.events("login")
        self.assertEqual((record["tls"], record["mechanism"]), ("TLSv1.3", "SCRAM-SHA-256-PLUS"))

    def test_serverEndPointAndUnique(self) -> None:
        for newest in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            talk: Any = self.connect(newest=newest)
            client = talk.connection.client
            der = client.get_peer_certificate(as_cryptography=True).public_bytes(Encoding.DER)
            binding = ("tls-server-end-point", bytes(CBindData.from_der(der)))
            scram = ScramClient(["SCRAM-SHA-1-PLUS"], "karl", "secret", binding)
            self.assertEqual(talk.login(scram), WELCOME)
        talk = self.connect(newest=SSL.TLS1_2_VERSION)
        binding = ("tls-unique", talk.connection.client.get_finished())
        scram = ScramClient(["SCRAM-SHA-256-PLUS"], "karl", "secret", binding)
        self.assertEqual(talk.login(scram), WELCOME)

    def test_external(self) -> None:
        for wish in (b"", b"karl"):
            talk = self.connect("karl@example.org")
            self.assertIn(b"\r\nSASL EXTERNAL ", talk.ask(b"CAPA"))
            self.assertEqual(talk.ask(b"AUTH EXTERNAL " + (b64encode(wish) or b"=")), WELCOME)
            [record] = talk.connection.audit.events("login")
            expected = (wish or b"karl@example.org").decode()
            self.assertEqual((record["user"], record["mechanism"]), (expected, "EXTERNAL"))

    def test_externalOfSomebodyElse(self) -> None:
        """No fall-back from the certificate to the name that was typed."""
        talk = self.connect("eve@example.org")
        answer = talk.ask(b"AUTH EXTERNAL " + b64encode(b"karl"))
        self.assertEqual(answer, refused(Refusal.WRONG))

    def test_externalWithoutCertificate(self) -> None:
        talk = self.connect()
        self.assertNotIn(b"EXTERNAL", talk.ask(b"CAPA"))
        self.assertEqual(talk.ask(b"AUTH EXTERNAL ="), b"-ERR this is not offered here\r\n")
