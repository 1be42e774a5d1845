"""
Certificates of all kinds, for tests.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def certificateSigning() -> x509.KeyUsage:
    """What an authority's key is for."""
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )


def saveTogether(path: str, key: PrivateKey, certificate: x509.Certificate) -> str:
    """Key and certificate in one file."""
    Path(path).write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


class Authority:
    """An authority that signs whatever is asked for."""

    def __init__(self, name: str = "tests") -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        authority = self._builder(self.name, self.key.public_key(), 3650)
        authority = authority.add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        ).add_extension(certificateSigning(), critical=True)
        self.signed = authority.sign(self.key, hashes.SHA256())

    def save(self, path: str) -> str:
        """The authority's own certificate, for whoever trusts it."""
        Path(path).write_bytes(self.signed.public_bytes(serialization.Encoding.PEM))
        return path

    def issue(
        self, path: str, name: str = "localhost", days: float = 90, kind: str = "ecdsa"
    ) -> str:
        """
        Key and certificate in one file.

        @param name: a DNS name, the address of a host, or one C{user@host}.
        @param days: until it ends.
        @param kind: C{ecdsa} or C{rsa}.
        """
        key: PrivateKey
        if kind == "rsa":
            key = rsa.generate_private_key(65537, 2048)
        else:
            key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = (
            self._builder(subject, key.public_key(), days)
            .add_extension(x509.SubjectAlternativeName([_named(name)]), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return saveTogether(path, key, certificate)

    def _builder(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
        days: float,
    ) -> x509.CertificateBuilder:
        # Python 3.13 verifies strictly: it wants the identifiers of both keys.
        ends = datetime.now(UTC) + timedelta(days=days)
        issuer = self.key.public_key()
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(min(datetime.now(UTC), ends) - timedelta(days=1))
            .not_valid_after(ends)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), critical=False
            )
        )


def _named(name: str) -> x509.GeneralName:
    if "@" in name:
        return x509.RFC822Name(name)
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
