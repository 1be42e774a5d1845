"""L{pop3svc.accepting}: a port that cannot accept, on Twisted's own code."""

import errno
from typing import Any

from twisted.internet import reactor, tcp
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from pop3svc.accepting import restWhenExhausted

from .support import RecordingAudit


class FailingSocket:
    """Somebody is at the door, and there is no descriptor to let them in."""

    def __init__(self) -> None:
        self.attempts = 0

    def accept(self) -> Any:
        self.attempts += 1
        raise OSError(errno.EMFILE, "no more")


class RestTests(TestCase):
    def setUp(self) -> None:
        self.clock, self.audit = Clock(), RecordingAudit()
        listening: Any = reactor
        self.port = listening.listenTCP(0, Factory.forProtocol(Protocol), interface="127.0.0.1")
        self.addCleanup(self.port.stopListening)
        restWhenExhausted(self.port, "tcp:110", self.audit, self.clock)
        # Somebody else has the descriptor that Twisted keeps in reserve.
        self.patch(tcp, "_reservedFD", tcp._NullFileDescriptorReservation())

    def failToAccept(self) -> None:
        real, self.port.socket = self.port.socket, FailingSocket()
        self.port.doRead()
        self.port.socket = real

    @property
    def reading(self) -> bool:
        return self.port in self.port.reactor.getReaders()

    def test_rests(self) -> None:
        """Nobody tries again before a fifth of a second has passed."""
        self.assertTrue(self.reading)
        self.failToAccept()
        self.assertFalse(self.reading)
        self.clock.advance(0.19)
        self.assertFalse(self.reading)
        self.clock.advance(0.01)
        self.assertTrue(self.reading)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(
            self.audit.records,
            [
                {
                    "event": "accept-failed",
                    "endpoint": "tcp:110",
                    "text": "Could not accept new connection (EMFILE)",
                }
            ],
        )

    def test_restsOnce(self) -> None:
        """Several troubles in one go are one rest."""
        self.failToAccept()
        self.failToAccept()
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.assertEqual(len(self.audit.records), 2)

    def test_closedMeanwhile(self) -> None:
        """A port that was closed while it rested stays closed."""
        self.failToAccept()
        stopped = self.port.stopListening()
        self.clock.advance(1)
        self.assertFalse(self.reading)
        return stopped

    def test_reserve(self) -> None:
        """With the reserve at hand Twisted hangs up on them, and that is told, too."""
        closed: list[Any] = []

        class Reserved:
            def close(self) -> None:
                closed.append(self)

        reservation = tcp._FileDescriptorReservation(Reserved)
        reservation.reserve()
        self.patch(tcp, "_reservedFD", reservation)
        self.failToAccept()
        self.assertFalse(self.reading)
        self.assertGreater(len(self.audit.records), 1)
        self.assertEqual((len(closed), reservation.available()), (1, True))
        self.assertEqual({each["event"] for each in self.audit.records}, {"accept-failed"})

    def test_otherPorts(self) -> None:
        """A port of somebody else's making is left alone."""
        other: Any = object()
        restWhenExhausted(other, "x:1", self.audit, self.clock)
