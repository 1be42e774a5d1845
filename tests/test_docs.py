"""The documents name every option and every limit, and no others."""

import re
from pathlib import Path

from twisted.trial.unittest import TestCase

from pop3svc.limits import Limits
from pop3svc.options import Options

DOCS = Path(__file__).parent.parent / "docs"


class OptionsTests(TestCase):
    def test_everyOption(self) -> None:
        options = Options()
        here = {name.rstrip("=") for name in options.longOpt} - {"help", "version"}
        told = set(re.findall(r"``(?:-c )?--([a-z0-9-]+)", (DOCS / "options.rst").read_text()))
        self.assertEqual(told, here)

    def test_everyLimit(self) -> None:
        self.assertTrue((DOCS / "limits.rst").read_text().endswith(Limits.describe() + "\n"))
