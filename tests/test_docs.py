"""The documents name every option, limit, page and module, and no others."""

import re
from pathlib import Path

from twisted.trial.unittest import TestCase

from pop3svc.limits import Limits
from pop3svc.options import Options

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


class OptionsTests(TestCase):
    def test_everyOption(self) -> None:
        options = Options()
        here = {name.rstrip("=") for name in options.longOpt} - {"help", "version"}
        told = set(re.findall(r"``(?:-c )?--([a-z0-9-]+)", (DOCS / "options.rst").read_text()))
        self.assertEqual(told, here)

    def test_everyLimit(self) -> None:
        self.assertTrue((DOCS / "limits.rst").read_text().endswith(Limits.describe() + "\n"))


class PagesTests(TestCase):
    def test_index(self) -> None:
        """Whoever begins at the index comes to each page, once."""
        listed = re.findall(r"^   (?:.+ <)?([a-z0-9-]+)>?$", (DOCS / "index.rst").read_text(), re.M)
        pages = {each.stem for each in DOCS.glob("*.rst")} - {"index"}
        self.assertEqual(sorted(listed), sorted(pages))

    def test_links(self) -> None:
        """What README and CONTRIBUTING send somebody to is there."""
        for name in ("README.rst", "CONTRIBUTING.rst"):
            text = (ROOT / name).read_text()
            asked = set(re.findall(r"`([\w./-]+\.rst)`_", text))
            given = dict(re.findall(r"^\.\. _([\w./-]+): (\S+)$", text, re.M))
            self.assertEqual(asked - set(given), set(), name)
            places = [*given.values(), *re.findall(r"<([\w./-]+\.rst)>`_", text)]
            self.assertEqual([each for each in places if not (ROOT / each).exists()], [], name)
            self.assertNotEqual(places, [], name)

    def test_rooms(self) -> None:
        """CONTRIBUTING's table tells of every module, and of none that has gone."""
        text = (ROOT / "CONTRIBUTING.rst").read_text()
        table = text[text.index("Where does it go\n") : text.index("Making a release\n")]
        told = {each.rpartition("/")[2] for each in re.findall(r"``([\w/]+\.py)``", table)}
        modules = {each.name for each in (ROOT / "pop3svc").rglob("*.py")}
        others = {"__init__.py", "sampleconfig.py", "test_imports.py"}
        self.assertEqual(told - others, modules - others)
