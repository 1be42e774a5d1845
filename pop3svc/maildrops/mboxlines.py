"""
What separates the messages of an mbox, and what makes one the same message.

Each message stands behind a separator line (RFC 4155 appendix A) and in front of
an empty line; neither is part of it. An mbox has no other structure: what a body
says may look like a separator. So a separator is believed only behind an empty
line, with a date at its end. C{Content-Length} is never believed: whoever sends a
message could write one that swallows the messages behind it, and where a message
ends would depend on what is delivered later.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import blake2b
from typing import Protocol

from ..canonical import Canonical

# What is looked through at once: a millisecond or so without the interpreter.
BLOCK_OCTETS = 1024 * 1024
# The longest separator: an address of RFC 5321 with all that lists encode in one.
LINE_OCTETS = 1000
# How far the header is searched for lines that do not count.
HEAD_OCTETS = 64 * 1024

_DIGEST_OCTETS = 16
_MARK = b"\nFrom "
# A mark that begins here or later is found in the next block too, with the two
# octets before it.
_OVERLAP = len(_MARK) + 2

# "From karl@example.org Thu Jan  1 00:00:00 1970", also without seconds, and with
# the time zones that elder programs put before or behind the year.
_SEPARATOR = re.compile(
    rb"From (?:[^\r\n]*[ \t])?"
    rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[ \t]+"
    rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[ \t]+"
    rb"(?:0?[1-9]|[12][0-9]|3[01])[ \t]+"
    rb"(?:[01]?[0-9]|2[0-3]):[0-5][0-9](?::[0-6][0-9])?[ \t]+"
    rb"(?:(?:[A-Z][A-Za-z]{1,4}|[+-][0-9]{4})[ \t]+){0,2}"
    rb"[0-9]{4}"
    rb"(?:[ \t]+(?:[A-Z][A-Za-z]{1,4}|[+-][0-9]{4})){0,2}"
    rb"(?:[ \t]+remote from [^ \t\r\n]+)?[ \t]*\r?\n"
)
# What mail readers and IMAP servers write into the header of a message that they
# have seen, flagged or counted.
_CHANGING = (
    *(b"status", b"x-status", b"x-keywords", b"x-uid", b"x-uidl", b"x-imap", b"x-imapbase"),
    *(b"x-mozilla-status", b"x-mozilla-status2", b"x-mozilla-keys", b"content-length", b"lines"),
)
_HINTS = (b"\nx-", *(b"\n" + name for name in _CHANGING if not name.startswith(b"x-")))
_CHANGING_LINES = re.compile(
    rb"^(?:%s)[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*" % b"|".join(_CHANGING),
    re.IGNORECASE | re.MULTILINE,
)
_HEAD_END = re.compile(rb"\n\r?\n")
_INTERNAL = re.compile(rb"^X-IMAP[ \t]*:", re.IGNORECASE | re.MULTILINE)


class Readable(Protocol):
    """As L{pop3svc.maildrops.mboxfiles.MboxFile}."""

    def read(self, octets: int, offset: int) -> bytes: ...


def separatorOctets(file: Readable, offset: int) -> int:
    """How long the separator is that stands here; 0 if none does."""
    found = _SEPARATOR.match(file.read(LINE_OCTETS, offset))
    return 0 if found is None else found.end()


def findSeparators(file: Readable, start: int, end: int) -> Iterator[tuple[int, int] | None]:
    """
    The separators behind C{start}, not at it.

    @param start: the beginning of a line that follows an empty one, or of the file.
    @param end: where to stop.
    @return: each with its offset and its octets; L{None} behind each block, for
        a pause.
    """
    base, behind = start, start
    while base < end:
        data = file.read(min(BLOCK_OCTETS, end - base), base)
        if not data:
            return
        at = data.find(_MARK)
        while at >= 0:
            offset = base + at + 1
            if offset > behind and _isEmpty(data, at, base == start):
                behind = offset
                if octets := separatorOctets(file, offset):
                    yield offset, octets
            at = data.find(_MARK, at + 1)
        yield None
        # The last octets again: a mark may lie across two blocks.
        base += max(1, len(data) - _OVERLAP) if base + len(data) < end else len(data)


def _isEmpty(data: bytes, lineEnd: int, first: bool) -> bool:
    """
    Whether the line that ends here is an empty one.

    @param first: the data begin with the beginning of a line.
    """
    if lineEnd and data[lineEnd - 1] == 0x0D:
        lineEnd -= 1
    return data[lineEnd - 1] == 0x0A if lineEnd else first


def contentEnd(file: Readable, start: int, end: int) -> int:
    """
    Where a message ends, without the empty line behind it.

    @param start: where it begins, behind its separator.
    @param end: where the next separator begins, or the file ends.
    """
    tail = file.read(min(3, end - start), max(start, end - 3))
    for empty in (b"\r\n", b"\n"):
        if tail.endswith(empty) and tail[: -len(empty)][-1:] in (b"", b"\n"):
            return end - len(empty)
    return end


class Identity:
    """
    What a message is known by: a digest of its separator and all its octets, but
    for the header lines that mail readers change; and its canonical size.
    """

    def __init__(self, separator: bytes, head: bytes) -> None:
        """
        @param head: the first L{HEAD_OCTETS} octets of the message, or all.
        """
        self._hash = blake2b(separator, digest_size=_DIGEST_OCTETS)
        self._counter = Canonical()
        self._counter.count(head)
        self._hash.update(_lasting(head))

    def add(self, data: bytes) -> None:
        """The next octets."""
        self._counter.count(data)
        self._hash.update(data)

    def end(self) -> tuple[bytes, int]:
        """The digest in hexadecimal digits, and the size; call it once."""
        self._counter.end()
        return self._hash.hexdigest().encode(), self._counter.octets


def _lasting(head: bytes) -> bytes:
    """A message's first octets without the lines that do not count."""
    header = _header(head)
    # Ten times quicker than the expression, which has to try at each octet.
    lower = b"\n" + header.lower()
    if not any(hint in lower for hint in _HINTS):
        return head
    return _CHANGING_LINES.sub(b"", header) + head[len(header) :]


def isInternal(head: bytes) -> bool:
    """
    Whether a first message is none, but what UW-IMAP and Dovecot keep for
    themselves.
    """
    header = _header(head)
    return b"FOLDER INTERNAL DATA" in header and _INTERNAL.search(header) is not None


def _header(head: bytes) -> bytes:
    """The lines before the first empty one."""
    found = _HEAD_END.search(b"\n" + head)
    return head if found is None else head[: found.start()]
