"""
L{pop3svc.migration.server}: another server over POP3, and whom a password is told to.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pop3svc.errors import SettingError
from pop3svc.migration.server import Address, OldServer, Trust, isAddress

from .oldserver import OtherServer
from .pki import Authority

MESSAGES = [b"Subject: one\r\n\r\n.\r\n..\r\n", b"Subject: two\r\n\r\n" + b"x" * 9000 + b"\r\n"]
IDS = [b"A", b"B\xff c"]


class AddressTests(SynchronousTestCase):
    def test_parse(self) -> None:
        for text, expected in [
            ("pop3://karl@h", (False, "karl", "h", 110)),
            ("pop3s://karl@h/", (True, "karl", "h", 995)),
            (
                "pop3s://karl@example.org@h.example:1995",
                (True, "karl@example.org", "h.example", 1995),
            ),
            ("pop3s://karl@[::1]:1995", (True, "karl", "::1", 1995)),
        ]:
            found = Address.parse(text)
            self.assertEqual((found.tls, found.user, found.host, found.port), expected)
            self.assertTrue(isAddress(text))
        self.assertEqual(Address.parse("pop3://h", "joe").user, "joe")
        self.assertEqual(Address.parse("pop3://karl@h", "joe").user, "karl")
        self.assertFalse(isAddress("maildir:/var/mail/{user}"))

    def test_wrong(self) -> None:
        shape = "is no pop3://USER@HOST:PORT or pop3s://USER@HOST:PORT"
        for text, sentence in [
            ("imap://karl@h", shape),
            ("pop3://karl@", shape),
            ("pop3://karl@h:x", shape),
            ("pop3://h", "say whose maildrop: pop3://USER@h"),
            ("pop3://karl:secret@h", "a password does not belong on the command line"),
            ("pop3://ka\nrl@h", shape),
            ("pop3://ka\trl@h", "'ka\\trl' is no user name"),
            ("pop3://karl@h:0", "0 is no port"),
            ("pop3://karl@h:65536", "65536 is no port"),
        ]:
            error = self.assertRaises(SettingError, Address.parse, text)
            self.assertIn(sentence, str(error))
            self.assertNotIn("secret", str(error))


class OldServerTests(SynchronousTestCase):
    """@ivar trust: nobody but our own authority."""

    def setUp(self) -> None:
        directory = Path(self.mktemp())
        directory.mkdir()
        authority = Authority()
        authority.issue(str(directory / "server.pem"), "localhost")
        self.authorities = authority.save(str(directory / "authority.pem"))
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(directory / "server.pem")
        self.trust = Trust.of(self.authorities, True, False)

    def address(self, other: OtherServer, tls: bool = False, host: str = "localhost") -> Address:
        return Address(tls, "karl", host, other.port)

    def test_listing(self) -> None:
        """Inside TLS; what is no unique-id comes as it is, and nothing is removed."""
        with OtherServer(MESSAGES, IDS, self.tls) as other:
            with OldServer(self.address(other, tls=True), "secret", self.trust) as server:
                self.assertEqual(server.octets, [len(each) for each in MESSAGES])
                self.assertEqual(server.uniqueIds, IDS)
                self.assertEqual(server.header(0), [b"Subject: one", b""])
                self.assertEqual(server.message(0), [b"Subject: one", b"", b".", b".."])
                # More than the library takes of itself.
                self.assertEqual(server.message(1)[2], b"x" * 9000)
            self.assertEqual(
                [each.split()[0] for each in other.commands],
                [b"USER", b"PASS", b"LIST", b"UIDL", b"TOP", b"RETR", b"RETR", b"QUIT"],
            )

    def test_withoutTop(self) -> None:
        with OtherServer(MESSAGES, IDS, self.tls) as other:
            other.refused.add(b"TOP")
            with OldServer(self.address(other, tls=True), "secret", self.trust) as server:
                self.assertEqual(server.header(0), [b"Subject: one", b"", b".", b".."])

    def test_stls(self) -> None:
        """Used wherever it is offered."""
        with OtherServer(MESSAGES, IDS, self.tls, [b"USER", b"STLS"]) as other:
            with OldServer(self.address(other), "secret", self.trust) as server:
                self.assertEqual(server.uniqueIds, IDS)
            self.assertEqual(other.commands[2:4], [b"STLS", b"USER karl"])

    def test_clear(self) -> None:
        """The password does not go out in the clear, unless somebody wants that."""
        for capabilities in ((), (b"USER",)):
            with OtherServer(MESSAGES, IDS, capabilities=capabilities) as other:
                error = self.fails(self.address(other))
                self.assertIn("has no TLS at port", error)
                self.assertEqual(other.commands, [b"CAPA"])
                trust = Trust.of(None, True, True)
                with OldServer(self.address(other), "secret", trust) as server:
                    self.assertEqual(server.uniqueIds, IDS)

    def test_notVerified(self) -> None:
        """Another authority, or another name; and neither hears of the password."""
        for host, trust in (
            ("localhost", Trust.of(None, True, True)),
            ("127.0.0.1", self.trust),
        ):
            for capabilities in ((), (b"STLS",)):
                with OtherServer(MESSAGES, IDS, self.tls, capabilities) as other:
                    address = self.address(other, tls=not capabilities, host=host)
                    error = self.assertRaises(SettingError, OldServer, address, "secret", trust)
                    self.assertIn(f"the certificate of {host} is not verified", str(error))
                    self.assertEqual([each for each in other.commands if b"PASS" in each], [])
        with OtherServer(MESSAGES, IDS, self.tls) as other:
            address = self.address(other, tls=True, host="127.0.0.1")
            with OldServer(address, "secret", Trust.of(None, False, False)) as server:
                self.assertEqual(server.uniqueIds, IDS)

    def test_authorities(self) -> None:
        for path in ("/nowhere/x.pem", __file__):
            error = self.assertRaises(SettingError, Trust.of, path, True, False)
            self.assertIn(f"{path} has no certificates of authorities", str(error))

    def test_troubles(self) -> None:
        """One sentence each."""
        self.trust = Trust.of(None, True, True)
        with OtherServer(MESSAGES, IDS) as other:
            address = self.address(other)
            for command, what in (
                (b"PASS", "log in"),
                (b"LIST", "LIST"),
                (b"UIDL", "UIDL"),
            ):
                other.refused = {command}
                expected = f"karl at localhost: {what} failed (-ERR no such thing)"
                self.assertEqual(self.fails(address), expected)
            other.refused = set()
            other.uniqueIds = IDS[:1]
            sentence = "karl at localhost: LIST and UIDL do not list the same messages"
            self.assertEqual(self.fails(address), sentence)
            other.uniqueIds = [b"", b""]
            self.assertIn("UIDL failed", self.fails(address))
        self.assertEqual(
            self.fails(address), "karl at localhost: connect failed (Connection refused)"
        )

    def fails(self, address: Address) -> str:
        return str(self.assertRaises(SettingError, OldServer, address, "secret", self.trust))
