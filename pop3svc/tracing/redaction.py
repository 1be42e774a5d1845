"""
What of a dialogue may be shown: only what is known to carry no secret.

A password stands behind PASS, but also in a command that is misspelt, in the wrong
state, or where a person at a telnet puts it. So nothing is searched for secrets;
what is not on the list is hidden, with its size.
"""

from __future__ import annotations

from collections.abc import Callable

from ..core.grammar import BadSyntax, parseLine
from ..core.mechanisms import MECHANISMS
from ..core.session import LANGUAGE_TAGS
from ..core.states import COMMANDS

# Numbers alone, or nothing.
_HARMLESS = frozenset(
    {
        *(b"CAPA", b"UTF8", b"STLS", b"QUIT", b"STAT", b"RSET", b"NOOP"),
        *(b"LIST", b"UIDL", b"RETR", b"TOP", b"DELE"),
    }
)


def shownCommand(line: bytes) -> str:
    """
    @param line: of a client that is not in the middle of an exchange.
    """
    try:
        parsed = parseLine(line)
    except BadSyntax:
        return hidden(line)
    row = COMMANDS.get(parsed.keyword)
    if row is None:
        return hidden(line)
    name = row.keyword.decode()
    fitting = row.shape.parse(parsed.argument)
    if row.keyword in _SHOWN and fitting is not None:
        return f"{name} {_SHOWN[row.keyword](*fitting)}".rstrip()
    if row.keyword in _HARMLESS and fitting is not None:
        return " ".join([name, *(str(each) for each in fitting if each is not None)])
    return f"{name} {hidden(parsed.argument)}" if parsed.argument else name


def shownAnswer(line: bytes) -> str:
    """@param line: of a client in an exchange: a star, or base64 of what is secret."""
    return "*" if line == b"*" else hidden(line)


def shownReply(octets: bytes) -> list[str]:
    """
    @param octets: a reply, which is made of our words and numbers alone.
    @return: its lines; of a challenge, from which passwords could be guessed, the size.
    """
    if octets.startswith(b"+ "):
        return [f"+ {hidden(octets[2:].rstrip())}"]
    return octets.decode("ascii", "backslashreplace").splitlines()


def hidden(octets: bytes) -> str:
    """The size of what is not shown."""
    return f"(hidden, {len(octets)} octet{'' if len(octets) == 1 else 's'})"


def _name(name: bytes) -> str:
    """Whoever writes both on one line, as for FTP, has a password in it."""
    return hidden(name) if b" " in name else name.decode()


def _apop(name: bytes, digest: bytes) -> str:
    return f"{_name(name)} {hidden(digest)}"


def _auth(mechanism: bytes, response: bytes | None) -> str:
    known = (
        ""
        if not mechanism
        else mechanism.decode()
        if mechanism in MECHANISMS
        else hidden(mechanism)
    )
    return known if response is None else f"{known} {hidden(response)}"


def _language(tag: bytes) -> str:
    return tag.decode() if not tag or tag.upper() in LANGUAGE_TAGS else hidden(tag)


_SHOWN: dict[bytes, Callable[..., str]] = {
    b"USER": _name,
    b"APOP": _apop,
    b"AUTH": _auth,
    b"LANG": _language,
}
