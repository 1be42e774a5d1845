"""L{pop3svc.monitoring.health}."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import TestCase

from pop3svc.monitoring.health import Situation, illnesses

FAULTS = 3


def ill(**changes: Any) -> list[str]:
    """What ails a service that is well but for the changes."""
    whole: dict[str, Any] = {
        "draining": False,
        "closed": [],
        "workers": 2,
        "expected": 2,
        "minute": {},
        **changes,
    }
    return illnesses(Situation(**whole), FAULTS)


class IllnessTests(TestCase):
    def test_well(self) -> None:
        """Also when nobody has come, or some faults were among successes."""
        self.assertEqual(ill(), [])
        self.assertEqual(ill(minute={"checkerFaults": 100, "logins": 1}), [])

    def test_draining(self) -> None:
        """That nobody listens then is no news."""
        found = ill(draining=True, closed=["tcp:110"])
        self.assertEqual(found, ["draining: nobody new is let in"])

    def test_closed(self) -> None:
        found = ill(closed=["tcp:110", "tcp:995"])
        self.assertEqual(found, ["nobody listens on tcp:110", "nobody listens on tcp:995"])

    def test_workers(self) -> None:
        self.assertEqual(ill(workers=1), ["1 of 2 serving processes answer"])
        # One more, while another is being replaced, is no harm.
        self.assertEqual(ill(workers=3), [])

    def test_faults(self) -> None:
        """As many as the limit, and no success of the kind that they prevent."""
        for failing, working in (
            ("checkerFaults", "logins"),
            ("openFaults", "logins"),
            ("retrieveFaults", "retrieved"),
            ("removeFaults", "deleted"),
            ("faults", "logins"),
        ):
            self.assertEqual(ill(minute={failing: FAULTS - 1}), [])
            (sentence,) = ill(minute={failing: FAULTS})
            self.assertTrue(sentence.endswith("3 faults in the last minute, and no success"))
            self.assertEqual(ill(minute={failing: FAULTS, working: 1}), [])
