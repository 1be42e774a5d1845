"""
L{pop3svc.protocol}: the fault table, timers, limits, and order under pressure.
"""

from base64 import b64encode
from functools import partial

from twisted.logger import LogLevel, capturedLogs
from twisted.trial.unittest import TestCase

from pop3svc.errors import (
    CheckerUnavailable,
    MaildropBroken,
    MaildropInUse,
    MaildropShrunk,
    MaildropUnavailable,
    MessageVanished,
)
from pop3svc.limits import Limits

from .support import FIRST, Connection, Reader

LOGIN = b"+OK send PASS\r\n"
BUSY = b"-ERR [SYS/TEMP] login is not possible at the moment; try again later\r\n"
UNREADABLE = b"-ERR [SYS/TEMP] this message cannot be read at the moment\r\n"
BIG = b"Subject: big\n\n" + b"." * 70 + b"\n" + b"x" * 1_000_000 + b"\n"


def fail(error: Exception, *args: object) -> None:
    raise error


class WaitTests(TestCase):
    """In each wait: what is pipelined stays unread, and its answer comes after."""

    def test_lineDuringLogin(self) -> None:
        connection = Connection()
        connection.cred.holdLogin = True
        connection.received()
        connection.send(b"USER karl\r\nPASS secret\r\nSTAT\r\n")
        self.assertEqual(connection.received(), LOGIN)
        self.assertEqual(connection.transport.producerState, "paused")
        connection.cred.waiting.pop().callback(None)
        self.assertEqual(
            connection.received(),
            b"+OK maildrop has 2 messages (320 octets)\r\n+OK 2 320\r\n",
        )
        self.assertEqual(connection.transport.producerState, "producing")

    def test_lineDuringOpenAndRead(self) -> None:
        for operation in ("open", "read"):
            connection = Connection()
            connection.login()
            connection.maildrop.held = {operation}
            connection.send(b"RETR 1\r\nSTAT\r\n")
            self.assertEqual(connection.received(), b"")
            connection.maildrop.held = set()
            connection.maildrop.go(operation)
            answer = connection.received()
            self.assertTrue(answer.startswith(b"+OK 120 octets\r\n"))
            self.assertTrue(answer.endswith(b"\r\n.\r\n+OK 2 320\r\n"))
            self.assertEqual([each.closed for each in connection.maildrop.readers], [1])

    def test_lineDuringCommitIsNeverAnswered(self) -> None:
        connection = Connection()
        connection.login()
        connection.maildrop.held = {"remove"}
        connection.send(b"DELE 1\r\nQUIT\r\nSTAT\r\n")
        self.assertEqual(connection.received(), b"+OK message 1 deleted\r\n")
        connection.maildrop.go("remove")
        self.assertEqual(connection.received(), b"+OK pop3svc signing off (1 message left)\r\n")
        self.assertTrue(connection.closing)

    def test_lockIsFreeBeforeTheReplyToQuit(self) -> None:
        connection = Connection()
        connection.login()
        connection.maildrop.held = {"close"}
        connection.send(b"QUIT\r\n")
        self.assertEqual(connection.received(), b"")
        connection.maildrop.go("close")
        self.assertEqual(connection.received(), b"+OK pop3svc signing off (2 messages left)\r\n")
        connection.lose()
        self.assertEqual(connection.maildrop.calls, ["close"])

    def test_drainDuringUpdate(self) -> None:
        """It ends as it would have: what was removed may still be on its way to the peer."""
        connection = Connection()
        connection.login()
        connection.maildrop.held = {"remove"}
        connection.send(b"DELE 1\r\nQUIT\r\n")
        connection.received()
        connection.protocol.endNow("drain")
        self.assertFalse(connection.closing)
        connection.maildrop.go("remove")
        self.assertEqual(connection.received(), b"+OK pop3svc signing off (1 message left)\r\n")
        self.assertTrue(connection.closing)
        connection.lose()
        [record] = connection.audit.events("logout")
        self.assertEqual((record["reason"], record["deleted"]), ("quit", 1))


class LostTests(TestCase):
    """The connection is lost in each wait: one logout, nothing removed."""

    def test_whileIdle(self) -> None:
        connection = Connection()
        connection.login()
        connection.send(b"DELE 1\r\n")
        connection.lose()
        self.assertEqual(connection.maildrop.calls, ["close"])
        self.assertEqual(connection.audit.events("logout")[0]["reason"], "connection-lost")

    def test_beforeLogin(self) -> None:
        connection = Connection()
        connection.lose()
        self.assertEqual(connection.maildrop.calls, [])
        self.assertEqual(connection.clock.getDelayedCalls(), [])

    def test_duringLogin(self) -> None:
        """The avatar that comes too late is logged out at once."""
        connection = Connection()
        connection.cred.holdLogin = True
        connection.send(b"USER karl\r\nPASS secret\r\n")
        connection.lose()
        self.assertEqual(len(connection.factory.connections), 1)
        connection.cred.waiting.pop().callback(None)
        self.assertEqual(connection.cred.logouts, 1)
        self.assertEqual(connection.maildrop.calls, ["close"])
        self.assertEqual(connection.factory.connections, set())
        self.assertEqual(connection.clock.getDelayedCalls(), [])

    def test_duringLogout(self) -> None:
        """The service does not end before the maildrop is closed and the log has it."""
        connection = Connection()
        connection.login()
        connection.maildrop.held = {"close"}
        connection.lose()
        empty = connection.factory.whenEmpty()
        told: list[object] = []
        empty.addCallback(lambda _: told.extend(connection.audit.events("logout")))
        self.assertNoResult(empty)
        connection.maildrop.go("close")
        self.successResultOf(empty)
        self.assertEqual(len(told), 1)

    def test_duringOpenAndRead(self) -> None:
        for operation in ("open", "read"):
            for end in ("go", "failNow"):
                connection = Connection()
                connection.login()
                connection.maildrop.held = {operation}
                connection.send(b"DELE 2\r\nRETR 1\r\n")
                connection.lose()
                self.assertEqual(connection.maildrop.calls, [])
                connection.maildrop.held = set()
                getattr(connection.maildrop, end)(operation)
                self.assertEqual(connection.maildrop.calls, ["close"])
                self.assertEqual(
                    [each.closed for each in connection.maildrop.readers[:1]],
                    [1] if (operation, end) != ("open", "failNow") else [0],
                )
                self.assertEqual(connection.audit.events("fault"), [])

    def test_duringTransfer(self) -> None:
        connection = Connection([BIG])
        connection.login()
        connection.transport.room = 1000
        connection.send(b"RETR 1\r\n")
        self.assertEqual(connection.maildrop.readers[0].closed, 0)
        connection.lose()
        self.assertEqual(connection.maildrop.readers[0].closed, 1)
        self.assertEqual(connection.maildrop.calls, ["close"])
        self.assertEqual(connection.clock.getDelayedCalls(), [])

    def test_duringRemoval(self) -> None:
        """QUIT has been given: the removal goes on, and the lock is freed after it."""
        connection = Connection()
        connection.login()
        connection.maildrop.held = {"remove"}
        connection.send(b"DELE 1\r\nQUIT\r\n")
        connection.lose()
        self.assertEqual(connection.maildrop.calls, [("remove", (1,))])
        connection.maildrop.go("remove")
        self.assertEqual(connection.maildrop.calls, [("remove", (1,)), "close"])
        self.assertEqual(connection.audit.events("logout")[0]["deleted"], 1)

    def test_afterQuit(self) -> None:
        connection = Connection()
        connection.login()
        connection.send(b"QUIT\r\n")
        connection.lose()
        self.assertEqual(connection.maildrop.calls, ["close"])
        self.assertEqual(connection.audit.events("logout")[0]["reason"], "quit")


class FaultTests(TestCase):
    """The backend fails in each wait: the right answer, and the session in step."""

    def test_loginErrors(self) -> None:
        for error, answer, events in (
            (
                MaildropInUse("x"),
                b"-ERR [IN-USE] another session has this maildrop open\r\n",
                ["login-refused"],
            ),
            (MaildropUnavailable("x"), BUSY, ["login-refused", "store-fault"]),
            (
                MaildropBroken("x"),
                b"-ERR [SYS/PERM] this maildrop is damaged; ask your administrator\r\n",
                ["login-refused", "store-fault"],
            ),
            (CheckerUnavailable("x"), BUSY, ["login-refused", "checker-fault"]),
            (ZeroDivisionError("secret text"), BUSY, ["login-refused", "fault"]),
        ):
            connection = Connection()
            connection.received()
            connection.cred.error = error
            connection.send(b"USER karl\r\nPASS secret\r\nSTAT\r\n")
            self.assertEqual(connection.received(), LOGIN + answer + b"-ERR log in first\r\n")
            self.assertEqual([each["event"] for each in connection.audit.records], events)

    def test_lastingFaults(self) -> None:
        """What stays so until an administrator acts is an error in the log."""
        for error, answer, level in (
            (MaildropUnavailable("x"), b"-ERR [SYS/TEMP]", LogLevel.warn),
            (MaildropShrunk("x"), b"-ERR [SYS/TEMP]", LogLevel.error),
            (MaildropBroken("x"), b"-ERR [SYS/PERM]", LogLevel.error),
        ):
            connection = Connection()
            connection.cred.error = error
            with capturedLogs() as logs:
                connection.login()
                connection.send(b"USER karl\r\nPASS secret\r\n")
            self.assertIn(answer, connection.received())
            self.assertIn(
                level, [each["log_level"] for each in logs if "store-fault" in each["line"]]
            )

    def test_snapshotFails(self) -> None:
        """The avatar is there, but cannot be used: it is logged out again."""
        connection = Connection()
        connection.received()
        del connection.maildrop.messages
        connection.send(b"USER karl\r\nPASS secret\r\nSTAT\r\n")
        self.assertEqual(connection.received(), LOGIN + BUSY + b"-ERR log in first\r\n")
        self.assertEqual(connection.maildrop.calls, ["close"])
        self.assertEqual(len(connection.audit.events("fault")), 1)

    def test_openFails(self) -> None:
        for error in (MessageVanished("x"), OSError(5, "x"), ZeroDivisionError("x")):
            connection = Connection()
            connection.login()
            connection.maildrop.failing = {"open": error}
            connection.send(b"RETR 1\r\nNOOP\r\n")
            self.assertEqual(connection.received(), UNREADABLE + b"+OK still here\r\n")

    def test_firstReadFails(self) -> None:
        """Nothing is written yet: a polite answer, and the reader is closed."""
        connection = Connection()
        connection.login()
        connection.maildrop.failing = {"read": OSError(5, "x")}
        connection.send(b"RETR 1\r\nNOOP\r\n")
        self.assertEqual(connection.received(), UNREADABLE + b"+OK still here\r\n")
        self.assertEqual(connection.maildrop.readers[0].closed, 1)

    def test_laterReadFails(self) -> None:
        """A part of the message is out: no termination octet may follow it."""
        connection = Connection([BIG])
        connection.login()
        connection.transport.room = 1000
        connection.send(b"RETR 1\r\nNOOP\r\n")
        connection.maildrop.failing = {"read": OSError(5, "x")}
        connection.transport.takeMore()
        answer = connection.received()
        self.assertTrue(answer.startswith(b"+OK 1000090 octets\r\n"), answer[:40])
        self.assertFalse(answer.endswith(b".\r\n"))
        self.assertTrue(connection.closing)
        connection.lose()
        self.assertEqual(connection.audit.events("logout")[0]["reason"], "transfer-failed")
        self.assertEqual(connection.maildrop.calls, ["close"])

    def test_removalFails(self) -> None:
        connection = Connection()
        connection.login()
        connection.maildrop.failing = {"remove": OSError(28, "x")}
        connection.send(b"DELE 1\r\nQUIT\r\n")
        self.assertEqual(
            connection.received(),
            b"+OK message 1 deleted\r\n-ERR [SYS/TEMP] deleted messages not removed\r\n",
        )
        connection.lose()
        self.assertEqual(connection.maildrop.calls, [("remove", (1,)), "close"])

    def test_closeFails(self) -> None:
        """The messages are removed, and that is what QUIT is about."""
        connection = Connection()
        connection.login()
        connection.maildrop.failing = {"close": OSError(5, "x")}
        connection.send(b"DELE 1\r\nQUIT\r\n")
        self.assertEqual(
            connection.received(),
            b"+OK message 1 deleted\r\n+OK pop3svc signing off (1 message left)\r\n",
        )
        [record] = connection.audit.events("store-fault")
        self.assertEqual(record["operation"], "close")

    def test_readerCloseFails(self) -> None:
        """The message is sent, and the session goes on."""
        for error, event in ((OSError(5, "x"), "store-fault"), (ZeroDivisionError("x"), "fault")):
            connection = Connection()
            connection.login()
            self.patch(Reader, "close", partial(fail, error))
            connection.send(b"RETR 1\r\nNOOP\r\n")
            self.assertTrue(connection.received().endswith(b"\r\n.\r\n+OK still here\r\n"))
            self.assertEqual(len(connection.audit.events(event)), 1)

    def test_wrongPromise(self) -> None:
        """A message that changed its size is sent whole, and the log tells."""
        connection = Connection()
        connection.login()
        connection.maildrop.stored[0] = FIRST + b"more\n"
        connection.send(b"RETR 1\r\n")
        self.assertTrue(connection.received().endswith(b"more\r\n.\r\n"))
        self.assertEqual(
            connection.audit.events("store-fault")[0]["text"],
            "message 1 has 126 octets, 120 were promised",
        )

    def test_faultOfOurs(self) -> None:
        """It ends this session, is logged, and tells the peer nothing."""
        connection = Connection()
        connection.login()
        connection.protocol._session.receiveLine = lambda line: 1 / 0
        connection.send(b"STAT\r\n")
        self.assertEqual(connection.received(), b"")
        self.assertTrue(connection.closing)
        self.assertEqual(len(connection.audit.events("fault")), 1)
        connection.lose()
        self.assertEqual(connection.maildrop.calls, ["close"])


class TimerTests(TestCase):
    def test_loginDeadlineIsAbsolute(self) -> None:
        """Neither octets nor commands renew it; nothing is answered."""
        connection = Connection(limits=Limits(loginSeconds=60))
        connection.received()
        for _ in range(59):
            connection.clock.advance(1)
            connection.send(b"CAPA\r\nN")
            connection.protocol.takeUnread()
        connection.received()
        self.assertFalse(connection.closing)
        connection.clock.advance(1)
        self.assertTrue(connection.closing)
        self.assertEqual(connection.received(), b"")
        self.assertEqual(connection.audit.events("abuse")[0]["reason"], "login-deadline")

    def test_loginDeadlineDuringLogin(self) -> None:
        connection = Connection(limits=Limits(loginSeconds=60))
        connection.cred.holdLogin = True
        connection.send(b"USER karl\r\nPASS secret\r\n")
        connection.received()
        connection.clock.advance(60)
        self.assertTrue(connection.closing)
        connection.cred.waiting.pop().callback(None)
        self.assertEqual(connection.received(), b"")
        connection.lose()
        self.assertEqual(connection.maildrop.calls, ["close"])

    def test_idle(self) -> None:
        """A command renews it; RFC 1939 section 3: no UPDATE, no answer."""
        connection = Connection(limits=Limits(idleSeconds=600))
        connection.login()
        connection.send(b"DELE 1\r\n")
        connection.clock.advance(599)
        connection.send(b"NOOP\r\n")
        connection.received()
        connection.clock.advance(599)
        self.assertFalse(connection.closing)
        connection.clock.advance(1)
        self.assertTrue(connection.closing)
        self.assertEqual(connection.received(), b"")
        connection.lose()
        self.assertEqual(connection.maildrop.calls, ["close"])
        self.assertEqual(connection.audit.events("logout")[0]["reason"], "idle")

    def test_idleDuringAWait(self) -> None:
        """A slow store is not a silent client."""
        connection = Connection(limits=Limits(idleSeconds=600))
        connection.login()
        connection.maildrop.held = {"open"}
        connection.send(b"RETR 1\r\n")
        connection.clock.advance(1200)
        self.assertFalse(connection.closing)
        connection.maildrop.go("open")
        connection.clock.advance(600)
        self.assertTrue(connection.closing)

    def test_writeStall(self) -> None:
        connection = Connection([BIG], limits=Limits(writeStallSeconds=120))
        connection.login()
        connection.transport.room = 1000
        connection.send(b"RETR 1\r\n")
        connection.clock.pump([5] * 23)
        self.assertFalse(connection.closing)
        connection.clock.advance(5)
        # It takes nothing, so nothing is said to it, and nothing is waited for.
        self.assertTrue(connection.transport.aborted)
        self.assertEqual(connection.maildrop.readers[0].closed, 1)
        self.assertEqual(connection.audit.events("abuse")[0]["reason"], "write-stall")

    def test_writeStallIsRenewedByProgress(self) -> None:
        connection = Connection([BIG], limits=Limits(writeStallSeconds=120))
        connection.login()
        connection.transport.room = 1000
        connection.send(b"RETR 1\r\n")
        for _ in range(5):
            connection.clock.pump([15] * 7)
            connection.transport.takeMore(1000)
        self.assertFalse(connection.closing)

    def test_closingAfterAbuseIsBounded(self) -> None:
        connection = Connection(limits=Limits(closeSeconds=5))
        connection.send(b"X\r\nX\r\nX\r\n")
        connection.clock.advance(4)
        self.assertFalse(connection.transport.aborted)
        connection.clock.advance(1)
        self.assertTrue(connection.transport.aborted)
        connection.lose()
        self.assertEqual(connection.clock.getDelayedCalls(), [])

    def test_closingIsBounded(self) -> None:
        """A peer that never says goodbye is cut off."""
        connection = Connection(limits=Limits(closeSeconds=5))
        connection.send(b"QUIT\r\n")
        self.assertTrue(connection.closing)
        connection.clock.pump([1] * 4)
        self.assertFalse(connection.transport.aborted)
        connection.clock.advance(1)
        self.assertTrue(connection.transport.aborted)
        connection.lose()
        self.assertEqual(connection.clock.getDelayedCalls(), [])


class LimitTests(TestCase):
    def test_commandLine(self) -> None:
        """1,024 octets with CRLF are a command, 1,025 are not; nor with a bare LF."""
        for end in (b"\r\n", b"\n"):
            for octets, answer in (
                (1024, b"-ERR no such message, only 2 in maildrop\r\n"),
                (1025, b"-ERR this line is too long\r\n"),
            ):
                connection = Connection()
                connection.login()
                line = b"RETR 9" + b" " * (octets - 6 - len(end)) + end
                connection.send(line + b"NOOP\r\n")
                self.assertEqual(connection.received(), answer + b"+OK still here\r\n")

    def test_longLineIsOneCommand(self) -> None:
        """In whatever pieces it comes, and never its tail is taken for a command."""
        for pieces in (1, 7, 1000):
            connection = Connection()
            connection.login()
            line = b"X" * 5000 + b" DELE 1\r\nNOOP\r\n"
            for at in range(0, len(line), -(-len(line) // pieces)):
                connection.send(line[at : at - (-len(line) // pieces)])
            self.assertEqual(
                connection.received(), b"-ERR this line is too long\r\n+OK still here\r\n"
            )

    def test_endlessLine(self) -> None:
        for more, closed in ((8 * 1024, False), (8 * 1024 + 1, True)):
            connection = Connection()
            connection.login()
            connection.send(b"X" * (1023 + more))
            self.assertEqual(connection.received(), b"-ERR this line is too long\r\n")
            self.assertEqual(connection.closing, closed)

    def test_unreadAnswers(self) -> None:
        """
        A peer that pipelines and never reads: reading stops, and what waits for
        it is a block or two.
        """
        connection = Connection([BIG])
        connection.login()
        connection.transport.room = 64 * 1024
        connection.send(b"RETR 1\r\n" * 5000)
        self.assertLess(len(connection.transport.value()), 256 * 1024)
        self.assertEqual(connection.transport.producerState, "paused")
        connection.transport.room = -1
        connection.send(b"CAPA\r\n" * 5000)
        self.assertLess(len(connection.transport.value()), 256 * 1024)

    def test_unreadListings(self) -> None:
        connection = Connection([b""] * 20000)
        connection.login()
        connection.transport.room = 64 * 1024
        connection.send(b"LIST\r\nUIDL\r\n" * 20)
        self.assertLess(len(connection.transport.value()), 256 * 1024)
        got = b""
        for _ in range(200):
            got += connection.received()
            connection.transport.takeMore(64 * 1024)
        got += connection.received()
        self.assertEqual(got.count(b"\r\n.\r\n"), 40)
        self.assertEqual(got.count(b"\r\n"), 40 * 20002)

    def test_listingWithMarks(self) -> None:
        """It is made piece by piece while it is sent, and others have their turn."""
        connection = Connection([b""] * 20000)
        connection.login()
        connection.send(b"DELE 1\r\nDELE 20000\r\n")
        connection.received()
        connection.transport.room = 1000
        connection.send(b"UIDL\r\nNOOP\r\n")
        got, most = b"", 0
        for _ in range(200):
            most = max(most, len(connection.transport.value()))
            got += connection.received()
            connection.transport.takeMore(1000)
            connection.clock.advance(0)
        self.assertLess(most, 96 * 1024)
        self.assertTrue(got.endswith(b"19999 id-19999\r\n.\r\n+OK still here\r\n"), got[-60:])
        self.assertEqual(got.count(b" id-"), 19998)

    def test_listingWithMarksWhenThePeerIsGone(self) -> None:
        connection = Connection([b""] * 20000)
        connection.login()
        connection.send(b"DELE 1\r\nUIDL\r\n")
        connection.lose()
        connection.clock.advance(0)
        self.assertEqual(connection.maildrop.calls, ["close"])
        self.assertEqual(connection.audit.events("fault"), [])

    def test_clearTextLogins(self) -> None:
        refusal = b"-ERR [AUTH] passwords are taken inside TLS only, on another port\r\n"
        for peer, setting, taken in (
            ("127.0.0.1", "loopback", True),
            ("::1", "loopback", True),
            ("::ffff:127.0.0.1", "loopback", True),
            ("192.0.2.7", "loopback", False),
            ("127.0.0.1", "never", False),
            ("192.0.2.7", "always", True),
        ):
            connection = Connection(peer=peer, clearTextLogins=setting)
            connection.received()
            connection.send(b"USER karl\r\n")
            self.assertEqual(connection.received(), LOGIN if taken else refusal)


class AuditTests(TestCase):
    def test_login(self) -> None:
        connection = Connection()
        connection.login()
        [record] = connection.audit.events("login")
        self.assertRegex(record.pop("session"), "^[0-9a-f]{12}$")
        self.assertEqual(
            record,
            {
                "event": "login",
                "peer": "127.0.0.1",
                "tls": "none",
                "user": "karl",
                "mechanism": "USER",
                "messages": 2,
                "octets": 320,
            },
        )

    def test_logout(self) -> None:
        connection = Connection()
        connection.login()
        connection.send(b"RETR 2\r\nTOP 1 1\r\nDELE 2\r\nQUIT\r\n")
        connection.clock.advance(1.5)
        connection.lose()
        [record] = connection.audit.events("logout")
        self.assertEqual(record.pop("session"), connection.audit.events("login")[0]["session"])
        self.assertEqual(
            record,
            {
                "event": "logout",
                "peer": "127.0.0.1",
                "tls": "none",
                "user": "karl",
                "mechanism": "USER",
                "reason": "quit",
                "retrieved": 1,
                "retrievedOctets": 200,
                "deleted": 1,
                "left": 1,
                "seconds": 1.5,
            },
        )

    def test_noSecretOfAnExchange(self) -> None:
        """Good, wrong, malformed or in the wrong state: no answer is in the log."""
        secret = b64encode(b"\0karl\0topsecret")
        connection = Connection()
        for line in (
            b"AUTH PLAIN " + secret,
            b"AUTH PLAIN",
            secret,
            b"AUTH NTLM " + secret,
            secret,
        ):
            connection.send(line + b"\r\n")
        [record] = connection.audit.events("login-refused")[:1]
        self.assertEqual((record["user"], record["mechanism"]), ("karl", "PLAIN"))
        for text in ("topsecret", secret.decode()):
            self.assertNotIn(text, str(connection.audit.records))

    def test_refused(self) -> None:
        connection = Connection()
        connection.send(b"USER eve\r\nPASS topsecret\r\n")
        [record] = connection.audit.events()
        self.assertEqual((record["event"], record["reason"]), ("login-refused", "wrong"))
        self.assertNotIn("topsecret", str(record))
