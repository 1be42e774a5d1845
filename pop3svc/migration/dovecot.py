"""
Unique-ids out of C{dovecot-uidlist}, of versions 1 and 3.

Dovecot makes a unique-id from what stands in the list by its C{pop3_uidl_format},
unless one is saved for the message, which always wins.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from hashlib import md5

from ..errors import SettingError
from ..maildrops.names import split
from .found import damaged

DEFAULT_FORMAT = "%08Xu%08Xv"

_HEADER = re.compile(rb"3((?: [A-Z][^ ]*)*)\Z")
_OLD_HEADER = re.compile(rb"1 ([0-9]{1,10}) [0-9]{1,10}\Z")
# A number, fields of a capital and a value, and the name behind a colon.
_LINE = re.compile(rb"([0-9]{1,10}) ((?:[A-Z][^ ]* )*):(.+)\Z", re.DOTALL)
_OLD_LINE = re.compile(rb"([0-9]{1,10}) (.+)\Z", re.DOTALL)
# As Dovecot 2.3 and older have it, %08Xu, and as 2.4 has it, %{uid | hex(8)}.
_PLACEHOLDER = re.compile(
    r"%(?:(?P<percent>%)|(?P<width>0[0-9]{1,2})?(?P<modifiers>[XLUM]{0,2})(?P<letter>[uvfgm])"
    r"|\{ *(?P<name>[a-z0-9]+) *(?P<filters>(?:\| *(?:hex|lower|upper)(?:\([0-9]{1,2}\))? *)*)\})"
)
_NAMES = {"uid": "u", "uidvalidity": "v", "filename": "f", "guid": "g"}
_FILTER = re.compile(r"(hex|lower|upper)(?:\(([0-9]+)\))?")
_MODIFIERS = {"hex": "X", "lower": "L", "upper": "U"}

# Values of one message, by the letters of the format.
Values = dict[str, bytes]


def parseFormat(text: str) -> Callable[[Values], bytes]:
    """
    @param text: Dovecot's setting, with C{%u}, C{%v}, C{%f}, C{%g}, which may have a
        width like C{08} and C{X}, C{L}, C{U} or C{M} in front; or with their long forms.
    @return: makes a unique-id.
    @raise SettingError: it has something else in it.
    """
    pieces: list[Callable[[Values], bytes]] = []
    end = 0
    for found in _PLACEHOLDER.finditer(text):
        pieces.append(_literal(text[end : found.start()]))
        end = found.end()
        if found["percent"]:
            pieces.append(lambda values: b"%")
            continue
        letter = found["letter"] or _NAMES.get(found["name"])
        if letter is None or letter == "m":
            raise _unknown(found[0])
        modifiers, width = found["modifiers"] or "", int(found["width"] or 0)
        for kind, digits in _FILTER.findall(found["filters"] or ""):
            modifiers, width = modifiers + _MODIFIERS[kind], int(digits or width)
        pieces.append(_value(letter, modifiers, width))
    pieces.append(_literal(text[end:]))
    formatted = _joined(pieces)
    if formatted(dict.fromkeys("uvfg", b"1")) == formatted(dict.fromkeys("uvfg", b"2")):
        raise SettingError(f"the pop3_uidl_format {text!r} would give all messages one unique-id")
    return formatted


def parseUidList(
    octets: bytes, path: str, formatted: Callable[[Values], bytes]
) -> Iterator[tuple[bytes, bytes]]:
    """
    @param octets: the whole file.
    @param path: of it, for messages.
    @param formatted: from L{parseFormat}.
    @return: base names with their unique-ids.
    @raise SettingError: it is none, or damaged.
    """
    lines = octets.split(b"\n")
    header, isOld = _HEADER.match(lines[0]), False
    fields = {each[:1]: each[1:] for each in header[1].split()} if header else {}
    validity = fields.get(b"V")
    if header is None and (old := _OLD_HEADER.match(lines[0])):
        validity, isOld = old[1], True
    if validity is None or not validity.isdigit():
        raise damaged(path, 1, "no header of a dovecot-uidlist of version 1 or 3")
    for number, line in enumerate(lines[1:], 2):
        if not line:
            continue
        found = (_OLD_LINE if isOld else _LINE).match(line)
        if found is None:
            raise damaged(path, number, "not a uid, fields and a file name")
        base = split(found[found.lastindex or 0])[0]
        saved = {} if isOld else {each[:1]: each[1:] for each in found[2].split()}
        identity = saved.get(b"P")
        if identity is None:
            guid = saved.get(b"G", base)
            identity = formatted({"u": found[1], "v": validity, "f": base, "g": guid})
        # A saved one that is empty stands for the name.
        yield base, identity or base


def _joined(pieces: list[Callable[[Values], bytes]]) -> Callable[[Values], bytes]:
    return lambda values: b"".join(piece(values) for piece in pieces)


def _literal(text: str) -> Callable[[Values], bytes]:
    if "%" in text:
        raise _unknown(text)
    octets = text.encode()
    return lambda values: octets


def _unknown(text: str) -> SettingError:
    return SettingError(
        f"what {text!r} in a pop3_uidl_format stands for is not in a dovecot-uidlist; import from"
        " the running server instead: --from pop3s://USER@HOST"
    )


def _value(letter: str, modifiers: str, width: int) -> Callable[[Values], bytes]:
    def value(values: Values) -> bytes:
        octets = values[letter]
        for modifier in modifiers:
            if modifier == "X":
                octets = b"%x" % int(octets) if octets.isdigit() else b"0"
            elif modifier == "M":
                octets = md5(octets, usedforsecurity=False).hexdigest().encode()
            else:
                octets = octets.upper() if modifier == "U" else octets.lower()
        return octets.rjust(width, b"0")

    return value
