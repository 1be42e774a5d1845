"""L{pop3svc.options}: what the command line says, and what it may not say."""

import os
import sys
from io import StringIO
from pathlib import Path

from twisted.trial.unittest import TestCase

from pop3svc.options import Options


class OptionsTests(TestCase):
    def parse(self, *words: str) -> Options:
        options = Options()
        options.parseOptions(words)
        return options

    def test_given(self) -> None:
        options = self.parse(
            *("--pop3", "tcp:110", "--pop3", "tcp6:110", "--pop3s", "tcp:995"),
            *("--auth", "memory:a:b", "--auth", "file:x", "--maildrop", "memory:"),
            *("--certificate", "c.pem", "--private-key", "k.pem"),
            *("--limit", "idle-seconds=900", "--clear-text-logins", "never"),
        )
        self.assertEqual(options.given["pop3"], ["tcp:110", "tcp6:110"])
        self.assertEqual(options.given["pop3s"], ["tcp:995"])
        self.assertEqual(options.given["auth"], ["memory:a:b", "file:x"])
        self.assertEqual(options.given["maildrop"], ["memory:"])
        self.assertEqual(options.given["certificate"], [os.path.abspath("c.pem")])
        self.assertEqual(options.given["private-key"], [os.path.abspath("k.pem")])
        self.assertEqual(options.limits.idleSeconds, 900)
        self.assertEqual(options["clear-text-logins"], "never")
        self.assertEqual(options["log-format"], "text")

    def test_defaults(self) -> None:
        options = self.parse()
        self.assertEqual(options["clear-text-logins"], "loopback")
        self.assertEqual(options["demo-directory"], "pop3svc-demo")
        self.assertFalse(options["demo"])

    def test_configFile(self) -> None:
        """The command line wins, option by option and limit by limit."""
        path = self.mktemp()
        Path(path).write_text(
            'pop3 = ["tcp:1"]\npop3s = "tcp:2"\nlog-format = "json"\ndemo = true\n'
            "[limits]\nidle-seconds = 700\nlogin-seconds = 70\n"
        )
        options = self.parse("-c", path, "--pop3", "tcp:3", "--limit", "login-seconds=71")
        self.assertEqual(options.given["pop3"], ["tcp:3"])
        self.assertEqual(options.given["pop3s"], ["tcp:2"])
        self.assertEqual(options["log-format"], "json")
        self.assertTrue(options["demo"])
        self.assertEqual((options.limits.idleSeconds, options.limits.loginSeconds), (700, 71))

    def test_inTheFile(self) -> None:
        """What is written there is as good as on the command line."""
        path = self.mktemp()
        Path(path).write_text('mechanism = ["plain", "User"]\nmaildrop = "memory:"\n')
        options = self.parse("-c", path)
        self.assertEqual(options.given["mechanism"], ["PLAIN", "USER"])
        self.assertEqual(options.given["maildrop"], ["memory:"])
        Path(path).write_text('maildrop = ["memory:", "maildir:/x"]\n')
        with self.assertRaises(SystemExit) as caught:
            self.parse("-c", path)
        self.assertEqual(
            caught.exception.code,
            f"twistd pop3svc: {os.path.abspath(path)} line 1: maildrop takes one value, not a list",
        )

    def test_choicesInTheFile(self) -> None:
        """A value that is none of them is told with its line."""
        path = os.path.abspath(self.mktemp())
        for text, sentence in (
            ('\nlog-format = "xml"', "line 2: log-format is one of json, text, not 'xml'"),
            (
                'clear-text-logins = "maybe"',
                "line 1: clear-text-logins is one of always, loopback, never, not 'maybe'",
            ),
            ('mechanism = ["PLAIN",\n"PLAN"]', "line 2: mechanism is one of USER, EXTERNAL, "),
        ):
            Path(path).write_text(text)
            with self.assertRaises(SystemExit) as caught:
                self.parse("-c", path)
            self.assertIn(f"twistd pop3svc: {path} {sentence}", str(caught.exception.code))

    def test_rundir(self) -> None:
        """twistd goes elsewhere between the start and a reload."""
        directory = os.path.abspath(self.mktemp())
        os.mkdir(directory)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(directory)
        Path("f.toml").write_text('certificate = "c.pem"\nsecret = "s"\n')
        options = self.parse("-c", "f.toml", "--private-key", "k.pem", "--client-ca", "ca.pem")
        os.chdir("/")
        for each in (options, options.again()):
            self.assertEqual(each["config"], f"{directory}/f.toml")
            self.assertEqual(each["secret"], f"{directory}/s")
            self.assertEqual(each["client-ca"], f"{directory}/ca.pem")
            self.assertEqual(each.given["certificate"], [f"{directory}/c.pem"])
            self.assertEqual(each.given["private-key"], [f"{directory}/k.pem"])

    def test_wrong(self) -> None:
        """One sentence for each, and exit status 1."""
        for words, sentence in (
            (["--bogus"], "option --bogus not recognized"),
            (["--pop3"], "option --pop3 requires argument"),
            (["extra"], "Wrong number of arguments."),
            (["--limit", "idle-seconds=x"], "limit idle-seconds takes a whole number, not 'x'"),
            (
                ["--clear-text-logins", "maybe"],
                "--clear-text-logins is one of always, loopback, never, not 'maybe'",
            ),
            (["--log-format", "xml"], "--log-format is one of json, text, not 'xml'"),
            (["-c", "/nowhere"], "cannot read /nowhere: No such file or directory"),
        ):
            with self.assertRaises(SystemExit) as caught:
                self.parse(*words)
            self.assertEqual(str(caught.exception.code), f"twistd pop3svc: {sentence}")

    def test_helps(self) -> None:
        for word, expected in (
            ("--help-limits", "idle-seconds=600"),
            ("--help-maildrop", "maildir"),
            ("--help-auth", "passwd"),
        ):
            out = StringIO()
            self.patch(sys, "stdout", out)
            self.patch(Options, "authOutput", out)
            with self.assertRaises(SystemExit) as caught:
                self.parse(word)
            self.assertIn(caught.exception.code, (0, None))
            self.assertIn(expected, out.getvalue())
