"""
L{pop3svc.silence}: a silent peer's maildrop is lent to others, and had back or not.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from pop3svc.auth.realm import ReadOnlyMaildrop
from pop3svc.errors import MaildropUnavailable
from pop3svc.interfaces import IRelenting
from pop3svc.limits import Limits
from pop3svc.maildrops.memory import MemoryMaildropSource
from pop3svc.pools import PoolFull

from .support import Connection, ControlledMaildrop
from .test_protocol import BIG

HERE = b"+OK still here\r\n"
OVER = b"this session is over after a long silence; nothing is deleted\r\n"


@implementer(IRelenting)
class RelentingMaildrop(ControlledMaildrop):
    """@ivar takenOver: another session has come."""

    takenOver = False

    def relent(self) -> Deferred[None]:
        self.calls.append("relent")
        return self.answer("relent", None)

    def reclaim(self) -> Deferred[bool]:
        self.calls.append("reclaim")
        return self.answer("reclaim", not self.takenOver)


class RelentingConnection(Connection):
    """Logged in, with a maildrop that relents."""

    maildrop: RelentingMaildrop

    def __init__(self, *messages: bytes, **settings: Any) -> None:
        super().__init__(**settings)
        self.cred.maildrop = self.maildrop = RelentingMaildrop(messages or self.maildrop.stored)
        self.login()

    @property
    def calls(self) -> list[Any]:
        return self.maildrop.calls

    def fallSilent(self) -> None:
        self.clock.advance(120)

    def reason(self) -> str:
        """Why it ended, by the log, which has no word of abuse."""
        assert not self.audit.events("abuse")
        return str(self.audit.events("logout")[0]["reason"])


class SilenceTests(TestCase):
    def test_seconds(self) -> None:
        """It begins with the last command, and ends with the next."""
        connection = RelentingConnection(limits=Limits(takeoverSeconds=120))
        for _ in range(3):
            connection.clock.advance(119)
            connection.send(b"NOOP\r\n")
        self.assertEqual(connection.calls, [])
        connection.clock.advance(119)
        self.assertEqual(connection.calls, [])
        connection.clock.advance(1)
        self.assertEqual(connection.calls, ["relent"])
        connection.clock.advance(300)
        self.assertEqual(connection.calls, ["relent"])

    def test_goesOn(self) -> None:
        """Where nobody came, the peer notices nothing; and it may be silent again."""
        connection = RelentingConnection()
        for _ in range(3):
            connection.fallSilent()
            connection.send(b"NOOP\r\n")
            self.assertEqual(connection.received(), HERE)
        self.assertEqual(connection.calls, ["relent", "reclaim"] * 3)

    def test_quit(self) -> None:
        """What was marked before the silence is removed, once the lock is there."""
        connection = RelentingConnection()
        connection.send(b"DELE 1\r\n")
        connection.received()
        connection.fallSilent()
        connection.send(b"QUIT\r\n")
        self.assertEqual(connection.received(), b"+OK pop3svc signing off (1 message left)\r\n")
        self.assertEqual(connection.calls, ["relent", "reclaim", ("remove", (1,)), "close"])

    def test_takenOver(self) -> None:
        """One answer, whatever is pipelined, and no UPDATE."""
        connection = RelentingConnection()
        connection.send(b"DELE 1\r\n")
        connection.received()
        connection.fallSilent()
        connection.maildrop.takenOver = True
        connection.send(b"STAT\r\nDELE 2\r\nQUIT\r\n")
        self.assertEqual(connection.received(), b"-ERR [IN-USE] " + OVER)
        self.assertTrue(connection.closing)
        connection.lose()
        self.assertEqual(connection.calls, ["relent", "reclaim", "close"])
        self.assertEqual(connection.reason(), "taken-over")
        self.assertEqual(connection.clock.getDelayedCalls(), [])

    def test_reclaimFails(self) -> None:
        """Whoever cannot tell whether the maildrop is still the same does not go on."""
        for error, event in (
            (MaildropUnavailable("x"), "store-fault"),
            (OSError(5, "x"), "store-fault"),
            (PoolFull("x"), "store-fault"),
            (ZeroDivisionError("secret text"), "fault"),
        ):
            connection = RelentingConnection()
            connection.fallSilent()
            connection.maildrop.failing = {"reclaim": error}
            connection.send(b"STAT\r\nQUIT\r\n")
            self.assertEqual(connection.received(), b"-ERR [SYS/TEMP] " + OVER)
            connection.lose()
            self.assertEqual(connection.reason(), "store-failed")
            self.assertEqual(len(connection.audit.events(event)), 1)

    def test_relentFails(self) -> None:
        """Then others may have to wait; the peer does not hear of it."""
        connection = RelentingConnection()
        connection.maildrop.failing = {"relent": OSError(5, "x")}
        connection.fallSilent()
        self.assertEqual(len(connection.audit.events("store-fault")), 1)
        connection.send(b"NOOP\r\n")
        self.assertEqual(connection.received(), HERE)

    def test_longLine(self) -> None:
        """No command, but the peer is there."""
        connection = RelentingConnection()
        connection.fallSilent()
        connection.send(b"X" * 2000 + b"\r\nNOOP\r\n")
        self.assertEqual(connection.received(), b"-ERR this line is too long\r\n" + HERE)
        self.assertEqual(connection.calls, ["relent", "reclaim"])

    def test_readOnly(self) -> None:
        """Credentials that may not delete do not keep a maildrop for longer."""
        source = MemoryMaildropSource({b"karl": [b"x\n"]})
        maildrop = ReadOnlyMaildrop(self.successResultOf(source.openMaildrop(b"karl")))
        self.successResultOf(IRelenting(maildrop).relent())
        self.successResultOf(source.openMaildrop(b"karl"))
        self.assertFalse(self.successResultOf(IRelenting(maildrop).reclaim()))
        self.assertIs(IRelenting(ReadOnlyMaildrop(ControlledMaildrop([])), None), None)


class NotSilentTests(TestCase):
    """Who is not taken for silent."""

    def test_slowStore(self) -> None:
        """While we let the peer wait; from the answer on its silence counts."""
        connection = RelentingConnection()
        connection.maildrop.held = {"open"}
        connection.send(b"RETR 1\r\n")
        connection.clock.pump([50] * 5)
        connection.maildrop.go("open")
        connection.clock.advance(119)
        self.assertEqual(connection.calls, [])
        connection.clock.advance(1)
        self.assertEqual(connection.calls, ["relent"])

    def test_slowReader(self) -> None:
        """While the peer reads on, and 120 seconds from then."""
        connection = RelentingConnection(BIG)
        connection.transport.room = 1000
        connection.send(b"RETR 1\r\n")
        for _ in range(5):
            connection.clock.advance(100)
            connection.transport.takeMore(1000)
        connection.transport.takeMore()
        connection.clock.advance(119)
        self.assertEqual(connection.calls, [])
        connection.clock.advance(1)
        self.assertEqual(connection.calls, ["relent"])

    def test_congested(self) -> None:
        """An answer that waits for the peer to read is not its silence."""
        connection = RelentingConnection(limits=Limits(writeStallSeconds=1000))
        connection.transport.room = 5
        connection.send(b"CAPA\r\n")
        connection.clock.advance(400)
        self.assertEqual(connection.calls, [])
        connection.transport.takeMore()
        connection.clock.advance(119)
        self.assertEqual(connection.calls, [])
        connection.clock.advance(1)
        self.assertEqual(connection.calls, ["relent"])

    def test_beforeLogin(self) -> None:
        """Nothing is lent before somebody has it."""
        connection = Connection(limits=Limits(loginSeconds=1000))
        connection.clock.advance(500)
        self.assertEqual(connection.maildrop.calls, [])

    def test_switchedOff(self) -> None:
        """With takeover-seconds=0 a session keeps its maildrop."""
        connection = RelentingConnection(limits=Limits(takeoverSeconds=0, idleSeconds=9999))
        connection.clock.advance(9998)
        self.assertEqual(connection.calls, [])
        connection.send(b"NOOP\r\n")
        self.assertEqual(connection.received(), HERE)

    def test_storeKeepsItsLock(self) -> None:
        """A store need not know of any of this, and costs no timer."""
        connection = Connection()
        connection.login()
        self.assertEqual(len(connection.clock.getDelayedCalls()), 1)
        connection.clock.advance(599)
        connection.send(b"NOOP\r\n")
        self.assertEqual(connection.received(), HERE)


class WaitTests(TestCase):
    """Giving up and taking back may last, and anything may happen meanwhile."""

    def test_commandsDuringReclaim(self) -> None:
        """They keep their order."""
        connection = RelentingConnection()
        connection.fallSilent()
        connection.maildrop.held = {"reclaim"}
        connection.send(b"NOOP\r\nSTAT\r\nNOOP\r\n")
        self.assertEqual(connection.received(), b"")
        connection.maildrop.go("reclaim")
        self.assertEqual(connection.received(), HERE + b"+OK 2 320\r\n" + HERE)

    def test_commandDuringRelent(self) -> None:
        """First the lock is given up as a whole, then it is taken back."""
        connection = RelentingConnection()
        connection.maildrop.held = {"relent"}
        connection.fallSilent()
        connection.send(b"NOOP\r\n")
        self.assertEqual((connection.received(), connection.calls), (b"", ["relent"]))
        connection.maildrop.go("relent")
        self.assertEqual(connection.received(), HERE)
        self.assertEqual(connection.calls, ["relent", "reclaim"])

    def test_lost(self) -> None:
        """One close, after all that is under way."""
        for held, calls in (
            ("", ["relent"]),
            ("relent", ["relent"]),
            ("reclaim", ["relent", "reclaim"]),
        ):
            connection = RelentingConnection()
            connection.maildrop.held = {held}
            connection.fallSilent()
            if held == "reclaim":
                connection.send(b"DELE 1\r\nQUIT\r\n")
            connection.lose()
            if held:
                self.assertEqual(connection.calls, calls)
                connection.maildrop.go(held)
            self.assertEqual(connection.calls, [*calls, "close"])
            self.assertEqual(connection.clock.getDelayedCalls(), [])
            self.assertEqual(connection.reason(), "connection-lost")

    def test_idle(self) -> None:
        """A session that others may have the maildrop of still ends in time."""
        connection = RelentingConnection(limits=Limits(idleSeconds=600))
        connection.clock.advance(120)
        connection.clock.advance(479)
        self.assertFalse(connection.closing)
        connection.clock.advance(1)
        self.assertTrue(connection.closing)
        connection.lose()
        self.assertEqual(connection.calls, ["relent", "close"])
        self.assertEqual(connection.reason(), "idle")

    def test_drainDuringReclaim(self) -> None:
        """The service ends: nothing is started any more."""
        connection = RelentingConnection()
        connection.fallSilent()
        connection.maildrop.held = {"reclaim"}
        connection.send(b"NOOP\r\n")
        connection.protocol.endNow("drain")
        connection.lose()
        connection.maildrop.go("reclaim")
        self.assertEqual(connection.received(), b"")
        self.assertEqual(connection.calls, ["relent", "reclaim", "close"])
        self.assertEqual(connection.clock.getDelayedCalls(), [])
