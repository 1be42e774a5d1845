"""
etc/ and docs/production.rst, as far as they can be judged without running anything;
C{tests/live} runs them.
"""

import re
import subprocess
import textwrap
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pop3svc.options import Options

from .running import ROOT

_ETC = ROOT / "etc"
_PAGE = (ROOT / "docs" / "production.rst").read_text()
_NAMED = re.compile(r"``etc/([\w./-]+)``|(?<![\w/])etc/([a-z0-9]+/[\w./-]+)")


class EtcTests(SynchronousTestCase):
    def test_named(self) -> None:
        """What a document sends somebody to is there."""
        for page in (ROOT / "README.rst", *(ROOT / "docs").glob("*.rst")):
            for quoted, bare in _NAMED.findall(page.read_text()):
                name = (quoted or bare).rstrip(".")
                self.assertTrue((_ETC / name).exists(), f"{page.name}: etc/{name}")

    def test_told(self) -> None:
        """Whatever is there is told of somewhere."""
        pages = [ROOT / "README.rst", *(ROOT / "docs").glob("*.rst")]
        text = "".join(each.read_text() for each in pages)
        for each in _ETC.iterdir():
            self.assertTrue(
                f"etc/{each.name}" in text or f"/{each.name}" in text, f"etc/{each.name}"
            )

    def test_shell(self) -> None:
        hook = _ETC / "letsencrypt" / "renewal-hooks" / "deploy" / "pop3svc"
        self.assertEqual(hook.stat().st_mode & 0o111, 0o111)
        [rotated] = re.findall(
            r"postrotate\n(.*?)\n    endscript", (_ETC / "logrotate.d/pop3svc").read_text(), re.S
        )
        for script in (hook.read_text(), rotated):
            checked = subprocess.run(["sh", "-n"], input=script, text=True, capture_output=True)
            self.assertEqual((checked.returncode, checked.stderr), (0, ""))

    def test_oneUser(self) -> None:
        """The page makes whom Postfix delivers as."""
        [number] = re.findall(r"useradd --uid (\d+)", _PAGE)
        settings = (_ETC / "postfix" / "pop3svc.cf").read_text()
        numbers = re.findall(r"^virtual_[ug]id_maps = static:(\d+)$", settings, re.MULTILINE)
        self.assertEqual(numbers, [number, number])

    def test_settings(self) -> None:
        """Those of the page are settings, and the maildrops are those of Postfix and Exim."""
        [text] = re.findall(r"pop3svc\.toml <<'END'\n(.*?)\n    END\n", _PAGE, re.DOTALL)
        file = Path(self.mktemp()).absolute()
        file.write_text(textwrap.dedent(text))
        options = Options()
        options.parseOptions(["--config", str(file)])
        template = "maildir:/var/mail/{domain}/{local}/Maildir"
        self.assertEqual(options.given["maildrop"], [template])
        for name in ("postfix/pop3svc.cf", "exim4/conf.d/transport/30_pop3svc"):
            self.assertIn(template, (_ETC / name).read_text())
