"""
L{pop3svc.tls} and L{pop3svc.certificates}: certificates chosen, old versions and
weak suites refused, sessions resumed, over memory.
"""

import contextlib
import gc
import os
import ssl
import sys
from pathlib import Path
from typing import Any, cast

from OpenSSL import SSL
from twisted.trial.unittest import TestCase

from pop3svc.certificates import now, readPair
from pop3svc.errors import SettingError
from pop3svc.tls import ServerTLS

from .pki import Authority


def shake(
    tls: ServerTLS,
    client: ssl.SSLContext,
    name: str = "localhost",
    session: ssl.SSLSession | None = None,
) -> tuple[ssl.SSLObject, SSL.Connection]:
    """
    A handshake between pyOpenSSL and the standard library, through memory.

    @return: the client's and the server's side after it.
    """
    server = tls.serverConnectionForTLS(cast(Any, None))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    side = client.wrap_bio(incoming, outgoing, server_hostname=name, session=session)
    server.set_accept_state()
    for _ in range(10):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
        data = outgoing.read()
        if data:
            server.bio_write(data)
        with contextlib.suppress(SSL.WantReadError):
            server.do_handshake()
        with contextlib.suppress(SSL.WantReadError):
            incoming.write(server.bio_read(1 << 16))
    server.send(b"+OK\r\n")
    incoming.write(server.bio_read(1 << 16))
    assert side.read(5) == b"+OK\r\n"
    return side, server


def alternativeNames(side: ssl.SSLObject) -> list[str]:
    certificate = cast(Any, side.getpeercert())
    return [value for _, value in certificate["subjectAltName"]]


class TLSTestCase(TestCase):
    def setUp(self) -> None:
        self.authority = Authority()
        self.trusted = self.authority.save(self.mktemp())

    def issue(self, name: str = "localhost", **settings: Any) -> str:
        return self.authority.issue(self.mktemp(), name, **settings)

    def client(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.trusted)

    def serve(self, *paths: str, **settings: Any) -> ServerTLS:
        return ServerTLS([(path, path) for path in paths], **settings)


class VersionTests(TLSTestCase):
    def test_newest(self) -> None:
        side, _ = shake(self.serve(self.issue()), self.client())
        self.assertEqual(side.version(), "TLSv1.3")

    def test_version12WithForwardSecrecy(self) -> None:
        client = self.client()
        client.maximum_version = ssl.TLSVersion.TLSv1_2
        side, _ = shake(self.serve(self.issue()), client)
        self.assertEqual(cast(Any, side.cipher())[0], "ECDHE-ECDSA-AES128-GCM-SHA256")

    def oldClient(self) -> ssl.SSLContext:
        client = self.client()
        client.minimum_version = ssl.TLSVersion.TLSv1
        client.maximum_version = ssl.TLSVersion.TLSv1
        client.set_ciphers("ALL:@SECLEVEL=0")
        return client

    def test_oldVersionsAreRefused(self) -> None:
        with self.assertRaises((SSL.Error, ssl.SSLError)):
            shake(self.serve(self.issue()), self.oldClient())

    def test_legacyListener(self) -> None:
        """A printer that knows nothing newer, where the administrator says so."""
        tls = self.serve(self.issue(kind="rsa"), minimumTLS="1.0")
        self.assertEqual(shake(tls, self.oldClient())[0].version(), "TLSv1")
        self.assertEqual(shake(tls, self.client())[0].version(), "TLSv1.3")

    def test_weakSuitesAreRefused(self) -> None:
        client = self.client()
        client.maximum_version = ssl.TLSVersion.TLSv1_2
        client.set_ciphers("ECDHE-ECDSA-AES128-SHA:AES128-SHA:@SECLEVEL=0")
        with self.assertRaises((SSL.Error, ssl.SSLError)):
            shake(self.serve(self.issue()), client)


class ChoiceTests(TLSTestCase):
    def test_byName(self) -> None:
        tls = self.serve(self.issue(), self.issue("mail.example.org"))
        for name in ("localhost", "mail.example.org"):
            self.assertEqual(alternativeNames(shake(tls, self.client(), name)[0]), [name])

    def test_unknownNameGetsTheFirst(self) -> None:
        client = self.client()
        client.check_hostname = False
        tls = self.serve(self.issue(), self.issue("mail.example.org"))
        for name in ("elsewhere.example", "x" * 60 + ".example"):
            self.assertEqual(alternativeNames(shake(tls, client, name)[0]), ["localhost"])

    def test_unknownNamesAreNotKept(self) -> None:
        """Whoever asks for ever new names fills no table."""
        client = self.client()
        client.check_hostname = False
        tls = self.serve(self.issue(), self.issue("mail.example.org"))

        def shakeMany(start: int) -> int:
            for number in range(start, start + 100):
                shake(tls, client, f"n{number}.example")
            gc.collect()
            return sys.getallocatedblocks()

        before = shakeMany(0)
        self.assertLess(shakeMany(100) - before, 50)

    def test_wildcard(self) -> None:
        tls = self.serve(self.issue(), self.issue("*.example.org"))
        side, _ = shake(tls, self.client(), "MAIL.example.org")
        self.assertEqual(alternativeNames(side), ["*.example.org"])

    def test_ECDSAIsPreferred(self) -> None:
        """Two keys for one name serve together; whoever knows only RSA gets RSA."""
        tls = self.serve(self.issue(kind="rsa"), self.issue())
        client = self.client()
        client.maximum_version = ssl.TLSVersion.TLSv1_2
        self.assertIn("ECDSA", cast(Any, shake(tls, client)[0].cipher())[0])
        client.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
        self.assertIn("-RSA-", cast(Any, shake(tls, client)[0].cipher())[0])

    def test_ALPN(self) -> None:
        """pop3 is taken; a browser that is led here gets an alert."""
        tls, client = self.serve(self.issue()), self.client()
        client.set_alpn_protocols(["pop3"])
        self.assertEqual(shake(tls, client)[0].selected_alpn_protocol(), "pop3")
        client.set_alpn_protocols(["http/1.1", "h2"])
        with self.assertRaises((SSL.Error, ssl.SSLError)) as caught:
            shake(tls, client)
        self.assertNotIsInstance(caught.exception, AssertionError)


class ResumptionTests(TLSTestCase):
    def test_pollersPayOnce(self) -> None:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            tls, client = self.serve(self.issue()), self.client()
            client.minimum_version = client.maximum_version = version
            first, _ = shake(tls, client)
            self.assertFalse(first.session_reused)
            again, _ = shake(tls, client, session=first.session)
            self.assertTrue(again.session_reused, version)

    def test_notAfterAReload(self) -> None:
        """The keys of tickets go with the contexts."""
        tls, client = self.serve(self.issue()), self.client()
        first, _ = shake(tls, client)
        tls.reload()
        self.assertFalse(shake(tls, client, session=first.session)[0].session_reused)


class ClientCertificateTests(TLSTestCase):
    def test_verified(self) -> None:
        tls = self.serve(self.issue(), clientCA=self.trusted)
        self.assertTrue(tls.clientCertificates)
        client = self.client()
        client.load_cert_chain(self.issue("karl@example.org"))
        _, server = shake(tls, client)
        certificate = server.get_peer_certificate()
        assert certificate is not None
        self.assertEqual(certificate.get_subject().CN, "karl@example.org")

    def test_nobodyMustHaveOne(self) -> None:
        _, server = shake(self.serve(self.issue(), clientCA=self.trusted), self.client())
        self.assertIsNone(server.get_peer_certificate())

    def test_strangersAreRefused(self) -> None:
        tls = self.serve(self.issue(), clientCA=self.trusted)
        client = self.client()
        client.load_cert_chain(Authority("others").issue(self.mktemp(), "karl@example.org"))
        with self.assertRaises((SSL.Error, ssl.SSLError)):
            shake(tls, client)

    def test_notAskedForOtherwise(self) -> None:
        tls = self.serve(self.issue())
        self.assertFalse(tls.clientCertificates)
        client = self.client()
        client.load_cert_chain(self.issue("karl@example.org"))
        self.assertIsNone(shake(tls, client)[1].get_peer_certificate())

    def test_wrongFile(self) -> None:
        junk = self.mktemp()
        Path(junk).write_text("no PEM")
        with self.assertRaises(SettingError) as caught:
            self.serve(self.issue(), clientCA=junk)
        self.assertEqual(str(caught.exception), f"{junk} holds no PEM certificates of authorities")


class ReloadTests(TLSTestCase):
    def test_newPairServesNewConnections(self) -> None:
        path = self.issue()
        tls = self.serve(path)
        self.assertFalse(tls.changed())
        old = tls.pairs[0].expires
        os.replace(self.issue(days=200), path)
        self.assertTrue(tls.changed())
        tls.reload()
        self.assertFalse(tls.changed())
        self.assertGreater(tls.pairs[0].expires, old)
        self.assertEqual(alternativeNames(shake(tls, self.client())[0]), ["localhost"])

    def test_badNewPair(self) -> None:
        """It is told what is wrong, the old one stays, and it is told once."""
        path = self.issue()
        other = self.issue()
        for data, part in (
            (b"no PEM", "is no PEM certificate"),
            (Path(self.issue(days=-1)).read_bytes(), " expired on "),
            (Path(other).read_bytes().partition(b"-----BEGIN CERT")[0], "is no PEM certificate"),
        ):
            tls = self.serve(path)
            good = Path(path).read_bytes()
            Path(path).write_bytes(data)
            self.assertTrue(tls.changed())
            with self.assertRaises(SettingError) as caught:
                tls.reload()
            self.assertIn(part, str(caught.exception))
            self.assertFalse(tls.changed())
            self.assertEqual(alternativeNames(shake(tls, self.client())[0]), ["localhost"])
            Path(path).write_bytes(good)

    def test_missingForAMoment(self) -> None:
        path = self.issue()
        tls = self.serve(path)
        os.rename(path, path + ".away")
        self.assertTrue(tls.changed())
        with self.assertRaises(SettingError):
            tls.reload()
        os.rename(path + ".away", path)
        self.assertTrue(tls.changed())
        tls.reload()


class WrongFileTests(TLSTestCase):
    def test_sentences(self) -> None:
        good, other = self.issue(), self.issue()
        junk = self.mktemp()
        Path(junk).write_text("no PEM")
        for chain, key, sentence in (
            ("/nowhere.pem", good, "cannot read /nowhere.pem: No such file or directory"),
            (good, "/nowhere.pem", "cannot read /nowhere.pem: No such file or directory"),
            (junk, good, f"{junk} is no PEM certificate"),
            (good, junk, f"{good} with {junk} is no PEM certificate with its private key"),
            (good, other, f"the key in {other} is not that of {good}"),
        ):
            with self.assertRaises(SettingError) as caught:
                ServerTLS([(chain, key)])
            self.assertEqual(str(caught.exception), sentence)

    def test_dates(self) -> None:
        # 1.2.840.10045.2.1 is id-ecPublicKey, of RFC 5480 section 2.1.1.
        for days, soon, expired in ((90, False, False), (13, True, False), (-1, True, True)):
            pair = readPair(*[self.issue(days=days)] * 2)
            self.assertEqual((pair.endsSoon(now()), pair.expired(now())), (soon, expired))
            self.assertEqual((pair.names, pair.keyType), (("localhost",), "1.2.840.10045.2.1"))
