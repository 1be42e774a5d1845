"""
One line of octets -> a command, parsed once and strictly, at the door.

Numbers are plain ASCII digits: C{int()} alone would take C{+1}, C{1_0} and the
digits of other scripts. Keywords are looked up in the command table and go
nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

# NUL cut names and passwords short in other servers; CR and ESC forge replies
# and log lines. RFC 1939 section 3 wants printable ASCII.
_UNFIT = re.compile(rb"[^\x20-\x7e]")
_MESSAGE_NUMBER = re.compile(rb"[1-9][0-9]{0,9}\Z")
_LINE_COUNT = re.compile(rb"(?:0|[1-9][0-9]{0,9})\Z")
_MECHANISM = re.compile(rb"[A-Za-z0-9_-]{1,20}\Z")
_DIGEST = re.compile(rb"[0-9A-Fa-f]{32}\Z")
_LANGUAGE = re.compile(rb"[A-Za-z0-9*-]{1,40}\Z")


class BadSyntax(Exception):
    """
    A line that is no command.

    @ivar text: a short sentence for the client, without any octet of the line.
    """

    def __init__(self, text: bytes) -> None:
        super().__init__(text)
        self.text = text


class Line(NamedTuple):
    """A line cut in two: the keyword in capitals, and all behind the first space."""

    keyword: bytes
    argument: bytes


def parseLine(line: bytes) -> Line:
    """
    @param line: one line without its line end.
    @raise BadSyntax: an octet is not printable ASCII.
    """
    if _UNFIT.search(line):
        raise BadSyntax(b"a command is printable ASCII")
    keyword, _, argument = line.partition(b" ")
    return Line(keyword.upper(), argument)


@dataclass(frozen=True)
class Shape:
    """
    What a command takes.

    @ivar takes: it in words, for C{-ERR RETR takes ...}.
    @ivar parse: turns the argument octets into the handler's arguments;
        C{None} when they do not fit.
    """

    takes: bytes
    parse: Callable[[bytes], tuple[object, ...] | None]


def _parseNothing(argument: bytes) -> tuple[object, ...] | None:
    return None if argument.strip(b" ") else ()


def _parseNumber(argument: bytes) -> tuple[object, ...] | None:
    word = argument.strip(b" ")
    return (int(word),) if _MESSAGE_NUMBER.match(word) else None


def _parseOptionalNumber(argument: bytes) -> tuple[object, ...] | None:
    return _parseNumber(argument) if argument.strip(b" ") else (None,)


def _parseNumberAndLines(argument: bytes) -> tuple[object, ...] | None:
    words = argument.split()
    if len(words) == 2 and _MESSAGE_NUMBER.match(words[0]) and _LINE_COUNT.match(words[1]):
        return int(words[0]), int(words[1])
    return None


def _parseText(argument: bytes) -> tuple[object, ...] | None:
    return (argument,) if argument else None


def _parseName(argument: bytes) -> tuple[object, ...] | None:
    name = argument.strip(b" ")
    return (name,) if name else None


def _parseOptionalLanguage(argument: bytes) -> tuple[object, ...] | None:
    word = argument.strip(b" ")
    return (word,) if not word or _LANGUAGE.match(word) else None


def _parseMechanism(argument: bytes) -> tuple[object, ...] | None:
    """Outlook probes with C{AUTH } and a space behind it."""
    name, _, response = argument.strip(b" ").partition(b" ")
    if name and not _MECHANISM.match(name):
        return None
    return name.upper(), response.lstrip(b" ") or None


def _parseNameAndDigest(argument: bytes) -> tuple[object, ...] | None:
    name, _, digest = argument.strip(b" ").rpartition(b" ")
    return (name.rstrip(b" "), digest.lower()) if name and _DIGEST.match(digest) else None


NOTHING = Shape(b"no argument", _parseNothing)
NUMBER = Shape(b"a message-number", _parseNumber)
OPTIONAL_NUMBER = Shape(b"a message-number or nothing", _parseOptionalNumber)
NUMBER_AND_LINES = Shape(b"a message-number and a number of lines", _parseNumberAndLines)
NAME = Shape(b"a name", _parseName)
# A password may hold spaces, also at its ends (RFC 1939 section 7, PASS).
TEXT = Shape(b"a text", _parseText)
OPTIONAL_LANGUAGE = Shape(b"a language tag or nothing", _parseOptionalLanguage)
# RFC 5034 section 4
MECHANISM = Shape(b"a mechanism and perhaps an initial response", _parseMechanism)
# RFC 1939 section 7, APOP
NAME_AND_DIGEST = Shape(b"a name and a digest", _parseNameAndDigest)
