"""RETR of what is ready: L{pop3svc.visit.Visit.sendReady}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import directlyProvides, providedBy

from pop3svc.interfaces import IReadyMessages

from .support import FIRST, Connection

LARGE = b"x" * 70 * 1024


class ReadyTests(SynchronousTestCase):
    """A store that has some messages ready, and can open all of them."""

    def setUp(self) -> None:
        self.ready: dict[int, bytes | Exception] = {}
        self.asked: list[int] = []
        self.connection = Connection([FIRST, b".dot\nlast", LARGE])
        maildrop = self.maildrop = self.connection.maildrop
        maildrop.readyMessage = self.readyMessage  # type: ignore[attr-defined]
        directlyProvides(maildrop, IReadyMessages, providedBy(maildrop))
        self.connection.login()

    def readyMessage(self, number: int) -> bytes | None:
        self.asked.append(number)
        message = self.ready.get(number)
        if isinstance(message, Exception):
            raise message
        return message

    def test_ready(self) -> None:
        """It is stuffed and ended as any other, counted, and nothing is opened."""
        self.ready[2] = b".dot\nlast"
        self.connection.send(b"RETR 2\r\nNOOP\r\n")
        self.assertEqual(
            self.connection.received(),
            b"+OK 12 octets\r\n..dot\r\nlast\r\n.\r\n+OK still here\r\n",
        )
        self.assertEqual(self.maildrop.readers, [])
        visit = self.connection.protocol._visit
        self.assertEqual((visit.retrieved, visit.retrievedOctets), (1, 12))
        self.assertEqual(self.connection.audit.events("store-fault"), [])

    def test_notReady(self) -> None:
        """What is not, and what cannot be told, is opened."""
        self.ready[2] = OSError("broken")
        self.connection.send(b"RETR 1\r\nRETR 2\r\n")
        self.assertEqual(self.connection.received().count(b"\r\n.\r\n"), 2)
        self.assertEqual((self.asked, len(self.maildrop.readers)), ([1, 2], 2))

    def test_fault(self) -> None:
        """A store's own fault is in the log; the message is opened, the session goes on."""
        self.ready[1] = ZeroDivisionError()
        self.connection.send(b"RETR 1\r\nNOOP\r\n")
        self.assertTrue(self.connection.received().endswith(b"\r\n.\r\n+OK still here\r\n"))
        (event,) = self.connection.audit.events("fault")
        self.assertIs(event["failure"].type, ZeroDivisionError)

    def test_notAsked(self) -> None:
        """Neither for what may not be held at once, nor for TOP."""
        self.connection.send(b"TOP 1 0\r\nRETR 3\r\n")
        self.assertIn(b"x" * 1000, self.connection.received())
        self.assertEqual((self.asked, len(self.maildrop.readers)), ([], 2))

    def test_otherThanPromised(self) -> None:
        """An administrator hears of a store that promised something else."""
        self.ready[2] = b"short"
        self.connection.send(b"RETR 2\r\n")
        self.assertEqual(self.connection.received(), b"+OK 12 octets\r\nshort\r\n.\r\n")
        (event,) = self.connection.audit.events("store-fault")
        self.assertIn("has 7 octets, 12 were promised", event["text"])
