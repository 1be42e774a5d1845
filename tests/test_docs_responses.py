"""F{docs/responses.rst} names every sentence that a client may be refused with, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import TestCase

import pop3svc
from pop3svc.core.replies import Code

ROOT = Path(pop3svc.__file__).parent
PAGE = (ROOT.parent / "docs" / "responses.rst").read_text()
_SOURCES = (*sorted((ROOT / "core").glob("*.py")), ROOT / "admission.py")

# What a client is told when all is well; everything else refuses something.
_GOOD = re.compile(
    r"send PASS|begin TLS|pop3svc .*|.* follows?|message N deleted|maildrop has |maildrop empty"
    r"|still here|N (?:N|octets)\s*|en English.*\s*"
)


def told() -> Iterator[str]:
    """Each sentence of the source, with N for a number."""
    for path in _SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            value = node.value if isinstance(node, ast.Constant) else None
            if isinstance(value, bytes) and re.match(rb"(?:[a-z%]|USER )[^|\\]* ", value):
                yield value.decode().replace("%d of %d", "N of M").replace("%d", "N")


def sentences() -> set[str]:
    return {each for each in told() if not _GOOD.fullmatch(each) and "%" not in each}


class ResponsesTests(TestCase):
    def test_everySentence(self) -> None:
        quoted = re.findall(r"``([^`]+)``", PAGE)
        codes = "|".join(re.escape(each.value.decode()) for each in Code if each.value)
        shown = {re.sub(rf"^(?:{codes})", "", " ".join(each.split())) for each in quoted}
        self.assertEqual(sentences() - shown, set(), "docs/responses.rst does not tell of these")
        prose = {each for each in shown if each.count(" ") > 1 and "=" not in each}
        self.assertEqual(prose - sentences(), {"KEYWORD takes ..."}, "nobody says these")

    def test_everyCode(self) -> None:
        for each in Code:
            if each.value:
                self.assertIn(f"``{each.value.decode().strip()}``", PAGE)
