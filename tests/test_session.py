"""L{pop3svc.core.session}: lines and outcomes in, lists of effects out."""

from typing import Any

from twisted.trial.unittest import TestCase

from pop3svc.core.capabilities import Situation
from pop3svc.core.effects import (
    CheckClaim,
    Commit,
    Disconnect,
    PasswordClaim,
    Reply,
    SendListing,
    SendMessage,
    StartTLS,
)
from pop3svc.core.replies import FIRST_LINE_OCTETS, Refusal, refused
from pop3svc.core.session import Session
from pop3svc.core.states import COMMANDS, State
from pop3svc.limits import Limits
from pop3svc.snapshot import Snapshot

KARL = Snapshot([120, 200], [b"one", b"two"])


def notRandom(octets: int) -> bytes:
    return b"\xab" * octets


def begun(situation: Situation | None = None, /, **limits: int) -> Session:
    return Session(situation or Situation(), Limits(**limits), notRandom, b"1.2.3")


def loggedIn(snapshot: Snapshot = KARL, **limits: int) -> Session:
    session = begun(**limits)
    session.receiveLine(b"USER karl")
    session.receiveLine(b"PASS secret")
    session.authenticated(snapshot)
    return session


class AuthorizationTests(TestCase):
    def test_greeting(self) -> None:
        """No <...@...>: Thunderbird would take it for APOP."""
        self.assertEqual(begun().greet(), [Reply(b"+OK pop3svc ready\r\n")])

    def test_login(self) -> None:
        session = begun()
        self.assertEqual(session.receiveLine(b"USER karl"), [Reply(b"+OK send PASS\r\n")])
        self.assertEqual(
            session.receiveLine(b"PASS  a b "),
            [CheckClaim(PasswordClaim("USER", b"karl", b" a b "))],
        )
        self.assertEqual(
            session.authenticated(KARL),
            [Reply(b"+OK maildrop has 2 messages (320 octets)\r\n")],
        )
        self.assertIs(session.state, State.TRANSACTION)

    def test_passwordIsInNoRepr(self) -> None:
        self.assertNotIn("secret", repr(CheckClaim(PasswordClaim("USER", b"karl", b"secret"))))

    def test_passWithoutUser(self) -> None:
        self.assertEqual(
            begun().receiveLine(b"PASS secret"), [Reply(b"-ERR USER comes before PASS\r\n")]
        )

    def test_nameIsForgottenAfterPass(self) -> None:
        session = begun()
        session.receiveLine(b"USER karl")
        session.receiveLine(b"PASS wrong")
        session.refused(Refusal.WRONG)
        self.assertEqual(
            session.receiveLine(b"PASS secret"), [Reply(b"-ERR USER comes before PASS\r\n")]
        )

    def test_otherCommandsBetweenUserAndPass(self) -> None:
        session = begun()
        session.receiveLine(b"USER karl")
        session.receiveLine(b"CAPA")
        self.assertEqual(
            session.receiveLine(b"PASS secret"),
            [CheckClaim(PasswordClaim("USER", b"karl", b"secret"))],
        )

    def test_refusals(self) -> None:
        for why, answer in (
            (Refusal.WRONG, b"-ERR [AUTH] user name or password is wrong\r\n"),
            (Refusal.IN_USE, b"-ERR [IN-USE] another session has this maildrop open\r\n"),
            (
                Refusal.TEMPORARY,
                b"-ERR [SYS/TEMP] login is not possible at the moment; try again later\r\n",
            ),
            (
                Refusal.PERMANENT,
                b"-ERR [SYS/PERM] this maildrop is damaged; ask your administrator\r\n",
            ),
        ):
            session = begun()
            session.receiveLine(b"USER karl")
            session.receiveLine(b"PASS x")
            self.assertEqual(session.refused(why), [Reply(answer)])
            self.assertIs(session.state, State.AUTHORIZATION)

    def test_noRefusalLooksBusyToFetchmail(self) -> None:
        for why in Refusal:
            if why is not Refusal.IN_USE:
                for word in (b"lock", b"wait"):
                    self.assertNotIn(word, refused(why).lower())

    def test_loginAttempts(self) -> None:
        session = begun(loginAttempts=2)

        def attempt() -> Any:
            session.receiveLine(b"USER karl")
            session.receiveLine(b"PASS x")
            return session.refused(Refusal.WRONG)

        self.assertEqual(attempt(), [Reply(refused(Refusal.WRONG))])
        self.assertEqual(attempt(), [Reply(refused(Refusal.WRONG)), Disconnect("login-attempts")])
        self.assertEqual(session.receiveLine(b"CAPA"), [])

    def test_onlyWrongPasswordsAreCounted(self) -> None:
        session = begun(loginAttempts=1)
        for why in (Refusal.IN_USE, Refusal.TEMPORARY, Refusal.PERMANENT):
            session.receiveLine(b"USER karl")
            session.receiveLine(b"PASS x")
            self.assertEqual(session.refused(why), [Reply(refused(why))])

    def test_quit(self) -> None:
        self.assertEqual(
            begun().receiveLine(b"QUIT"),
            [Reply(b"+OK pop3svc signing off\r\n"), Disconnect("quit")],
        )

    def test_startTLS(self) -> None:
        session = begun(Situation(startTLS=True))
        self.assertEqual(session.receiveLine(b"STLS"), [StartTLS(b"+OK begin TLS\r\n")])
        self.assertEqual(
            session.injected(),
            [
                Reply(b"-ERR nothing may follow STLS before TLS\r\n"),
                Disconnect("tls-injection"),
            ],
        )

    def test_startTLSWithheld(self) -> None:
        self.assertEqual(
            begun().receiveLine(b"STLS"), [Reply(b"-ERR this is not offered here\r\n")]
        )

    def test_passwordsOutsideTLS(self) -> None:
        """Both commands are refused alike, and count as nobody's fault."""
        session = begun(Situation(startTLS=True, passwordsHere=False), badCommandsBeforeLogin=1)
        refusal = b"-ERR [AUTH] passwords are taken inside TLS only: give STLS first\r\n"
        for line in (b"USER karl", b"PASS secret"):
            self.assertEqual(session.receiveLine(line), [Reply(refusal)])

    def test_languages(self) -> None:
        session = begun()
        self.assertEqual(
            session.receiveLine(b"LANG"),
            [Reply(b"+OK language listing follows\r\nen English\r\n.\r\n")],
        )
        for tag in (b"en", b"EN", b"*", b"i-default"):
            self.assertEqual(
                session.receiveLine(b"LANG " + tag), [Reply(b"+OK en English it is\r\n")]
            )
        self.assertEqual(
            session.receiveLine(b"LANG tlh"),
            [Reply(b"-ERR this language is not spoken here\r\n")],
        )


class TransactionTests(TestCase):
    def test_stat(self) -> None:
        self.assertEqual(loggedIn().receiveLine(b"STAT"), [Reply(b"+OK 2 320\r\n")])

    def test_list(self) -> None:
        session = loggedIn()
        self.assertEqual(session.receiveLine(b"LIST 2"), [Reply(b"+OK 2 200\r\n")])
        self.assertEqual(
            session.receiveLine(b"LIST"),
            [SendListing(b"+OK 2 messages (320 octets)\r\n", (b"1 120\r\n2 200\r\n",))],
        )
        self.assertEqual(session.transferred(), [])

    def test_uidl(self) -> None:
        session = loggedIn()
        self.assertEqual(session.receiveLine(b"UIDL 2"), [Reply(b"+OK 2 two\r\n")])
        self.assertEqual(
            session.receiveLine(b"UIDL"),
            [SendListing(b"+OK unique-id listing follows\r\n", (b"1 one\r\n2 two\r\n",))],
        )

    def test_retr(self) -> None:
        session = loggedIn()
        self.assertEqual(
            session.receiveLine(b"RETR 1"), [SendMessage(1, b"+OK 120 octets\r\n", None)]
        )
        self.assertEqual(session.transferred(), [])
        self.assertEqual(session.receiveLine(b"NOOP"), [Reply(b"+OK still here\r\n")])

    def test_retrFails(self) -> None:
        session = loggedIn()
        session.receiveLine(b"RETR 1")
        self.assertEqual(
            session.transferFailed(begun=False),
            [Reply(b"-ERR [SYS/TEMP] this message cannot be read at the moment\r\n")],
        )
        session.receiveLine(b"RETR 1")
        self.assertEqual(session.transferFailed(begun=True), [Disconnect("transfer-failed")])

    def test_top(self) -> None:
        self.assertEqual(
            loggedIn().receiveLine(b"TOP 2 10"),
            [SendMessage(2, b"+OK top of message follows\r\n", 10)],
        )

    def test_noSuchMessage(self) -> None:
        session = loggedIn()
        answer = [Reply(b"-ERR no such message, only 2 in maildrop\r\n")]
        for line in (b"LIST 3", b"UIDL 3", b"RETR 3", b"TOP 3 1", b"DELE 3"):
            self.assertEqual(session.receiveLine(line), answer)

    def test_deletedMessage(self) -> None:
        session = loggedIn()
        self.assertEqual(session.receiveLine(b"DELE 1"), [Reply(b"+OK message 1 deleted\r\n")])
        answer = [Reply(b"-ERR message 1 already deleted\r\n")]
        for line in (b"LIST 1", b"UIDL 1", b"RETR 1", b"TOP 1 1", b"DELE 1"):
            self.assertEqual(session.receiveLine(line), answer)
        self.assertEqual(session.receiveLine(b"STAT"), [Reply(b"+OK 1 200\r\n")])
        self.assertEqual(
            session.receiveLine(b"RSET"),
            [Reply(b"+OK maildrop has 2 messages (320 octets)\r\n")],
        )
        self.assertEqual(session.receiveLine(b"LIST 1"), [Reply(b"+OK 1 120\r\n")])

    def test_noSecondLogin(self) -> None:
        session = loggedIn()
        for line in (b"USER karl", b"STLS"):
            self.assertEqual(
                session.receiveLine(line), [Reply(b"-ERR you are logged in already\r\n")]
            )
        self.assertEqual(
            session.receiveLine(b"PASS secret"), [Reply(b"-ERR USER comes before PASS\r\n")]
        )

    def test_logInFirst(self) -> None:
        for line in (b"STAT", b"LIST", b"UIDL", b"RETR 1", b"TOP 1 1", b"DELE 1", b"RSET", b"NOOP"):
            self.assertEqual(begun().receiveLine(line), [Reply(b"-ERR log in first\r\n")])


class DispossessedTests(TestCase):
    """The maildrop was lent while the peer was silent, and cannot be had back."""

    def test_noUpdate(self) -> None:
        """One answer that says so, and the end, whatever was marked."""
        for why, code, reason in (
            (Refusal.IN_USE, b"[IN-USE]", "taken-over"),
            (Refusal.TEMPORARY, b"[SYS/TEMP]", "store-failed"),
        ):
            session = loggedIn()
            session.receiveLine(b"DELE 1")
            text = b" this session is over after a long silence; nothing is deleted\r\n"
            self.assertEqual(
                session.dispossessed(why), [Reply(b"-ERR " + code + text), Disconnect(reason)]
            )
            self.assertEqual(session.receiveLine(b"QUIT"), [])


class UpdateTests(TestCase):
    def quitting(self, *lines: bytes) -> Session:
        session = loggedIn()
        for line in lines:
            session.receiveLine(line)
        return session

    def test_commit(self) -> None:
        session = self.quitting(b"DELE 2", b"DELE 1")
        self.assertEqual(session.receiveLine(b"QUIT"), [Commit((1, 2))])
        self.assertEqual(
            session.committed(0),
            [Reply(b"+OK pop3svc signing off (maildrop empty)\r\n"), Disconnect("quit")],
        )

    def test_somethingIsLeft(self) -> None:
        session = self.quitting(b"DELE 2")
        self.assertEqual(session.receiveLine(b"QUIT"), [Commit((2,))])
        self.assertEqual(
            session.committed(0),
            [Reply(b"+OK pop3svc signing off (1 message left)\r\n"), Disconnect("quit")],
        )

    def test_somethingCouldNotBeRemoved(self) -> None:
        session = self.quitting(b"DELE 1", b"DELE 2", b"QUIT")
        self.assertEqual(
            session.committed(1),
            [
                Reply(b"-ERR [SYS/TEMP] 1 of 2 deleted messages not removed\r\n"),
                Disconnect("quit"),
            ],
        )

    def test_commitFails(self) -> None:
        session = self.quitting(b"DELE 1", b"QUIT")
        self.assertEqual(
            session.commitFailed(),
            [Reply(b"-ERR [SYS/TEMP] deleted messages not removed\r\n"), Disconnect("quit")],
        )

    def test_afterQuitNothingIsAnswered(self) -> None:
        session = self.quitting(b"QUIT")
        session.committed(0)
        self.assertEqual(session.receiveLine(b"DELE 1"), [])
        self.assertEqual(session.receiveLongLine(), [])


class BadInputTests(TestCase):
    def test_badCommandsBeforeLogin(self) -> None:
        session = begun(badCommandsBeforeLogin=3)
        unknown = Reply(b"-ERR unknown command\r\n")
        self.assertEqual(session.receiveLine(b"XTND"), [unknown])
        session.receiveLine(b"CAPA")
        self.assertEqual(
            session.receiveLine(b"\xff"), [Reply(b"-ERR a command is printable ASCII\r\n")]
        )
        self.assertEqual(session.receiveLine(b""), [unknown, Disconnect("bad-commands")])
        self.assertEqual(session.receiveLine(b"CAPA"), [])

    def test_badCommandsInARow(self) -> None:
        session = loggedIn(badCommandsInARow=2)
        unknown = Reply(b"-ERR unknown command\r\n")
        for _ in range(5):
            self.assertEqual(session.receiveLine(b"XTND"), [unknown])
            session.receiveLine(b"NOOP")
        session.receiveLine(b"XTND")
        self.assertEqual(session.receiveLine(b"XTND"), [unknown, Disconnect("bad-commands")])

    def test_wrongArguments(self) -> None:
        session = loggedIn()
        for line, answer in (
            (b"RETR", b"-ERR RETR takes a message-number\r\n"),
            (b"RETR 0", b"-ERR RETR takes a message-number\r\n"),
            (b"LIST x", b"-ERR LIST takes a message-number or nothing\r\n"),
            (b"TOP 1", b"-ERR TOP takes a message-number and a number of lines\r\n"),
            (b"STAT 1", b"-ERR STAT takes no argument\r\n"),
        ):
            self.assertEqual(session.receiveLine(line), [Reply(answer)])

    def test_longLine(self) -> None:
        session = begun()
        self.assertEqual(session.lineOctets(), 1024)
        self.assertEqual(session.receiveLongLine(), [Reply(b"-ERR this line is too long\r\n")])
        self.assertEqual(session.endlessLine(), [Disconnect("line-too-long")])

    def test_aLineDuringAWaitIsOurBug(self) -> None:
        for wait in (b"RETR 1", b"QUIT", b"LIST"):
            session = loggedIn()
            session.receiveLine(wait)
            with self.assertRaises(RuntimeError):
                session.receiveLine(b"NOOP")
        session = begun()
        for outcome in (
            lambda: session.authenticated(KARL),
            lambda: session.refused(Refusal.WRONG),
            session.transferred,
            lambda: session.transferFailed(begun=False),
            lambda: session.committed(0),
            session.commitFailed,
        ):
            with self.assertRaises(RuntimeError):
                outcome()

    def test_everyReplyIsOneBoundedLine(self) -> None:
        """Whatever a client sends, none of it comes back."""
        arguments = (b"", b" ", b" 1", b" 1 1", b" \x1b[31m", b" " + b"z" * 1000, b" 99999999999")
        for keyword in (*COMMANDS, b"zzzz", b"\r\r", b"%s%n"):
            for argument in arguments:
                for session in (begun(), loggedIn()):
                    for effect in session.receiveLine(keyword + argument):
                        octets = getattr(effect, "octets", getattr(effect, "opening", b""))
                        first, end, _ = octets.partition(b"\r\n")
                        self.assertLessEqual(len(first + end), FIRST_LINE_OCTETS)
                        self.assertNotIn(b"zzz", octets)
                        self.assertNotRegex(first, rb"[^\x20-\x7e]")
