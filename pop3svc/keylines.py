"""
In which line of a TOML file each of its keys stands.

C{tomllib} reads the file and tells no places; this reads the text once more, for
places alone. What it does not understand ends the search, and then a sentence
about a setting comes without its line.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

# The names from the document down to a value; a number for a place in an array.
Path = tuple[str | int, ...]

_BLANK = re.compile(r"[ \t]*")
# Between the values of an array there may be lines and comments, too.
_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'',
    re.DOTALL,
)
# Numbers, dates, true and false.
_PLAIN = re.compile(r"[^\s,#\[\]{}]+(?: [0-9][0-9:.]*[^\s,#\[\]{}]*)?")


class KeyLines:
    """
    @ivar repeated: the first key that stands a second time, with both lines.
    """

    def __init__(self, text: str) -> None:
        """@param text: of the file; if it is not TOML, it is read as far as it is."""
        self.repeated: tuple[str, int, int] | None = None
        self._text = text.replace("\r\n", "\n")
        self._at = 0
        # Lines are counted as far as this.
        self._counted, self._line = 0, 1
        self._lines: dict[Path, int] = {}
        self._headers: dict[Path, int] = {}
        # How many tables each array of tables has so far.
        self._tables: dict[Path, int] = {}
        try:
            self._readDocument()
        except (_NotUnderstood, RecursionError):
            # What was found until here is true.
            return

    def line(self, *path: str | int) -> int | None:
        """
        @param path: as C{"listener", 0, "tls"}.
        @return: the line, counted from 1, of the key, or of the value in an array;
            L{None} where it is not known.
        """
        return self._lines.get(path)

    def paths(self) -> set[Path]:
        """All that there are lines of."""
        return set(self._lines)

    def _readDocument(self) -> None:
        table: Path = ()
        while True:
            self._skip(_GAP)
            if self._at == len(self._text):
                return
            if self._take("[["):
                table = self._arrayTable(self._key())
                self._expect("]]")
            elif self._take("["):
                table = self._header(self._key())
                self._expect("]")
            else:
                self._setting(table)
            self._skip(_BLANK)
            if self._at < len(self._text) and self._text[self._at] not in "#\n":
                raise _NotUnderstood

    def _header(self, key: list[str]) -> Path:
        path = self._within((), key)
        if path in self._headers:
            self._repeat(key[-1], self._headers[path])
        self._headers[path] = self._here()
        self._notePrefixes((), path)
        self._note(path)
        return path

    def _arrayTable(self, key: list[str]) -> Path:
        path = (*self._within((), key[:-1]), key[-1])
        self._notePrefixes((), path)
        self._note(path)
        index = self._tables[path] = self._tables.get(path, -1) + 1
        self._note((*path, index))
        return (*path, index)

    def _setting(self, table: Path) -> None:
        key = self._key()
        path = (*table, *key)
        self._notePrefixes(table, path)
        if path in self._lines:
            self._repeat(key[-1], self._lines[path])
        self._note(path)
        self._expect("=")
        self._value(path)

    def _value(self, path: Path) -> None:
        self._skip(_BLANK)
        if self._take("["):
            self._array(path)
        elif self._take("{"):
            self._inlineTable(path)
        elif not (self._match(_STRING) or self._match(_PLAIN)):
            raise _NotUnderstood

    def _array(self, path: Path) -> None:
        index = 0
        self._skip(_GAP)
        while not self._take("]"):
            self._note((*path, index))
            self._value((*path, index))
            index += 1
            self._skip(_GAP)
            if not self._take(",") and self._text[self._at : self._at + 1] != "]":
                raise _NotUnderstood
            self._skip(_GAP)

    def _inlineTable(self, path: Path) -> None:
        # One line in TOML 1.0; in 1.1 as many as one likes.
        self._skip(_GAP)
        while not self._take("}"):
            self._setting(path)
            self._skip(_GAP)
            if not self._take(",") and self._text[self._at : self._at + 1] != "}":
                raise _NotUnderstood
            self._skip(_GAP)

    def _key(self) -> list[str]:
        parts = list(self._keyParts())
        self._skip(_BLANK)
        return parts

    def _keyParts(self) -> Iterator[str]:
        while True:
            self._skip(_BLANK)
            bare = self._match(_BARE)
            yield bare or _unquoted(self._match(_STRING))
            self._skip(_BLANK)
            if not self._take("."):
                return

    def _within(self, table: Path, key: list[str]) -> Path:
        """A path, with the number of the latest table wherever it leads into an array."""
        for each in key:
            table = (*table, each)
            if table in self._tables:
                table = (*table, self._tables[table])
        return table

    def _note(self, path: Path) -> None:
        """The first place counts."""
        self._lines.setdefault(path, self._here())

    def _notePrefixes(self, above: Path, path: Path) -> None:
        """The tables on the way, which need no line of their own."""
        for length in range(len(above) + 1, len(path)):
            self._note(path[:length])

    def _repeat(self, key: str, first: int) -> None:
        if self.repeated is None:
            self.repeated = key, first, self._here()

    def _here(self) -> int:
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def _skip(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self._text, self._at)
        assert found is not None
        self._at = found.end()

    def _match(self, pattern: re.Pattern[str]) -> str:
        """What fits here, and is passed; empty if nothing does."""
        found = pattern.match(self._text, self._at)
        if found is None:
            return ""
        self._at = found.end()
        return found.group()

    def _take(self, mark: str) -> bool:
        if not self._text.startswith(mark, self._at):
            return False
        self._at += len(mark)
        return True

    def _expect(self, mark: str) -> None:
        self._skip(_BLANK)
        if not self._take(mark):
            raise _NotUnderstood


class _NotUnderstood(Exception):
    """This is not TOML, or not as we know it."""


def _unquoted(text: str) -> str:
    """@param text: a key in quotes."""
    try:
        key: str = tomllib.loads(f"k = {text}")["k"]
    except tomllib.TOMLDecodeError as error:
        raise _NotUnderstood from error
    return key
