"""
Certificate files, read and judged before anything is served with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from .errors import SettingError

# From when on an administrator is reminded.
WARNING = timedelta(days=14)


@dataclass(frozen=True)
class Pair:
    """
    A certificate chain and its key.

    @ivar certificate: the path of the PEM chain.
    @ivar key: the path of the PEM key.
    @ivar names: the DNS names it is good for, in lower case.
    @ivar expires: when it ends.
    @ivar elliptic: it has an ECDSA key.
    """

    certificate: str
    key: str
    names: tuple[str, ...]
    expires: datetime
    elliptic: bool

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
    @raise SettingError: a file cannot be read, or is no certificate. Whether
        the key is the certificate's own is OpenSSL's to say.
    """
    for path in (certificate, key):
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise SettingError(f"cannot read {path}: {error.strerror}") from error
        if path == certificate:
            pem = data
    try:
        first = x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise SettingError(f"{certificate} is no PEM certificate") from error
    elliptic = isinstance(first.public_key(), ec.EllipticCurvePublicKey)
    return Pair(certificate, key, _names(first), first.not_valid_after_utc, elliptic)


def fileStamps(paths: Sequence[str]) -> tuple[object, ...]:
    """What changes when one of the files does; a file may be missing for a moment."""
    stamps: list[object] = []
    for path in paths:
        try:
            status = Path(path).stat()
        except OSError as error:
            stamps.append(error.errno)
        else:
            stamps.append((status.st_ino, status.st_mtime_ns, status.st_size))
    return tuple(stamps)


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(name.lower() for name in names.value.get_values_for_type(x509.DNSName))
