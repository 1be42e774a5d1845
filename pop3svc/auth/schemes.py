"""
Stored hashes of passwords: what each begins with, and how it is verified.

C{_SCHEMES} is the whole list. Verifying blocks, for as long as the hash was made
to cost: call it from a L{pop3svc.pools.Pool}.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from ..errors import SettingError
from ..interfaces import ScramVerifier
from . import digests, libraries
from .hashing import argon2id

Verify = Callable[[bytes], bool]

_SCHEME = re.compile(
    rb"(?P<name>\{[A-Za-z0-9-]{1,24})(?:\.(?P<encoding>[A-Za-z0-9]{1,8}))?\}"
    rb"|\$[A-Za-z0-9-]{1,24}[$,]|SCRAM-SHA-(?:1|256)\$"
)
# Hexadecimal digits of MD5, SHA-1, SHA-256, SHA-512: no base64 of them is as long.
_HEX = re.compile(rb"(?:[0-9A-Fa-f]{32}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}|[0-9A-Fa-f]{128})")


class UnusableHash(SettingError):
    """
    A scheme that is not known, or a hash that is damaged. The text names the
    scheme, never the hash.
    """


class Scheme(NamedTuple):
    """
    @ivar make: makes what verifies passwords of a decoded hash, or raises
        C{ValueError} if it is damaged.
    @ivar decode: how the hash is written where no encoding is named.
    @ivar clear: the hash is the password.
    @ivar scramHash: the hash is a SCRAM verifier for C{SHA-1} or C{SHA-256}.
    """

    make: Callable[[bytes], Verify]
    decode: Callable[[bytes], bytes] = bytes
    clear: bool = False
    scramHash: str = ""


def verify(stored: bytes | str, password: bytes) -> bool:
    """
    @param stored: a hash as it stands in a file.
    @return: whether it is the password's. One that the scheme cannot take (a
        NUL, more than 72 octets for bcrypt, more than 4,096 for others of the
        library) is wrong.
    @raise SettingError: as L{verifier}.
    """
    return verifier(stored)(password)


def verifyFirst(stored: Sequence[bytes], password: bytes) -> int | None:
    """
    @param stored: hashes, of which any may be the password's.
    @return: the index of the first that is.
    @raise SettingError: as L{verifier}.
    """
    return next((i for i, each in enumerate(stored) if verify(each, password)), None)


def verifier(stored: bytes | str) -> Verify:
    """
    What verifies passwords against one hash; making it is cheap.

    @raise UnusableHash: see there.
    @raise SettingError: a library is not installed; says which to install.
    """
    octets = stored.encode() if isinstance(stored, str) else stored
    name, raw = _open(octets)
    try:
        return _SCHEMES[name].make(raw)
    except ValueError as error:
        if isinstance(error, SettingError):
            raise
        raise _damaged(name) from None


def clearTextOf(stored: bytes) -> bytes | None:
    """
    @return: the password, where it is kept in clear text.
    @raise UnusableHash: see there.
    """
    name, raw = _open(stored)
    return raw if _SCHEMES[name].clear else None


def scramOf(stored: bytes) -> tuple[str, ScramVerifier] | None:
    """
    @return: C{SHA-1} or C{SHA-256} and the verifier, where one is kept.
    @raise UnusableHash: see there.
    """
    name, raw = _open(stored)
    hashName = _SCHEMES[name].scramHash
    return (hashName, digests.parseScram(hashName, raw)) if hashName else None


def schemeOf(stored: bytes) -> str:
    """
    @return: the name of the scheme, in lower case and without its marks.
    @raise UnusableHash: see there.
    """
    return _open(stored)[0].decode().strip("{}$,").lower()


def _open(stored: bytes) -> tuple[bytes, bytes]:
    """
    @return: a key of C{_SCHEMES}, and what its C{make} takes.
    @raise UnusableHash: see there.
    """
    found = _SCHEME.match(stored)
    if not found:
        raise UnusableHash(
            "this is no hash; make one with `pop3svc passwd set`, or write {PLAIN} before a"
            " password in clear text"
        )
    name = found["name"].upper() + b"}" if found["name"] else found.group()
    encoding = (found["encoding"] or b"").upper()
    if name not in _SCHEMES or encoding not in _ENCODINGS:
        raise UnusableHash(
            f"the scheme {found.group().upper().decode() if found['name'] else name.decode()} is"
            " not known; set the password anew with `pop3svc passwd set`"
        )
    decode = _ENCODINGS[encoding] or _SCHEMES[name].decode
    try:
        return name, decode(stored[found.end() :] if found["name"] else stored)
    except ValueError:
        raise _damaged(name) from None


def _damaged(name: bytes) -> UnusableHash:
    """Raised without a cause, which may quote the hash."""
    return UnusableHash(f"the hash with {name.decode()} is damaged")


# How hashes are written. Each raises ValueError if it is otherwise.


def _base64(text: bytes) -> bytes:
    return b64decode(text, validate=True)


def _hex(text: bytes) -> bytes:
    if b" " in text:
        raise ValueError("a blank")
    return bytes.fromhex(text.decode("ascii"))


def _base64OrHex(text: bytes) -> bytes:
    """As Dovecot reads digests: their length tells which it is."""
    return _hex(text) if _HEX.fullmatch(text) else _base64(text)


_ENCODINGS: dict[bytes, Callable[[bytes], bytes] | None] = {
    b"": None,
    b"B64": _base64,
    b"BASE64": _base64,
    b"HEX": _hex,
}


def _selfDescribing(raw: bytes) -> Verify:
    """Behind the braces stands a hash that says once more what it is."""
    if not raw.startswith(b"$"):
        raise ValueError("no scheme behind the braces")
    return verifier(raw)


def _crypt(raw: bytes) -> Verify:
    """What crypt(3) takes: the old forms of DES do not say what they are."""
    if raw.startswith(b"_"):
        return libraries.passlib("bsdi_crypt", raw)
    return _selfDescribing(raw) if raw.startswith(b"$") else libraries.passlib("des_crypt", raw)


def _md5(raw: bytes) -> Verify:
    """Dovecot's name for MD5-CRYPT, and LDAP's for a digest."""
    if raw.startswith(b"$"):
        return _selfDescribing(raw)
    return digests.digest("md5", False, _base64OrHex(raw))


def _p5k2(raw: bytes) -> Verify:
    """Two programs have given one name to two forms."""
    if raw.endswith(b"="):
        return libraries.passlib("cta_pbkdf2_sha1", raw)
    if len(raw.rpartition(b"$")[2]) != 32:
        raise ValueError("cut, which the library does not see")
    return libraries.passlib("dlitz_pbkdf2_sha1", raw)


def _phpass(raw: bytes) -> Verify:
    if len(raw) != 34:
        raise ValueError("cut, which the library does not see")
    return libraries.passlib("phpass", raw)


def _passlib(name: str, prefix: bytes = b"") -> Scheme:
    """@param prefix: what the library wants to see before the hash."""
    return Scheme(lambda raw: libraries.passlib(name, prefix + raw))


def _digest(algorithm: str, salted: bool = False) -> Scheme:
    return Scheme(partial(digests.digest, algorithm, salted), _base64OrHex)


def _scram(hashName: str, decode: Callable[[bytes], bytes] = bytes) -> Scheme:
    return Scheme(partial(digests.scram, hashName), decode, scramHash=hashName)


_CLEAR = Scheme(digests.clearText, clear=True)
_SELF = Scheme(_selfDescribing)

# What a hash begins with, and how it is verified. The names in braces are
# Dovecot's and LDAP's; libpass knows more, of databases and of programs for
# the web, which say nothing of what they are.
_SCHEMES: dict[bytes, Scheme] = {
    b"$argon2id$": Scheme(argon2id),
    b"$2a$": _passlib("bcrypt"),
    b"$2b$": _passlib("bcrypt"),
    b"$2y$": _passlib("bcrypt"),
    b"$bcrypt-sha256$": _passlib("bcrypt_sha256"),
    b"$y$": Scheme(libraries.yescrypt),
    b"$gy$": Scheme(libraries.yescrypt),
    b"$6$": _passlib("sha512_crypt"),
    b"$5$": _passlib("sha256_crypt"),
    b"$1$": _passlib("md5_crypt"),
    b"$apr1$": _passlib("apr_md5_crypt"),
    b"$md5$": _passlib("sun_md5_crypt"),
    b"$md5,": _passlib("sun_md5_crypt"),
    b"$sha1$": _passlib("sha1_crypt"),
    b"$scrypt$": _passlib("scrypt"),
    b"$pbkdf2$": _passlib("pbkdf2_sha1"),
    b"$pbkdf2-sha256$": _passlib("pbkdf2_sha256"),
    b"$pbkdf2-sha512$": _passlib("pbkdf2_sha512"),
    b"$p5k2$": Scheme(_p5k2),
    b"$P$": Scheme(_phpass),
    b"$H$": Scheme(_phpass),
    b"SCRAM-SHA-1$": _scram("SHA-1", lambda stored: stored.removeprefix(b"SCRAM-SHA-1$")),
    b"SCRAM-SHA-256$": _scram("SHA-256", lambda stored: stored.removeprefix(b"SCRAM-SHA-256$")),
    b"{SCRAM-SHA-1}": _scram("SHA-1"),
    b"{SCRAM-SHA-256}": _scram("SHA-256"),
    b"{PLAIN}": _CLEAR,
    b"{CLEAR}": _CLEAR,
    b"{CLEARTEXT}": _CLEAR,
    b"{ARGON2ID}": _SELF,
    b"{BLF-CRYPT}": _SELF,
    b"{SHA512-CRYPT}": _SELF,
    b"{SHA256-CRYPT}": _SELF,
    b"{MD5-CRYPT}": _SELF,
    b"{CRYPT}": Scheme(_crypt),
    b"{DES-CRYPT}": Scheme(_crypt),
    b"{MD5}": Scheme(_md5),
    b"{PBKDF2}": Scheme(digests.pbkdf2),
    b"{PBKDF2-SHA256}": _passlib("pbkdf2_sha256", b"$pbkdf2-sha256$"),
    b"{PBKDF2-SHA512}": _passlib("pbkdf2_sha512", b"$pbkdf2-sha512$"),
    b"{PKCS5S2}": _passlib("atlassian_pbkdf2_sha1", b"{PKCS5S2}"),
    b"{NTLM}": Scheme(lambda raw: libraries.passlib("nthash", raw.hex().encode()), _hex),
    b"{SHA}": _digest("sha1"),
    b"{SHA1}": _digest("sha1"),
    b"{SHA256}": _digest("sha256"),
    b"{SHA512}": _digest("sha512"),
    b"{SSHA}": _digest("sha1", salted=True),
    b"{SSHA256}": _digest("sha256", salted=True),
    b"{SSHA512}": _digest("sha512", salted=True),
    b"{PLAIN-MD5}": _digest("md5"),
    b"{LDAP-MD5}": _digest("md5"),
    b"{SMD5}": _digest("md5", salted=True),
}
