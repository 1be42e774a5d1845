"""L{pop3svc.auth.credentials}: claims as checkers see them."""

import hashlib
import hmac
from typing import Any
from unittest import mock

from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.credentials import (
    IUsernameHashedPassword,
    IUsernamePassword,
    UsernamePassword,
)
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from pop3svc.auth import digests
from pop3svc.auth.credentials import (
    DigestedPassword,
    IBearerToken,
    ICertificateName,
    IFromPeer,
    IScramProof,
    credentialsOf,
    peerOf,
)
from pop3svc.auth.digests import writeScram
from pop3svc.auth.scram import checkProof, makeVerifier
from pop3svc.core.effects import (
    DigestClaim,
    ExternalClaim,
    PasswordClaim,
    ScramClaim,
    TokenClaim,
)

STAMP = b"<1896.697170952@postoffice.reston.mci.net>"


class CredentialsTests(TestCase):
    def of(self, claim: Any, kind: Any) -> Any:
        credentials = credentialsOf(claim)
        verifyObject(kind, credentials)
        return credentials

    def test_password(self) -> None:
        credentials = self.of(PasswordClaim("PLAIN", b"karl", b"secret"), IUsernamePassword)
        self.assertEqual((credentials.username, credentials.password), (b"karl", b"secret"))

    def test_passwordIsCompared(self) -> None:
        """In a time that does not depend on where they differ; text is not octets."""
        credentials = credentialsOf(PasswordClaim("PLAIN", b"karl", b"secret"))
        self.assertIs(credentials.checkPassword(b"secret"), True)
        for wrong in (b"Secret", b"secre", b"secret ", b"", "secret", None):
            self.assertIs(credentials.checkPassword(wrong), False)

    def test_constantTime(self) -> None:
        """Whatever compares secrets leaves it to what takes the same time for all."""
        sha = hashlib.sha256(b"secret").digest()
        verifier = makeVerifier("SHA-256", b"secret", b"salt of a user", 4096)
        password = credentialsOf(PasswordClaim("PLAIN", b"karl", b"secret"))
        apop = hashlib.md5(STAMP + b"secret").hexdigest().encode()
        digest = credentialsOf(DigestClaim("APOP", b"karl", STAMP, apop))
        raw = writeScram("SHA-256", verifier).partition("}")[2].encode()
        for compare in (
            lambda: password.checkPassword(b"secret"),
            lambda: digest.checkPassword(b"secret"),
            lambda: digests.clearText(b"secret")(b"secret"),
            lambda: digests.digest("sha256", False, sha)(b"secret"),
            lambda: digests.scram("SHA-256", raw)(b"secret"),
        ):
            with mock.patch.object(hmac, "compare_digest", return_value=True) as compared:
                self.assertIs(compare(), True)
            self.assertEqual(compared.call_count, 1)
        with mock.patch.object(hmac, "compare_digest", return_value=True) as compared:
            self.assertIs(checkProof(verifier, "SHA-256", b"message", b"x" * 32), True)
        self.assertEqual(compared.call_count, 1)

    def test_peer(self) -> None:
        """Each kind says where it comes from; those of others come from nowhere."""
        for claim in (
            PasswordClaim("PLAIN", b"karl", b"secret"),
            DigestClaim("APOP", b"karl", STAMP, b"d"),
            TokenClaim("XOAUTH2", b"karl", b"t"),
            ExternalClaim("EXTERNAL", b"k@x", b"", (b"k@x",)),
            ScramClaim("SCRAM-SHA-1", b"karl", "SHA-1", b"m", b"p"),
        ):
            credentials = credentialsOf(claim, "192.0.2.7")
            verifyObject(IFromPeer, credentials)
            self.assertEqual(peerOf(credentials), "192.0.2.7")
            self.assertEqual(peerOf(credentialsOf(claim)), "unknown")
        foreign: Any = UsernamePassword(b"karl", b"secret")
        foreign.peer = "192.0.2.7"
        self.assertEqual(peerOf(foreign), "unknown")

    def test_token(self) -> None:
        credentials = self.of(TokenClaim("XOAUTH2", b"karl", b"t"), IBearerToken)
        self.assertEqual((credentials.username, credentials.token), (b"karl", b"t"))

    def test_certificate(self) -> None:
        """The wish is the client's; the names are the certificate's."""
        claim = ExternalClaim("EXTERNAL", b"k@x", b"", (b"k@x", b"k"))
        credentials = self.of(claim, ICertificateName)
        self.assertEqual((credentials.username, credentials.names), (b"", (b"k@x", b"k")))

    def test_scram(self) -> None:
        claim = ScramClaim("SCRAM-SHA-1-PLUS", b"karl", "SHA-1", b"m", b"p")
        credentials = self.of(claim, IScramProof)
        self.assertEqual((credentials.username, credentials.hashName), (b"karl", "SHA-1"))

    def test_digestOfRFC2195(self) -> None:
        claim = DigestClaim("CRAM-MD5", b"tim", STAMP, b"b913a602c7eda7a495b4e6e7334d3890")
        credentials = self.of(claim, IUsernameHashedPassword)
        self.assertTrue(credentials.checkPassword(b"tanstaaftanstaaf"))
        self.assertFalse(credentials.checkPassword(b"tanstaaftanstaag"))

    def test_mechanismsAreNotMixedUp(self) -> None:
        digest = hashlib.md5(STAMP + b"secret").hexdigest().encode()
        for mechanism, good in (("APOP", True), ("CRAM-MD5", False)):
            credentials = DigestedPassword(DigestClaim(mechanism, b"karl", STAMP, digest))
            self.assertEqual(credentials.checkPassword(b"secret"), good)

    def test_twistedsChecker(self) -> None:
        checker = InMemoryUsernamePasswordDatabaseDontUse()
        checker.addUser(b"karl", b"secret")
        digest = hashlib.md5(STAMP + b"secret").hexdigest().encode()
        credentials = credentialsOf(DigestClaim("APOP", b"karl", STAMP, digest))
        self.assertEqual(self.successResultOf(checker.requestAvatarId(credentials)), b"karl")
