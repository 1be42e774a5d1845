"""
What stands in a passwd file: C{user:hash[:key=value...]}, one user a line.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from ..errors import SettingError
from . import hashing

# Device, inode, size, time of the last change to the octets and to the rest.
Signature = tuple[int, int, int, int, int]


def normalised(name: bytes) -> bytes:
    """
    The form in which user names are compared: octet for octet, so that C{Karl}
    and C{karl} are two users. The one place to change if that is to change.
    """
    return name


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One user.

    @ivar stored: the hash; C{None} where it was locked with a C{!} or C{*} in
        front, as C{usermod -L} does, so that no password is right.
    @ivar extras: the further fields in their order; the value of one without
        C{=} is empty.
    """

    name: bytes
    stored: bytes | None
    extras: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def closedBy(self) -> str | None:
        """The field that keeps the user from POP3 whatever the password, if any."""
        return next((key.decode() for key, _ in self.extras if key in _CLOSING), None)


# A checker is not told the client's address yet: an entry that is bound to
# networks stays closed, rather than open to all of them.
_CLOSING = (b"nopop3", b"networks")


class Table:
    """
    The users of one file, frozen.

    @ivar entries: by their normalised names.
    @ivar complaints: line number and sentence for each line left out.
    """

    def __init__(
        self, entries: Mapping[bytes, Entry], complaints: Sequence[tuple[int, str]], key: bytes
    ) -> None:
        """@param key: 32 octets that nobody knows without the file."""
        self.entries = entries
        self.complaints = complaints
        hashes = [each.stored for each in entries.values() if each.stored is not None]
        self._hashes = hashes or [hashing.standIn()]
        self._key = key

    def standIn(self, name: bytes) -> bytes:
        """
        Whose hash is verified in place of the one that C{name} does not have, so
        that it takes as long as for a user of this file: also with hashes of
        several costs, also when the same name is tried again.
        """
        digest = blake2b(name, key=self._key, digest_size=8).digest()
        return self._hashes[int.from_bytes(digest, "big") % len(self._hashes)]


def parse(octets: bytes) -> Table:
    """
    @param octets: the whole file.
    @raise SettingError: the library that verifies one of the hashes is not
        installed. A malformed line is a complaint, and the others count.
    """
    entries: dict[bytes, Entry] = {}
    lines: dict[bytes, int] = {}
    complaints: list[tuple[int, str]] = []
    for number, line in enumerate(octets.split(b"\n"), 1):
        line = line.rstrip(b"\r")
        if not line.strip() or line.lstrip().startswith(b"#"):
            continue
        try:
            entry = _parseLine(line)
        except _Malformed as error:
            complaints.append((number, str(error)))
            continue
        if entry.name in entries:
            complaints.append(
                (number, f"the user stands in line {lines[entry.name]} already; remove one of them")
            )
            continue
        entries[entry.name], lines[entry.name] = entry, number
    return Table(entries, complaints, blake2b(octets, digest_size=32).digest())


def readTable(path: str, seen: Signature | None) -> tuple[Signature, Table] | None:
    """
    Read the file, if it is another than before. Blocks.

    @param seen: the signature of what was read before.
    @return: C{None} when it has not changed.
    @raise SettingError: it cannot be read; or as L{parse}.
    """
    try:
        # Before the octets: what changes in between is seen next time.
        found = os.stat(path)
        signature = (
            found.st_dev,
            found.st_ino,
            found.st_size,
            found.st_mtime_ns,
            found.st_ctime_ns,
        )
        if signature == seen:
            return None
        if not stat.S_ISREG(found.st_mode):
            # To open a FIFO would wait for a writer.
            raise SettingError(f"the password file {path} is not a regular file; name one that is")
        with open(path, "rb") as file:
            return signature, parse(file.read())
    except OSError as error:
        raise SettingError(
            f"cannot read the password file {path}: {error.strerror}; make it readable for the"
            " user that the service runs as"
        ) from error


class _Malformed(Exception):
    """A line that is left out. The text quotes nothing of it but a scheme's name."""


def _parseLine(line: bytes) -> Entry:
    name, *fields = line.split(b":")
    if not fields:
        raise _Malformed("there is no colon; write user:hash")
    if not name or any(octet < 0x20 or octet == 0x7F for octet in name):
        raise _Malformed("the user name is empty or has a control octet; write user:hash")
    stored, *extras = fields
    if not stored.startswith((b"!", b"*")):
        try:
            hashing.verifier(stored)
        except hashing.UnusableHash as error:
            raise _Malformed(str(error)) from None
    pairs = [(key, value) for key, _, value in (each.partition(b"=") for each in extras)]
    locked = stored.startswith((b"!", b"*"))
    return Entry(normalised(name), None if locked else stored, tuple(pairs))
