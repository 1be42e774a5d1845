"""Each row of the security page names tests, and they exist."""

import ast
import re
from pathlib import Path

from twisted.trial.unittest import TestCase

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "security.rst").read_text()

# Parts 2.1 to 2.5 of the analysis, the proxy's header, and the pages.
ROWS = [*range(1, 50), 53, 54]


def rows() -> dict[int, str]:
    """The text of each row by its number."""
    pieces = re.split(r"(?m)^   \* - (\d+)$", PAGE)
    return {int(number): text for number, text in zip(pieces[1::2], pieces[2::2], strict=True)}


def exists(name: str) -> bool:
    """@param name: a module, or a module, class and method, below C{tests}."""
    parts = name.split(".")
    for folder in ("", "live", "fuzz"):
        path = TESTS / folder / f"{parts[0]}.py"
        if path.exists():
            return len(parts) == 1 or parts[1:] in _methods(path)
    return False


def _methods(path: Path) -> list[list[str]]:
    tree = ast.parse(path.read_text())
    return [
        [each.name, method.name]
        for each in tree.body
        if isinstance(each, ast.ClassDef)
        for method in each.body
        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


class SecurityPageTests(TestCase):
    def test_everyRow(self) -> None:
        self.assertEqual(list(rows()), ROWS)

    def test_everyTest(self) -> None:
        for number, text in rows().items():
            cell = text.partition("\n\n")[0].rpartition("     - ")[2]
            names = re.findall(r"``([a-z]+_[A-Za-z0-9_.]+)``", cell)
            self.assertTrue(names, f"row {number} names no test")
            self.assertEqual([each for each in names if not exists(each)], [], f"row {number}")
