"""
mpop logs in. GNU SASL speaks for it, though without channel binding.
"""

from __future__ import annotations

from .harness import PASSWORD, Way
from .logins import TLS_WAYS, LoginTestCase
from .mpop import Mpop


class MpopLoginTests(LoginTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.mpop = Mpop(self.directory)

    def test_logins(self) -> None:
        self.checkLogins(["USER", "PLAIN", "LOGIN", "CRAM-MD5", "APOP", "SCRAM-SHA-1"])
        self.checkLogins(["SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2"])
        self.checkLogins(["EXTERNAL"], TLS_WAYS)

    def logIn(self, way: Way, mechanism: str) -> int:
        self.mpop.forget()
        messages = self.mpop.poll(
            self.service,
            way,
            keep=True,
            auth=mechanism.lower(),
            password=self.token if mechanism in ("OAUTHBEARER", "XOAUTH2") else PASSWORD,
            certificate=self.certificate if mechanism == "EXTERNAL" else "",
        )
        return len(messages)
