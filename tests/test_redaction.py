"""
L{pop3svc.tracing.redaction}: what of a dialogue is shown, and that nothing secret is.
"""

from __future__ import annotations

from base64 import b64encode

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pop3svc.core.states import COMMANDS, State
from pop3svc.operations.audit import Subject
from pop3svc.tracing.redaction import hidden, shownAnswer, shownCommand, shownReply
from pop3svc.tracing.trace import Target, Trace
from pop3svc.tracing.transcript import Transcript

SECRET = b"Rosebud-1941"


class CommandTests(SynchronousTestCase):
    def test_shown(self) -> None:
        for line, shown in (
            (b"CAPA", "CAPA"),
            (b"stls", "STLS"),
            (b"QUIT", "QUIT"),
            (b"STAT ", "STAT"),
            (b"LIST", "LIST"),
            (b"list 2", "LIST 2"),
            (b"TOP 1 0", "TOP 1 0"),
            (b"RETR  3 ", "RETR 3"),
            (b"LANG", "LANG"),
            (b"LANG en", "LANG en"),
            (b"USER karl", "USER karl"),
            (b"user karl@example.org", "USER karl@example.org"),
            (b"AUTH", "AUTH"),
            (b"AUTH ", "AUTH"),
            (b"auth plain", "AUTH PLAIN"),
        ):
            self.assertEqual(shownCommand(line), shown)

    def test_hidden(self) -> None:
        digest = b"c4c9334bac560ecc979e58001b3e22fb"
        for line, shown in (
            (b"PASS secret", "PASS (hidden, 6 octets)"),
            (b"PASS  a b ", "PASS (hidden, 5 octets)"),
            (b"PASS", "PASS"),
            (b"PAS secret", "(hidden, 10 octets)"),
            (b"secret", "(hidden, 6 octets)"),
            (b"", "(hidden, 0 octets)"),
            (b"x", "(hidden, 1 octet)"),
            (b"APOP karl " + digest, "APOP karl (hidden, 32 octets)"),
            (b"APOP karl secret", "APOP (hidden, 11 octets)"),
            (b"AUTH PLAIN AGthcmwAc2VjcmV0", "AUTH PLAIN (hidden, 16 octets)"),
            (b"AUTH secret", "AUTH (hidden, 6 octets)"),
            (b"USER karl secret", "USER (hidden, 11 octets)"),
            (b"USER", "USER"),
            (b"LIST secret", "LIST (hidden, 6 octets)"),
            (b"STAT secret", "STAT (hidden, 6 octets)"),
            (b"LANG secret", "LANG (hidden, 6 octets)"),
            (b"USER \x1b[31m", "(hidden, 10 octets)"),
            (b"USER k\xffrl", "(hidden, 9 octets)"),
        ):
            self.assertEqual(shownCommand(line), shown)

    def test_answers(self) -> None:
        self.assertEqual(shownAnswer(b"*"), "*")
        self.assertEqual(shownAnswer(b"QUIT"), "(hidden, 4 octets)")
        self.assertEqual(hidden(b""), "(hidden, 0 octets)")

    def test_replies(self) -> None:
        self.assertEqual(shownReply(b"+OK\r\n"), ["+OK"])
        self.assertEqual(shownReply(b"+OK a\r\nUSER\r\n.\r\n"), ["+OK a", "USER", "."])
        # A challenge holds salt and nonce, which help whoever guesses.
        self.assertEqual(shownReply(b"+ cj1hYmM=\r\n"), ["+ (hidden, 8 octets)"])


def secrets() -> st.SearchStrategy[bytes]:
    """The secret, bare and as exchanges encode it."""
    return st.sampled_from(
        [
            SECRET,
            SECRET.upper(),
            SECRET.lower(),
            b64encode(SECRET),
            b64encode(b"\0karl\0" + SECRET),
            SECRET.hex().encode(),
        ]
    )


def lines() -> st.SearchStrategy[tuple[bytes, bytes]]:
    """A line with a secret anywhere in it but where names stand, and the secret."""
    keywords = [each for each in COMMANDS if each not in (b"USER", b"APOP")]
    words = st.sampled_from([*keywords, b"PAS", b"pass", b"HELO", b"", b"AUTH PLAIN", b"auth "])
    junk = st.binary(max_size=12)
    between = st.sampled_from([b" ", b"", b"  ", b"\t", b" = "])
    return st.tuples(words, between, junk, between, secrets(), between, junk).map(
        lambda parts: (b"".join(parts).replace(b"\n", b""), parts[4])
    )


class SecretTests(SynchronousTestCase):
    def test_exchange(self) -> None:
        """An answer is no command, even if it looks like one; a cancellation is none."""
        trace = Trace(Target(network="192.0.2.0/24"), 100, 300)
        subject = Subject("9f86d081884c", "192.0.2.7")
        transcript = Transcript(subject, [trace], [], lambda: "now", 20, lambda: None)
        for line in (b"USER karl", b"QUIT", b"*"):
            transcript.heard(line, State.EXCHANGE)
        shown = [each.text for each in trace.take(9)[0]]
        self.assertEqual(shown, ["(hidden, 9 octets)", "(hidden, 4 octets)", "*"])

    @settings(max_examples=500, deadline=None, database=None)
    @given(st.lists(st.tuples(lines(), st.sampled_from(list(State))), max_size=4))
    def test_nothingSecret(self, said: list[tuple[tuple[bytes, bytes], State]]) -> None:
        """Whatever is sent in whatever state, nothing of the secret is shown."""
        trace = Trace(Target(network="192.0.2.0/24"), 100, 300)
        subject = Subject("9f86d081884c", "192.0.2.7")
        transcript = Transcript(subject, [trace], [], lambda: "now", 20, lambda: None)
        for (line, _), state in said:
            transcript.heard(line, state)
        shown, lost = trace.take(100)
        self.assertEqual((len(shown), lost), (len(said), 0))
        text = "\n".join(each.text for each in shown).lower()
        for (_, secret), _ in said:
            # Nor a part of it that would help to guess.
            for start in range(len(secret) - 4):
                self.assertNotIn(secret[start : start + 5].decode().lower(), text)
