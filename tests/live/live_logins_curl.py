"""
curl logs in. It is told the mechanism, with an initial response and without.
"""

from __future__ import annotations

import time

from .curl import LOGIN_DENIED, Curl
from .harness import IMPLICIT, PASSWORD, STLS, Way
from .logins import TLS_WAYS, LoginTestCase

# XOAUTH2 it takes only where there is no OAUTHBEARER.
_CLIENT_FIRST = ("PLAIN", "LOGIN", "OAUTHBEARER")
_LOG_SECONDS = 1.1


class CurlLoginTests(LoginTestCase):
    initialResponse = False

    def setUp(self) -> None:
        super().setUp()
        self.curl = Curl(self.directory)

    def test_logins(self) -> None:
        self.checkLogins([*_CLIENT_FIRST, "CRAM-MD5", "APOP"])
        self.checkLogins(["EXTERNAL"], TLS_WAYS)

    def test_initialResponses(self) -> None:
        self.initialResponse = True
        self.checkLogins(_CLIENT_FIRST)
        self.checkLogins(["EXTERNAL"], TLS_WAYS)

    def test_refused(self) -> None:
        """Also behind the reason in JSON that a token is refused with."""
        self.token += "x"
        for mechanism in (*_CLIENT_FIRST, "CRAM-MD5", "APOP"):
            self.curl.ask(
                self.service,
                STLS,
                *self._options(mechanism),
                password="wrong",
                statuses=(LOGIN_DENIED,),
            )
            # Of a user's refusals from one network the log tells one a second.
            time.sleep(_LOG_SECONDS)
            refused = self.service.events("login-refused")[-1]
            self.assertEqual((refused["mechanism"], refused["reason"]), (mechanism, "wrong"))
        self.assertEqual(self.service.events("login"), [])

    def test_noCertificate(self) -> None:
        """EXTERNAL is offered to nobody who has shown none."""
        options = ["--login-options", "AUTH=EXTERNAL"]
        self.curl.ask(self.service, IMPLICIT, *options, password="", statuses=(LOGIN_DENIED,))

    def logIn(self, way: Way, mechanism: str) -> int:
        password = "" if mechanism == "EXTERNAL" else PASSWORD
        options = self._options(mechanism)
        return len(self.curl.ask(self.service, way, *options, password=password).splitlines())

    def _options(self, mechanism: str) -> list[str]:
        name = "+APOP" if mechanism == "APOP" else mechanism
        return [
            *("--login-options", f"AUTH={name}"),
            *(["--sasl-ir"] if self.initialResponse else []),
            *(["--oauth2-bearer", self.token] if mechanism == "OAUTHBEARER" else []),
            *(["--cert", self.certificate] if mechanism == "EXTERNAL" else []),
        ]
