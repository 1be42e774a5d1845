"""
SASL exchanges (RFC 4422, RFC 5034), one small class per mechanism.

An exchange is a generator. What it yields says what it needs next: a
L{Challenge} is answered by the client's decoded answer, a C{FetchVerifier} by
the verifier, and its one claim by C{None} when the client is in, or by the
C{Refusal}. L{authorization} drives it. It dies with the login it belongs to,
whatever ends that.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from .apop import timestamp
from .effects import Claim, DigestClaim, ExternalClaim, FetchVerifier, PasswordClaim

if TYPE_CHECKING:
    from .capabilities import Situation

_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_CRAM_ANSWER = re.compile(rb"(.+) ([0-9A-Fa-f]{32})", re.DOTALL)


@dataclass(frozen=True)
class Challenge:
    """@ivar octets: not yet in base64."""

    octets: bytes


Exchange = Generator[Challenge | FetchVerifier | Claim, Any, None]


class BadAnswer(Exception):
    """
    An answer that does not fit: the exchange is over.

    @ivar text: a short sentence for the client, without any octet of it.
    """

    def __init__(self, text: bytes) -> None:
        super().__init__(text)
        self.text = text


@dataclass(frozen=True)
class Context:
    """
    What a mechanism may know.

    @ivar mostOctets: how long a name, a password or a nonce may be: no longer
        than USER and PASS can carry them. Hashes are slow on 64 KiB.
    @ivar random: gives so many octets that nobody can foretell.
    @ivar binds: some -PLUS mechanism is offered here.
    """

    situation: Situation
    mostOctets: int
    random: Callable[[int], bytes]
    binds: bool = False


class Mechanism:
    """
    The base of all.

    @cvar name: as registered.
    @cvar revealing: whoever reads the line can log in later, so that it needs
        a channel that is fit for passwords.
    @cvar clientFirst: the client speaks first, in the line of AUTH if it likes.
    @cvar binding: the channel is part of the proof.
    """

    name: ClassVar[bytes]
    revealing: ClassVar[bool] = False
    clientFirst: ClassVar[bool] = True
    binding: ClassVar[bool] = False

    def __init__(self, context: Context) -> None:
        self._context = context
        self._logName = self.name.decode()

    @classmethod
    def possible(cls, situation: Situation) -> bool:
        """A checker can serve it; whether the channel allows it is asked elsewhere."""
        raise NotImplementedError

    def talk(self) -> Exchange:
        """
        The exchange; what it yields first is a L{Challenge}.

        @raise BadAnswer: (from its C{send}) it is over.
        """
        raise NotImplementedError

    def _userName(self, octets: bytes) -> bytes:
        """
        @raise BadAnswer: empty, too long, with control characters or not UTF-8.
        """
        try:
            octets.decode()
        except UnicodeDecodeError as error:
            raise BadAnswer(b"a user name is UTF-8") from error
        if not octets or len(octets) > self._context.mostOctets or _CONTROL.search(octets):
            raise BadAnswer(b"this is no user name")
        return octets

    def _password(self, octets: bytes) -> bytes:
        """@raise BadAnswer: empty, too long, or with a NUL."""
        if not octets or len(octets) > self._context.mostOctets or b"\0" in octets:
            raise BadAnswer(b"this is no password")
        return octets


def decode(answer: bytes) -> bytes:
    """
    An answer without its base64, strictly: C{b64decode} alone would drop
    foreign octets or take several texts for the same.

    @raise BadAnswer: it is not base64, or not in its one form.
    """
    try:
        octets = b64decode(answer, validate=True)
    except binascii.Error as error:
        raise BadAnswer(b"this is not base64") from error
    if b64encode(octets) != answer:
        raise BadAnswer(b"this is not base64")
    return octets


class Plain(Mechanism):
    """RFC 4616."""

    name = b"PLAIN"
    revealing = True

    @classmethod
    def possible(cls, situation: Situation) -> bool:
        return situation.passwords

    def talk(self) -> Exchange:
        fields = (yield Challenge(b"")).split(b"\0")
        if len(fields) != 3:
            raise BadAnswer(b"PLAIN takes a name and a password between two NULs")
        authzid, name, password = fields
        self._userName(name)
        if authzid not in (b"", name):
            raise BadAnswer(b"nobody logs in as somebody else here")
        yield PasswordClaim(self._logName, name, self._password(password))


class Login(Mechanism):
    """Never standardised; old mail programs have nothing else."""

    name = b"LOGIN"
    revealing = True

    @classmethod
    def possible(cls, situation: Situation) -> bool:
        return situation.passwords

    def talk(self) -> Exchange:
        name = self._userName((yield Challenge(b"Username:")))
        password = self._password((yield Challenge(b"Password:")))
        yield PasswordClaim(self._logName, name, password)


class CramMD5(Mechanism):
    """RFC 2195."""

    name = b"CRAM-MD5"
    clientFirst = False

    @classmethod
    def possible(cls, situation: Situation) -> bool:
        return situation.digests

    def talk(self) -> Exchange:
        challenge = timestamp(self._context.random, self._context.situation.host)
        # A name may hold spaces; the digest is behind the last one.
        fits = _CRAM_ANSWER.fullmatch((yield Challenge(challenge)))
        if not fits:
            raise BadAnswer(b"CRAM-MD5 takes a name and a digest")
        name = self._userName(fits[1])
        yield DigestClaim(self._logName, name, challenge, fits[2].lower())


class External(Mechanism):
    """
    RFC 4422 appendix A. Who it is comes from the verified certificate; an
    authzid is only a wish, which the checker grants or not.
    """

    name = b"EXTERNAL"

    @classmethod
    def possible(cls, situation: Situation) -> bool:
        return situation.certificates and bool(situation.certificateNames)

    def talk(self) -> Exchange:
        names = self._context.situation.certificateNames
        authzid: bytes = yield Challenge(b"")
        if authzid:
            self._userName(authzid)
        yield ExternalClaim(self._logName, authzid or names[0], authzid, names)
