"""L{pop3svc.monitoring.totals}: several processes, of which some die."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import TestCase

from pop3svc.monitoring.numbers import Taken, toJSON
from pop3svc.monitoring.taking import Taking
from pop3svc.monitoring.totals import Totals
from pop3svc.operations.tally import SESSION_SECONDS, Histogram
from pop3svc.pools import Pool

from .monitored import Monitored


def answer(pid: int, began: float = 1.0, logins: float = 0, **gauges: float) -> dict[str, Any]:
    """An answer as it comes from another process."""
    taken = Taken()
    taken.put("logins_total", logins, "USER", "none")
    for name, value in gauges.items():
        taken.put(name, value)
    histogram = Histogram(SESSION_SECONDS)
    for _ in range(int(logins)):
        histogram.observe(0.02)
    taken.putHistogram("session_duration_seconds", histogram)
    told = {"pid": pid, "began": began, "numbers": toJSON(taken.numbers)}
    return json.loads(json.dumps(told))


class TotalsTests(TestCase):
    def setUp(self) -> None:
        self.totals = Totals()

    def logins(self) -> float:
        return self.totals.value("logins_total", "USER", "none")

    def test_sums(self) -> None:
        self.totals.update([answer(1, logins=3, sessions=2), answer(2, logins=4, sessions=5)])
        self.assertEqual((self.logins(), self.totals.value("sessions")), (7, 7))
        counts = (0, 7, *[0] * (len(SESSION_SECONDS) - 1))
        self.assertEqual(
            self.totals.numbers["session_duration_seconds"][()], (counts, 7 * 0.02 + 0.0)
        )

    def test_otherMerges(self) -> None:
        """Of a gauge the largest counts, or the smallest, if it says so."""
        for name, labels, values, expected in (
            ("limit", ("connections",), (5, 9), 9),
            ("certificate_expiry_timestamp_seconds", ("a.pem",), (50, 40), 40),
        ):
            answers = []
            for pid, value in enumerate(values):
                taken = Taken()
                taken.put(name, value, *labels)
                answers.append({"pid": pid, "began": 1.0, "numbers": toJSON(taken.numbers)})
            self.totals.update(answers)
            self.assertEqual(self.totals.value(name, *labels), expected)

    def test_neverBack(self) -> None:
        """A worker dies, its successor begins at zero, perhaps under the same process id."""
        self.totals.update([answer(1, logins=30, sessions=2), answer(2, logins=4, sessions=1)])
        self.totals.update([answer(2, logins=5, sessions=1)])
        self.assertEqual((self.logins(), self.totals.value("sessions")), (35, 1))
        self.totals.update([answer(2, logins=5), answer(1, began=2.0, logins=1)])
        self.assertEqual(self.logins(), 36)
        self.assertEqual(self.totals.numbers["session_duration_seconds"][()][0][1], 36)  # type: ignore[index]

    def test_onlySlow(self) -> None:
        """Who did not answer once, and then does, counts once."""
        self.totals.update([answer(1, logins=30)])
        self.totals.update([])
        self.assertEqual(self.logins(), 30)
        self.totals.update([answer(1, logins=31)])
        self.assertEqual(self.logins(), 31)

    def test_memory(self) -> None:
        """However many die, no more than 64 are kept apart, and nothing is lost."""
        for began in range(200):
            self.totals.update([answer(1, began=began, logins=2)])
        self.assertEqual(self.logins(), 400)
        self.assertEqual(len(self.totals._heard), 65)
        self.totals.update([])
        self.assertEqual(self.logins(), 400)

    def test_parent(self) -> None:
        """It makes the pools of those that serve, and has no room for work to offer."""
        web, others = Monitored(), Pool("others", 1, 1)
        factory = web.mail.factory
        parent = Taking(
            [factory], factory.audit, None, [], factory.doorkeeper.throttle, web.clock, serves=False
        )
        worker = web.taking.answer({})
        self.totals.update([worker])
        bound = self.totals.value("pool_bound", "maildir")
        self.assertGreaterEqual(bound, web.pool.most)
        self.totals.update([worker, {**parent.answer({}), "pid": 0}])
        self.assertEqual(self.totals.value("pool_bound", "maildir"), bound)
        self.assertEqual(self.totals.value("pool_bound", "others"), 2 * others.most)
