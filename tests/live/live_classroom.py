"""
The two sessions that this project grew from, word for word over raw sockets
against C{--demo}.
"""

from __future__ import annotations

from .harness import IMPLICIT, PLAIN, STLS, LiveTestCase
from .messages import Maildir, canonical
from .wire import Wire


class ClassroomTests(LiveTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.demo = self.directory / "demo"
        self.service = self.serve("--demo", "--demo-directory", str(self.demo))

    def test_karl(self) -> None:
        """RFC 1939 section 10, with USER and PASS."""
        first, second = self._stored("karl")
        wire = Wire(self.service, PLAIN)
        self.assertEqual(wire.greeting, b"+OK pop3svc ready")
        self._say(wire, b"USER karl", b"+OK send PASS")
        self._say(wire, b"PASS secret", b"+OK maildrop has 2 messages (320 octets)")
        self._say(wire, b"STAT", b"+OK 2 320")
        self._say(wire, b"LIST", b"+OK 2 messages (320 octets)", b"1 120\r\n2 200\r\n")
        self._say(wire, b"RETR 1", b"+OK 120 octets", first)
        self._say(wire, b"DELE 1", b"+OK message 1 deleted")
        self._say(wire, b"RETR 2", b"+OK 200 octets", second)
        self._say(wire, b"DELE 2", b"+OK message 2 deleted")
        self.assertEqual(wire.quit(), b"+OK pop3svc signing off (maildrop empty)")

        again = Wire(self.service, PLAIN)
        self.assertEqual(again.login("karl", "secret"), b"+OK maildrop has 0 messages (0 octets)")
        self._say(again, b"STAT", b"+OK 0 0")
        self._say(again, b"LIST", b"+OK 0 messages (0 octets)", b"")
        self.assertEqual(again.quit(), b"+OK pop3svc signing off (maildrop empty)")
        self.assertEqual(self._stored("karl"), [])

    def test_joebloggs(self) -> None:
        """The second session, on each way; the last one deletes."""
        (letter,) = self._stored("joebloggs")
        self.assertEqual(len(letter), 4578)
        self.assertTrue(letter.startswith(b"From: jinx@foo.com\r\nTo: joe@bloggs.com\r\n"))
        for way in (STLS, IMPLICIT, PLAIN):
            wire = Wire(self.service, way)
            wire.login("joebloggs", "iluvjane")
            self._say(wire, b"STAT", b"+OK 1 4578")
            self._say(wire, b"RETR 1", b"+OK 4578 octets", letter)
            if way is not PLAIN:
                self.assertEqual(wire.quit(), b"+OK pop3svc signing off (1 message left)")
        self._say(wire, b"DELE 1", b"+OK message 1 deleted")
        self.assertEqual(wire.quit(), b"+OK pop3svc signing off (maildrop empty)")
        self.assertEqual(self._stored("joebloggs"), [])

    def _say(self, wire: Wire, command: bytes, answer: bytes, rest: bytes | None = None) -> None:
        """@param rest: what follows the first line of a multi-line answer."""
        self.assertEqual(wire.ask(command), answer)
        if rest is not None:
            self.assertEqual(wire.rest(), rest)

    def _stored(self, user: str) -> list[bytes]:
        """The user's messages, as a client has to get them."""
        maildir = Maildir(self.demo / "maildrops" / user / "Maildir")
        return [canonical(each) for each in maildir.stored()]
