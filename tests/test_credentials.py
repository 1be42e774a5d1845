"""L{pop3svc.auth.credentials}: claims as checkers see them."""

import hashlib
from typing import Any

from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.credentials import IUsernameHashedPassword, IUsernamePassword
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from pop3svc.auth.credentials import (
    DigestedPassword,
    IBearerToken,
    ICertificateName,
    IScramProof,
    credentialsOf,
)
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
