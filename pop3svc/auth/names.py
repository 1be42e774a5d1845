"""
The form in which user names are compared. This is the one place that knows it.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

from ..errors import SettingError

NameRule = Literal["plain", "precis"]


class UnfitName(ValueError):
    """No user can have this name."""


def normalised(name: bytes, rule: NameRule = "plain") -> bytes:
    """
    Called once for each name that a client or a file gives.

    @param rule: C{plain}: octet for octet, so that C{Karl} and C{karl} are two
        users; C{precis}: the UsernameCaseMapped profile of RFC 8265 section
        3.3, in which they are one.
    @raise UnfitName: the profile does not allow the name, or it is no UTF-8.
    @raise SettingError: the library for C{precis} is not installed.
    """
    if rule == "plain":
        return name
    try:
        return _profile().enforce(name.decode()).encode()
    except UnicodeError as error:
        raise UnfitName("the user name is none that RFC 8265 allows") from error


@cache
def _profile() -> Any:
    try:
        from precis_i18n import get_profile
    except ImportError as error:
        raise SettingError(
            "names=precis needs another library; run: pip install 'pop3svc[precis]'"
        ) from error
    return get_profile("UsernameCaseMapped")
