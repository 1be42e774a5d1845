"""L{pop3svc.demo}: two classroom maildrops, made once and kept."""

import stat
import sys
from io import StringIO
from pathlib import Path

from twisted.trial.unittest import TestCase

from pop3svc.canonical import canonicalOctets
from pop3svc.demo import prepareDemo, sizedMessage
from pop3svc.errors import SettingError
from pop3svc.options import Options


class DemoTests(TestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.output = StringIO()
        self.patch(sys, "stdout", self.output)

    def prepare(self, *words: str) -> Options:
        options = Options()
        options.parseOptions(["--demo", "--demo-directory", str(self.directory), *words])
        prepareDemo(options)
        return options

    def sizes(self, user: str) -> list[int]:
        maildir = self.directory / "maildrops" / user / "Maildir"
        return [canonicalOctets([path.read_bytes()]) for path in sorted(maildir.glob("new/*"))]

    def test_maildrops(self) -> None:
        self.prepare()
        self.assertEqual(self.sizes("karl"), [120, 200])
        self.assertEqual(self.sizes("joebloggs"), [4578])
        [letter] = self.directory.glob("maildrops/joebloggs/Maildir/new/*")
        self.assertIn("From: jinx@foo.com\nTo: joe@bloggs.com\n", letter.read_text())

    def test_kept(self) -> None:
        """What was deleted stays deleted, and passwords and certificate stay."""
        self.prepare()
        before = {
            name: (self.directory / name).read_bytes() for name in ("passwd", "certificate.pem")
        }
        for path in self.directory.glob("maildrops/karl/Maildir/new/*"):
            path.unlink()
        self.prepare()
        self.assertEqual(self.sizes("karl"), [])
        for name, data in before.items():
            self.assertEqual((self.directory / name).read_bytes(), data)

    def test_nobodyElseMayRead(self) -> None:
        self.prepare()
        for name in ("passwd", "certificate.pem", "maildrops/karl/Maildir/new"):
            mode = stat.S_IMODE((self.directory / name).stat().st_mode)
            self.assertEqual(mode & 0o077, 0, name)
        self.assertNotIn("secret", (self.directory / "passwd").read_text())

    def test_loopbackOnly(self) -> None:
        given = self.prepare().given
        self.assertEqual(given["pop3"], ["tcp:1100:interface=127.0.0.1"])
        self.assertEqual(given["pop3s"], ["tcp:1995:interface=127.0.0.1"])

    def test_whatIsGivenIsKept(self) -> None:
        given = self.prepare("--pop3", "tcp:7:interface=127.0.0.1", "--auth", "memory:a:b").given
        self.assertEqual(given["pop3"], ["tcp:7:interface=127.0.0.1"])
        self.assertEqual(given["pop3s"], [])
        self.assertEqual(given["auth"], ["memory:a:b"])

    def test_tellsHowToTalkToIt(self) -> None:
        self.prepare()
        text = self.output.getvalue()
        for word in ("curl ", "openssl s_client ", "python3 -c ", "To fill the maildrops again"):
            self.assertIn(word, text)

    def test_tellsWhatListens(self) -> None:
        """No port is named that nothing listens on."""
        config = self.mktemp()
        Path(config).write_text(
            '[[listener]]\nendpoint = "tcp:8"\n[[listener]]\nendpoint = "tcp:9"\ntls = "implicit"\n'
        )
        for words, lines in (
            (["--pop3", "tcp:7", "--pop3s", "tcp:6"], ["  tcp:7", "  tcp:6 (TLS)"]),
            (["-c", config], ["  tcp:8", "  tcp:9 (TLS)"]),
        ):
            self.output.truncate(0)
            given = self.prepare(*words).given
            text = self.output.getvalue()
            self.assertEqual([each for each in text.splitlines() if each.startswith("  ")], lines)
            self.assertNotIn("1100", text.replace(str(self.directory), ""))
        self.assertEqual((given["pop3"], given["pop3s"]), ([], []))

    def test_cannotBeMade(self) -> None:
        self.directory.write_text("a file is in the way")
        with self.assertRaises(SettingError) as caught:
            self.prepare()
        self.assertIn("choose another place with --demo-directory", str(caught.exception))

    def test_sizedMessages(self) -> None:
        for octets in (*range(20, 400), 4578):
            self.assertEqual(canonicalOctets([sizedMessage("a: b\n\n", "", octets)]), octets)
            self.assertEqual(
                canonicalOctets([sizedMessage("a: b\n\n", "some words\n", octets)]), octets
            )
