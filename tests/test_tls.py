"""L{pop3svc.tls}: certificates chosen, versions and suites refused, over memory."""

import contextlib
import ssl
from pathlib import Path
from typing import Any, cast

from OpenSSL import SSL
from twisted.trial.unittest import TestCase

from pop3svc.demo import makeCertificate
from pop3svc.errors import SettingError
from pop3svc.tls import ServerTLS, certificateNames


def shake(server: SSL.Connection, client: ssl.SSLContext, name: str = "localhost") -> Any:
    """
    A handshake between pyOpenSSL and the standard library, through memory.

    @return: the client's side after it.
    """
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    side = client.wrap_bio(incoming, outgoing, server_hostname=name)
    server.set_accept_state()
    done = {"client": False, "server": False}
    for _ in range(20):
        if not done["client"]:
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
                done["client"] = True
        data = outgoing.read()
        if data:
            server.bio_write(data)
        if not done["server"]:
            with contextlib.suppress(SSL.WantReadError):
                server.do_handshake()
                done["server"] = True
        with contextlib.suppress(SSL.WantReadError):
            incoming.write(server.bio_read(1 << 16))
        if all(done.values()):
            return side
    raise AssertionError("the handshake does not end")


class ServerTLSTests(TestCase):
    def certificate(self, name: str) -> str:
        path = self.mktemp()
        Path(path).write_bytes(makeCertificate(name))
        return path

    def client(self, *trusted: str) -> ssl.SSLContext:
        context = ssl.create_default_context()
        for path in trusted:
            context.load_verify_locations(path)
        return context

    def connection(self, *paths: str) -> SSL.Connection:
        return ServerTLS([(path, path) for path in paths]).serverConnectionForTLS(cast(Any, None))

    def test_newestVersion(self) -> None:
        path = self.certificate("localhost")
        self.assertEqual(shake(self.connection(path), self.client(path)).version(), "TLSv1.3")

    def test_version12WithForwardSecrecy(self) -> None:
        path = self.certificate("localhost")
        client = self.client(path)
        client.maximum_version = ssl.TLSVersion.TLSv1_2
        cipher = shake(self.connection(path), client).cipher()
        self.assertEqual(cipher[:2], ("ECDHE-ECDSA-AES128-GCM-SHA256", "TLSv1.2"))

    def test_oldVersionsAreRefused(self) -> None:
        path = self.certificate("localhost")
        client = self.client(path)
        client.minimum_version = ssl.TLSVersion.TLSv1
        client.maximum_version = ssl.TLSVersion.TLSv1_1
        client.set_ciphers("ALL:@SECLEVEL=0")
        with self.assertRaises((SSL.Error, ssl.SSLError)):
            shake(self.connection(path), client)

    def test_weakSuitesAreRefused(self) -> None:
        path = self.certificate("localhost")
        client = self.client(path)
        client.maximum_version = ssl.TLSVersion.TLSv1_2
        client.set_ciphers("ECDHE-ECDSA-AES128-SHA:AES128-SHA:@SECLEVEL=0")
        with self.assertRaises((SSL.Error, ssl.SSLError)):
            shake(self.connection(path), client)

    def test_chosenByName(self) -> None:
        first, second = self.certificate("localhost"), self.certificate("mail.example.org")
        client = self.client(first, second)
        for name in ("localhost", "mail.example.org"):
            side = shake(self.connection(first, second), client, name)
            names = [value for _, value in side.getpeercert()["subjectAltName"]]
            self.assertIn(name, names)

    def test_unknownNameGetsTheFirst(self) -> None:
        first, second = self.certificate("localhost"), self.certificate("mail.example.org")
        client = self.client(first)
        client.check_hostname = False
        side = shake(self.connection(first, second), client, "elsewhere.example")
        self.assertIn(("DNS", "localhost"), side.getpeercert()["subjectAltName"])

    def test_wildcard(self) -> None:
        first, second = self.certificate("localhost"), self.certificate("*.example.org")
        side = shake(self.connection(first, second), self.client(first, second), "MAIL.example.org")
        self.assertIn(("DNS", "*.example.org"), side.getpeercert()["subjectAltName"])

    def test_ALPN(self) -> None:
        """pop3 is taken; a browser that is led here gets an alert."""
        path = self.certificate("localhost")
        client = self.client(path)
        client.set_alpn_protocols(["pop3"])
        self.assertEqual(shake(self.connection(path), client).selected_alpn_protocol(), "pop3")
        client.set_alpn_protocols(["http/1.1", "h2"])
        with self.assertRaises(Exception) as caught:
            shake(self.connection(path), client)
        self.assertNotIsInstance(caught.exception, AssertionError)

    def test_names(self) -> None:
        self.assertEqual(certificateNames(makeCertificate("a.example")), ["a.example"])

    def test_wrongFiles(self) -> None:
        good, other = self.certificate("localhost"), self.certificate("localhost")
        junk = self.mktemp()
        Path(junk).write_text("no PEM")
        for chain, key, sentence in (
            ("/nowhere.pem", good, "cannot read /nowhere.pem: No such file or directory"),
            (good, "/nowhere.pem", "cannot read /nowhere.pem: No such file or directory"),
            (junk, good, f"{junk} with {good} is no PEM certificate with its private key"),
            (good, junk, f"{good} with {junk} is no PEM certificate with its private key"),
            (good, other, f"the key in {other} is not that of {good}"),
        ):
            with self.assertRaises(SettingError) as caught:
                ServerTLS([(chain, key)])
            self.assertEqual(str(caught.exception), sentence)
