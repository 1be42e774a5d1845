"""
Changing a passwd file, so that nobody ever reads half of it and nothing is lost.

Comments, blank lines, the order, and whatever a line has besides what is changed
stay as they are. Names are taken octet for octet, as they stand in the file.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import BinaryIO

from ..errors import SettingError
from .credential import Malformed, Parts
from .digests import writeScram
from .dovecotline import isDovecots
from .hashing import hashPassword, usable
from .passwdline import isEntry, parseLine, splitFields, takeApart
from .scram import SALT_OCTETS, makeVerifier

# More than RFC 7677 asks for: the file may be stolen. A program on a telephone
# pays as much once for each login.
_SCRAM_ITERATIONS = 32_768

SCHEMES = ("argon2id", "scram-sha-256", "plain")


def makeHash(scheme: str, password: bytes) -> bytes:
    """
    @param scheme: one of C{SCHEMES}.
    @raise SettingError: it is no password, or has a line end in it and is to be
        kept in clear text.
    """
    octets = usable(password)
    if scheme == "plain":
        if octets.isascii() and octets.decode().isprintable() and b":" not in octets:
            return b"{PLAIN}" + octets
        return b"{PLAIN.HEX}" + octets.hex().encode()
    if scheme == "scram-sha-256":
        salt = secrets.token_bytes(SALT_OCTETS)
        made = makeVerifier("SHA-256", octets, salt, _SCRAM_ITERATIONS)
        return writeScram("SHA-256", made).encode()
    return hashPassword(octets).encode()


def setPassword(
    path: str, user: bytes, name: str, stored: bytes, fields: Mapping[str, str | None]
) -> bool:
    """
    Give a user a password, a new one or another; makes the file if there is none.

    @param name: of the application password; empty for the main one.
    @param fields: what to write behind the hash: key -> value, which is empty for
        a field without one, and C{None} to leave it out.
    @return: whether the password is a new one.
    @raise SettingError: the line would be wrong, or the file cannot be changed.
    """
    wanted = {"name": name, **fields} if name else dict(fields)

    def change(lines: list[bytes]) -> bool:
        places = [i for i, each in enumerate(lines) if _isOf(each, user)]
        place = next((i for i in places if _nameOf(lines[i]) == name), None)
        old = Parts(user, b"", b"") if place is None else _parts(lines[place])
        if wanted and isDovecots(old):
            raise SettingError(
                f"line {(place or 0) + 1} of {path} is one of Dovecot's; fields cannot be set there"
            )
        line = _joined(old, stored, wanted)
        end = b"\r" if any(each.endswith(b"\r") for each in lines) else b""
        if place is not None:
            lines[place] = line + end
            return False
        if lines[-1]:
            lines.append(b"")
        lines.insert(places[-1] + 1 if places else len(lines) - 1, line + end)
        return True

    return bool(_edit(path, change, create=True))


def deletePassword(path: str, user: bytes, name: str | None) -> int:
    """
    Remove a user, or one password.

    @param name: of an application password; empty for the main one, C{None} for
        all that the user has.
    @return: how many lines are gone.
    @raise SettingError: the file cannot be changed.
    """

    def change(lines: list[bytes]) -> int:
        kept = [
            each
            for each in lines
            if not (_isOf(each, user) and (name is None or _nameOf(each) == name))
        ]
        gone = len(lines) - len(kept)
        lines[:] = kept
        return gone

    return _edit(path, change, create=False)


def _parts(line: bytes) -> Parts:
    return takeApart(line.rstrip(b"\r"))


def _isOf(line: bytes, user: bytes) -> bool:
    """Also when the line is wrong, so that it can be set right, or removed."""
    try:
        return isEntry(line) and _parts(line).user == user
    except Malformed:
        return False


def _nameOf(line: bytes) -> str:
    parts = _parts(line)
    fields = [] if isDovecots(parts) else splitFields(parts.rest)
    names = [each.removeprefix(b"name=") for each in fields if each.startswith(b"name=")]
    return names[0].decode("utf-8", "replace") if names else ""


def _joined(old: Parts, stored: bytes, wanted: Mapping[str, str | None]) -> bytes:
    """
    @return: the line with another hash, and with some fields otherwise.
    @raise SettingError: it would be no line that can be read.
    """
    rest = old.rest
    if wanted:
        fields = {each.partition(b"=")[0]: each for each in splitFields(rest)} | {
            key.encode(): None if value is None else os.fsencode(f"{key}={value}" if value else key)
            for key, value in wanted.items()
        }
        rest = b"".join(b":" + each for each in fields.values() if each is not None)
    line = b":".join((old.user, stored)) + rest
    if b":" in old.user:
        raise SettingError("a user name has no colon; choose another one")
    if not isEntry(line):
        raise SettingError("a line that begins with # is a comment; choose another user name")
    try:
        parseLine(line)
    except Malformed as error:
        raise SettingError(str(error)) from None
    return line


def _edit(path: str, change: Callable[[list[bytes]], int], create: bool) -> int:
    """
    @param change: changes the lines in place; the last one is what stands behind
        the last line end.
    @return: what C{change} returns; if that is 0 and no line is another, the
        file is left alone.
    """
    path = os.path.realpath(path)
    try:
        with _locked(path, create) as file:
            before = os.fstat(file.fileno())
            octets = file.read()
            lines = octets.split(b"\n")
            result = change(lines)
            changed = b"\n".join(lines)
            if changed != octets:
                _replace(path, changed, before)
            return result
    except OSError as error:
        raise SettingError(
            f"cannot change {path}: {error.strerror}; run this as the file's owner, in a"
            " directory that may be written to"
        ) from error


@contextmanager
def _locked(path: str, create: bool) -> Iterator[BinaryIO]:
    """The file, while no other of these commands works on it."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (os.O_CREAT if create else 0)
    while True:
        with open(os.open(path, flags, 0o600), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise SettingError(f"{path} is not a regular file; name one that is")
            fcntl.flock(file, fcntl.LOCK_EX)
            if _isStill(path, os.fstat(file.fileno())):
                yield file
                return
        # Another one has put a new file there, which has a lock of its own.


def _isStill(path: str, before: os.stat_result) -> bool:
    now = os.stat(path)
    return all(
        getattr(now, each) == getattr(before, each)
        for each in ("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")
    )


def _replace(path: str, octets: bytes, before: os.stat_result) -> None:
    """
    Put a new file in the place of the old, with its owner and mode, at once.

    @param before: of the old file, when it was read.
    """
    directory = os.path.dirname(path)
    descriptor, new = tempfile.mkstemp(prefix=".passwd-", dir=directory)
    try:
        with open(descriptor, "wb") as file:
            file.write(octets)
            made = os.fstat(descriptor)
            if (made.st_uid, made.st_gid) != (before.st_uid, before.st_gid):
                os.fchown(descriptor, before.st_uid, before.st_gid)
            os.fchmod(descriptor, stat.S_IMODE(before.st_mode))
            file.flush()
            os.fsync(descriptor)
        if not _isStill(path, before):
            raise SettingError(f"{path} was changed by somebody else meanwhile; try again")
        os.rename(new, path)
    except BaseException:
        os.unlink(new)
        raise
    folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
