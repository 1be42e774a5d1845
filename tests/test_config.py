"""L{pop3svc.config}: the TOML file as options, and the line of whatever is wrong."""

from ipaddress import ip_network
from pathlib import Path

from twisted.trial.unittest import TestCase

from pop3svc.config import ConfigFile
from pop3svc.errors import SettingError
from pop3svc.listeners import ListenerSettings

PARAMETERS = {"pop3": True, "maildrop": True, "log-format": False}


class ReadConfigTests(TestCase):
    def read(self, text: str) -> list[tuple[str, str]]:
        self.path = self.mktemp()
        Path(self.path).write_text(text)
        settings = ConfigFile.read(self.path).settings(PARAMETERS, {"demo"})
        return [(name, value) for name, value, _ in settings]

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

    def test_where(self) -> None:
        """Each setting knows its line, for what is found out about it later."""
        text = '# \npop3 = [\n  "tcp:110", "tcp6:110",\n  "unix:x"]\n[limits]\nidle-seconds = 900\n'
        settings = ConfigFile("f", text).settings(PARAMETERS, ())
        self.assertEqual(
            [each.where for each in settings],
            ["f line 3", "f line 3", "f line 4", "f line 6"],
        )

    def sentence(self, text: str) -> str:
        with self.assertRaises(SettingError) as caught:
            self.read(text)
        return str(caught.exception).removeprefix(self.path + " ")

    def test_wrong(self) -> None:
        for text, sentence in (
            ("pop = 1", "line 1: there is no setting 'pop'; did you mean pop3?"),
            ("\n# pop3\nxyz = 1", "line 3: there is no setting 'xyz'"),
            (
                '\n"log_format" = 1',
                "line 2: there is no setting 'log_format'; did you mean log-format?",
            ),
            ("demo = 1", "line 1: demo is true or false, not 1"),
            (
                'maildrop = """\na"""\nlog-format = ["text"]',
                "line 3: log-format takes one value, not a list",
            ),
            ("pop3 = true", "line 1: pop3 takes a text or a whole number, not True"),
            ("pop3 = [\n'a',\n 1.5]", "line 3: pop3 takes a text or a whole number, not 1.5"),
            ('maildrop = "\\u0000"', "line 1: maildrop holds a NUL; remove it"),
            ('limit = ["a=1"]', "line 1: limits stand in the table [limits], as NAME = NUMBER"),
            ("\nlimits = 3", "line 2: limits is a table: [limits]"),
            (
                "[limits]\n\nidle-second = 3",
                "line 3: there is no limit 'idle-second'; did you mean idle-seconds?",
            ),
            ("[limits]\nidle-seconds = 0", "line 2: limit idle-seconds is 1 at the least, not 0"),
            (
                "limits.idle-seconds = 'x'",
                "line 1: limit idle-seconds takes a whole number, not 'x'",
            ),
            (
                "[limits]\nidle-seconds = 1.5",
                "line 2: idle-seconds takes a text or a whole number, not 1.5",
            ),
            (
                "[limits]\npop3 = 'tcp:1'",
                "line 2: pop3 is no limit; write it above the first [table]",
            ),
            (
                "idle-seconds = 1",
                "line 1: idle-seconds is a limit; write it into the table [limits]",
            ),
        ):
            self.assertEqual(self.sentence(text), sentence)

    def test_notTOML(self) -> None:
        for text, sentence in (
            (
                "\npop3 = tcp:110",
                "line 2, column 8: this is not TOML: Invalid value; texts stand in quotes, as in"
                ' "tcp:110"',
            ),
            ("pop3 = [\n'a'\n\n", "line 2, at its end: this is not TOML: Unclosed array"),
            # What Python takes for the end of a line is none of TOML's.
            ("pop3 = [\n'\u2028\x85'", "line 2, at its end: this is not TOML: Unclosed array"),
            ("", None),
            ("pop3 = 1\n\npop3 = [\n1]", "line 3: pop3 stands in line 1 already; remove one"),
            ("[limits]\na = 1\n[limits]", "line 3: limits stands in line 1 already; remove one"),
        ):
            if sentence is None:
                self.assertEqual(self.read(text), [])
            else:
                self.assertEqual(self.sentence(text), sentence)

    def test_notUTF8(self) -> None:
        path = self.mktemp()
        Path(path).write_bytes(b"# a\n# \xe4\n")
        with self.assertRaises(SettingError) as caught:
            ConfigFile.read(path)
        self.assertEqual(
            str(caught.exception), f"{path} line 2: this is no UTF-8; save the file as that"
        )

    def test_numberOfTooManyDigits(self) -> None:
        self.assertIn("is not TOML: ", self.sentence("pop3 = " + "1" * 5000))
        self.assertEqual(
            self.sentence("pop3 = 99999999999999999999"),
            "line 1: pop3 is too large a number for any setting",
        )

    def test_unreadable(self) -> None:
        with self.assertRaises(SettingError) as caught:
            ConfigFile.read("/nowhere/pop3svc.toml")
        self.assertEqual(
            str(caught.exception), "cannot read /nowhere/pop3svc.toml: No such file or directory"
        )

    def test_nested(self) -> None:
        with self.assertRaises(SettingError) as caught:
            self.read("pop3 = " + "[" * 5000 + "]" * 5000)
        self.assertIn("nested", str(caught.exception))


class ListenersTests(TestCase):
    def read(self, text: str) -> list[ListenerSettings]:
        return ConfigFile("f", text).listeners()

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
            ("listener = 3", "1: each listener is a table: [[listener]]"),
            ("\n[[listener]]", '2: give an endpoint, such as endpoint = "tcp:110"'),
            (
                "[[listener]]\ntls='none'\nendpoint = 3",
                '3: give an endpoint, such as endpoint = "tcp:110"',
            ),
            (
                table + "\n" + table + 'minimum_tls = "1.0"',
                "6: there is no setting 'minimum_tls' of a listener; did you mean minimum-tls?",
            ),
            (
                table + "idle-seconds = 1",
                "3: idle-seconds is a limit; write it into the table [limits]",
            ),
            (table + 'http = "tcp:1"', "3: there is no setting 'http' of a listener"),
            (table + 'tls = "yes"', "3: tls is one of none, stls, implicit, not 'yes'"),
            (table + "tls = ['none']", "3: tls is one of none, stls, implicit, not ['none']"),
            (
                table + "minimum-tls = 1.0",
                "3: minimum-tls is one of 1.0, 1.1, 1.2, 1.3, not 1.0",
            ),
            (
                table + '# x\nnetworks = "x"',
                '4: networks is a list, such as ["192.0.2.0/24", "::1"]',
            ),
            (
                table + 'networks = [ "::1",\n"192.0.2.1/24"]',
                "4: networks: 192.0.2.1/24 has host bits set",
            ),
            (table + "networks = [ 1 ]", "3: a network is a text, not 1"),
        ):
            with self.assertRaises(SettingError) as caught:
                self.read(text)
            self.assertEqual(str(caught.exception), f"f line {sentence}")
