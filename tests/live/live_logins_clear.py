"""
Passwords are never taken in the clear; what does not show them still is.
"""

from __future__ import annotations

from poplib import error_proto

from .curl import LOGIN_DENIED, Curl
from .harness import PASSWORD, PLAIN, STLS, USER, LiveTestCase
from .live_poplib import connect
from .messages import Maildir
from .mpop import Mpop
from .wire import Wire

_REVEALING = {"PLAIN", "LOGIN"}
# sysexits.h: EX_UNAVAILABLE and EX_NOPERM
_NOT_OFFERED = (69, 77)


class ClearTextTests(LiveTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.service = self.serve("--apop", "--clear-text-logins", "never")
        Maildir(self.service.maildirs / USER)

    def test_offered(self) -> None:
        """USER, PLAIN and LOGIN are listed inside TLS alone."""
        inTheClear = _capabilities(Wire(self.service, PLAIN))
        self.assertEqual(inTheClear.get("USER"), None)
        self.assertEqual(inTheClear["STLS"], set())
        inside = _capabilities(Wire(self.service, STLS))
        self.assertEqual(inside["USER"], set())
        mechanisms = {each for each in inside["SASL"] if not each.endswith("-PLUS")}
        self.assertEqual(mechanisms - inTheClear["SASL"], _REVEALING)
        self.assertEqual(
            inTheClear["SASL"], {"CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"} & mechanisms
        )

    def test_poplib(self) -> None:
        client = connect(self.service, PLAIN)
        with self.assertRaises(error_proto) as raised:
            client.user(USER)
        self.assertIn("give STLS first", str(raised.exception))
        client.apop(USER, PASSWORD)
        client.quit()
        self._checkLogins(["APOP"])

    def test_curl(self) -> None:
        """Whatever curl is told to do, it does not get in with a password."""
        curl = Curl(self.directory)
        for name in ("PLAIN", "LOGIN"):
            for initial in ([], ["--sasl-ir"]):
                options = ("--login-options", f"AUTH={name}", *initial)
                curl.ask(self.service, PLAIN, *options, statuses=(LOGIN_DENIED,))
        # Left to itself it finds something.
        curl.ask(self.service, PLAIN)
        self._checkLogins(["CRAM-MD5"])

    def test_mpop(self) -> None:
        mpop = Mpop(self.directory)
        for auth in ("user", "plain", "login"):
            mpop.poll(self.service, PLAIN, True, auth=auth, statuses=_NOT_OFFERED)
        for auth in ("cram-md5", "apop", "scram-sha-1", "scram-sha-256"):
            mpop.poll(self.service, PLAIN, True, auth=auth)
        self._checkLogins(["CRAM-MD5", "APOP", "SCRAM-SHA-1", "SCRAM-SHA-256"])

    def _checkLogins(self, mechanisms: list[str]) -> None:
        logins = self.service.events("login")
        self.assertEqual(
            [(each["mechanism"], each["tls"]) for each in logins],
            [(each, "none") for each in mechanisms],
        )


def _capabilities(wire: Wire) -> dict[str, set[str]]:
    wire.expect(b"CAPA", b"+OK")
    lines = [each.split() for each in wire.rest().decode("ascii").splitlines()]
    wire.quit()
    return {words[0]: set(words[1:]) for words in lines}
