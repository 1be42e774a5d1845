"""
openssl s_client with a client certificate.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable

from tests.pki import Authority

from .harness import IMPLICIT, STLS, USER, Way
from .logins import TLS_WAYS, LoginTestCase
from .sclient import SClient


def always(answer: bytes) -> Callable[[bytes], bytes]:
    """The same answer to each challenge."""
    return lambda challenge: answer


class ExternalTests(LoginTestCase):
    command = b"AUTH EXTERNAL ="
    options: tuple[str, ...] = ()

    def test_certificateAlone(self) -> None:
        """C{=} is an empty initial response: the certificate says who it is."""
        self.checkLogins(["EXTERNAL"], TLS_WAYS)
        # The same with the name asked for.
        self.command = b"AUTH EXTERNAL " + b64encode(USER.encode())
        self.checkLogins(["EXTERNAL"], TLS_WAYS)

    def test_twoLines(self) -> None:
        for way in TLS_WAYS:
            for answer in (b"", USER.encode()):
                client = self._client(way, self.certificate)
                reply = client.authenticate("EXTERNAL", [always(answer)])
                self.assertEqual(reply[:3], b"+OK")
                client.expect(b"QUIT", b"+OK")

    def test_TLS12(self) -> None:
        """The certificate is shown within the handshake, and not behind it."""
        self.options = ("-tls1_2",)
        self.checkLogins(["EXTERNAL"], TLS_WAYS, tls="TLSv1.2")

    def test_otherName(self) -> None:
        client = self._client(IMPLICIT, self.certificate)
        client.expect(b"AUTH EXTERNAL " + b64encode(b"walter"), b"-ERR [AUTH]")
        (refused,) = self.service.events("login-refused")
        self.assertEqual(
            (refused["user"], refused["mechanism"], refused["reason"]),
            ("walter", "EXTERNAL", "wrong"),
        )
        # Refused once, but not kept out.
        client.expect(b"AUTH EXTERNAL =", b"+OK")

    def test_otherAuthority(self) -> None:
        """A certificate of any other authority ends the connection."""
        foreign = Authority("clients").issue(str(self.directory / "foreign.pem"), USER)
        for way in TLS_WAYS:
            with self.assertRaises(ConnectionError):
                self._client(way, foreign).ask(b"AUTH EXTERNAL =")
        self.assertEqual(self.service.events("login"), [])

    def test_none(self) -> None:
        """Who has no certificate is served as before, without EXTERNAL."""
        client = SClient(self.service, STLS)
        self.addCleanup(client.close)
        client.expect(b"AUTH EXTERNAL =", b"-ERR")
        client.login()

    def logIn(self, way: Way, mechanism: str) -> int:
        client = self._client(way, self.certificate)
        client.expect(self.command, b"+OK")
        messages = int(client.expect(b"STAT", b"+OK").split()[1])
        client.expect(b"QUIT", b"+OK")
        return messages

    def _client(self, way: Way, certificate: str) -> SClient:
        client = SClient(self.service, way, "-cert", certificate, *self.options)
        self.addCleanup(client.close)
        return client
