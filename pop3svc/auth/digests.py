"""
Hashes that the standard library verifies: digests, PBKDF2, SCRAM verifiers.

Each function here takes what stands behind a scheme's name, decoded, and
raises C{ValueError} if that is damaged.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Callable

from ..interfaces import ScramVerifier
from .scram import DIGESTS, makeVerifier

Verify = Callable[[bytes], bool]

_PBKDF2 = re.compile(rb"\$1\$([^$]+)\$([1-9][0-9]{0,8})\$([0-9A-Fa-f]{40})")
# Dovecot's form, and that of RFC 5803 and PostgreSQL.
_SCRAM = (
    re.compile(rb"([1-9][0-9]{0,8}),([^,]+),([^,]+),([^,]+)"),
    re.compile(rb"([1-9][0-9]{0,8}):([^:$]+)\$([^:$]+):([^:$]+)"),
)


def clearText(raw: bytes) -> Verify:
    """The password itself."""
    if not raw:
        raise ValueError("an empty password")
    return lambda password: hmac.compare_digest(raw, password)


def digest(algorithm: str, salted: bool, raw: bytes) -> Verify:
    """A digest of the password and a salt, the salt behind it."""
    size = hashlib.new(algorithm, usedforsecurity=False).digest_size
    expected, salt = raw[:size], raw[size:]
    if len(expected) < size or (salt and not salted):
        raise ValueError("too short or too long")

    def verifyDigest(password: bytes) -> bool:
        made = hashlib.new(algorithm, password + salt, usedforsecurity=False).digest()
        return hmac.compare_digest(made, expected)

    return verifyDigest


def pbkdf2(raw: bytes) -> Verify:
    """C{$1$salt$rounds$digest}, as Dovecot writes it, with SHA-1."""
    parsed = _PBKDF2.fullmatch(raw)
    if not parsed:
        raise ValueError("not PBKDF2")
    salt, rounds, expected = parsed[1], int(parsed[2]), bytes.fromhex(parsed[3].decode())

    def verifyPBKDF2(password: bytes) -> bool:
        made = hashlib.pbkdf2_hmac("sha1", password, salt, rounds)
        return hmac.compare_digest(made, expected)

    return verifyPBKDF2


def scram(hashName: str, raw: bytes) -> Verify:
    """A SCRAM verifier; a password is right if it leads to the same one."""
    kept = parseScram(hashName, raw)

    def verifyScram(password: bytes) -> bool:
        made = makeVerifier(hashName, password, kept.salt, kept.iterations)
        return hmac.compare_digest(made.storedKey, kept.storedKey)

    return verifyScram


def parseScram(hashName: str, raw: bytes) -> ScramVerifier:
    """@param raw: C{4096,salt,stored,server} or C{4096:salt$stored:server}."""
    parsed = next(filter(None, (form.fullmatch(raw) for form in _SCRAM)), None)
    if not parsed:
        raise ValueError("not a SCRAM verifier")
    salt, storedKey, serverKey = (b64decode(each, validate=True) for each in parsed.groups()[1:])
    size = hashlib.new(DIGESTS[hashName]).digest_size
    if not salt or len(storedKey) != size or len(serverKey) != size:
        raise ValueError("keys of another size")
    return ScramVerifier(salt, int(parsed[1]), storedKey, serverKey)


def writeScram(hashName: str, verifier: ScramVerifier) -> str:
    """The whole hash, as Dovecot reads it too."""
    parts = (verifier.salt, verifier.storedKey, verifier.serverKey)
    texts = ",".join(b64encode(each).decode() for each in parts)
    return f"{{SCRAM-{hashName}}}{verifier.iterations},{texts}"
