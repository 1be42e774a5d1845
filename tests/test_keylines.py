"""L{pop3svc.keylines}: the line of each key, compared with a text whose lines are known."""

import tomllib
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import TestCase

from pop3svc.keylines import KeyLines, Path

# Each looks like a key, a table or a comment in some way, and is none.
_VALUES = (
    *("1", "-7", "1.5e3", "true", "inf", "1979-05-27T07:32:00Z", "1979-05-27 07:32:00.5"),
    *('"a = 1"', "'[x]'", '"\\" # \\\\"', '""', "''", "'\\'", '"]"', '"{"'),
    *('"""\nb = 2\n[t]\n"""', "'''\n# '\n'' x = [\n'''", '"""a\\"""\n\\\\"""', '"""a"""""'),
    *("'''a'''''", '"""\\\n  a"""', '""""b"""', "''''''"),
)
_COMMENTS = ("", " # x = 1", "\t# [t] \"'", "#")
_GAPS = ("", " ", "\n", '\n# ], } = "\n', " \n\t")
_NAMES = ("a", "b", "c-d", "1", "true", "x y", "q\"'", "#", "[t]", "a.b", "", "ü", "a\\")


def _written(name: str, quote: bool) -> str:
    bare = name.isascii() and name.replace("-", "").isalnum()
    if bare and not quote:
        return name
    if quote and "'" not in name:
        return f"'{name}'"
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Writer:
    """Writes a document and notes where what stands."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.text = ""
        self.lines: dict[Path, int] = {}

    def pick(self, choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def note(self, path: Path) -> None:
        self.lines.setdefault(path, self.text.count("\n") + 1)

    def key(self, names: tuple[str, ...]) -> None:
        dot = self.pick((".", " . ", "\t."))
        self.text += dot.join(_written(each, self.draw(st.booleans())) for each in names)

    def newNames(self) -> Iterator[str]:
        yield from self.draw(st.lists(st.sampled_from(_NAMES), unique=True, max_size=4))

    def setting(self, table: Path, name: str, depth: int) -> None:
        dotted = (name,) if self.draw(st.booleans()) else (name, self.pick(_NAMES))
        for length in range(1, len(dotted) + 1):
            self.note(table + dotted[:length])
        self.key(dotted)
        self.text += self.pick(("=", " = ", "\t="))
        self.value(table + dotted, depth)

    def value(self, path: Path, depth: int) -> None:
        kind = self.pick(("plain", "array", "table") if depth else ("plain",))
        if kind == "plain":
            self.text += self.pick(_VALUES)
        elif kind == "array":
            self.array(path, depth - 1)
        else:
            # Of one line, as TOML 1.0 has it; values inside may have more.
            self.text += "{ "
            for index, name in enumerate(self.newNames()):
                self.text += ", " if index else ""
                self.setting(path, name, depth - 1)
            self.text += "}"

    def array(self, path: Path, depth: int) -> None:
        self.text += "["
        length = self.draw(st.integers(0, 3))
        for index in range(length):
            self.text += self.pick(_GAPS)
            self.note((*path, index))
            self.value((*path, index), depth)
            self.text += self.pick(_GAPS) + ("," if index < length - 1 else self.pick(("", ",")))
        self.text += self.pick(_GAPS) + "]"

    def table(self, path: Path, depth: int) -> None:
        for name in self.newNames():
            self.text += self.pick(("", "  ", "\n", "# a = 1\n\n"))
            self.setting(path, name, depth)
            self.text += self.pick(_COMMENTS) + "\n"

    def header(self, name: str) -> None:
        if self.draw(st.booleans()):
            self.note((name,))
            self.text += "[ "
            self.key((name,))
            self.text += "]" + self.pick(_COMMENTS) + "\n"
            self.table((name,), 1)
            return
        for index in range(self.draw(st.integers(1, 3))):
            self.note((name,))
            self.note((name, index))
            self.text += "[["
            self.key((name,))
            self.text += " ]]" + self.pick(_COMMENTS) + "\n"
            self.table((name, index), 1)
            if self.draw(st.booleans()):
                # Of the latest table of the array.
                self.note((name, index, "below"))
                self.text += "["
                self.key((name, "below"))
                self.text += "]\n"
                self.table((name, index, "below"), 0)


@st.composite
def documents(draw: Any) -> tuple[str, dict[Path, int]]:
    writer = Writer(draw)
    writer.table((), 2)
    for name in ("t", "u v", "w.x"):
        if draw(st.booleans()):
            writer.header(name)
    return writer.text, writer.lines


def pathsOf(value: Any, path: Path = ()) -> Iterator[Path]:
    """All that a document has, as tomllib reads it."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, each in value.items():
            yield from pathsOf(each, (*path, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from pathsOf(each, (*path, index))


class KeyLinesTests(TestCase):
    @settings(max_examples=150, deadline=None)
    @given(documents(), st.booleans())
    def test_generated(self, document: tuple[str, dict[Path, int]], windows: bool) -> None:
        """Every key of a document that tomllib reads, at its line, and no other."""
        text, lines = document
        text = text.replace("\n", "\r\n") if windows else text
        read = tomllib.loads(text)
        found = KeyLines(text)
        self.assertEqual(found.paths(), set(pathsOf(read)))
        self.assertEqual({path: found.line(*path) for path in lines}, lines)
        self.assertIsNone(found.repeated)

    @settings(max_examples=300, deadline=None)
    @given(st.text("ab=.[]{},#\"'\\ \n1-", max_size=30))
    def test_anyText(self, text: str) -> None:
        """What tomllib takes has a line for every key, and what it does not take ends."""
        found = KeyLines(text)
        try:
            read = tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            return
        self.assertEqual(found.paths(), set(pathsOf(read)))

    def test_repeated(self) -> None:
        for text, repeated in (
            ("a = 1\nb = 2\na = 3\n", ("a", 1, 3)),
            ("[t]\nx = 1\n[u]\n[t]\n", ("t", 1, 4)),
            ("[[t]]\nx = 1\n[[t]]\nx = 1\n x = 2", ("x", 4, 5)),
            ("a = [\n1]\na.b = 1\n'a' = 2", ("a", 1, 4)),
        ):
            self.assertEqual(KeyLines(text).repeated, repeated, text)

    def test_notTOML(self) -> None:
        """It is read as far as it is."""
        lines = KeyLines("a = 1\nb = tcp:110, 2\nc = 3\n")
        self.assertEqual(lines.paths(), {("a",), ("b",)})
        self.assertEqual(lines.line("b"), 2)
        self.assertIsNone(lines.line("c"))

    def test_nested(self) -> None:
        self.assertEqual(KeyLines("a = " + "[" * 5000).line("a"), 1)
