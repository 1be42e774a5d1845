"""L{pop3svc.config}: the TOML file as options."""

import tomllib
from ipaddress import ip_network
from pathlib import Path

from twisted.trial.unittest import TestCase

from pop3svc.config import listenersOf, readFile, settingsOf
from pop3svc.errors import SettingError
from pop3svc.listeners import ListenerSettings

PARAMETERS = {"pop3": True, "maildrop": True, "log-format": False}


class ReadConfigTests(TestCase):
    def read(self, text: str) -> list[tuple[str, str]]:
        self.path = self.mktemp()
        Path(self.path).write_text(text)
        return list(settingsOf(self.path, readFile(self.path), PARAMETERS, {"demo"}))

    def test_options(self) -> None:
        self.assertEqual(
            self.read(
                'pop3 = ["tcp:110", "tcp6:110"]\nmaildrop = "memory:"\nlog-format = "json"\n'
                'demo = true\n[limits]\nidle-seconds = 900\nlogin-seconds = "30"\n'
            ),
            [
                ("pop3", "tcp:110"),
                ("pop3", "tcp6:110"),
                ("maildrop", "memory:"),
                ("log-format", "json"),
                ("demo", ""),
                ("limit", "idle-seconds=900"),
                ("limit", "login-seconds=30"),
            ],
        )
        self.assertEqual(self.read("demo = false"), [])

    def test_wrong(self) -> None:
        for text, sentence in (
            ("pop = 1", "there is no setting 'pop'; did you mean pop3?"),
            ("xyz = 1", "there is no setting 'xyz'"),
            ("demo = 1", "demo is true or false, not 1"),
            ('log-format = ["text"]', "log-format takes one value, not a list"),
            ("pop3 = true", "pop3 takes a text or a whole number, not True"),
            ("pop3 = 1.5", "pop3 takes a text or a whole number, not 1.5"),
            ('limit = ["a=1"]', "limits stand in the table [limits], as NAME = NUMBER"),
            ("limits = 3", "limits is a table: [limits]"),
        ):
            with self.assertRaises(SettingError) as caught:
                self.read(text)
            self.assertEqual(str(caught.exception), f"{self.path}: {sentence}")

    def test_unreadable(self) -> None:
        with self.assertRaises(SettingError) as caught:
            readFile("/nowhere/pop3svc.toml")
        self.assertEqual(
            str(caught.exception), "cannot read /nowhere/pop3svc.toml: No such file or directory"
        )
        with self.assertRaises(SettingError) as caught:
            self.read("pop3 = [")
        self.assertIn("is not TOML: ", str(caught.exception))

    def test_nested(self) -> None:
        with self.assertRaises(SettingError) as caught:
            self.read("pop3 = " + "[" * 5000 + "]" * 5000)
        self.assertIn("nested", str(caught.exception))


class ListenersTests(TestCase):
    def read(self, text: str) -> list[ListenerSettings]:
        return listenersOf("f", tomllib.loads(text))

    def test_listeners(self) -> None:
        self.assertEqual(
            self.read(
                '[[listener]]\nendpoint = "tcp:110"\n[[listener]]\nendpoint = "tcp:1110"\n'
                'tls = "implicit"\nminimum-tls = "1.0"\nclear-text-logins = "always"\n'
                'networks = ["192.0.2.0/24", "2001:db8::7"]\n'
            ),
            [
                ListenerSettings("tcp:110", "stls", "loopback", "1.2", ()),
                ListenerSettings(
                    "tcp:1110",
                    "implicit",
                    "always",
                    "1.0",
                    (ip_network("192.0.2.0/24"), ip_network("2001:db8::7/128")),
                ),
            ],
        )
        self.assertEqual(self.read(""), [])

    def test_wrong(self) -> None:
        table = '[[listener]]\nendpoint = "tcp:1"\n'
        for text, sentence in (
            ("listener = 3", "f: each listener is a table: [[listener]]"),
            ("[[listener]]", 'f: listener 1: give an endpoint, such as endpoint = "tcp:110"'),
            (
                table + 'minimum_tls = "1.0"',
                "f: listener 1: there is no setting 'minimum_tls'; did you mean minimum-tls?",
            ),
            (
                table + 'tls = "yes"',
                "f: listener 1: tls is one of none, stls, implicit, not 'yes'",
            ),
            (
                table + "minimum-tls = 1.0",
                "f: listener 1: minimum-tls is one of 1.0, 1.1, 1.2, 1.3, not 1.0",
            ),
            (
                table + 'networks = "x"',
                'f: listener 1: networks is a list, such as ["192.0.2.0/24", "::1"]',
            ),
            (
                table + 'networks = ["192.0.2.1/24"]',
                "f: listener 1: networks: 192.0.2.1/24 has host bits set",
            ),
        ):
            with self.assertRaises(SettingError) as caught:
                self.read(text)
            self.assertEqual(str(caught.exception), sentence)
