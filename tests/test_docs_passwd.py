"""docs/passwd.rst names every hash, every field and every option, and no others."""

from __future__ import annotations

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pop3svc import cli
from pop3svc.auth import dovecotline, passwdline, schemes
from pop3svc.auth.passwdedit import SCHEMES

PAGE = (Path(__file__).parent.parent / "docs" / "passwd.rst").read_text()


def section(title: str) -> str:
    """What stands under a heading."""
    return re.split(r"\n[^\n]+\n-{4,}\n", PAGE.partition(f"\n{title}\n---")[2])[0]


class PageTests(SynchronousTestCase):
    def test_hashes(self) -> None:
        table = section("Hashes").partition("``.HEX``")[0]
        told = {each.upper() for each in re.findall(r"``([^` ]+)``", table)} - {"$"}
        known = {each.decode().upper() for each in schemes._SCHEMES}
        # A variant in which parameters stand behind a comma.
        self.assertEqual(told, known - {"$MD5,"})

    def test_fields(self) -> None:
        told = re.findall(r"^``([a-z0-9-]+)(?:=[A-Z]+)?`` ", section("Lines"), re.MULTILINE)
        self.assertEqual(sorted(told), sorted(passwdline._FIELDS))

    def test_fieldsOfDovecot(self) -> None:
        told = set(re.findall(r"``([a-z_]+)=?", section("A file of Dovecot's")))
        for each in (*dovecotline._NETWORKS, *dovecotline._CLOSING, *dovecotline._REFUSED):
            self.assertIn(each, told)

    def test_command(self) -> None:
        """As the command's own help has it."""
        shown = section("The command")
        for command in ("set", "delete", "list", "verify"):
            out = StringIO()
            with redirect_stdout(out):
                self.assertRaises(SystemExit, cli.main, ["passwd", command, "--help"])
            told = re.search(
                rf"pop3svc passwd {command} .*?(?=\n    pop3svc|\n\n)", shown, re.DOTALL
            )
            assert told is not None
            options = set(re.findall(r"--[a-z-]+", out.getvalue())) - {"--help", "--no-read-only"}
            self.assertEqual(set(re.findall(r"--[a-z-]+", told.group())), options)
        self.assertIn("|".join(SCHEMES), shown)
