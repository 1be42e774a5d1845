"""APOP (RFC 1939 section 7): L{pop3svc.core.apop}, and its digest."""

import hashlib
import poplib
import re
from typing import cast

from twisted.trial.unittest import TestCase

from pop3svc.auth.credentials import DigestedPassword
from pop3svc.core.apop import timestamp
from pop3svc.core.capabilities import Situation
from pop3svc.core.effects import CheckClaim, DigestClaim, Reply
from pop3svc.core.replies import Refusal, refused
from pop3svc.core.session import Session
from pop3svc.limits import Limits

from .kinds import EveryKind
from .support import Connection

STAMP = b"<" + b"ab" * 16 + b"@mx>"
OFFERED = Situation(digests=True, apop=True, host=b"mx", startTLS=True)


def notRandom(octets: int) -> bytes:
    return b"\xab" * octets


def begun(situation: Situation = OFFERED) -> Session:
    return Session(situation, Limits(), notRandom)


class SessionTests(TestCase):
    def test_timestamp(self) -> None:
        """128 random bits; mpop refuses one with an equals sign in it."""
        self.assertEqual(timestamp(notRandom, b"mail.example.org")[:33], b"<" + b"ab" * 16)
        self.assertEqual(begun().greet(), [Reply(b"+OK pop3svc ready %s\r\n" % STAMP)])

    def test_login(self) -> None:
        session = begun()
        for line in (b"APOP karl " + b"0A" * 16, b"apop  karl  " + b"0a" * 16 + b" "):
            claim = DigestClaim("APOP", b"karl", STAMP, b"0a" * 16)
            self.assertEqual(session.receiveLine(line), [CheckClaim(claim)])
            self.assertEqual(session.refused(Refusal.WRONG), [Reply(refused(Refusal.WRONG))])

    def test_malformed(self) -> None:
        for argument in (b"", b" karl", b" " + b"0a" * 16, b" karl " + b"0g" * 16, b" karl 0a"):
            self.assertEqual(
                begun().receiveLine(b"APOP" + argument),
                [Reply(b"-ERR APOP takes a name and a digest\r\n")],
            )

    def test_notOffered(self) -> None:
        """Neither a timestamp nor the command; Thunderbird looks for the first."""
        session = begun(Situation(digests=True))
        self.assertEqual(session.greet(), [Reply(b"+OK pop3svc ready\r\n")])
        self.assertEqual(
            session.receiveLine(b"APOP karl " + b"0a" * 16),
            [Reply(b"-ERR this is not offered here\r\n")],
        )

    def test_timestampSurvivesSTLS(self) -> None:
        """There is one greeting on a connection, and the client has read no other."""
        before = begun()
        before.receiveLine(b"STLS")
        session = Session(
            Situation(secure=True, digests=True, apop=True, host=b"mx"),
            Limits(),
            lambda octets: b"\x00" * octets,
            before=before,
        )
        claim = DigestClaim("APOP", b"karl", STAMP, b"0a" * 16)
        self.assertEqual(session.receiveLine(b"APOP karl " + b"0a" * 16), [CheckClaim(claim)])


class DigestTests(TestCase):
    def test_rfcExample(self) -> None:
        digest = b"c4c9334bac560ecc979e58001b3e22fb"
        claim = DigestClaim("APOP", b"mrose", b"<1896.697170952@dbc.mtview.ca.us>", digest)
        credentials = DigestedPassword(claim)
        self.assertEqual(credentials.username, b"mrose")
        self.assertTrue(credentials.checkPassword(b"tanstaaf"))
        self.assertFalse(credentials.checkPassword(b"tanstaafl"))


class ProtocolTests(TestCase):
    def digest(self, stamp: bytes) -> bytes:
        return hashlib.md5(stamp + b"secret").hexdigest().encode()

    def test_login(self) -> None:
        connection = Connection(cred=EveryKind, apop=True, host=b"mail.example.org")
        greeting = connection.received()
        # As Python's client looks for it.
        found = cast(re.Pattern[bytes], poplib.POP3.timestamp).match(greeting)
        assert found is not None
        stamp = found[1]
        self.assertRegex(stamp, rb"\A<[0-9a-f]{32}@mail\.example\.org>\Z")
        connection.send(b"APOP karl " + self.digest(stamp) + b"\r\n")
        self.assertEqual(connection.received(), b"+OK maildrop has 2 messages (320 octets)\r\n")
        [record] = connection.audit.events()
        self.assertEqual((record["user"], record["mechanism"]), ("karl", "APOP"))

    def test_eachConnectionItsOwn(self) -> None:
        first, second = (Connection(cred=EveryKind, apop=True).received() for _ in range(2))
        self.assertNotEqual(first, second)
        connection = Connection(cred=EveryKind, apop=True)
        connection.send(b"APOP karl " + self.digest(first[18:-2]) + b"\r\n")
        self.assertTrue(connection.received().endswith(refused(Refusal.WRONG)))

    def test_onlyWhenAskedForAndPossible(self) -> None:
        for settings in ({"cred": EveryKind}, {"apop": True}):
            connection = Connection(**settings)
            self.assertEqual(connection.received(), b"+OK pop3svc ready\r\n")

    def test_oddHostName(self) -> None:
        for host, name in ((b"a b<>@=c", b"a-b----c"), (b"", b"localhost")):
            greeting = Connection(cred=EveryKind, apop=True, host=host).received()
            self.assertTrue(greeting.endswith(b"@" + name + b">\r\n"), greeting)
