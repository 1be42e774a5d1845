"""
Certificates and keys that are damaged: each is refused with a sentence, or serves.
"""

from __future__ import annotations

import base64
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from random import Random

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pop3svc.certificates import readPair
from pop3svc.errors import SettingError
from pop3svc.tls import ServerTLS

from .case import Case
from .mutation import mutate
from .naiveanswers import Wrong

_BLOCK = re.compile(rb"-----BEGIN ([A-Z ]+)-----\n(.*?)-----END [A-Z ]+-----\n", re.DOTALL)


class Certificates:
    """The target. The pieces of a case are a certificate's file and its key's."""

    name = "certificates"
    unit = "pairs"

    def make(self, dice: Random) -> Case:
        certificate, key = pair()
        files = [certificate, key, certificate + key, key + certificate, certificate * 2]
        chosen = [dice.choice((certificate, certificate, *files)), dice.choice((key, key, *files))]
        for _ in range(dice.choice((0, 1, 1, 1, 2, 4))):
            at = dice.randrange(3) // 2
            change = dice.choice((mutate, _mutateInside, _mutateInside))
            chosen[at] = change(dice, chosen[at], files)
        return Case(self.name, tuple(chosen))

    def check(self, case: Case) -> int:
        certificate, key = case.pieces
        with _onDisk(certificate) as first, _onDisk(key) as second:
            try:
                readPair(first, second)
                ServerTLS([(first, second)], clientCA=first)
            except SettingError as error:
                if "\n" in str(error):
                    raise Wrong(f"more than one sentence: {error}") from error
        return 1


@cache
def pair() -> tuple[bytes, bytes]:
    """A certificate and its key, as PEM: the same ones each time."""
    key = ec.derive_private_key(0x1939, ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mx.example.org")])
    named = x509.SubjectAlternativeName([x509.DNSName("mx.example.org"), x509.DNSName("*.x")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1939)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2046, 1, 1, tzinfo=UTC))
        .add_extension(named, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256(), ecdsa_deterministic=True)
    )
    keyPem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return certificate.public_bytes(serialization.Encoding.PEM), keyPem


def _mutateInside(dice: Random, pem: bytes, others: list[bytes]) -> bytes:
    """One octet or a few below the base64."""
    blocks = list(_BLOCK.finditer(pem))
    if not blocks:
        return mutate(dice, pem, others)
    block = dice.choice(blocks)
    try:
        der = base64.b64decode(block[2])
    except ValueError:
        return mutate(dice, pem, others)
    text = base64.encodebytes(mutate(dice, der, [der]))
    return pem[: block.start(2)] + text + pem[block.end(2) :]


@contextmanager
def _onDisk(octets: bytes) -> Iterator[str]:
    with tempfile.NamedTemporaryFile(prefix="pop3svc-fuzz-") as file:
        file.write(octets)
        file.flush()
        yield file.name
