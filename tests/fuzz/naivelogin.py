"""
What the answers of a SASL exchange come to, as the RFCs of the mechanisms say:
from the list of all answers so far, each time anew.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64encode
from functools import cache
from typing import TYPE_CHECKING

from .plans import SALT, USERS, notRandom

if TYPE_CHECKING:
    from .naiveworld import World

# Its kind first, then the user's name, then what is to prove it.
Claim = tuple[str | bytes, ...]
Verdict = str | Claim

_BEARER = re.compile(rb"auth=bearer +([a-z0-9._~+/-]+=*)", re.IGNORECASE)


def judge(mechanism: bytes, answers: list[bytes], world: World) -> list[Verdict]:
    """
    @param answers: without base64; none when AUTH had no initial response.
    @return: C{challenge}, C{verifier} (one is fetched, and then a challenge),
        C{bad} or a claim; several where only a real implementation can know.
    """
    if not answers:
        return ["challenge"]
    last = answers[-1]
    if mechanism == b"LOGIN":
        return _login(answers, world)
    if mechanism == b"PLAIN":
        fields = last.split(b"\0")
        if len(fields) != 3 or not _isName(fields[1], world) or not _isPassword(fields[2], world):
            return ["bad"]
        return (
            ["bad"] if fields[0] not in (b"", fields[1]) else [("password", fields[1], fields[2])]
        )
    if mechanism == b"CRAM-MD5":
        name, _, digest = last.rpartition(b" ")
        fits = re.fullmatch(rb"[0-9a-fA-F]{32}", digest) and _isName(name, world)
        return [("cram", name, digest.lower())] if fits else ["bad"]
    if mechanism == b"EXTERNAL":
        return [("certificate", last)] if not last or _isName(last, world) else ["bad"]
    if mechanism in (b"OAUTHBEARER", b"XOAUTH2"):
        return _token(mechanism, last, world)
    # SCRAM: a message is one, or it is not.
    if len(answers) == 1:
        return ["verifier", "bad"]
    bound = _bound(mechanism, *answers)
    return ["bad", ("scram", mechanism, *answers)] if bound else ["bad"]


def digestOf(kind: str | bytes, challenge: bytes, password: bytes) -> bytes:
    """What a client that knows the password sends: RFC 1939 section 7, RFC 2195."""
    if kind == "apop":
        return hashlib.md5(challenge + password).hexdigest().encode()
    return hmac.new(password, challenge, "md5").hexdigest().encode()


def proofOf(mechanism: bytes, first: bytes, said: bytes) -> bytes:
    """
    RFC 5802 section 3, where the server's dice and karl's salt are known.

    @param first: the client's first message.
    @param said: its final one, without the proof.
    @return: the proof of whoever knows the user's password; nothing if there is
        no such user, or this is no first message.
    """
    digest = "sha1" if b"SHA-1" in mechanism else "sha256"
    bare = first.split(b",", 2)[-1]
    fields = dict(each.partition(b"=")[::2] for each in reversed(bare.split(b",")))
    password = USERS.get(fields.get(b"n", b""))
    if password is None:
        return b""
    nonce = fields.get(b"r", b"") + b64encode(notRandom(18))
    ours = b"r=" + nonce + b",s=" + b64encode(SALT) + b",i=4096"
    key = hmac.digest(_salted(digest, password), b"Client Key", digest)
    message = b",".join((bare, ours, said))
    signature = hmac.digest(hashlib.new(digest, key).digest(), message, digest)
    return bytes(a ^ b for a, b in zip(key, signature, strict=True))


def _bound(mechanism: bytes, first: bytes, final: bytes) -> bool:
    """
    RFC 5802 section 6: the final message begins with the header of the first one and
    what there is of the channel, and then both nonces.
    """
    *header, bare = first.split(b",", 2)
    data = b",".join(header) + b"," + (b"x" * 32 if mechanism.endswith(b"-PLUS") else b"")
    fields = dict(each.partition(b"=")[::2] for each in reversed(bare.split(b",")))
    nonce = fields.get(b"r", b"") + b64encode(notRandom(18))
    return final.startswith(b"c=" + b64encode(data) + b",r=" + nonce + b",")


def isProof(mechanism: bytes, first: bytes, final: bytes) -> bool:
    """@param final: the client's final message."""
    said, _, proof = final.rpartition(b",p=")
    made = proofOf(mechanism, first, said)
    return bool(made) and b64encode(made) == proof


@cache
def _salted(digest: str, password: bytes) -> bytes:
    return hashlib.pbkdf2_hmac(digest, password, SALT, 4096)


def _login(answers: list[bytes], world: World) -> list[Verdict]:
    if not _isName(answers[0], world):
        return ["bad"]
    if len(answers) == 1:
        return ["challenge"]
    return [("password", *answers)] if _isPassword(answers[1], world) else ["bad"]


def _token(mechanism: bytes, answer: bytes, world: World) -> list[Verdict]:
    """RFC 7628 section 3.1, and what Google says of XOAUTH2."""
    header, _, rest = answer.partition(b"\x01")
    fields = (answer if mechanism == b"XOAUTH2" else rest).split(b"\x01")
    if fields[-2:] != [b"", b""]:
        return ["bad"]
    token = next((each for each in fields if each[:5] == b"auth="), b"")
    name = next((each[5:] for each in fields if each[:5] == b"user="), b"")
    fits = _BEARER.fullmatch(token)
    if mechanism == b"OAUTHBEARER":
        parts = header.split(b",")
        if len(parts) != 3 or parts[0] not in (b"n", b"y") or parts[2]:
            return ["bad"]
        if parts[1] and not parts[1].startswith(b"a="):
            return ["bad"]
        name = parts[1][2:]
        if re.sub(rb"=2C|=3D", b"", name).count(b"="):
            return ["bad"]
        name = name.replace(b"=2C", b",").replace(b"=3D", b"=")
    if not fits or len(fits[1]) > 64 * 1024 or (name and not _isName(name, world)):
        return ["bad"]
    if mechanism == b"XOAUTH2" and not name:
        return ["bad"]
    keys = [each.split(b"=")[0] for each in fields[:-2]]
    return ["bad"] if len(set(keys)) < len(keys) else [("token", name, fits[1])]


def _isName(name: bytes, world: World) -> bool:
    try:
        name.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return 0 < len(name) <= world.longest and all(c >= 0x20 and c != 0x7F for c in name)


def _isPassword(password: bytes, world: World) -> bool:
    return 0 < len(password) <= world.longest and b"\0" not in password
