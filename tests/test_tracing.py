"""
L{pop3svc.tracing}: whose lines are shown, which of them, and for how long.
"""

from __future__ import annotations

from typing import Any
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pop3svc.errors import MessageVanished, SettingError
from pop3svc.limits import Limits
from pop3svc.operations.audit import Subject
from pop3svc.operations.questions import Questions
from pop3svc.tracing.trace import Line, Target, Trace
from pop3svc.tracing.traces import Traces

from .support import Connection
from .test_redaction import SECRET, lines

LOGIN = [
    "S: +OK pop3svc ready",
    "C: USER karl",
    "S: +OK send PASS",
    "C: PASS (hidden, 6 octets)",
    "*: a login by USER is checked",
    "S: +OK maildrop has 2 messages (320 octets)",
]


class TargetTests(SynchronousTestCase):
    def test_parse(self) -> None:
        self.assertEqual(str(Target.parse({"user": "karl"})), "user karl")
        self.assertEqual(str(Target.parse({"session": "ab", "user": None})), "session ab")
        for network, wanted in (("192.0.2.7/24", "192.0.2.0/24"), ("::1", "::1/128")):
            self.assertEqual(str(Target.parse({"network": network})), f"network {wanted}")

    def test_wrong(self) -> None:
        for argument in ({}, {"user": "a", "session": "b"}, {"user": 1}, {"network": ["::1"]}):
            with self.assertRaises(SettingError) as caught:
                Target.parse(argument)
            self.assertEqual(str(caught.exception), "name one user, one network or one session")
        with self.assertRaises(SettingError) as caught:
            Target.parse({"network": "karl"})
        self.assertEqual(
            str(caught.exception), "a network is an address or such as 192.0.2.0/24, not 'karl'"
        )


class TraceTests(SynchronousTestCase):
    def test_matches(self) -> None:
        subject = Subject("ab", "192.0.2.7", user=b"Karl")
        for whom, fits in (
            ({"user": "karl"}, True),
            ({"user": "joe"}, False),
            ({"network": "192.0.2.0/24"}, True),
            ({"network": "2001:db8::/32"}, False),
            ({"session": "ab"}, True),
            ({"session": "a"}, False),
        ):
            self.assertEqual(Trace(Target(**whom), 1, 80).matches(subject), fits, whom)
        self.assertFalse(Trace(Target(network="::/0"), 1, 80).matches(Subject("ab", "unix")))
        # Nobody has said a name yet.
        self.assertFalse(Trace(Target(session="x"), 1, 80).matches(Subject("ab", "::1")))

    def test_bounds(self) -> None:
        """So many lines wait, the newest, and of each so much."""
        trace = Trace(Target(user="karl"), 3, 80)
        for text in ("1", "2", "x" * 80, "y" * 81):
            trace.tell(Line("now", "ab", "C", text))
        taken, lost = trace.take(2)
        self.assertEqual(([each.text for each in taken], lost), (["2", "x" * 80], 1))
        taken, lost = trace.take(2)
        self.assertEqual(([each.text for each in taken], lost), (["y" * 80 + " (cut)"], 0))


class TracesTests(SynchronousTestCase):
    """Over connections as they are."""

    def make(self, limits: Limits | None = None) -> None:
        self.connection = Connection(limits=limits)
        self.factory = self.connection.factory
        self.clock = Clock()
        self.questions = Questions()
        Traces([self.factory], self.clock, self.questions)

    def ask(self, name: str, **argument: Any) -> Any:
        return self.successResultOf(self.questions.askAll(name, argument))[0]

    def take(self, name: str = "t", most: int = 500, **target: str) -> list[str]:
        answer = self.ask("trace", id=name, most=most, **(target or {"user": "karl"}))
        return [f"{source}: {text}" for _, _, source, text in answer["lines"]]

    def another(self, peer: str = "127.0.0.1") -> Connection:
        """One more connection to the same service."""
        first = self.connection
        with mock.patch("tests.support.POP3Factory", return_value=first.factory):
            return Connection(peer=peer)

    def test_off(self) -> None:
        """No transcript is made, before and after."""
        self.make()
        self.assertIsNone(self.factory.tracing)
        self.take()
        self.assertIsNotNone(self.factory.tracing)
        self.assertIsNotNone(self.connection.protocol.transcript)
        self.ask("trace-end", id="t")
        self.assertIsNone(self.factory.tracing)
        self.assertIsNone(self.connection.protocol.transcript)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.ask("trace-end", id="t")

    def test_user(self) -> None:
        """What came before the name is shown, too."""
        self.make()
        self.take()
        karl = self.another()
        karl.login()
        self.assertEqual(self.take(), LOGIN)
        karl.send(b"LIST\r\nRETR 1\r\nTOP 1 0\r\nDELE 1\r\nQUIT\r\n")
        self.assertEqual(
            self.take(),
            [
                "C: LIST",
                "S: +OK 2 messages (320 octets)",
                "*: that was a listing, 46 octets with its first and last line",
                "C: RETR 1",
                "S: +OK 120 octets",
                "*: that was a message, 139 octets with its first and last line",
                "C: TOP 1 0",
                "S: +OK top of message follows",
                "*: that was the top of a message, 47 octets with its first and last line",
                "C: DELE 1",
                "S: +OK message 1 deleted",
                "C: QUIT",
                "*: messages to be removed: 1",
                "S: +OK pop3svc signing off (1 message left)",
                "*: the session ends: quit",
            ],
        )

    def test_someoneElse(self) -> None:
        """Nothing is shown; and as soon as that is known, nothing is kept."""
        self.make()
        self.take()
        joe = self.another()
        joe.send(b"USER joe\r\nPASS a b \r\nSTAT\r\n")
        self.assertEqual(self.take(), [])
        self.assertIsNone(joe.protocol.transcript)

    def test_secondName(self) -> None:
        """Karl is recognised when somebody tries his name after another."""
        self.make()
        self.take()
        other = self.another()
        other.send(b"USER joe\r\nPASS wrong\r\n")
        self.assertEqual(self.take(), [])
        other.login()
        self.assertEqual(
            self.take()[:4], [*LOGIN[:1], "C: USER joe", *LOGIN[2:3], "C: PASS (hidden, 5 octets)"]
        )

    def test_otherAfterAll(self) -> None:
        """Karl's password was wrong, and then joe is in: his session is not karl's."""
        self.make()
        self.take()
        joe = self.another()
        joe.send(b"USER karl\r\nPASS wrong\r\nUSER joe\r\nPASS a b \r\n")
        self.take()
        joe.send(b"STAT\r\n")
        self.assertEqual(self.take(), [])
        self.assertIsNone(joe.protocol.transcript)

    def test_failed(self) -> None:
        """What was not sent is not told as if it had been."""
        self.make()
        self.connection.login()
        self.take()
        maildrop = self.connection.maildrop
        maildrop.failing["open"] = MessageVanished("it is gone")
        self.connection.send(b"RETR 1\r\n")
        self.assertEqual(
            self.take(),
            [
                "C: RETR 1",
                "S: +OK 120 octets",
                "*: that was to be a message, and nothing was, also no +OK, sent",
                "S: -ERR [SYS/TEMP] this message cannot be read at the moment",
            ],
        )

    def test_meanwhile(self) -> None:
        """What is on its way already when the trace begins."""
        self.make()
        self.connection.login()
        self.connection.maildrop.held.add("open")
        self.connection.send(b"TOP 1 0\r\n")
        self.take()
        self.connection.maildrop.go("open")
        [line] = self.take()
        self.assertEqual(line[:24], "*: that was an answer, 4")

    def test_before(self) -> None:
        """Of what came before so much is kept."""
        self.make(Limits(traceLinesBefore=3))
        self.take()
        self.another().login()
        self.assertEqual(self.take(), LOGIN[1:])
        self.make(Limits(traceLinesBefore=4))
        self.take()
        self.another().login()
        self.assertEqual(self.take(), LOGIN)

    def test_loggedIn(self) -> None:
        """One that was there before, by its user, its id or its network."""
        self.make()
        self.connection.login()
        session = self.connection.protocol.subject.session
        for target in ({"user": "KARL"}, {"session": session}, {"network": "127.0.0.1"}):
            self.assertEqual(self.take(**target), [])
            self.connection.send(b"NOOP\r\n")
            self.assertEqual(self.take(**target), ["C: NOOP", "S: +OK still here"])
            self.ask("trace-end", id="t")
        self.take(user="joe")
        self.assertIsNone(self.connection.protocol.transcript)

    def test_network(self) -> None:
        self.make()
        self.take(network="192.0.2.0/24")
        self.another("192.0.2.7").send(b"GET / HTTP/1.0\r\n")
        self.another("198.51.100.1").send(b"QUIT\r\n")
        self.assertEqual(
            self.take(),
            [
                "S: +OK pop3svc ready",
                "C: (hidden, 14 octets)",
                "S: -ERR this is POP3, not HTTP",
                "*: the session ends: http",
            ],
        )

    def test_lost(self) -> None:
        self.make()
        self.connection.login()
        self.take()
        self.connection.lose()
        self.assertEqual(self.take(), ["*: the session ends: connection-lost"])

    def test_longLine(self) -> None:
        self.make()
        self.take(network="127.0.0.1")
        self.connection.send(b"PASS " + b"x" * 2000 + b"\r\n")
        self.assertEqual(self.take()[0], "C: (hidden, a line that is too long)")

    def test_limits(self) -> None:
        """So many traces, so many lines, and so much of each."""
        self.make(Limits(traces=2, traceLines=3, traceLetters=80))
        for name in ("a", "b"):
            self.assertEqual(self.take(name), [])
        self.assertEqual(
            self.ask("trace", id="c", user="karl", most=1),
            {
                "refused": "there are 2 traces already; wait for one to end, or raise the limit"
                " traces"
            },
        )
        self.ask("trace-end", id="a")
        self.assertEqual(self.take("c"), [])
        self.another().login()
        answer = self.ask("trace", id="b", user="karl", most=2)
        self.assertEqual((len(answer["lines"]), answer["lost"]), (2, 3))
        self.assertEqual((self.take("b"), len(self.take("c"))), (LOGIN[-1:], 3))

    def test_refused(self) -> None:
        self.make()
        answer = self.ask("trace", id="t", most=1)
        self.assertEqual(answer, {"refused": "name one user, one network or one session"})
        self.assertIsNone(self.factory.tracing)

    def test_forgotten(self) -> None:
        """Nobody asks for it any more: it ends."""
        self.make()
        self.take()
        for _ in range(3):
            self.clock.pump([1] * 10)
            self.assertIsNotNone(self.factory.tracing)
            self.take()
        self.clock.pump([1] * 11)
        self.assertIsNone(self.factory.tracing)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    @settings(max_examples=200, deadline=None, database=None)
    @given(
        st.lists(st.one_of(lines().map(lambda pair: pair[0]), st.just(b"USER karl")), max_size=5)
    )
    def test_nothingSecret(self, said: list[bytes]) -> None:
        """Through the whole of a session, in whatever order, and cut anywhere."""
        self.make()
        self.take(network="127.0.0.0/8")
        for line in said:
            if not self.connection.closing:
                self.connection.send(line + b"\r\n")
        self.connection.lose()
        text = "\n".join(self.take()).lower()
        self.assertNotIn(SECRET.decode().lower()[:5], text)
        self.assertNotIn(SECRET.hex()[:6], text)
