"""L{pop3svc.channel}: what both ends of a handshake say of it must be the same."""

import contextlib
import ssl
from typing import Any, cast

from OpenSSL import SSL
from scramp.core import CBindData  # type: ignore[import-untyped]
from twisted.trial.unittest import TestCase

from pop3svc.channel import channelOf
from pop3svc.tls import ServerTLS

from .pki import Authority
from .test_tls import shake


def shakeWithOpenSSL(tls: ServerTLS) -> tuple[SSL.Connection, SSL.Connection]:
    """@return: the client's and the server's side, both of pyOpenSSL."""
    client = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), None)
    server = tls.serverConnectionForTLS(cast(Any, None))
    client.set_connect_state()
    server.set_accept_state()
    for _ in range(4):
        for here, there in ((client, server), (server, client)):
            with contextlib.suppress(SSL.WantReadError):
                here.do_handshake()
            with contextlib.suppress(SSL.WantReadError):
                there.bio_write(here.bio_read(1 << 16))
    return client, server


class ChannelTests(TestCase):
    def setUp(self) -> None:
        self.authority = Authority()
        self.trusted = self.authority.save(self.mktemp())
        self.path = self.authority.issue(self.mktemp())

    def serve(self, clientCA: str | None = None) -> ServerTLS:
        return ServerTLS([(self.path, self.path)], clientCA)

    def client(self, certificate: str | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.trusted)
        if certificate is not None:
            context.load_cert_chain(certificate)
        return context

    def test_exporter(self) -> None:
        client, server = shakeWithOpenSSL(self.serve())
        self.assertEqual(server.get_protocol_version(), SSL.TLS1_3_VERSION)
        binding = channelOf(server).bindings["tls-exporter"]
        self.assertEqual(len(binding), 32)
        self.assertEqual(
            client.export_keying_material(b"EXPORTER-Channel-Binding", 32, b""), binding
        )

    def test_serverEndPoint(self) -> None:
        """As scramp makes it of the certificate that the client was shown."""
        for newest in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = self.client()
            context.maximum_version = newest
            side, server = shake(self.serve(), context)
            shown = side.getpeercert(binary_form=True)
            self.assertEqual(
                channelOf(server).bindings["tls-server-end-point"],
                bytes(CBindData.from_der(shown)),
            )

    def test_unique(self) -> None:
        """As Python's client says it; not after TLS 1.2, where it means nothing."""
        context = self.client()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        side, server = shake(self.serve(), context)
        bindings = channelOf(server).bindings
        self.assertEqual(bindings["tls-unique"], side.get_channel_binding("tls-unique"))
        self.assertNotIn("tls-exporter", bindings)
        _, server = shake(self.serve(), self.client())
        self.assertNotIn("tls-unique", channelOf(server).bindings)

    def test_resumedIsNotUnique(self) -> None:
        """Without an extended master secret a server in between could forge it."""
        tls, context = self.serve(), self.client()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        side, _ = shake(tls, context)
        again, server = shake(tls, context, session=side.session)
        self.assertTrue(again.session_reused)
        self.assertNotEqual(
            channelOf(server).bindings["tls-unique"], again.get_channel_binding("tls-unique")
        )

    def test_names(self) -> None:
        for name in ("karl@example.org", "laptop.example.org"):
            certificate = self.authority.issue(self.mktemp(), name)
            _, server = shake(self.serve(self.trusted), self.client(certificate))
            self.assertEqual(channelOf(server).names, (name.encode(),))

    def test_noCertificate(self) -> None:
        for clientCA in (None, self.trusted):
            _, server = shake(self.serve(clientCA), self.client())
            self.assertEqual(channelOf(server).names, ())

    def test_certificateThatNobodyVerifies(self) -> None:
        """Where none is asked for, none is believed."""
        certificate = self.authority.issue(self.mktemp(), "karl@example.org")
        _, server = shake(self.serve(), self.client(certificate))
        self.assertEqual(channelOf(server).names, ())

    def test_namesOfAResumedSession(self) -> None:
        certificate = self.authority.issue(self.mktemp(), "karl@example.org")
        tls, context = self.serve(self.trusted), self.client(certificate)
        side, _ = shake(tls, context)
        again, server = shake(tls, context, session=side.session)
        self.assertTrue(again.session_reused)
        self.assertEqual(channelOf(server).names, (b"karl@example.org",))

    def test_bindingsAreInNoRepr(self) -> None:
        _, server = shake(self.serve(), self.client())
        self.assertNotIn("tls-exporter", repr(channelOf(server)))
