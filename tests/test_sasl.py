"""
L{pop3svc.core.sasl} and L{pop3svc.core.authorization}: AUTH, as lists of effects.
"""

from base64 import b64encode
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import TestCase

from pop3svc.auth.scram import decoyVerifier
from pop3svc.core.capabilities import Situation
from pop3svc.core.effects import (
    CheckClaim,
    DigestClaim,
    Disconnect,
    Effects,
    ExternalClaim,
    FetchVerifier,
    PasswordClaim,
    Reply,
    TokenClaim,
)
from pop3svc.core.mechanisms import MECHANISMS, offered
from pop3svc.core.replies import Refusal, refused
from pop3svc.core.session import Session
from pop3svc.core.states import WAITS, State
from pop3svc.limits import Limits
from pop3svc.snapshot import Snapshot

KARL = Snapshot([120, 200], [b"one", b"two"])
ALL = Situation(
    secure=True,
    digests=True,
    apop=True,
    tokens=True,
    certificates=True,
    certificateNames=(b"karl@example.org", b"karl"),
    scramHashes=frozenset({"SHA-1", "SHA-256"}),
    bindings={"tls-exporter": b"x" * 32},
    host=b"mail.example.org",
)
CHALLENGE = b"<" + b"ab" * 16 + b"@mail.example.org>"

EMPTY = Reply(b"+ \r\n")
WELCOME = Reply(b"+OK maildrop has 2 messages (320 octets)\r\n")
WRONG = Reply(refused(Refusal.WRONG))
CANCELLED = Reply(b"-ERR login cancelled\r\n")
NOT_BASE64 = Reply(b"-ERR this is not base64\r\n")
NOT_OFFERED = Reply(b"-ERR this is not offered here\r\n")
TOO_LONG = Reply(b"-ERR this line is too long\r\n")


def notRandom(octets: int) -> bytes:
    return b"\xab" * octets


def begun(situation: Situation = ALL, **limits: int) -> Session:
    return Session(situation, Limits(**limits), notRandom)


def err(text: bytes) -> Reply:
    return Reply(b"-ERR %s\r\n" % text)


def plus(octets: bytes) -> Reply:
    return Reply(b"+ %s\r\n" % b64encode(octets))


class ExchangeTestCase(TestCase):
    def check(self, mechanism: bytes, answers: list[bytes], last: Effects) -> Session:
        """
        Both forms of an exchange: with an initial response and without.

        @param answers: in the clear; all but the last one get a challenge.
        """
        for initial in (True, False):
            session = begun()
            lines = [b64encode(each) or b"" for each in answers]
            if initial:
                lines[0] = b"AUTH " + mechanism + b" " + (lines[0] or b"=")
            else:
                lines.insert(0, b"AUTH " + mechanism.lower())
            for line in lines[:-1]:
                [reply] = session.receiveLine(line)
                assert isinstance(reply, Reply)
                self.assertRegex(reply.octets, rb"\A\+ [A-Za-z0-9+/=]*\r\n\Z")
                self.assertIs(session.state, State.EXCHANGE)
            self.assertEqual(session.receiveLine(lines[-1]), last)
        return session

    def fails(self, mechanism: bytes, answer: bytes, text: bytes) -> None:
        """One answer ends the exchange, and the session goes on."""
        session = self.check(mechanism, [answer], [err(text)])
        self.assertIs(session.state, State.AUTHORIZATION)
        self.assertEqual(session.receiveLine(b"USER karl"), [Reply(b"+OK send PASS\r\n")])


class CommandTests(ExchangeTestCase):
    def test_bareAuthLists(self) -> None:
        """Outlook probes with and without a space behind it."""
        for line in (b"AUTH", b"auth ", b"AUTH   "):
            self.assertEqual(
                begun(Situation()).receiveLine(line),
                [Reply(b"+OK mechanisms follow\r\nPLAIN\r\nLOGIN\r\n.\r\n")],
            )

    def test_unknownMechanism(self) -> None:
        """Programs try what they know: nobody's fault."""
        session = begun(badCommandsBeforeLogin=1)
        for name in (b"NTLM", b"GSSAPI", b"KERBEROS_V4", b"X"):
            self.assertEqual(session.receiveLine(b"AUTH " + name), [NOT_OFFERED])

    def test_malformedCommand(self) -> None:
        for line in (b"AUTH PL.AIN", b"AUTH " + b"A" * 21, b"AUTH <x>"):
            self.assertEqual(
                begun().receiveLine(line),
                [err(b"AUTH takes a mechanism and perhaps an initial response")],
            )

    def test_insideTLSOnly(self) -> None:
        """Revealing mechanisms are refused before anything is said; others are not."""
        for startTLS, where in ((True, b": give STLS first"), (False, b", on another port")):
            situation = Situation(passwordsHere=False, startTLS=startTLS, tokens=True, digests=True)
            session = begun(situation, badCommandsBeforeLogin=1)
            refusal = [err(b"[AUTH] passwords are taken inside TLS only" + where)]
            for name in (b"PLAIN", b"LOGIN", b"XOAUTH2", b"OAUTHBEARER"):
                self.assertEqual(session.receiveLine(b"AUTH " + name + b" ="), refusal)
            self.assertEqual(
                session.receiveLine(b"AUTH"), [Reply(b"+OK mechanisms follow\r\nCRAM-MD5\r\n.\r\n")]
            )
        only = Situation(passwordsHere=False, startTLS=True)
        self.assertEqual(
            begun(only).receiveLine(b"AUTH"),
            [err(b"[AUTH] passwords are taken inside TLS only: give STLS first")],
        )

    def test_afterLogin(self) -> None:
        session = begun()
        session.receiveLine(b"AUTH PLAIN " + b64encode(b"\0karl\0secret"))
        session.authenticated(KARL)
        self.assertEqual(session.receiveLine(b"AUTH PLAIN"), [err(b"you are logged in already")])

    def test_userIsForgotten(self) -> None:
        session = begun()
        session.receiveLine(b"USER karl")
        session.receiveLine(b"AUTH PLAIN")
        session.receiveLine(b"*")
        self.assertEqual(session.receiveLine(b"PASS x"), [err(b"USER comes before PASS")])

    def test_cancel(self) -> None:
        """At any point, and as often as a program likes."""
        session = begun(badCommandsBeforeLogin=1)
        for name in MECHANISMS:
            session.receiveLine(b"AUTH " + name)
            self.assertEqual(session.receiveLine(b"*"), [CANCELLED])
            self.assertIs(session.state, State.AUTHORIZATION)
        self.assertEqual(session.receiveLine(b"AUTH PLAIN *"), [CANCELLED])
        session.receiveLine(b"AUTH LOGIN")
        session.receiveLine(b64encode(b"karl"))
        self.assertEqual(session.receiveLine(b"*"), [CANCELLED])
        self.assertEqual(session.receiveLine(b"CAPA")[0].octets[:3], b"+OK")  # type: ignore[union-attr]

    def test_strictBase64(self) -> None:
        """Foreign octets, missing or too much padding, bits left over, two forms."""
        good = b64encode(b"\0karl\0secretX")
        for bad in (b"=", b"%", b"AGth", b"AAAAA", b"AA==AA==", b"AB==", b" ", good + b"\xff"):
            session = begun()
            session.receiveLine(b"AUTH PLAIN")
            expected = err(b"PLAIN takes a name and a password between two NULs")
            self.assertEqual(session.receiveLine(bad), [expected if bad == b"AGth" else NOT_BASE64])
        self.assertEqual(begun().receiveLine(b"AUTH PLAIN AB=="), [NOT_BASE64])

    def test_badAnswersAreCounted(self) -> None:
        session = begun(badCommandsBeforeLogin=2)
        session.receiveLine(b"AUTH PLAIN")
        self.assertEqual(session.receiveLine(b"%"), [NOT_BASE64])
        session.receiveLine(b"AUTH PLAIN")
        self.assertEqual(session.receiveLine(b"%"), [NOT_BASE64, Disconnect("bad-commands")])

    def test_tooLong(self) -> None:
        session = begun()
        self.assertEqual(session.receiveLongLine(), [TOO_LONG])
        session.receiveLine(b"AUTH PLAIN")
        self.assertEqual(session.receiveLongLine(), [TOO_LONG])
        self.assertIs(session.state, State.AUTHORIZATION)

    def test_lineOctets(self) -> None:
        """As long as a token only where a token can be."""
        session = begun(commandOctets=1024, saslLineOctets=5000)
        for start, octets in ((b"", 1024), (b"AUTH ", 5000), (b"auTh x", 5000), (b"AUTHX", 1024)):
            self.assertEqual(session.lineOctets(start), octets)
        session.receiveLine(b"USER karl")
        self.assertEqual(session.lineOctets(b"AUTH "), 5000)
        session.receiveLine(b"AUTH PLAIN")
        self.assertEqual(session.lineOctets(b"zzzzz"), 5000)
        session.receiveLine(b64encode(b"\0karl\0secret"))
        session.authenticated(KARL)
        self.assertEqual(session.lineOctets(b"AUTH "), 1024)

    def test_answersAreNeverEchoed(self) -> None:
        for name in MECHANISMS:
            session = begun()
            session.receiveLine(b"AUTH " + name)
            for effect in session.receiveLine(b"enp6" * 100):
                octets = getattr(effect, "octets", b"")
                self.assertNotIn(b"enp6", octets)
                self.assertNotIn(b"zzz", octets)

    def test_secretsAreInNoRepr(self) -> None:
        for claim in (
            PasswordClaim("PLAIN", b"karl", b"topsecret"),
            DigestClaim("APOP", b"karl", b"<x>", b"topsecret"),
            TokenClaim("XOAUTH2", b"karl", b"topsecret"),
        ):
            self.assertNotIn("topsecret", repr(CheckClaim(claim)))


class PlainTests(ExchangeTestCase):
    def test_login(self) -> None:
        claim = PasswordClaim("PLAIN", b"karl", b"a secret")
        for authzid in (b"", b"karl"):
            session = self.check(b"PLAIN", [authzid + b"\0karl\0a secret"], [CheckClaim(claim)])
            self.assertEqual(session.authenticated(KARL), [WELCOME])
            self.assertIs(session.state, State.TRANSACTION)

    def test_fields(self) -> None:
        text = b"PLAIN takes a name and a password between two NULs"
        for answer in (b"", b"karl", b"\0karl", b"\0karl\0secret\0", b"\0karl\0se\0cret"):
            self.fails(b"PLAIN", answer, text)
        self.fails(b"PLAIN", b"eve\0karl\0secret", b"nobody logs in as somebody else here")
        self.fails(b"PLAIN", b"\0karl\0", b"this is no password")
        for name in (b"", b"a\nb", b"a\x7f", b"x" * 1025):
            self.fails(b"PLAIN", b"\0" + name + b"\0secret", b"this is no user name")
        self.fails(b"PLAIN", b"\0k\xe4rl\0secret", b"a user name is UTF-8")

    def test_longestPassword(self) -> None:
        """No longer than PASS can carry it: hashes are slow on 64 KiB."""
        password = b"x" * 1024
        claim = PasswordClaim("PLAIN", "kärl".encode(), password)
        self.check(b"PLAIN", ["\0kärl\0".encode() + password], [CheckClaim(claim)])
        self.fails(b"PLAIN", b"\0karl\0" + password + b"x", b"this is no password")

    def test_refusedAndNextMechanism(self) -> None:
        """A mail program falls through PLAIN, LOGIN and USER on one connection."""
        session = begun()
        session.receiveLine(b"AUTH PLAIN " + b64encode(b"\0karl\0wrong"))
        self.assertEqual(session.refused(Refusal.WRONG), [WRONG])
        session.receiveLine(b"AUTH LOGIN")
        session.receiveLine(b64encode(b"karl"))
        session.receiveLine(b64encode(b"wrong"))
        self.assertEqual(session.refused(Refusal.WRONG), [WRONG])
        session.receiveLine(b"USER karl")
        session.receiveLine(b"PASS wrong")
        self.assertEqual(session.refused(Refusal.WRONG), [WRONG])
        self.assertIs(session.state, State.AUTHORIZATION)

    def test_loginAttempts(self) -> None:
        session = begun(loginAttempts=2)
        for last in ([WRONG], [WRONG, Disconnect("login-attempts")]):
            session.receiveLine(b"AUTH PLAIN " + b64encode(b"\0karl\0wrong"))
            self.assertEqual(session.refused(Refusal.WRONG), last)


class LoginTests(ExchangeTestCase):
    def test_login(self) -> None:
        session = begun()
        self.assertEqual(session.receiveLine(b"AUTH LOGIN"), [plus(b"Username:")])
        self.assertEqual(session.receiveLine(b64encode(b"karl")), [plus(b"Password:")])
        claim = PasswordClaim("LOGIN", b"karl", b"secret")
        self.assertEqual(session.receiveLine(b64encode(b"secret")), [CheckClaim(claim)])
        self.assertEqual(session.authenticated(KARL), [WELCOME])

    def test_nameWithTheCommand(self) -> None:
        claim = PasswordClaim("LOGIN", b"karl", b"secret")
        self.check(b"LOGIN", [b"karl", b"secret"], [CheckClaim(claim)])

    def test_bad(self) -> None:
        self.fails(b"LOGIN", b"", b"this is no user name")
        self.check(b"LOGIN", [b"karl", b""], [err(b"this is no password")])
        self.check(b"LOGIN", [b"karl", b"a\0b"], [err(b"this is no password")])


class CramMD5Tests(ExchangeTestCase):
    def test_login(self) -> None:
        session = begun()
        self.assertEqual(session.receiveLine(b"AUTH CRAM-MD5"), [plus(CHALLENGE)])
        self.assertEqual(
            session.receiveLine(b64encode(b"karl der grosse " + b"0A" * 16)),
            [CheckClaim(DigestClaim("CRAM-MD5", b"karl der grosse", CHALLENGE, b"0a" * 16))],
        )
        self.assertEqual(session.authenticated(KARL), [WELCOME])

    def test_initialResponse(self) -> None:
        self.assertEqual(
            begun().receiveLine(b"AUTH CRAM-MD5 ="),
            [err(b"this mechanism takes no initial response")],
        )

    def test_bad(self) -> None:
        for answer in (b"", b"karl", b"karl 0a", b"karl " + b"0g" * 16, b" " + b"0a" * 16):
            session = begun()
            session.receiveLine(b"AUTH CRAM-MD5")
            self.assertEqual(
                session.receiveLine(b64encode(answer)),
                [err(b"CRAM-MD5 takes a name and a digest")],
            )


class ExternalTests(ExchangeTestCase):
    NAMES = ALL.certificateNames

    def test_login(self) -> None:
        """The name in the log is the wish, or else what the certificate says first."""
        for authzid, name in ((b"", b"karl@example.org"), (b"karl", b"karl")):
            claim = ExternalClaim("EXTERNAL", name, authzid, self.NAMES)
            session = self.check(b"EXTERNAL", [authzid], [CheckClaim(claim)])
            self.assertEqual(session.authenticated(KARL), [WELCOME])

    def test_bad(self) -> None:
        self.fails(b"EXTERNAL", b"a\0b", b"this is no user name")

    def test_onlyWithCertificate(self) -> None:
        for situation in (
            Situation(secure=True, certificates=True),
            Situation(secure=True, certificateNames=(b"karl",)),
        ):
            self.assertEqual(begun(situation).receiveLine(b"AUTH EXTERNAL ="), [NOT_OFFERED])


class OfferTests(TestCase):
    def test_wanted(self) -> None:
        """What the administrator does not want is neither listed nor taken."""
        situation = Situation(wanted=frozenset({b"PLAIN"}))
        self.assertEqual([each.name for each in offered(situation)], [b"PLAIN"])
        session = begun(situation)
        for line in (b"AUTH LOGIN", b"USER karl"):
            self.assertEqual(session.receiveLine(line), [NOT_OFFERED])
        both = Situation(wanted=frozenset({b"USER"}))
        self.assertEqual(begun(both).receiveLine(b"AUTH"), [NOT_OFFERED])
        self.assertEqual(begun(both).receiveLine(b"USER karl"), [Reply(b"+OK send PASS\r\n")])

    def test_all(self) -> None:
        self.assertEqual([each.name for each in offered(ALL)], list(MECHANISMS))
        self.assertEqual(offered(Situation(passwords=False)), [])


def lines() -> Iterator[st.SearchStrategy[bytes]]:
    """What comes into an exchange: anything, or base64 of anything, or nearly right."""
    yield st.binary(max_size=80)
    yield st.binary(max_size=80).map(b64encode)
    texts = (
        b"\0karl\0x",
        b"n,,n=karl,r=abc",
        b"c=biws,r=abcq6ur,p=AAAA",
        b"user=k\x01auth=Bearer t\x01\x01",
    )
    yield st.sampled_from([*map(b64encode, texts), b"*", b"=", b""])


class AnyInputTests(TestCase):
    @given(st.sampled_from(sorted(MECHANISMS)), st.lists(st.one_of(*lines()), max_size=6))
    def test_oneReplyALine(self, name: bytes, answers: list[bytes]) -> None:
        """Whatever is answered: nothing is raised, and each line has one reply."""
        session = begun(badCommandsBeforeLogin=1000)
        effects = session.receiveLine(b"AUTH " + name)
        for line in answers:
            self.settle(session, effects)
            effects = session.receiveLine(line)
        self.settle(session, effects)

    def settle(self, session: Session, effects: Effects) -> None:
        """Answer waits as for an unknown user, and look at the reply."""
        while session.state in WAITS:
            [wait] = effects
            if isinstance(wait, FetchVerifier):
                effects = session.verifierFetched(decoyVerifier(b"", wait.hashName, wait.name))
            else:
                effects = session.refused(Refusal.WRONG)
        [reply, *rest] = effects
        assert isinstance(reply, Reply)
        self.assertRegex(reply.octets, rb"\A(\+ |\+OK |-ERR )[\x20-\x7e]*\r\n")
        self.assertIn(rest, ([], [Disconnect("login-attempts")], [Disconnect("quit")]))
