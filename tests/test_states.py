"""L{pop3svc.core.states}: the one table."""

from twisted.trial.unittest import TestCase

from pop3svc import core
from pop3svc.core.session import Session
from pop3svc.core.states import COMMANDS, WAITS, State, drawing


class TableTests(TestCase):
    def test_drawing(self) -> None:
        """The drawing that newcomers read is the table."""
        table = "\n".join("    " + line for line in drawing().splitlines())
        self.assertIn(table, core.__doc__ or "")

    def test_noCommandDuringAWait(self) -> None:
        for row in COMMANDS.values():
            self.assertFalse(row.states & (WAITS | {State.ENDED}), row.keyword)

    def test_eachHandlerHasARow(self) -> None:
        handlers = {name[3:].encode() for name in dir(Session) if name.startswith("do_")}
        self.assertEqual(handlers, set(COMMANDS))

    def test_obsoleteCommandsAreNotOffered(self) -> None:
        for keyword in (b"LAST", b"RPOP", b"TAP"):
            self.assertNotIn(keyword, COMMANDS)
