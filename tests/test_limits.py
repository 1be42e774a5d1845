"""L{pop3svc.limits}: names, bounds and the help."""

from dataclasses import fields
from pathlib import Path

from twisted.trial.unittest import TestCase

import pop3svc
from pop3svc.limits import Limits, optionName


class LimitsTests(TestCase):
    def test_parse(self) -> None:
        limits = Limits.parse(["idle-seconds=900", " command-octets = 512 ", "idle-seconds=901"])
        self.assertEqual((limits.idleSeconds, limits.commandOctets), (901, 512))
        self.assertEqual(limits.loginSeconds, Limits().loginSeconds)

    def test_wrong(self) -> None:
        for setting, sentence in (
            ("idle-seconds", "a limit is written NAME=NUMBER, not 'idle-seconds'"),
            ("idle-second=1", "there is no limit 'idle-second'; did you mean idle-seconds?"),
            ("zzz=1", "there is no limit 'zzz'; --help-limits lists them"),
            ("idle-seconds=1.5", "limit idle-seconds takes a whole number, not '1.5'"),
            ("idle-seconds=-1", "limit idle-seconds takes a whole number, not '-1'"),
            ("idle-seconds=\u0661", "limit idle-seconds takes a whole number, not '\u0661'"),
            ("idle-seconds=0", "limit idle-seconds is 1 at the least, not 0"),
            ("command-octets=254", "limit command-octets is 255 at the least, not 254"),
        ):
            with self.assertRaises(ValueError) as caught:
                Limits.parse([setting])
            self.assertEqual(str(caught.exception), sentence)
        self.assertEqual(Limits.parse(["command-octets=255"]).commandOctets, 255)

    def test_describe(self) -> None:
        """Each limit is told, with its default and a reason."""
        text = Limits.describe()
        for each in fields(Limits):
            self.assertIn(f"  {optionName(each.name)}={each.default}\n", text)
            self.assertGreater(len(each.metadata["reason"]), 20, each.name)
            self.assertGreaterEqual(each.default, each.metadata["least"])

    def test_eachLimitIsUsed(self) -> None:
        """A limit that nothing reads would be a promise without a keeper."""
        root = Path(pop3svc.__file__).parent
        sources = "".join(
            path.read_text() for path in root.rglob("*.py") if path.name != "limits.py"
        )
        unused = [each.name for each in fields(Limits) if each.name not in sources]
        self.assertEqual(unused, [])
