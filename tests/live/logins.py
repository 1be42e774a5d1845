"""
What each login looks like to the service, whichever program logs in.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import product

from tests.oauthserver import AUDIENCE, ISSUER, claims, signingKey
from tests.pki import Authority

from .harness import IMPLICIT, PLAIN, STLS, USER, LiveTestCase, Way
from .messages import Maildir

ALL_WAYS = (PLAIN, STLS, IMPLICIT)
# A client certificate is shown in TLS alone.
TLS_WAYS = (STLS, IMPLICIT)
MESSAGES = 3


class LoginTestCase(LiveTestCase):
    """
    A program logs in by the mechanisms that it knows. A subclass says how.

    @ivar service: it takes L{USER}, the owner of C{MESSAGES} messages, by all
        mechanisms there are.
    @ivar certificate: a PEM file: the user's certificate with its key.
    @ivar token: for the user, good for some minutes.
    """

    def setUp(self) -> None:
        super().setUp()
        authority = Authority("clients")
        self.certificate = authority.issue(str(self.directory / "karl.pem"), USER)
        key = signingKey("ES256", "tests")
        self.token = key.sign(claims(email=USER)).decode()
        keys, settings = self.directory / "keys.json", self.directory / "oauth2.toml"
        keys.write_text(json.dumps({"keys": [key.public()]}))
        settings.write_text(
            f'jwks = "{keys}"\nissuer = "{ISSUER}"\naudience = "{AUDIENCE}"\nuser-claim = "email"\n'
        )
        self.service = self.serve(
            *("--auth", f"oauth2:{settings}", "--apop"),
            *("--client-ca", authority.save(str(self.directory / "clients.pem"))),
        )
        maildir = Maildir(self.service.maildirs / USER)
        maildir.deliver(*[b"Subject: one of some\n\n"] * MESSAGES)

    def logIn(self, way: Way, mechanism: str) -> int:
        """
        Log in, look, and leave all as it is.

        @param mechanism: as it stands in the audit log.
        @return: how many messages the program sees.
        """
        raise NotImplementedError

    def checkLogins(
        self, mechanisms: Sequence[str], ways: Sequence[Way] = ALL_WAYS, tls: str = "TLSv1.3"
    ) -> None:
        """
        By each of the mechanisms on each of the ways: the program is in.

        @param tls: the version where it is spoken.
        """
        for way, mechanism in product(ways, mechanisms):
            before = len(self.service.events("login"))
            seen = self.logIn(way, mechanism)
            logins = self.service.events("login")[before:]
            found = [(each["user"], each["mechanism"], each["tls"]) for each in logins]
            wanted = (USER, mechanism, tls if way.tls else "none")
            self.assertEqual((seen, found), (MESSAGES, [wanted]), f"way {way.name}")
