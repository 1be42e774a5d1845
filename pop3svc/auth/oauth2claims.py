"""
What a token says, once it is known to be good -> whose it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import LoginRefused
from .names import normalised


@dataclass(frozen=True)
class ClaimRules:
    """
    What else a good token must say.

    @ivar userClaim: the claim that names the user.
    @ivar scopes: each of them must be among the token's.
    """

    userClaim: str
    scopes: tuple[str, ...] = ()

    def userOf(self, claims: Mapping[str, Any]) -> bytes:
        """
        @param claims: of a JWT (RFC 7519), or an answer of introspection (RFC
            7662): the names are the same.
        @return: the user's name, normalised.
        @raise LoginRefused: the token names nobody, or is for something else.
        """
        missing = [each for each in self.scopes if each not in _scopesOf(claims)]
        if missing:
            raise LoginRefused(f"the token lacks the scope {missing[0]}")
        name = claims.get(self.userClaim)
        if not isinstance(name, str) or not name or not name.isprintable():
            raise LoginRefused(f"the token has no {self.userClaim} that is a name")
        # OpenID Connect Core section 5.1: anybody may have typed an address that
        # is not verified. Some servers write the claim as a text.
        if self.userClaim == "email" and claims.get("email_verified", True) not in (True, "true"):
            raise LoginRefused("the mail address in the token is not verified")
        return normalised(name.encode())


def _scopesOf(claims: Mapping[str, Any]) -> list[Any]:
    """RFC 8693 section 4.2 has one text with spaces; others write C{scp}, or a list."""
    found = claims.get("scope", claims.get("scp"))
    return found.split(" ") if isinstance(found, str) else found if isinstance(found, list) else []
