"""
SCRAM: L{pop3svc.core.scram} and L{pop3svc.auth.scram}, with the examples of the RFCs.
"""

from base64 import b64decode, b64encode
from typing import Any
from unittest.mock import patch

from twisted.trial.unittest import TestCase

from pop3svc.auth.credentials import ScramProof
from pop3svc.auth.scram import decoyVerifier, makeVerifier
from pop3svc.core.capabilities import Situation
from pop3svc.core.effects import CheckClaim, Disconnect, FetchVerifier, Reply, ScramClaim
from pop3svc.core.replies import Refusal, refused
from pop3svc.core.session import Session
from pop3svc.core.states import State
from pop3svc.interfaces import ScramVerifier
from pop3svc.limits import Limits
from pop3svc.snapshot import Snapshot

KARL = Snapshot([120, 200], [b"one", b"two"])
WELCOME = b"+OK maildrop has 2 messages (320 octets)\r\n"
WRONG = refused(Refusal.WRONG)

# RFC 7677 section 3
SALT = b64decode(b"W22ZaJ0SNY7soEsUEjb6gQ==")
SERVER_NONCE = b"%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
FIRST = b"n=user,r=rOprNGfwEbeRWgbNEkqO"
SERVER_FIRST = b"r=rOprNGfwEbeRWgbNEkqO" + SERVER_NONCE + b",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
FINAL = (
    b"c=biws,r=rOprNGfwEbeRWgbNEkqO"
    + SERVER_NONCE
    + b",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
)
SERVER_FINAL = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

BOTH = frozenset({"SHA-1", "SHA-256"})
BINDINGS = {"tls-exporter": b"x" * 32, "tls-server-end-point": b"y" * 32}
OPEN = Situation(scramHashes=BOTH)
BOUND = Situation(scramHashes=BOTH, secure=True, bindings=BINDINGS)


def begun(situation: Situation = OPEN, **limits: int) -> Session:
    return Session(situation, Limits(**limits), lambda octets: b"\xab" * octets)


def plus(octets: bytes) -> Reply:
    return Reply(b"+ %s\r\n" % b64encode(octets))


def err(text: bytes) -> Reply:
    return Reply(b"-ERR %s\r\n" % text)


class RFCTests(TestCase):
    """The example of RFC 7677 section 3, with its server's nonce."""

    def setUp(self) -> None:
        self.verifier = makeVerifier("SHA-256", b"pencil", SALT)
        self.session = begun()
        with patch("pop3svc.core.scram.b64encode", self.encode):
            [fetch] = self.session.receiveLine(b"AUTH SCRAM-SHA-256 " + b64encode(b"n,," + FIRST))
            self.assertEqual(fetch, FetchVerifier("SCRAM-SHA-256", b"user", "SHA-256"))
            self.assertIs(self.session.state, State.LOOKUP)
            self.assertEqual(self.session.verifierFetched(self.verifier), [plus(SERVER_FIRST)])

    def encode(self, octets: bytes) -> bytes:
        return SERVER_NONCE if octets == b"\xab" * 18 else b64encode(octets)

    def finish(self) -> ScramClaim:
        [check] = self.session.receiveLine(b64encode(FINAL))
        assert isinstance(check, CheckClaim) and isinstance(check.claim, ScramClaim)
        self.assertEqual((check.claim.mechanism, check.claim.name), ("SCRAM-SHA-256", b"user"))
        return check.claim

    def test_success(self) -> None:
        """POP3 has no success with data: our signature, an empty answer, +OK."""
        claim = self.finish()
        self.assertTrue(ScramProof(claim).checkVerifier(self.verifier))
        self.assertEqual(self.session.authenticated(KARL), [plus(SERVER_FINAL)])
        self.assertEqual(self.session.receiveLine(b""), [Reply(WELCOME)])
        self.assertIs(self.session.state, State.TRANSACTION)

    def test_wrong(self) -> None:
        """No signature for whoever does not know the password."""
        claim = self.finish()
        for other in (
            makeVerifier("SHA-256", b"pencils", SALT),
            makeVerifier("SHA-1", b"pencil", SALT),
        ):
            self.assertFalse(ScramProof(claim).checkVerifier(other))
        self.assertEqual(self.session.refused(Refusal.WRONG), [Reply(WRONG)])
        self.assertIs(self.session.state, State.AUTHORIZATION)

    def test_shortProof(self) -> None:
        claim = self.finish()
        short = ScramClaim("x", b"user", "SHA-256", claim.authMessage, claim.proof[:-1])
        self.assertFalse(ScramProof(short).checkVerifier(self.verifier))

    def test_clientDoubtsTheServer(self) -> None:
        """Anything but the empty answer ends the session, with the maildrop open."""
        for answer, text in (
            (b"*", b"login cancelled"),
            (b"AA==", b"nothing is left to be said"),
            (b"STAT now", b"this is not base64"),
        ):
            self.setUp()
            self.finish()
            self.session.authenticated(KARL)
            self.assertEqual(
                self.session.receiveLine(answer), [err(text), Disconnect("login-not-confirmed")]
            )
            self.assertEqual(self.session.receiveLine(b"STAT"), [])

    def test_secretsAreInNoRepr(self) -> None:
        text = repr(self.finish()) + repr(self.verifier)
        for secret in ("dHzbZ", "proof", "storedKey", "serverKey"):
            self.assertNotIn(secret, text)

    def test_rfc5802(self) -> None:
        """The keys of RFC 5802 section 5's example give its proof and signature."""
        verifier = makeVerifier("SHA-1", b"pencil", b64decode(b"QSXCR+Q6sek8bf92"))
        nonce = b"fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j"
        message = b"n=user,r=fyko+d2lbbFgONRv9qkxdawL,r=%s,s=QSXCR+Q6sek8bf92,i=4096,c=biws,r=%s"
        proof = b64decode(b"v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=")
        claim = ScramClaim("SCRAM-SHA-1", b"user", "SHA-1", message % (nonce, nonce), proof)
        self.assertTrue(ScramProof(claim).checkVerifier(verifier))


class BadMessageTests(TestCase):
    def first(self, message: bytes, situation: Situation = OPEN, name: bytes = b"") -> Any:
        session = begun(situation)
        mechanism = name or b"SCRAM-SHA-256"
        return session.receiveLine(b"AUTH " + mechanism + b" " + (b64encode(message) or b"="))

    def test_first(self) -> None:
        for message, text in (
            (b"", b"the answer has no GS2 header"),
            (b"n", b"the answer has no GS2 header"),
            (b"q,,n=a,r=b", b"the answer has no GS2 header"),
            (b"n,,", b"this is no first message of SCRAM"),
            (b"n,,n=karl", b"this is no first message of SCRAM"),
            (b"n,,r=b,n=karl", b"this is no first message of SCRAM"),
            (b"n,,n=karl,r=", b"this is no first message of SCRAM"),
            (b"n,,n=karl,r=a b", b"this is no first message of SCRAM"),
            (b"n,,m=x,n=karl,r=b", b"this is no first message of SCRAM"),
            (b"n,,n=karl,r=b,x", b"this is no first message of SCRAM"),
            (b"n,,n=karl,r=" + b"b" * 1025, b"this is no first message of SCRAM"),
            (b"n,,n=,r=b", b"this is no user name"),
            (b"n,,n=k=rl,r=b", b"this is no user name"),
            (b"n,,n=k\x01,r=b", b"this is no user name"),
            (b"n,a=eve,n=karl,r=b", b"nobody logs in as somebody else here"),
        ):
            self.assertEqual(self.first(message), [err(text)], message)

    def test_goodFirsts(self) -> None:
        for message, name in (
            (b"n,,n=karl,r=b", b"karl"),
            (b"y,a=karl,n=karl,r=b", b"karl"),
            (b"n,,n=k=2C=3D,r=b,x=extension", b"k,="),
        ):
            fetch = FetchVerifier("SCRAM-SHA-256", name, "SHA-256")
            self.assertEqual(self.first(message), [fetch])

    def test_bindingFlags(self) -> None:
        plusOnly = b"channel binding belongs to the -PLUS mechanisms"
        for name, flag, situation, text in (
            (b"SCRAM-SHA-256", b"p=tls-exporter", BOUND, plusOnly),
            (b"SCRAM-SHA-256-PLUS", b"n", BOUND, plusOnly),
            (b"SCRAM-SHA-256-PLUS", b"y", BOUND, plusOnly),
            # Somebody took the -PLUS mechanisms out of the list.
            (b"SCRAM-SHA-256", b"y", BOUND, b"channel binding is offered here"),
            (b"SCRAM-SHA-1", b"y", BOUND, b"channel binding is offered here"),
            (
                b"SCRAM-SHA-256-PLUS",
                b"p=tls-unique",
                BOUND,
                b"this channel binding is not known here",
            ),
            (b"SCRAM-SHA-256-PLUS", b"p=tls-exporter", OPEN, b"this is not offered here"),
        ):
            self.assertEqual(
                self.first(flag + b",,n=karl,r=b", situation, name), [err(text)], (name, flag)
            )

    def test_noDowngradeWhereNothingIsBound(self) -> None:
        """The administrator may not want -PLUS; then there is nothing to hide."""
        situation = Situation(
            scramHashes=BOTH, bindings=BINDINGS, wanted=frozenset({b"SCRAM-SHA-256"})
        )
        fetch = FetchVerifier("SCRAM-SHA-256", b"karl", "SHA-256")
        self.assertEqual(self.first(b"y,,n=karl,r=b", situation), [fetch])

    def test_final(self) -> None:
        ours = b64encode(b"\xab" * 18)
        final = b"this is no final message of SCRAM"
        for message, text in (
            (b"", final),
            (b"c=biws,r=b" + ours, final),
            (b"c=biws,r=b,p=AAAA", final),
            (b"c=biws,r=c" + ours + b",p=AAAA", final),
            (b"c=biws,r=b" + ours + b",p=AAAA,x=y", final),
            (b"c=biws,r=b" + ours + b",p=AAAAA", b"this is not base64"),
            (b"c=eSws,r=b" + ours + b",p=AAAA", b"the exchange belongs to another channel"),
        ):
            session = begun()
            session.receiveLine(b"AUTH SCRAM-SHA-256 " + b64encode(b"n,,n=karl,r=b"))
            session.verifierFetched(decoyVerifier(b"k", "SHA-256", b"karl"))
            self.assertEqual(session.receiveLine(b64encode(message)), [err(text)], message)
            self.assertIs(session.state, State.AUTHORIZATION)

    def test_verifierCannotBeFetched(self) -> None:
        session = begun()
        session.receiveLine(b"AUTH SCRAM-SHA-256 " + b64encode(b"n,,n=karl,r=b"))
        temporary = Reply(refused(Refusal.TEMPORARY))
        self.assertEqual(session.refused(Refusal.TEMPORARY), [temporary])
        self.assertIs(session.state, State.AUTHORIZATION)

    def test_noVerifierUnasked(self) -> None:
        with self.assertRaises(RuntimeError):
            begun().verifierFetched(decoyVerifier(b"k", "SHA-256", b"karl"))


class DecoyTests(TestCase):
    def test_sameForTheSameName(self) -> None:
        for hashName, size in (("SHA-1", 20), ("SHA-256", 32)):
            decoy = decoyVerifier(b"key", hashName, b"eve", (12, 10_000))
            self.assertEqual(decoy, decoyVerifier(b"key", hashName, b"eve", (12, 10_000)))
            self.assertEqual((len(decoy.salt), decoy.iterations), (12, 10_000))
            self.assertEqual((len(decoy.storedKey), len(decoy.serverKey)), (size, size))
        others = [
            decoyVerifier(b"key", "SHA-256", b"eva"),
            decoyVerifier(b"yek", "SHA-256", b"eve"),
            decoyVerifier(b"key", "SHA-1", b"eve"),
        ]
        salts = {each.salt for each in others} | {decoyVerifier(b"key", "SHA-256", b"eve").salt}
        self.assertEqual(len(salts), 4)

    def test_normalisation(self) -> None:
        """The same password from two keyboards (RFC 4013 section 2.2)."""
        composed, other = "pässwort".encode(), "pa\u0308sswort".encode()
        self.assertEqual(
            makeVerifier("SHA-256", composed, SALT), makeVerifier("SHA-256", other, SALT)
        )
        self.assertIsInstance(makeVerifier("SHA-256", b"\xff", SALT), ScramVerifier)
