"""
What stands in a passwd file: users, each with one password or several.
"""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b
from operator import methodcaller

from ..account import Account
from ..errors import SettingError
from ..hits import hit
from ..startfiles import Stamp, readFile, stampOf
from . import hashing
from .credential import Credential, Malformed
from .names import NameRule, UnfitName, normalised
from .passwdline import isEntry, parseLine
from .scram import DIGESTS, ITERATIONS, SALT_OCTETS


@dataclass(frozen=True, slots=True)
class User:
    """
    @ivar name: as it stands in the user's main line, or else in the first.
    @ivar credentials: those that are not locked, the main one first.
    @ivar main: the main one, if there is one, also when it is locked.
    @ivar lockedBy: what keeps the user out whatever the password, if anything.
    """

    name: bytes
    credentials: tuple[Credential, ...]
    main: Credential | None = None
    lockedBy: str | None = None

    @property
    def closedBy(self) -> str | None:
        """The field of the main line that keeps the user from POP3, if any."""
        return self.main.closedBy if self.main else None

    def inOrder(self, peer: str, today: date) -> list[Credential]:
        """
        All credentials, those first that may be used now: who has one password
        for two of them is not kept out by the other.
        """
        if len(self.credentials) < 2:
            return list(self.credentials)
        return sorted(self.credentials, key=lambda each: each.refusedBy(peer, today) is not None)

    def scramCredential(self, hashName: str, today: date) -> Credential | None:
        """The one whose verifier is shown: a server must choose before the proof."""
        return next(
            (
                each
                for each in self.credentials
                if each.serves(hashName) and (each.expires is None or today <= each.expires)
            ),
            None,
        )

    def account(self, credential: Credential) -> Account:
        """Who has logged in, with one of the user's credentials."""
        maildrop = credential.maildrop or (self.main.maildrop if self.main else None)
        return Account(self.name, maildrop, credential.readOnly, credential.name)


class Table:
    """
    The users of one file, frozen.

    @ivar users: by their normalised names.
    @ivar complaints: line number and sentence for each line left out, and for
        each field that nothing is made of.
    @ivar usable: how many users are not locked.
    @ivar able: how many of them each mechanism can serve that sends no password.
    @ivar clearText: at least one password is kept in clear text.
    @ivar scramHashes: those that SCRAM can serve somebody with.
    @ivar scramShape: octets of salt and iterations, as most verifiers have them.
    """

    def __init__(
        self, users: Mapping[bytes, User], complaints: Sequence[tuple[int, str]], key: bytes
    ) -> None:
        """@param key: 32 octets that nobody knows without the file."""
        self.users = users
        self.complaints = complaints
        credentials = [each for user in users.values() for each in user.credentials]
        shapes = Counter(
            (len(each.scram[1].salt), each.scram[1].iterations)
            for each in credentials
            if each.scram
        )
        self.scramShape = max(shapes, key=lambda each: shapes[each], default=_SHAPE)
        self._hashes = [_hashes(user) for user in users.values() if user.credentials]
        self._hashes = self._hashes or [[hashing.standIn()]]
        self._key = key
        self.usable = sum(1 for user in users.values() if user.credentials)
        self.able = {
            f"SCRAM-{hashName}": _howMany(users, methodcaller("serves", hashName))
            for hashName in DIGESTS
        } | {"CRAM-MD5": _howMany(users, lambda each: each.clearText is not None)}
        self.clearText = self.able["CRAM-MD5"] > 0
        self.scramHashes = frozenset(each for each in DIGESTS if self.able[f"SCRAM-{each}"])

    def standIn(self, name: bytes) -> list[bytes]:
        """
        Whose hashes are verified in place of those that C{name} does not have, so
        that it takes as long as for a user of this file: also with hashes of
        several costs, also when the same name is tried again.
        """
        digest = blake2b(name, key=self._key, digest_size=8).digest()
        return self._hashes[int.from_bytes(digest, "big") % len(self._hashes)]


_SHAPE = (SALT_OCTETS, ITERATIONS)


def _howMany(users: Mapping[bytes, User], fits: Callable[[Credential], bool]) -> int:
    return sum(any(fits(each) for each in user.credentials) for user in users.values())


def _hashes(user: User) -> list[bytes]:
    return [each.stored for each in user.credentials if each.stored is not None]


def parse(octets: bytes, most: int, rule: NameRule = "plain") -> Table:
    """
    @param octets: the whole file.
    @param most: how many credentials a user may have.
    @param rule: how names are compared.
    @raise SettingError: a library that is needed is not installed. A malformed
        line is a complaint, and the others count.
    """
    gathering: dict[bytes, _Gathered] = {}
    complaints: list[tuple[int, str]] = []
    for number, line in enumerate(octets.split(b"\n"), 1):
        line = line.rstrip(b"\r")
        if not isEntry(line):
            continue
        try:
            credential = parseLine(line)
            user = gathering.setdefault(normalised(credential.user, rule), _Gathered())
            user.add(number, credential, most)
            complaints.extend((number, each) for each in credential.remarks)
        except UnfitName as error:
            complaints.append((number, str(error)))
        except Malformed as error:
            complaints.append((number, str(error)))
            _lock(gathering, error.user, rule)
    users = {name: each.user() for name, each in gathering.items()}
    return Table(users, complaints, blake2b(octets, digest_size=32).digest())


class _Gathered:
    """The lines of one user, so far."""

    def __init__(self) -> None:
        self.lines: dict[str, tuple[int, Credential]] = {}
        self.broken: bytes | None = None

    def add(self, number: int, credential: Credential, most: int) -> None:
        """@raise Malformed: there is no place for it."""
        if credential.name in self.lines:
            line = self.lines[credential.name][0]
            what = f"password {credential.name} of the user" if credential.name else "user"
            raise Malformed(f"the {what} stands in line {line} already; remove one of them")
        if len(self.lines) >= most:
            hit("credentialsPerUser")
            raise Malformed(
                f"the user has {most} passwords already; remove some, or raise the limit"
                " credentials-per-user"
            )
        self.lines[credential.name] = number, credential

    def user(self) -> User:
        credentials = [each for _, each in self.lines.values()]
        main = self.lines[""][1] if "" in self.lines else None
        name = (main or credentials[0]).user if credentials else self.broken or b""
        if self.broken is not None:
            return User(name, (), main, "a line that is malformed")
        if main is not None and main.stored is None:
            return User(name, (), main, "the mark before the hash")
        usable = [each for each in credentials if each.stored is not None]
        usable.sort(key=lambda each: each is not main)
        return User(name, tuple(usable), main, None if usable else "the mark before the hash")


def _lock(gathering: dict[bytes, _Gathered], name: bytes, rule: NameRule) -> None:
    """
    Whoever has a line that is malformed is known, and kept out: the next checker
    must not let in whom this line may have been meant to stop.
    """
    if not name:
        return
    try:
        gathering.setdefault(normalised(name, rule), _Gathered()).broken = name
    except UnfitName:
        return


def readTable(
    path: str, seen: Stamp | None, most: int, rule: NameRule = "plain"
) -> tuple[Stamp, Table] | None:
    """
    Read the file, if it is another than before. Blocks.

    @param seen: the stamp of what was read before.
    @param most: as L{parse}.
    @return: C{None} when it has not changed.
    @raise SettingError: it cannot be read; or as L{parse}.
    """
    try:
        # Before the octets: what changes in between is seen next time.
        stamp = stampOf(path)
        if stamp == seen:
            return None
        if not stat.S_ISREG(stamp.mode):
            # To open a FIFO would wait for a writer.
            raise SettingError(f"the password file {path} is not a regular file; name one that is")
        return stamp, parse(readFile(path), most, rule)
    except OSError as error:
        raise SettingError(
            f"cannot read the password file {path}: {error.strerror}; make it readable for the"
            " user that the service runs as"
        ) from error
