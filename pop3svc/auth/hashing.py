"""
New hashes of passwords: argon2id.

Everything here blocks, for as long as the hash was made to cost: call it from a
L{pop3svc.pools.Pool}. L{pop3svc.auth.schemes} knows the hashes of others too.
"""

from __future__ import annotations

import re
import secrets
from base64 import b64encode
from collections.abc import Callable
from contextlib import nullcontext
from threading import Lock

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from ..errors import SettingError

Verify = Callable[[bytes], bool]

# RFC 9106 section 4, the second recommended choice, but in one lane: the cost
# for a guesser is the same, and lanes in parallel need _severalLanes below.
ITERATIONS = 3
MEMORY_KIB = 64 * 1024
LANES = 1

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
    octets = usable(password)
    salt = secrets.token_bytes(16)
    argon2id = Argon2id(
        salt=salt, length=32, iterations=iterations, lanes=lanes, memory_cost=memoryKiB
    )
    with _severalLanes if lanes > 1 else nullcontext():
        return argon2id.derive_phc_encoded(octets)


def usable(password: str | bytes) -> bytes:
    """
    @return: the octets of a password that somebody may have.
    @raise SettingError: a password with a NUL, or with nothing in it.
    """
    octets = password.encode() if isinstance(password, str) else password
    if not octets or b"\0" in octets:
        raise SettingError("a password has one octet at the least, and no NUL")
    return octets


def standIn() -> bytes:
    """A hash that costs as much as those of L{hashPassword}; no password has it."""
    salt, tag = (b64encode(secrets.token_bytes(size)).rstrip(b"=") for size in (16, 32))
    return b"$argon2id$v=19$m=%d,t=%d,p=%d$%b$%b" % (MEMORY_KIB, ITERATIONS, LANES, salt, tag)


def argon2id(raw: bytes) -> Verify:
    """
    What verifies passwords against one hash.

    @raise ValueError: it is damaged.
    """
    text = raw.decode("ascii")
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
