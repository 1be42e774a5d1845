"""L{pop3svc.parts}: what can be said of options before anything is served."""

import os
from pathlib import Path

from twisted.trial.unittest import TestCase

from pop3svc.errors import SettingError
from pop3svc.parts import allListeners, filesReadAgain, makeOneChecker, missing, readSecret
from pop3svc.service import makeService

from .checks import optionsOf
from .pki import Authority
from .running import freePort


class CheckerTests(TestCase):
    def test_noArgument(self) -> None:
        """Twisted's own raises ValueError."""
        with self.assertRaises(SettingError) as caught:
            makeOneChecker("file")
        self.assertEqual(str(caught.exception), "--auth file: 'file' requires a filename")


class LoginsTests(TestCase):
    """On some listener somebody must be able to log in."""

    def start(self, tls: str, *words: str) -> str:
        """@return: what is said instead of a start; empty if nothing is."""
        certificate = Authority().issue(os.path.abspath(self.mktemp()))
        authority = Authority().save(os.path.abspath(self.mktemp()))
        config = self.mktemp()
        endpoint = f"tcp:{freePort()}:interface=127.0.0.1"
        Path(config).write_text(f'[[listener]]\nendpoint = "{endpoint}"\ntls = "{tls}"\n')
        options = optionsOf(
            *("--config", config, "--maildrop", "memory:", "--certificate", certificate),
            *(authority if each == "CA" else each for each in words),
        )
        try:
            makeService(options)
        except SystemExit as error:
            return str(error.code)
        return ""

    def test_certificatesWithoutTLS(self) -> None:
        self.assertIn(
            "nobody could log in on any listener: passwords need TLS",
            self.start("none", "--client-ca", "CA"),
        )
        self.assertEqual(self.start("stls", "--client-ca", "CA"), "")
        self.assertEqual(self.start("implicit", "--client-ca", "CA"), "")
        self.assertEqual(self.start("none", "--client-ca", "CA", "--auth", "memory:a:b"), "")

    def test_passwordsWithoutTLS(self) -> None:
        words = ("--auth", "memory:a:b", "--mechanism", "PLAIN")
        self.assertEqual(self.start("none", *words), "")
        words = ("--auth", "memory:a:b", "--mechanism", "EXTERNAL")
        self.assertIn("nobody could log in on any listener", self.start("stls", *words))

    def test_verifiersMayCome(self) -> None:
        """A file without any is a start: it is read again when somebody gets one."""
        path = os.path.abspath(self.mktemp())
        Path(path).write_text("# nobody yet\n")
        words = ("--auth", f"passwd:{path}", "--mechanism", "SCRAM-SHA-256")
        self.assertEqual(self.start("none", *words), "")


class OptionTests(TestCase):
    def test_missing(self) -> None:
        self.assertEqual(
            list(missing(optionsOf("--client-ca", "ca.pem"))),
            [
                "no listener is given; add --pop3 tcp:110 or --pop3s tcp:995",
                "--client-ca needs a certificate of the service; add --certificate FILE",
                "no maildrops are given; add --maildrop maildir:/home/{user}/Maildir"
                " (see --help-maildrop)",
            ],
        )

    def test_listeners(self) -> None:
        options = optionsOf("--pop3", "tcp:110", "--pop3s", "tcp:995")
        self.assertEqual(
            [(each.endpoint, each.tls) for each in allListeners(options)],
            [("tcp:110", "none"), ("tcp:995", "implicit")],
        )
        options = optionsOf("--pop3", "tcp:110", "--certificate", "c.pem")
        self.assertEqual([each.tls for each in allListeners(options)], ["stls"])

    def test_filesReadAgain(self) -> None:
        options = optionsOf(
            *("--auth", "passwd:/p?names=precis", "--auth", "file:/f", "--client-ca", "/ca"),
            *("--certificate", "/c", "--private-key", "/k"),
        )
        self.assertEqual(filesReadAgain(options), ["/ca", "/c", "/k", "/p"])

    def test_secret(self) -> None:
        path = self.mktemp()
        made = readSecret(path)
        self.assertEqual((len(made), Path(path).read_bytes()), (32, made))
        self.assertEqual(Path(path).stat().st_mode & 0o777, 0o600)
        self.assertEqual(readSecret(path), made)
        self.assertNotEqual(readSecret(None), readSecret(None))
