"""
Stored hashes of passwords: what each begins with, making one, verifying.

C{_SCHEMES} is the whole list. Everything here blocks, for as long as the hash
was made to cost: call it from a L{pop3svc.pools.Pool}.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import nullcontext
from functools import cache, partial
from threading import Lock
from typing import Any

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from ..errors import SettingError

Verify = Callable[[bytes], bool]

# RFC 9106 section 4, the second recommended choice, but in one lane: the cost
# for a guesser is the same, and lanes in parallel need _severalLanes below.
ITERATIONS = 3
MEMORY_KIB = 64 * 1024
LANES = 1

_SCHEME = re.compile(rb"\{[A-Za-z0-9.-]{1,24}\}|\$[A-Za-z0-9-]{1,24}\$")
_ARGON2ID = re.compile(
    # A salt of 8 octets at the least (RFC 9106 section 3.1). A tag might have 4,
    # but shorter than 16 it is one that was cut.
    r"\$argon2id\$v=19\$m=(\d{1,9}),t=[1-9]\d{0,5},p=([1-9]\d{0,3})"
    r"\$[A-Za-z0-9+/]{11,}\$[A-Za-z0-9+/]{22,}",
    re.ASCII,
)

# When two threads compute argon2 in more than one lane at once, OpenSSL (4.0 as
# well) waits for ever, or says that memory is short: both want the same lanes.
_severalLanes = Lock()


class UnusableHash(SettingError):
    """
    A scheme that is not known, or a hash that is damaged. The text names the
    scheme, never the hash.
    """


def hashPassword(
    password: str | bytes,
    iterations: int = ITERATIONS,
    memoryKiB: int = MEMORY_KIB,
    lanes: int = LANES,
) -> str:
    """
    A new hash, argon2id with a salt of its own.

    @raise SettingError: a password with a NUL, or with nothing in it.
    """
    octets = password.encode() if isinstance(password, str) else password
    if not octets or b"\0" in octets:
        raise SettingError("a password has one octet at the least, and no NUL")
    salt = secrets.token_bytes(16)
    argon2id = Argon2id(
        salt=salt, length=32, iterations=iterations, lanes=lanes, memory_cost=memoryKiB
    )
    with _severalLanes if lanes > 1 else nullcontext():
        return argon2id.derive_phc_encoded(octets)


def standIn() -> bytes:
    """A hash that costs as much as those of L{hashPassword}; no password has it."""
    salt, tag = (b64encode(secrets.token_bytes(size)).rstrip(b"=") for size in (16, 32))
    return b"$argon2id$v=19$m=%d,t=%d,p=%d$%b$%b" % (MEMORY_KIB, ITERATIONS, LANES, salt, tag)


def verify(stored: bytes | str, password: bytes) -> bool:
    """
    @param stored: a hash as it stands in a file.
    @return: whether it is the password's. One that the scheme cannot take (a
        NUL, more than 72 octets for bcrypt, more than 4,096 for others of the
        library) is wrong.
    @raise SettingError: as L{verifier}.
    """
    return verifier(stored)(password)


def verifier(stored: bytes | str) -> Verify:
    """
    What verifies passwords against one hash; making it is cheap.

    @raise UnusableHash: see there.
    @raise SettingError: a library is not installed; says which to install.
    """
    octets = stored.encode() if isinstance(stored, str) else stored
    found = _SCHEME.match(octets)
    if not found:
        raise UnusableHash(
            "this is no hash; make one with `pop3svc passwd`, or write {PLAIN} before a"
            " password in clear text"
        )
    scheme = found.group().upper() if octets.startswith(b"{") else found.group()
    if scheme not in _SCHEMES:
        raise UnusableHash(
            f"the scheme {scheme.decode('ascii')} is not known; set the password anew with"
            " `pop3svc passwd`"
        )
    make = _SCHEMES[scheme]
    try:
        return make(octets[found.end() :] if scheme.startswith(b"{") else octets)
    except ValueError as error:
        if isinstance(error, SettingError):
            raise
        # Without its cause, which may quote the hash.
        raise UnusableHash(f"the hash with {scheme.decode('ascii')} is damaged") from None


# Each of these makes a Verify of a hash, and raises ValueError if it is damaged.


def _argon2id(stored: bytes) -> Verify:
    text = stored.decode("ascii")
    parsed = _ARGON2ID.fullmatch(text)
    if not parsed or int(parsed[1]) < 8 * int(parsed[2]):
        raise ValueError("not an argon2id hash")
    lanes = int(parsed[2])

    def verifyArgon2id(password: bytes) -> bool:
        try:
            with _severalLanes if lanes > 1 else nullcontext():
                Argon2id.verify_phc_encoded(password, text)
        except InvalidKey:
            return False
        return True

    return verifyArgon2id


def _clearText(stored: bytes) -> Verify:
    if not stored:
        raise ValueError("an empty password")
    return partial(hmac.compare_digest, stored)


def _digest(algorithm: str, stored: bytes) -> Verify:
    """A digest of the password and a salt, the salt behind it, in base64."""
    raw = b64decode(stored, validate=True)
    size = hashlib.new(algorithm, usedforsecurity=False).digest_size
    digest, salt = raw[:size], raw[size:]
    if len(digest) < size:
        raise ValueError("too short")

    def verifyDigest(password: bytes) -> bool:
        made = hashlib.new(algorithm, password + salt, usedforsecurity=False).digest()
        return hmac.compare_digest(made, digest)

    return verifyDigest


def _library(name: str, stored: bytes) -> Verify:
    """A hash that libpass knows."""
    handler, text = _handler(name), stored.decode("ascii")
    if handler.from_string(text).checksum is None:
        raise ValueError("salt without digest")

    def verifyByLibrary(password: bytes) -> bool:
        try:
            return handler.verify(password, text)
        except ValueError:
            # Not the hash, which was parsed: a password that the scheme cannot take.
            return False

    return verifyByLibrary


@cache
def _handler(name: str) -> Any:
    advice = "are verified by another library; run: pip install 'pop3svc[passwd]'"
    try:
        import passlib.exc
        import passlib.hash
    except ImportError as error:
        raise SettingError(f"hashes with {name} {advice}") from error
    handler = getattr(passlib.hash, name)
    if hasattr(handler, "get_backend"):
        try:
            handler.get_backend()
        except passlib.exc.MissingBackendError as error:
            raise SettingError(f"hashes with {name} {advice}") from error
    return handler


def _selfDescribing(stored: bytes) -> Verify:
    """Behind the braces stands a hash that says once more what it is."""
    if not stored.startswith(b"$"):
        raise ValueError("no scheme behind the braces")
    return verifier(stored)


# What a hash begins with -> what makes its Verify, of the whole hash or of what
# stands behind the braces. The names in braces are Dovecot's.
_SCHEMES: dict[bytes, Callable[[bytes], Verify]] = {
    b"$argon2id$": _argon2id,
    b"$2a$": partial(_library, "bcrypt"),
    b"$2b$": partial(_library, "bcrypt"),
    b"$2y$": partial(_library, "bcrypt"),
    b"$bcrypt-sha256$": partial(_library, "bcrypt_sha256"),
    b"$6$": partial(_library, "sha512_crypt"),
    b"$5$": partial(_library, "sha256_crypt"),
    b"$1$": partial(_library, "md5_crypt"),
    b"$apr1$": partial(_library, "apr_md5_crypt"),
    b"$sha1$": partial(_library, "sha1_crypt"),
    b"$scrypt$": partial(_library, "scrypt"),
    b"$pbkdf2$": partial(_library, "pbkdf2_sha1"),
    b"$pbkdf2-sha256$": partial(_library, "pbkdf2_sha256"),
    b"$pbkdf2-sha512$": partial(_library, "pbkdf2_sha512"),
    b"{PLAIN}": _clearText,
    b"{CLEAR}": _clearText,
    b"{CLEARTEXT}": _clearText,
    b"{ARGON2ID}": _selfDescribing,
    b"{BLF-CRYPT}": _selfDescribing,
    b"{SHA512-CRYPT}": _selfDescribing,
    b"{SHA256-CRYPT}": _selfDescribing,
    b"{MD5-CRYPT}": _selfDescribing,
    b"{CRYPT}": _selfDescribing,
    b"{SHA}": partial(_digest, "sha1"),
    b"{SHA1}": partial(_digest, "sha1"),
    b"{SHA256}": partial(_digest, "sha256"),
    b"{SHA512}": partial(_digest, "sha512"),
    b"{SSHA}": partial(_digest, "sha1"),
    b"{SSHA256}": partial(_digest, "sha256"),
    b"{SSHA512}": partial(_digest, "sha512"),
    b"{LDAP-MD5}": partial(_digest, "md5"),
    b"{SMD5}": partial(_digest, "md5"),
}
