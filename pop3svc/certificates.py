"""
Certificate files, read and judged before anything is served with them.
"""

from __future__ import annotations

import errno
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from . import startfiles
from .errors import SettingError

# From when on an administrator is reminded.
WARNING = timedelta(days=14)

# What the library raises for a certificate with something in it that it cannot read.
_UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


@dataclass(frozen=True)
class Pair:
    """
    A certificate chain and its key, kept whole: a service that has given up its
    privileges may never read the files again.

    @ivar certificate: the path of the PEM chain.
    @ivar key: the path of the PEM key.
    @ivar names: the DNS names it is good for, in lower case.
    @ivar expires: when it ends.
    @ivar keyType: the object identifier of its kind of key, such as RSA.
    @ivar chain: the certificates, as PEM.
    @ivar privateKey: the key itself.
    """

    certificate: str
    key: str
    names: tuple[str, ...]
    expires: datetime
    keyType: str
    chain: bytes
    privateKey: PrivateKeyTypes = field(compare=False, repr=False)

    def keyPEM(self) -> bytes:
        """The key, not encrypted."""
        return self.privateKey.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def expired(self, now: datetime) -> bool:
        """No client that looks will take it any more."""
        return self.expires <= now

    def endsSoon(self, now: datetime) -> bool:
        """It ends within L{WARNING}, or has ended."""
        return self.expires - WARNING <= now


def now() -> datetime:
    """The time by which certificates are judged."""
    return datetime.now(UTC)


def readPair(certificate: str, key: str) -> Pair:
    """
    @raise SettingError: a file cannot be read, is no certificate or no key, or
        the two do not belong together.
    """
    pem, keyPem = readFile(certificate), readFile(key)
    try:
        chain = x509.load_pem_x509_certificates(pem)
    except (ValueError, x509.InvalidVersion) as error:
        raise SettingError(f"{certificate} is no PEM certificate") from error
    first = chain[0]
    try:
        publicKey, names, expires = first.public_key(), _names(first), first.not_valid_after_utc
        keyType = first.public_key_algorithm_oid.dotted_string
    except _UNREADABLE as error:
        raise SettingError(
            f"{certificate} is a certificate with something in it that cannot be read;"
            " have it issued anew"
        ) from error
    privateKey = _privateKey(certificate, key, keyPem)
    if privateKey.public_key() != publicKey:
        raise SettingError(f"the key in {key} is not that of {certificate}")
    whole = b"".join(each.public_bytes(Encoding.PEM) for each in chain)
    return Pair(certificate, key, names, expires, keyType, whole, privateKey)


def readFile(path: str) -> bytes:
    """@raise SettingError: it cannot be read."""
    try:
        return startfiles.readFile(path)
    except OSError as error:
        raise SettingError(f"cannot read {path}: {error.strerror}") from error


def changedSince(before: Sequence[object], after: Sequence[object]) -> bool:
    """
    @param before: stamps of L{fileStamps}.
    @param after: later ones of the same files.
    """
    return any(new != old and new != errno.EACCES for old, new in zip(before, after, strict=True))


def fileStamps(paths: Sequence[str]) -> tuple[object, ...]:
    """
    What changes when one of the files does. A file may be missing for a moment;
    one that privileges given up have put out of sight has not changed.
    """
    stamps: list[object] = []
    for path in paths:
        try:
            stamp = startfiles.stampOf(path)
        except OSError as error:
            stamps.append(error.errno)
        else:
            stamps.append((stamp.inode, stamp.modified, stamp.octets))
    return tuple(stamps)


def asStamp(stamp: object) -> startfiles.Stamp:
    """
    @param stamp: one of L{fileStamps}.
    @return: one with the same of it; for a file that was out of reach, one of no file.
    """
    inode, modified, octets = stamp if isinstance(stamp, tuple) else (0, 0, 0)
    return startfiles.Stamp(0, inode, octets, modified, 0, stat.S_IFREG)


def _privateKey(certificate: str, key: str, pem: bytes) -> PrivateKeyTypes:
    try:
        # Without a password, so that nobody is asked for one where nobody sits.
        return load_pem_private_key(pem, None)
    except TypeError as error:
        raise SettingError(
            f"{key} is encrypted, and nobody is asked for its password;"
            f" decrypt it with openssl pkey -in {key} -out FILE"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SettingError(
            f"{certificate} with {key} is no PEM certificate with its private key"
        ) from error


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(name.lower() for name in names.value.get_values_for_type(x509.DNSName))
