"""L{pop3svc.core.session}: any lines and any outcomes, against a naive server."""

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from .machine import SessionMachine

# make fuzz has many more.
_EXAMPLES, _STEPS = 60, 40


class SessionMachineTests(SynchronousTestCase):
    def test_anyLinesAnyOutcomes(self) -> None:
        run_state_machine_as_test(
            SessionMachine,
            settings=settings(
                max_examples=_EXAMPLES,
                stateful_step_count=_STEPS,
                deadline=None,
                derandomize=True,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
