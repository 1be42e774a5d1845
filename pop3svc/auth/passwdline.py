"""
One line of a passwd file: C{user:hash[:key=value...]}.

A line that is wrong anywhere is left out as a whole: a field that was misspelt
must not open what it was to close.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from difflib import get_close_matches
from typing import Any

from ..errors import SettingError
from .credential import Credential, Malformed, Parts, maildropPath, makeCredential
from .dovecotline import dovecotFields, isDovecots
from .networks import Networks
from .schemes import UnusableHash

# A verifier in the form of RFC 5803 has colons of its own.
_COLONS = re.compile(
    rb"(?:\{SCRAM-SHA-(?:1|256)\}|SCRAM-SHA-(?:1|256)\$)[0-9]+:[^:$]*\$[^:$]*:[^:]*",
    re.IGNORECASE,
)
_NAMED = re.compile(rb":name=[^:]")
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
# The name goes to the audit log, and into commands.
_CREDENTIAL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def isEntry(line: bytes) -> bool:
    """It is neither blank nor a comment."""
    return bool(line.strip()) and not line.lstrip().startswith(b"#")


def takeApart(line: bytes) -> Parts:
    """
    @param line: without its end.
    @raise Malformed: it has no user or no hash.
    """
    user, colon, behind = line.partition(b":")
    if not colon:
        raise Malformed("there is no colon; write user:hash")
    if not user or _CONTROL.search(user):
        raise Malformed("the user name is empty or has a control octet; write user:hash")
    colons = _COLONS.match(behind)
    stored = colons.group() if colons else behind.partition(b":")[0]
    return Parts(user, stored, behind[len(stored) :])


def parseLine(line: bytes) -> Credential:
    """
    @param line: without its end.
    @raise Malformed: it is left out.
    @raise SettingError: the library that verifies its hash is not installed.
    """
    parts = takeApart(line)
    try:
        if isDovecots(parts):
            stored, values = dovecotFields(parts)
        else:
            stored, values = parts.stored, readFields(splitFields(parts.rest))
        return replace(makeCredential(parts.user, stored), **values)
    except ValueError as error:
        if isinstance(error, SettingError) and not isinstance(error, UnusableHash):
            raise
        # A line that names an application password was to stop nobody else.
        user = b"" if _NAMED.search(parts.rest) else parts.user
        raise Malformed(str(error), user) from None


def splitFields(rest: bytes) -> list[bytes]:
    """
    @param rest: what stands behind a hash.
    @return: the fields; a colon in brackets separates none.
    """
    fields: list[bytes] = []
    inBrackets = False
    for piece in rest.split(b":")[1:]:
        if inBrackets:
            fields[-1] += b":" + piece
        else:
            fields.append(piece)
        if b"[" in piece or b"]" in piece:
            inBrackets = piece.rfind(b"[") > piece.rfind(b"]")
    return fields


def readFields(fields: list[bytes]) -> dict[str, Any]:
    """
    @param fields: each C{key=value} or C{key}.
    @return: what they say, by the attributes of L{Credential}.
    @raise ValueError: with a sentence.
    """
    values: dict[str, Any] = {}
    for each in fields:
        key, equals, value = each.decode("utf-8", "surrogateescape").partition("=")
        if key not in _FIELDS:
            # Not quoted: it may be a part of a password with a colon in it.
            near = get_close_matches(key, _FIELDS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(_FIELDS)}"
            raise ValueError(f"there is a field that is not known; {hint}")
        attribute, read = _FIELDS[key]
        if attribute in values:
            raise ValueError(f"the field {key} stands there twice; keep one")
        if bool(equals) == (key in _FLAGS):
            raise ValueError(f"the field is written {key}{'' if equals else '=...'}")
        values[attribute] = read(value, key)
    return values


# What the fields' values are. Each raises ValueError with a sentence.


def _flag(value: str, key: str) -> bool:
    return True


def _closing(value: str, key: str) -> str:
    return key


def _networks(value: str, key: str) -> Networks:
    return Networks(value.split(","))


def _maildrop(value: str, key: str) -> str:
    return maildropPath(value)


def credentialName(value: str, key: str = "name") -> str:
    """@raise ValueError: it is no name for an application password."""
    if not _CREDENTIAL_NAME.fullmatch(value):
        raise ValueError(f"{key}= takes letters, digits, _, . and -, at most 64")
    return value


def _expires(value: str, key: str) -> date:
    try:
        if not _DATE.fullmatch(value):
            raise ValueError
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{key}= takes a day such as 2027-01-31") from None


# The fields without a value.
_FLAGS = ("nopop3", "read-only")

# Key -> attribute of Credential, and what makes its value.
_FIELDS: dict[str, tuple[str, Callable[[str, str], Any]]] = {
    "name": ("name", credentialName),
    "nopop3": ("closedBy", _closing),
    "networks": ("networks", _networks),
    "expires": ("expires", _expires),
    "read-only": ("readOnly", _flag),
    "maildrop": ("maildrop", _maildrop),
}
