"""
L{pop3svc.migration.comparing} and L{progress}: what an administrator gets to see.
"""

from __future__ import annotations

from io import StringIO
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from pop3svc.migration.comparing import Seen, differences
from pop3svc.migration.progress import Progress


class DifferencesTests(SynchronousTestCase):
    def differences(self, old: str, new: str, **octets: int) -> list[str]:
        """@param octets: of messages of the new one; C{100} otherwise."""
        ids = [each.encode() for each in new.split()]
        sizes = [octets.get(each, 100) for each in new.split()]
        olds = [each.encode() for each in old.split()]
        return differences(Seen(olds, [100] * len(olds)), Seen(ids, sizes))

    def test_none(self) -> None:
        self.assertEqual(self.differences("A B C", "A B C"), [])
        self.assertEqual(self.differences("", ""), [])

    def test_all(self) -> None:
        for old, new, octets, sentences in [
            (
                "A B",
                "B A",
                {},
                ["the order is another one, which programs notice that go by numbers"],
            ),
            ("A B C", "B C", {}, ["1 unique-ids are in the first alone, b'A' among them"]),
            (
                "A",
                "A B C",
                {},
                [
                    "2 unique-ids are in the second alone, b'B' among them: mail programs download"
                    " these"
                ],
            ),
            (
                "A B C",
                "A x y",
                {"y": 7},
                [
                    "2 unique-ids are in the second alone, b'x' among them: mail programs download"
                    " these",
                    "2 unique-ids are in the first alone, b'B' among them",
                    "1 of them have the size of one there, so their unique-ids may have changed",
                ],
            ),
            (
                "A B",
                "A B",
                {"B": 98},
                ["1 messages have another size, b'B' with 100 and 98 octets among them"],
            ),
            ("A A", "A", {}, ["1 unique-ids stand twice in the first, b'A' among them"]),
            ("A", "A A", {}, ["1 unique-ids stand twice in the second, b'A' among them"]),
        ]:
            self.assertEqual(self.differences(old, new, **octets), sentences)


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


class ProgressTests(SynchronousTestCase):
    def test_terminal(self) -> None:
        """Ten times a second at the most; the line goes away in the end."""
        stream = Terminal()
        progress = Progress(stream)
        with mock.patch("time.monotonic", side_effect=[10.0, 10.05, 10.11, 10.3]):
            progress.show("reading", 0, 60)
            progress.show("reading", 1, 60)
            progress.show("reading", 30, 60)
            progress.tick("looking")
        progress.clear()
        progress.clear()
        self.assertEqual(
            stream.getvalue().split("\r\x1b[K"),
            [
                "",
                f"reading [{' ' * 30}] 0 of 60",
                f"reading [{'#' * 15}{' ' * 15}] 30 of 60",
                "looking 1",
                "",
            ],
        )

    def test_elsewhere(self) -> None:
        stream = StringIO()
        progress = Progress(stream)
        progress.show("reading", 1, 2)
        progress.clear()
        self.assertEqual(stream.getvalue(), "")
