"""
A line of Dovecot's passwd-file: C{user:hash:uid:gid:gecos:home:shell:extra_fields}.

What would open the account wider than Dovecot did is never left out of account:
then the line is malformed. What only Dovecot can do is told in a remark.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from .credential import Parts, maildropPath
from .networks import Networks

# Where the fields stand behind the hash; uid, gid and gecos come first.
_HOME, _EXTRA = 3, 5
# Of the format of our own: a line that mixes both is not guessed at.
_OURS = re.compile(rb"(?:nopop3|read-only|(?:networks|maildrop|name|expires)=.*)\Z", re.DOTALL)

_WORD = re.compile(r"[a-z_0-9]{1,40}", re.ASCII)
_NETWORKS = ("allow_nets", "allow_real_nets")
_CLOSING = ("nologin", "fail")
# Somebody else's maildrop, or anybody's: no line that has these is taken.
_REFUSED = {
    "nopassword": "would open the account to any password; remove it, and set a password",
    "user": "names another user; write a line for that one",
    "login_user": "names another user; write a line for that one",
}
_MAIL, _PATH, _DRIVER = "userdb_mail", "userdb_mail_path", "userdb_mail_driver"


def isDovecots(parts: Parts) -> bool:
    """What stands behind the hash, the uid, is empty or numeric; ours are words."""
    uid = parts.rest.split(b":", 2)[1:2]
    return bool(uid) and (not uid[0] or uid[0].isdigit())


def dovecotFields(parts: Parts) -> tuple[bytes, dict[str, Any]]:
    """
    @return: the hash and the values of L{pop3svc.auth.credential.Credential}.
    @raise ValueError: with a sentence, when the line must not be taken.
    """
    fields = parts.rest.split(b":", _EXTRA + 1)[1:]
    mixed = any(b"=" in each for each in fields[:_HOME])
    if mixed or any(_OURS.match(each) for each in fields[:_EXTRA]):
        raise ValueError("this is half Dovecot's format and half ours; write one of them")
    stored = parts.stored
    if stored and not stored.startswith((b"{", b"!", b"*")):
        stored = b"{CRYPT}" + stored  # what Dovecot takes it for
    home = _text(fields[_HOME]) if len(fields) > _HOME else ""
    extra = _text(fields[_EXTRA]) if len(fields) > _EXTRA else ""
    return stored, _values(dict(_pair(each) for each in extra.split()), home)


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")


def _pair(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    return key, value


def _values(extra: dict[str, str], home: str) -> dict[str, Any]:
    """@param extra: the extra fields."""
    for key, sentence in _REFUSED.items():
        if key in extra:
            raise ValueError(f"{key} {sentence}")
    values: dict[str, Any] = {"maildrop": _maildrop(extra, home)}
    values["closedBy"] = next((key for key in _CLOSING if key in extra), None)
    if all(key in extra for key in _NETWORKS):
        raise ValueError("allow_nets and allow_real_nets together are not understood; keep one")
    for key in _NETWORKS:
        if key in extra:
            networks = extra[key].split(",")
            values["networks"] = Networks("unix" if each == "local" else each for each in networks)
    values["remarks"] = _remarks(sorted(extra.keys() - {*_NETWORKS, *_CLOSING}))
    return values


def _remarks(keys: Sequence[str]) -> tuple[str, ...]:
    """Fields for the userdb are about the delivery and the quota of others."""
    left = [key for key in keys if not key.startswith("userdb_")]
    # A key that is no word may be a part of a secret.
    names = [key if _WORD.fullmatch(key) else "that is no word" for key in left]
    return tuple(f"the field {name} of Dovecot means nothing here" for name in names)


def _maildrop(extra: dict[str, str], home: str) -> str | None:
    """@param home: the user's home directory, which C{~/} stands for."""
    driver, path = extra.get(_DRIVER, "maildir"), extra.get(_PATH, "")
    if _MAIL in extra:
        driver, _, path = extra[_MAIL].partition(":")
        # maildir:/path:LAYOUT=fs:INDEX=/elsewhere says how Dovecot keeps it.
        path = path.partition(":")[0]
    if driver != "maildir":
        raise ValueError(f"mail that is no Maildir cannot be served ({_MAIL})")
    if not path:
        return None
    if path.startswith("~/") and home:
        path = home.rstrip("/") + path[1:]
    return maildropPath(path)
