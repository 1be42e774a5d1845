"""L{pop3svc.tls}: which of several pairs serves, and new keys without the files."""

import os
import ssl
from pathlib import Path
from typing import Any, cast

from cryptography import x509

from .test_tls import TLSTestCase, shake


class PairsTests(TLSTestCase):
    def serial(self, path: str) -> int:
        return x509.load_pem_x509_certificate(Path(path).read_bytes()).serial_number

    def served(self, *paths: str, name: str = "localhost") -> int:
        client = self.client()
        client.check_hostname = False
        data = shake(self.serve(*paths), client, name)[0].getpeercert(binary_form=True)
        return x509.load_der_x509_certificate(cast(bytes, data)).serial_number

    def test_sameNamesAndType(self) -> None:
        """The first, as for everybody else; not the last."""
        first, second = self.issue(), self.issue()
        self.assertEqual(self.served(first, second), self.serial(first))

    def test_noNames(self) -> None:
        first, second = self.issue("a@example.org"), self.issue("b@example.org", kind="rsa")
        self.assertEqual(self.served(first, second), self.serial(first))
        self.assertEqual(self.served(second, first), self.serial(second))

    def test_thirdOfTheSameNames(self) -> None:
        """Behind two types that serve together, there is no place for another."""
        rsa, first, second = self.issue(kind="rsa"), self.issue(), self.issue()
        self.assertEqual(self.served(rsa, first, second), self.serial(first))

    def test_commonName(self) -> None:
        other, first, second = (self.issue(each) for each in ("other", "localhost", "localhost"))
        self.assertEqual(self.served(other, first, second), self.serial(first))


class RotateTests(TLSTestCase):
    def test_withoutFiles(self) -> None:
        """Chain, key and authorities are those of before; tickets are no longer good."""
        path, trusted = self.issue(), self.authority.save(self.mktemp())
        tls = self.serve(path, clientCA=trusted)
        client = self.client()
        client.load_cert_chain(self.issue("karl@example.org"))
        first, _ = shake(tls, client)
        os.remove(path)
        os.remove(trusted)
        pairs = tls.pairs
        tls.rotate()
        self.assertEqual(tls.pairs, pairs)
        again, server = shake(tls, client, session=first.session)
        self.assertFalse(again.session_reused)
        self.assertIsNotNone(server.get_peer_certificate())

    def test_wholeChain(self) -> None:
        """What stands behind the certificate in its file goes out with it."""
        path = self.issue()
        with Path(path).open("ab") as file:
            file.write(Path(self.trusted).read_bytes())
        tls = self.serve(path)
        tls.rotate()
        client = ssl.create_default_context(cafile=self.trusted)
        side, _ = shake(tls, client)
        self.assertEqual(len(cast(Any, side)._sslobj.get_unverified_chain()), 2)
        self.assertNotIn(b"PRIVATE", tls.pairs[0].chain)
