"""L{pop3svc.auth.certificate}: the certificate alone says who somebody is."""

from typing import Any

from twisted.trial.unittest import TestCase

from pop3svc.auth.certificate import CertificateChecker
from pop3svc.auth.credentials import CertificateName
from pop3svc.core.effects import ExternalClaim
from pop3svc.errors import LoginRefused

NAMES = (b"karl@example.org", b"example.org", b"Karl")


class CertificateCheckerTests(TestCase):
    def ask(self, wanted: bytes, names: tuple[bytes, ...] = NAMES) -> Any:
        claim = ExternalClaim("EXTERNAL", wanted, wanted, names)
        return CertificateChecker().requestAvatarId(CertificateName(claim))

    def test_nameOfTheCertificate(self) -> None:
        for name in NAMES:
            self.assertEqual(self.successResultOf(self.ask(name)), name)

    def test_noWish(self) -> None:
        self.assertEqual(self.successResultOf(self.ask(b"")), NAMES[0])

    def test_anotherName(self) -> None:
        for wanted in (b"joe@example.org", b"karl", b"KARL@example.org", b"karl@example.org "):
            self.failureResultOf(self.ask(wanted), LoginRefused)

    def test_noNames(self) -> None:
        for wanted in (b"", b"karl"):
            self.failureResultOf(self.ask(wanted, ()), LoginRefused)
