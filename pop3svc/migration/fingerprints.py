"""
What makes two messages the same, on two servers that may not store them alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

# What mail readers and servers write into a header afterwards, and leave out again.
_VOLATILE = {
    *(b"status", b"x-status", b"x-keywords", b"x-uid", b"x-uidl", b"x-imap", b"x-imapbase"),
    *(b"content-length", b"lines", b"x-mozilla-status", b"x-mozilla-status2", b"x-mozilla-keys"),
}
_DIGEST_OCTETS = 16


def headerDigest(lines: Iterable[bytes]) -> bytes:
    """
    @param lines: of a message, without line ends; those behind the header do not
        matter.
    @return: of all its fields but those that change.
    """
    return _digest(_lasting(lines))


def messageDigest(lines: Iterable[bytes]) -> bytes:
    """
    @param lines: of a whole message, without line ends.
    @return: of its lasting fields and its body; line ends, and white space before them,
        do not matter.
    """
    iterator = iter(lines)
    head = list(_lasting(iterator))
    body = [line.rstrip() for line in iterator]
    while body and not body[-1]:
        body.pop()
    return _digest([*head, b"", *body])


def identity(lines: Iterable[bytes]) -> bytes | None:
    """
    @param lines: as for L{headerDigest}.
    @return: of Message-ID and Date; L{None} where there is no Message-ID.
    """
    fields: dict[bytes, bytes] = {}
    for field in _fields(lines):
        name, _, value = field.partition(b":")
        fields.setdefault(name.strip().lower(), b" ".join(value.split()))
    if not fields.get(b"message-id"):
        return None
    return _digest([fields[b"message-id"], fields.get(b"date", b"")])


def _lasting(lines: Iterable[bytes]) -> Iterable[bytes]:
    for field in _fields(lines):
        if field.partition(b":")[0].strip().lower() not in _VOLATILE:
            yield field


def _fields(lines: Iterable[bytes]) -> Iterable[bytes]:
    """The fields of a header, each with its continuation lines."""
    field: list[bytes] = []
    for line in lines:
        line = line.rstrip()
        if not line:
            break
        if field and not line.startswith((b" ", b"\t")):
            yield b"\n".join(field)
            field = []
        field.append(line)
    if field:
        yield b"\n".join(field)


def _digest(pieces: Iterable[bytes]) -> bytes:
    digest = blake2b(digest_size=_DIGEST_OCTETS)
    for piece in pieces:
        digest.update(piece + b"\n")
    return digest.digest()
