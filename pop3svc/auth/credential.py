"""
What a line of a passwd file says about one password of one user.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from ..interfaces import ScramVerifier
from . import schemes
from .networks import Networks

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Malformed(Exception):
    """
    A line that is left out. The text quotes nothing of it but names of schemes
    and of fields.

    @ivar user: who is to be kept out because of it; empty for nobody.
    """

    def __init__(self, sentence: str, user: bytes = b"") -> None:
        super().__init__(sentence)
        self.user = user


class Parts(NamedTuple):
    """
    A line, taken apart.

    @ivar rest: what stands behind the hash, with its colon.
    """

    user: bytes
    stored: bytes
    rest: bytes


@dataclass(frozen=True, slots=True)
class Credential:
    """
    @ivar user: the name as it stands in the file.
    @ivar stored: the hash; C{None} where it was locked with a C{!} or C{*} in
        front, as C{usermod -L} does, so that no password is right.
    @ivar clearText: the password, where it is kept as it is.
    @ivar scram: the name of a hash and the verifier, where one is kept.
    @ivar name: of an application password; empty for the user's main one.
    @ivar networks: from where it may be used; C{None} for everywhere.
    @ivar expires: the last day on which it counts, in UTC.
    @ivar maildrop: the path of the user's maildrop, if it is named.
    @ivar closedBy: the field that keeps it from POP3 altogether, if any.
    @ivar remarks: sentences about fields that nothing is made of.
    """

    user: bytes
    stored: bytes | None = field(repr=False)
    clearText: bytes | None = field(default=None, repr=False)
    scram: tuple[str, ScramVerifier] | None = field(default=None, repr=False)
    name: str = ""
    networks: Networks | None = None
    expires: date | None = None
    readOnly: bool = False
    maildrop: str | None = None
    closedBy: str | None = None
    remarks: tuple[str, ...] = ()

    def serves(self, hashName: str) -> bool:
        """Whether there is a SCRAM verifier, or one can be made."""
        return self.clearText is not None or (self.scram or ("",))[0] == hashName

    def refusedBy(self, peer: str, today: date) -> str | None:
        """
        @param peer: as L{pop3svc.peers.peerName} names it.
        @return: the field that keeps the credential from being used now, if any.
        """
        if self.closedBy is not None:
            return self.closedBy
        if self.expires is not None and today > self.expires:
            return "expires"
        if self.networks is not None and peer not in self.networks:
            return "networks"
        return None


def makeCredential(user: bytes, stored: bytes) -> Credential:
    """
    @raise pop3svc.auth.schemes.UnusableHash: see there.
    @raise pop3svc.errors.SettingError: the library that verifies the hash is
        not installed.
    """
    if stored.startswith((b"!", b"*")):
        return Credential(user, None)
    schemes.verifier(stored)
    return Credential(user, stored, schemes.clearTextOf(stored), schemes.scramOf(stored))


def maildropPath(path: str) -> str:
    """
    @return: the path of a maildrop that the administrator names.
    @raise ValueError: with a sentence.
    """
    if not path.startswith("/"):
        raise ValueError("the maildrop is an absolute path; ~ means nothing here")
    if re.search(r"[{}%]", path) or _CONTROL.search(path):
        raise ValueError("the maildrop is a path as it is, without {user}, % or control octets")
    if ".." in path.split("/") or not os.path.basename(os.path.normpath(path)):
        raise ValueError("the maildrop is the path of a directory, without ..")
    return os.path.normpath(path)
