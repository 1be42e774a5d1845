"""L{pop3svc.operations.tally}, and where it is bumped."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from pop3svc.operations.tally import Histogram

from .support import Connection


class HistogramTests(TestCase):
    def test_edges(self) -> None:
        """Prometheus wants what is equal to a bound below it."""
        histogram = Histogram((1.0, 2.0))
        for value in (0.5, 1.0, 1.5, 2.0, 2.5, 100.0):
            histogram.observe(value)
        self.assertEqual((histogram.counts, histogram.sum), ([2, 2, 2], 107.5))


class BumpsTests(TestCase):
    def setUp(self) -> None:
        self.connection = Connection()
        self.tally = self.connection.factory.audit.tally

    def test_session(self) -> None:
        """Each of these is counted where it happens, not at the end of the session."""
        self.connection.login()
        self.assertEqual(self.tally.logins, {("USER", "none"): 1})
        self.assertEqual(sum(self.tally.loginSeconds.counts), 1)
        self.connection.send(b"RETR 1\r\nRETR 2\r\nTOP 1 0\r\n")
        self.assertEqual((self.tally.retrieved, self.tally.retrievedOctets), (2, 320))
        self.connection.send(b"DELE 1\r\n")
        self.assertEqual(self.tally.deleted, 0)
        self.connection.send(b"QUIT\r\n")
        self.assertEqual(self.tally.deleted, 1)
        self.connection.lose()
        self.assertEqual(sum(self.tally.sessionSeconds.counts), 1)
        self.assertEqual(self.connection.factory.accepted, 1)

    def test_refused(self) -> None:
        """The answer to a wrong password took the grid's time; its network is known."""
        self.connection.send(b"USER karl\r\nPASS wrong\r\n")
        self.connection.clock.advance(1)
        self.assertEqual(self.tally.logins, {})
        self.assertEqual(sum(self.tally.loginSeconds.counts), 1)
        self.assertEqual(self.tally.refusedNetworks.counts(), {"127.0.0.1": 1})
