"""L{pop3svc.certificates}: files that are judged before anything is served with them."""

import errno
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.trial.unittest import SynchronousTestCase

from pop3svc import startfiles
from pop3svc.certificates import changedSince, fileStamps, readPair
from pop3svc.errors import SettingError

from .pki import Authority, saveTogether


def issueBroken(authority: Authority, path: str) -> str:
    """A signed certificate whose alternative names are cut in the middle."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, b"\x04\x02\xff")
    signed = (
        authority._builder(authority.name, key.public_key(), 90)
        .add_extension(name, critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return saveTogether(path, key, signed)


class ReadPairTests(SynchronousTestCase):
    def refused(self, certificate: str, key: str) -> str:
        with self.assertRaises(SettingError) as caught:
            readPair(certificate, key)
        return str(caught.exception)

    def test_brokenExtension(self) -> None:
        path = issueBroken(Authority(), self.mktemp())
        self.assertEqual(
            self.refused(path, path),
            f"{path} is a certificate with something in it that cannot be read;"
            " have it issued anew",
        )

    def test_encryptedKey(self) -> None:
        """In both shapes that OpenSSL writes; nobody is asked for the password."""
        certificate = Authority().issue(self.mktemp())
        secret = serialization.BestAvailableEncryption(b"secret")
        for shape in (
            serialization.PrivateFormat.PKCS8,
            serialization.PrivateFormat.TraditionalOpenSSL,
        ):
            path = self.mktemp()
            key = ec.generate_private_key(ec.SECP256R1())
            Path(path).write_bytes(key.private_bytes(serialization.Encoding.PEM, shape, secret))
            self.assertEqual(
                self.refused(certificate, path),
                f"{path} is encrypted, and nobody is asked for its password;"
                f" decrypt it with openssl pkey -in {path} -out FILE",
            )

    def test_keyOfAnotherType(self) -> None:
        authority = Authority()
        certificate = authority.issue(self.mktemp())
        other = authority.issue(self.mktemp(), kind="rsa")
        self.assertEqual(
            self.refused(certificate, other), f"the key in {other} is not that of {certificate}"
        )


class StampsTests(SynchronousTestCase):
    def test_changes(self) -> None:
        path = self.mktemp()
        missing = fileStamps([path])
        Path(path).write_text("one")
        there = fileStamps([path])
        self.assertTrue(changedSince(missing, there))
        self.assertTrue(changedSince(there, missing))
        self.assertFalse(changedSince(there, fileStamps([path])))

    def test_outOfSight(self) -> None:
        """A directory that only root may search, when root has become another."""
        path = self.mktemp()
        Path(path).write_text("one")
        before = fileStamps([path])

        def refuse(path: str) -> None:
            raise PermissionError(errno.EACCES, "Permission denied", path)

        self.patch(startfiles, "stampOf", refuse)
        hidden = fileStamps([path])
        self.assertEqual(hidden, (errno.EACCES,))
        self.assertFalse(changedSince(before, hidden))
        self.assertTrue(changedSince(hidden, before))
