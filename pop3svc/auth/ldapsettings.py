"""
What stands behind C{--auth ldap:}: a URL, and options after question marks.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from ..errors import LoginRefused, SettingError
from ..startfiles import readFile

# Where the name that somebody logs in with goes, in a DN or in a filter.
USER = "{user}"

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?", re.ASCII)
_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9-]*", re.ASCII)


class Misleading(LoginRefused):
    """
    The directory does not say clearly who the user is; only its administrator
    can mend that.
    """


@dataclass(frozen=True)
class LdapSettings:
    """
    One directory and how users are found in it.

    @ivar server: scheme, host and port, as libldap takes them.
    @ivar base: with C{{user}} in it the DN of a user, else where the search begins.
    @ivar filter: with C{{user}} in it; C{None} when nothing is searched for.
    @ivar subtree: search everything below the base, not only what is right below.
    @ivar bindDN: who searches; nobody in particular if it is empty.
    @ivar password: of C{bindDN}.
    @ivar avatar: the attribute that is the avatar id; C{None} for the name as typed.
    @ivar tls: C{verified}, C{unverified} or C{none}.
    @ivar authorities: the file of them; C{None} for those of the system.
    """

    server: str
    base: str
    filter: str | None = None
    subtree: bool = True
    bindDN: str = ""
    password: bytes = b""
    avatar: str | None = None
    tls: str = "verified"
    authorities: str | None = None

    @property
    def startTLS(self) -> bool:
        """Whether TLS begins with a command (RFC 4511 section 4.14)."""
        return self.server.startswith("ldap:") and self.tls != "none"


def parseSettings(text: str) -> LdapSettings:
    """
    @param text: C{SCHEME://HOST[:PORT]/DN[?NAME=VALUE]...}, percent-encoded as
        other URLs (RFC 4516 section 2.1): a question mark within is C{%3F}.
    @raise SettingError: with a sentence.
    """
    scheme, separator, rest = text.strip().partition("://")
    if not separator or scheme not in ("ldap", "ldaps", "ldapi"):
        raise SettingError(
            "--auth ldap needs a URL; write --auth 'ldap:ldaps://HOST/uid={user},ou=people,"
            "dc=example,dc=org'"
        )
    host, _, rest = rest.partition("/")
    if not _isServer(scheme, host):
        raise SettingError(
            f"{scheme}://{host} names no server; write ldap://HOST:PORT, ldaps://HOST:PORT, or"
            " ldapi:// and the path of a socket with %2F for each slash"
        )
    base, *options = rest.split("?")
    values: dict[str, Any] = {}
    for option in options:
        name, separator, value = option.partition("=")
        if name not in _OPTIONS or not separator:
            raise SettingError(
                f"{option!r} is no option of --auth ldap; write"
                f" ?NAME=VALUE with one of {', '.join(_OPTIONS)}"
            )
        field, parse = _OPTIONS[name]
        if field in values:
            raise SettingError(f"--auth ldap has the option {name} twice; remove one of them")
        values[field] = parse(unquote(value))
    if scheme == "ldapi":
        values.setdefault("tls", "none")  # it does not leave the machine
    settings = LdapSettings(f"{scheme}://{host}", unquote(base), **values)
    _agree(scheme, settings)
    return settings


def _isServer(scheme: str, host: str) -> bool:
    if scheme == "ldapi":
        return host.startswith("%2F")
    found = _HOST.fullmatch(host)
    return found is not None and int(found[2] or 0) < 65536


def _agree(scheme: str, settings: LdapSettings) -> None:
    """What only several settings together can get wrong."""
    if (settings.filter is None) == (USER not in settings.base):
        raise SettingError(
            "--auth ldap must be told how to find a user, in one of two ways: write {user} into"
            " the DN of the URL, or add ?filter=(uid={user})"
        )
    if bool(settings.bindDN) != bool(settings.password):
        raise SettingError("--auth ldap takes bind-dn and password-file together; write both")
    if settings.bindDN and settings.filter is None:
        raise SettingError(
            "--auth ldap searches nothing without a filter; add ?filter=(uid={user}), or leave"
            " bind-dn out"
        )
    if scheme == "ldaps" and settings.tls == "none":
        raise SettingError("ldaps:// is TLS from the start; write ldap:// for tls=none")
    if scheme == "ldapi" and settings.tls != "none":
        raise SettingError("ldapi:// knows no TLS; leave the option tls out")


def _filter(value: str) -> str:
    if USER not in value or not (value.startswith("(") and value.endswith(")")):
        raise SettingError(
            f"the filter {value!r} is none; write ?filter=(uid={{user}}) or another in parentheses,"
            " with {user} in it"
        )
    return value


def _attribute(value: str) -> str:
    if not _ATTRIBUTE.fullmatch(value):
        raise SettingError(f"{value!r} names no attribute; write for example ?avatar=uid")
    return value


def _authorities(value: str) -> str:
    path = os.path.abspath(value)
    _read(path)
    return path


def _password(value: str) -> bytes:
    path = os.path.abspath(value)
    password = _read(path).rstrip(b"\r\n")
    if not password:
        raise SettingError(f"{path} is empty; write the password of bind-dn into it")
    return password


def _read(path: str) -> bytes:
    try:
        return readFile(path)
    except OSError as error:
        raise SettingError(
            f"cannot read {path}: {error.strerror}; make it readable for the user that starts"
            " the service"
        ) from error


def _choice(name: str, choices: dict[str, Any]) -> Callable[[str], Any]:
    def parse(value: str) -> Any:
        if value not in choices:
            raise SettingError(f"{name}={value} is not possible; write {' or '.join(choices)}")
        return choices[value]

    return parse


_TLS = ("verified", "unverified", "none")

# The name in the URL -> the field, and what makes its value of the text.
_OPTIONS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "filter": ("filter", _filter),
    "scope": ("subtree", _choice("scope", {"sub": True, "one": False})),
    "bind-dn": ("bindDN", str),
    "password-file": ("password", _password),
    "avatar": ("avatar", _attribute),
    "tls": ("tls", _choice("tls", {each: each for each in _TLS})),
    "ca": ("authorities", _authorities),
}
