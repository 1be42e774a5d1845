"""
The arithmetic of SCRAM verifiers (RFC 5802 section 3).

A verifier lets a server check a proof, and signs for the server; the password
cannot be had from it but by guessing, at the cost of its iterations.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata

from ..interfaces import ScramVerifier

# The names that mechanisms have in them, and hashlib's.
DIGESTS = {"SHA-1": "sha1", "SHA-256": "sha256"}

# RFC 7677 section 4 asks for 4096 at least.
ITERATIONS = 4096
SALT_OCTETS = 16


def makeVerifier(
    hashName: str, password: bytes, salt: bytes, iterations: int = ITERATIONS
) -> ScramVerifier:
    """
    Blocks for some milliseconds: call it from a L{pop3svc.pools.Pool}.

    @param hashName: C{SHA-1} or C{SHA-256}.
    @param password: normalised to NFKC when it is UTF-8, which is the part of
        SASLprep (RFC 4013) that changes passwords that people have.
    """
    digest = DIGESTS[hashName]
    salted = hashlib.pbkdf2_hmac(digest, _prepared(password), salt, iterations)
    clientKey = hmac.digest(salted, b"Client Key", digest)
    serverKey = hmac.digest(salted, b"Server Key", digest)
    return ScramVerifier(salt, iterations, hashlib.new(digest, clientKey).digest(), serverKey)


def decoyVerifier(
    key: bytes, hashName: str, name: bytes, shape: tuple[int, int] | None = None
) -> ScramVerifier:
    """
    A verifier for somebody who has none: no password has it, the same name gets
    the same one each time, and it costs no more than a real one to fetch.

    @param key: nobody else may know it; a new one gives other salts.
    @param shape: how many octets of salt, and how many iterations the real
        verifiers have.
    """
    octets, iterations = shape or (SALT_OCTETS, ITERATIONS)
    size = hashlib.new(DIGESTS[hashName]).digest_size
    context = hashName.encode() + b"\0" + name
    salt, storedKey, serverKey = (
        hashlib.shake_256(hmac.digest(key, part + context, "sha256")).digest(length)
        for part, length in ((b"salt", octets), (b"stored", size), (b"server", size))
    )
    return ScramVerifier(salt, iterations, storedKey, serverKey)


def checkProof(verifier: ScramVerifier, hashName: str, authMessage: bytes, proof: bytes) -> bool:
    """
    @param authMessage: both sides' messages.
    @param proof: the client's, over them.
    @return: whether the client knows the password (RFC 5802 section 3).
    """
    digest = DIGESTS[hashName]
    signature = hmac.digest(verifier.storedKey, authMessage, digest)
    if len(proof) != len(signature):
        return False
    clientKey = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
    made = hashlib.new(digest, clientKey).digest()
    return hmac.compare_digest(made, verifier.storedKey)


def _prepared(password: bytes) -> bytes:
    try:
        return unicodedata.normalize("NFKC", password.decode()).encode()
    except UnicodeDecodeError:
        return password
