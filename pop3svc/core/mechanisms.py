"""
The list of mechanisms, and which of them are offered in a situation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .sasl import CramMD5, External, Login, Mechanism, Plain
from .scram import ScramSHA1, ScramSHA1Plus, ScramSHA256, ScramSHA256Plus
from .tokens import OAuthBearer, XOAuth2

if TYPE_CHECKING:
    from .capabilities import Situation

# In the order of the SASL line. What is safest would come first, were it not for
# fetchmail: it reads lines in pieces of 63 octets and does not know a name that
# is cut. The names it can know come first and fit into one piece; it knows no
# SCRAM. Programs choose by their own order, not by ours.
MECHANISMS: dict[bytes, type[Mechanism]] = {
    each.name: each
    for each in (
        External,
        OAuthBearer,
        XOAuth2,
        CramMD5,
        ScramSHA256Plus,
        ScramSHA256,
        ScramSHA1Plus,
        ScramSHA1,
        Plain,
        Login,
    )
}


def offered(situation: Situation) -> list[type[Mechanism]]:
    """What the SASL line lists and AUTH takes, here and now."""
    return [each for each in possible(situation) if situation.passwordsHere or not each.revealing]


def possible(situation: Situation) -> list[type[Mechanism]]:
    """What a checker can serve and the administrator wants, here or inside TLS."""
    return [
        each
        for each in MECHANISMS.values()
        if situation.wants(each.name) and each.possible(situation)
    ]
