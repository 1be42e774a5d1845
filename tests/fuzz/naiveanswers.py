"""
What may be answered to a line, and whether that was answered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_FORM = re.compile(
    rb"(\+OK|-ERR)(?: (?:\[([A-Z/-]+)\])?[\x20-\x7e]*)?\r\n|(\+ )[A-Za-z0-9+/]*=*\r\n"
)
# RFC 2449 section 4; and RFC 5034 section 4, by which challenges may be longer.
_FIRST_LINE_OCTETS, _CHALLENGE_OCTETS = 512, 4096


@dataclass(frozen=True)
class TooLong:
    """A line that is. @ivar start: how it begins."""

    start: bytes


class Wrong(AssertionError):
    """Our server did not answer as it must."""


@dataclass
class Answer:
    """
    What may be answered to one line.

    @ivar status: C{+OK}, C{-ERR} or C{+ }; empty for no answer at all.
    @ivar codes: the response codes that may stand behind C{-ERR}.
    @ivar first: the whole first line, where it is known, without its CRLF.
    @ivar body: what follows the first line, with the termination octet.
    @ivar ends: the server ends the connection behind it.
    @ivar cut: it does so in the middle of the body.
    @ivar then: what this answer changes.
    """

    status: bytes
    codes: tuple[bytes, ...] = (b"",)
    first: bytes | None = None
    body: bytes | None = None
    ends: bool = False
    cut: bool = False
    then: Callable[[], object] = lambda: None


def pick(
    line: bytes | TooLong, allowed: Sequence[Answer], got: bytes, closing: bool
) -> tuple[Answer, bytes]:
    """
    @param got: all that our server has sent and nobody has looked at.
    @param closing: whether it has ended the connection.
    @return: which answer it was, and what is left behind it.
    @raise Wrong: it was none of those allowed.
    """
    silent = next((each for each in allowed if not each.status), None)
    if silent is not None and closing and not got:
        return silent, got
    end = got.find(b"\n") + 1
    first, rest = got[:end], got[end:]
    form = _FORM.fullmatch(first)
    if form is None or len(first) > (_CHALLENGE_OCTETS if form[3] else _FIRST_LINE_OCTETS):
        raise Wrong(f"{first[:600]!r} is no answer, to {_short(line)}")
    status, code = form[1] or form[3], form[2] or b""
    fits = [
        each
        for each in allowed
        if each.status == status
        and (status != b"-ERR" or code in each.codes)
        and each.first in (None, first.removesuffix(b"\r\n"))
    ]
    if not fits:
        may = [(each.status, each.codes, each.first) for each in allowed]
        raise Wrong(f"{first!r} to {_short(line)}; allowed: {may}")
    # Where both are allowed it has gone on, unless nothing came behind.
    over = closing and not rest
    answer = next((each for each in fits if each.ends == over), fits[0])
    return answer, rest if answer.body is None else _behindBody(line, answer, rest)


def _behindBody(line: bytes | TooLong, answer: Answer, got: bytes) -> bytes:
    assert answer.body is not None
    if answer.cut:
        if got.endswith(b"\r\n.\r\n") or not answer.body.startswith(got):
            raise Wrong(f"a body that is cut has an end, or is wrong: {got[-80:]!r}")
        return b""
    if not got.startswith(answer.body):
        raise Wrong(_difference(line, answer.body, got))
    return got[len(answer.body) :]


def _short(line: bytes | TooLong) -> str:
    return "a line that is too long" if isinstance(line, TooLong) else repr(line[:200])


def _difference(line: bytes | TooLong, expected: bytes, got: bytes) -> str:
    at = next((i for i, (a, b) in enumerate(zip(expected, got, strict=False)) if a != b), None)
    at = min(len(expected), len(got)) if at is None else at
    near = slice(max(0, at - 40), at + 40)
    return (
        f"the answer to {_short(line)} differs at octet {at} of {len(expected)}:"
        f" {got[near]!r} in place of {expected[near]!r}"
    )
