"""
Tokens of an authorization server: OAUTHBEARER (RFC 7628), and XOAUTH2, which
is what came before it and what most programs still speak.

A refused client gets a reason as JSON, answers something, and only then is
told -ERR (RFC 7628 section 3.2.3).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from .effects import TokenClaim
from .gs2 import gs2Header
from .replies import Refusal
from .sasl import BadAnswer, Challenge, Exchange, Mechanism

if TYPE_CHECKING:
    from .capabilities import Situation

# A token of 64 KiB in base64, with a name beside it, fits in saslLineOctets.
TOKEN_OCTETS = 64 * 1024

# RFC 6750 section 2.1
_BEARER = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/-]+=*)")


class _Token(Mechanism):
    """@cvar reason: the JSON for a client that is refused."""

    revealing = True
    reason: ClassVar[bytes]

    @classmethod
    def possible(cls, situation: Situation) -> bool:
        return situation.tokens

    def talk(self) -> Exchange:
        name, authorization = self._parse((yield Challenge(b"")))
        fits = _BEARER.fullmatch(authorization)
        if not fits or len(fits[1]) > TOKEN_OCTETS:
            raise BadAnswer(b"this is no bearer token")
        refusal: Refusal | None = yield TokenClaim(self._logName, name, fits[1])
        # A store that is busy is no reason to throw a good token away.
        if refusal is Refusal.WRONG:
            yield Challenge(self.reason)

    def _parse(self, answer: bytes) -> tuple[bytes, bytes]:
        """
        @return: the user's name, and C{Bearer} with the token.
        @raise BadAnswer: the answer is made otherwise.
        """
        raise NotImplementedError

    def _fields(self, octets: bytes) -> dict[bytes, bytes]:
        """
        @param octets: C{name=value} and a control-A, repeated, and one more of it.
        """
        if not octets.endswith(b"\x01\x01"):
            raise BadAnswer(b"the answer is not complete")
        pairs = [each.partition(b"=") for each in octets[:-2].split(b"\x01")]
        fields = {key: value for key, _, value in pairs}
        if len(fields) != len(pairs):
            raise BadAnswer(b"a field stands twice in the answer")
        return fields


class OAuthBearer(_Token):
    """RFC 7628."""

    name = b"OAUTHBEARER"
    reason = b'{"status":"invalid_token"}'

    def _parse(self, answer: bytes) -> tuple[bytes, bytes]:
        header, _, rest = answer.partition(b"\x01")
        flag, name = gs2Header(header)
        # There is no OAUTHBEARER-PLUS here.
        if flag.startswith(b"p"):
            raise BadAnswer(b"OAUTHBEARER does not bind to the channel")
        if name:
            self._userName(name)
        return name, self._fields(rest).get(b"auth", b"")


class XOAuth2(_Token):
    """C{user=...}, C{auth=Bearer ...}, each with a control-A, and one more of it."""

    name = b"XOAUTH2"
    reason = b'{"status":"400","schemes":"Bearer","scope":""}'

    def _parse(self, answer: bytes) -> tuple[bytes, bytes]:
        fields = self._fields(answer)
        return self._userName(fields.get(b"user", b"")), fields.get(b"auth", b"")
