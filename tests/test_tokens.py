"""L{pop3svc.core.tokens}: OAUTHBEARER and XOAUTH2, as lists of effects."""

from base64 import b64encode

from pop3svc.core.effects import CheckClaim, Disconnect, Reply, TokenClaim
from pop3svc.core.replies import Refusal, refused
from pop3svc.core.states import State
from pop3svc.core.tokens import TOKEN_OCTETS
from pop3svc.limits import Limits

from .test_sasl import KARL, WELCOME, WRONG, ExchangeTestCase, begun, plus


class TokenTests(ExchangeTestCase):
    BEARER = b"n,a=karl,\x01host=mail.example.org\x01port=995\x01auth=Bearer abc.def=\x01\x01"
    XOAUTH2 = b"user=karl\x01auth=Bearer abc.def=\x01\x01"

    def test_login(self) -> None:
        for mechanism, answer in ((b"OAUTHBEARER", self.BEARER), (b"XOAUTH2", self.XOAUTH2)):
            claim = TokenClaim(mechanism.decode(), b"karl", b"abc.def=")
            session = self.check(mechanism, [answer], [CheckClaim(claim)])
            self.assertEqual(session.authenticated(KARL), [WELCOME])

    def test_refused(self) -> None:
        """A reason as JSON, any answer, and only then -ERR."""
        for mechanism, answer, reason in (
            (b"OAUTHBEARER", self.BEARER, b'{"status":"invalid_token"}'),
            (b"XOAUTH2", self.XOAUTH2, b'{"status":"400","schemes":"Bearer","scope":""}'),
        ):
            for dummy in (b"AQ==", b"", b"*", b"not base64", b"e30="):
                session = begun(badCommandsBeforeLogin=1)
                session.receiveLine(b"AUTH " + mechanism + b" " + b64encode(answer))
                self.assertEqual(session.refused(Refusal.WRONG), [plus(reason)])
                self.assertEqual(session.receiveLine(dummy), [WRONG])
                self.assertIs(session.state, State.AUTHORIZATION)

    def test_refusedTooOften(self) -> None:
        session = begun(loginAttempts=1)
        session.receiveLine(b"AUTH XOAUTH2 " + b64encode(self.XOAUTH2))
        session.refused(Refusal.WRONG)
        self.assertEqual(session.receiveLine(b"AQ=="), [WRONG, Disconnect("login-attempts")])

    def test_otherRefusals(self) -> None:
        """The token is good: no reason to throw it away."""
        for why in (Refusal.IN_USE, Refusal.TEMPORARY, Refusal.PERMANENT):
            session = begun()
            session.receiveLine(b"AUTH XOAUTH2 " + b64encode(self.XOAUTH2))
            self.assertEqual(session.refused(why), [Reply(refused(why))])

    def test_withoutName(self) -> None:
        claim = TokenClaim("OAUTHBEARER", b"", b"t")
        self.check(b"OAUTHBEARER", [b"n,,\x01auth=bearer t\x01\x01"], [CheckClaim(claim)])
        self.fails(b"XOAUTH2", b"auth=Bearer t\x01\x01", b"this is no user name")

    def test_escapedName(self) -> None:
        answer = b"n,a=k=2Cr=3Dl,\x01auth=Bearer t\x01\x01"
        claim = TokenClaim("OAUTHBEARER", b"k,r=l", b"t")
        self.check(b"OAUTHBEARER", [answer], [CheckClaim(claim)])
        for name in (b"k=2c", b"k=", b"k=41"):
            self.fails(
                b"OAUTHBEARER",
                b"n,a=" + name + b",\x01auth=Bearer t\x01\x01",
                b"this is no user name",
            )

    def test_bad(self) -> None:
        header = b"the answer has no GS2 header"
        for answer in (b"", b"n", b"n,,x\x01", b"z,,\x01", b"n,b=karl,\x01", b"n,,,\x01"):
            self.fails(b"OAUTHBEARER", answer, header)
        self.fails(
            b"OAUTHBEARER",
            b"p=tls-exporter,,\x01auth=Bearer t\x01\x01",
            b"OAUTHBEARER does not bind to the channel",
        )
        self.fails(b"OAUTHBEARER", b"n,,\x01auth=Bearer t\x01", b"the answer is not complete")
        self.fails(
            b"XOAUTH2",
            b"user=karl\x01user=eve\x01auth=Bearer t\x01\x01",
            b"a field stands twice in the answer",
        )
        for token in (b"auth=Basic t", b"auth=Bearer ", b"auth=Bearer a b", b"auth=", b"x=y"):
            self.fails(
                b"XOAUTH2", b"user=karl\x01" + token + b"\x01\x01", b"this is no bearer token"
            )

    def test_longestToken(self) -> None:
        """64 KiB, which fit with the command and a long name into the line's limit."""
        token = b"x" * TOKEN_OCTETS
        answer = b"user=karl\x01auth=Bearer " + token + b"\x01\x01"
        self.check(b"XOAUTH2", [answer], [CheckClaim(TokenClaim("XOAUTH2", b"karl", token))])
        line = b"AUTH OAUTHBEARER " + b64encode(answer + b"n" * 300) + b"\r\n"
        self.assertLess(len(line), Limits().saslLineOctets)
        self.fails(b"XOAUTH2", answer.replace(b"Bearer ", b"Bearer y"), b"this is no bearer token")
