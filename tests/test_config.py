"""L{pop3svc.config}: the TOML file as options."""

from pathlib import Path

from twisted.trial.unittest import TestCase

from pop3svc.config import readConfig
from pop3svc.errors import SettingError

PARAMETERS = {"pop3": True, "maildrop": True, "log-format": False}


class ReadConfigTests(TestCase):
    def read(self, text: str) -> list[tuple[str, str]]:
        self.path = self.mktemp()
        Path(self.path).write_text(text)
        return list(readConfig(self.path, PARAMETERS, {"demo"}))

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
            ("limits = 3", "limits is a table: [limits]"),
        ):
            with self.assertRaises(SettingError) as caught:
                self.read(text)
            self.assertEqual(str(caught.exception), f"{self.path}: {sentence}")

    def test_unreadable(self) -> None:
        with self.assertRaises(SettingError) as caught:
            list(readConfig("/nowhere/pop3svc.toml", PARAMETERS, set()))
        self.assertEqual(
            str(caught.exception), "cannot read /nowhere/pop3svc.toml: No such file or directory"
        )
        with self.assertRaises(SettingError) as caught:
            self.read("pop3 = [")
        self.assertIn("is not TOML: ", str(caught.exception))
