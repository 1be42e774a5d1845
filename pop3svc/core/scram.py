"""
SCRAM (RFC 5802, RFC 7677), with and without channel binding.

What the client proves is checked like any other claim, so that throttle, log
and refusal have one path. POP3 has no success with data: our signature goes out
as one more challenge, the client answers it with nothing, and only then comes
+OK (RFC 5034 section 4).
"""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from typing import TYPE_CHECKING, ClassVar, Protocol

from .effects import FetchVerifier, ScramClaim
from .gs2 import gs2Header, unescaped
from .replies import Refusal
from .sasl import BadAnswer, Challenge, Exchange, Mechanism, decode

if TYPE_CHECKING:
    from .capabilities import Situation

_FIRST = re.compile(rb"n=([^,\0]*),r=([\x21-\x2b\x2d-\x7e]+)(?:,[A-Za-z]=[^,\0]+)*")
_FINAL = re.compile(
    rb"(c=([A-Za-z0-9+/=]+),r=([\x21-\x2b\x2d-\x7e]+)(?:,[A-Za-z]=[^,\0]+)*),p=([A-Za-z0-9+/=]+)"
)
_NONCE_OCTETS = 18
_DIGESTS = {"SHA-1": "sha1", "SHA-256": "sha256"}


class Verifier(Protocol):
    """What an exchange needs of L{pop3svc.interfaces.ScramVerifier}."""

    @property
    def salt(self) -> bytes: ...

    @property
    def iterations(self) -> int: ...

    @property
    def serverKey(self) -> bytes: ...


class _Scram(Mechanism):
    """@cvar hashName: C{SHA-1} or C{SHA-256}."""

    hashName: ClassVar[str]

    @classmethod
    def possible(cls, situation: Situation) -> bool:
        bound = bool(situation.bindings) or not cls.binding
        return cls.hashName in situation.scramHashes and bound

    def talk(self) -> Exchange:
        first: bytes = yield Challenge(b"")
        *header, bare = first.split(b",", 2)
        start = b"".join(each + b"," for each in header)
        flag, authzid = gs2Header(start)
        bound = b64encode(start + self._bound(flag))
        fits = _FIRST.fullmatch(bare)
        if not fits or len(fits[2]) > self._context.mostOctets:
            raise BadAnswer(b"this is no first message of SCRAM")
        name = self._userName(unescaped(fits[1]))
        if authzid not in (b"", name):
            raise BadAnswer(b"nobody logs in as somebody else here")

        verifier: Verifier = yield FetchVerifier(self._logName, name, self.hashName)
        nonce = fits[2] + b64encode(self._context.random(_NONCE_OCTETS))
        ours = b"r=%s,s=%s,i=%d" % (nonce, b64encode(verifier.salt), verifier.iterations)
        fits = _FINAL.fullmatch((yield Challenge(ours)))
        if not fits or fits[3] != nonce:
            raise BadAnswer(b"this is no final message of SCRAM")
        if not hmac.compare_digest(fits[2], bound):
            raise BadAnswer(b"the exchange belongs to another channel")

        message = b",".join((bare, ours, fits[1]))
        proof = decode(fits[4])
        refusal: Refusal | None = yield ScramClaim(
            self._logName, name, self.hashName, message, proof
        )
        if refusal is None:
            signature = hmac.digest(verifier.serverKey, message, _DIGESTS[self.hashName])
            if (yield Challenge(b"v=" + b64encode(signature))):
                raise BadAnswer(b"nothing is left to be said")

    def _bound(self, flag: bytes) -> bytes:
        """
        What the proof must hold of the channel (RFC 5802 section 6).

        @raise BadAnswer: the client's flag does not fit the mechanism.
        """
        kind = flag.removeprefix(b"p=").decode()
        if flag.startswith(b"p=") != self.binding:
            raise BadAnswer(b"channel binding belongs to the -PLUS mechanisms")
        if not self.binding:
            # The client can bind, and did not see that we can: somebody on the
            # path has taken the -PLUS mechanisms out of the list.
            if flag == b"y" and self._context.binds:
                raise BadAnswer(b"channel binding is offered here")
            return b""
        if kind not in self._context.situation.bindings:
            raise BadAnswer(b"this channel binding is not known here")
        return self._context.situation.bindings[kind]


class ScramSHA1(_Scram):
    """RFC 5802."""

    name = b"SCRAM-SHA-1"
    hashName = "SHA-1"


class ScramSHA1Plus(ScramSHA1):
    """RFC 5802 section 6."""

    name = b"SCRAM-SHA-1-PLUS"
    binding = True


class ScramSHA256(_Scram):
    """RFC 7677."""

    name = b"SCRAM-SHA-256"
    hashName = "SHA-256"


class ScramSHA256Plus(ScramSHA256):
    """RFC 7677."""

    name = b"SCRAM-SHA-256-PLUS"
    binding = True
