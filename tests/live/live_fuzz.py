"""
Some hundred mutated sessions over every kind of listener; C{make fuzz} has twenty
thousand. What fails is kept, and C{python -m tests.fuzz.replay FILE} tries it again.
"""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.fuzz.__main__ import fuzzNetwork

_SEED, _SESSIONS = 1939, 300


class FuzzTests(SynchronousTestCase):
    def test_sessions(self) -> None:
        """
        No traceback, no hang, no lock and no descriptor that stays, and the service
        serves to the end.
        """
        result = fuzzNetwork(_SEED, _SESSIONS, Path(self.mktemp()))
        if result.faults:
            self.fail("\n".join(path.read_text() for path in result.faults))
        self.assertEqual(result.units, _SESSIONS)
