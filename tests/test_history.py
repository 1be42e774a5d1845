"""L{pop3svc.monitoring.history}."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from pop3svc.monitoring.history import History


class HistoryTests(TestCase):
    def setUp(self) -> None:
        self.history = History(1000.0)

    def minutes(self) -> list[float]:
        return [each.get("logins", 0) for each in self.history.minutes]

    def test_minutes(self) -> None:
        """What is added is the difference, in the minute in which it was seen."""
        for now, logins in ((1005, 3), (1059, 5), (1060, 6), (1180, 6), (1190, 10)):
            self.history.add(now, {"logins": logins})
        self.assertEqual(self.minutes(), [0] * 56 + [5, 1, 0, 4])

    def test_anHour(self) -> None:
        for minute in range(61):
            self.history.add(1000 + 60 * minute, {"logins": 10 * (minute + 1)})
        self.assertEqual(self.minutes(), [10] * 60)
        self.history.add(1000 + 7200, {"logins": 610})
        self.assertEqual(self.minutes(), [0] * 60)

    def test_lastMinute(self) -> None:
        """The window slides: a minute after it happened it is over."""
        self.history.add(1005, {"logins": 2})
        self.history.add(1010, {"logins": 7})
        self.assertEqual(self.history.lastMinute(), {"logins": 7})
        for now in range(1015, 1066, 5):
            self.history.add(now, {"logins": 7})
        self.assertEqual(self.history.lastMinute(), {"logins": 5})
        self.history.add(1070, {"logins": 8})
        self.assertEqual(self.history.lastMinute(), {"logins": 1})

    def test_bounded(self) -> None:
        """Also when somebody asks a hundred times a second."""
        for step in range(20_000):
            self.history.add(1000 + step / 100, {"logins": step})
        self.assertLessEqual(len(self.history._told), 62)
        self.assertAlmostEqual(self.history.lastMinute()["logins"], 6000, delta=200)
