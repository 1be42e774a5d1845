"""
Somebody with telnet, or with openssl s_client.
"""

from __future__ import annotations

from collections.abc import Sequence

from .harness import IMPLICIT, PLAIN, STLS, USER, Way
from .messages import Maildir
from .scenario import ClientTestCase
from .wire import Wire


class RawTests(ClientTestCase):
    program = "raw"

    def setUp(self) -> None:
        super().setUp()
        self.seen: set[bytes] = set()

    def test_polls(self) -> None:
        self.checkPolls(PLAIN, STLS, IMPLICIT)

    def test_bareLF(self) -> None:
        """A telnet without CR gets the same answers."""
        self.service = self.serve()
        Maildir(self.service.maildirs / USER)
        wire = Wire(self.service)
        for command in (b"USER karl", b"PASS secret", b"STAT", b"QUIT"):
            self.assertEqual(wire.ask(command, end=b"\n")[:3], b"+OK")
        wire.close()

    def test_hangUp(self) -> None:
        """RFC 1939 section 6: who goes without QUIT has deleted nothing."""
        self.service = self.serve()
        maildir = Maildir(self.service.maildirs / USER)
        maildir.deliver(b"Subject: here to stay\n\n")
        for way in (PLAIN, STLS, IMPLICIT):
            wire = Wire(self.service, way)
            wire.login()
            wire.expect(b"DELE 1", b"+OK")
            # Half of a QUIT is none.
            wire.send(b"QUIT")
            wire.close()
            again = Wire(self.service, way)
            again.loginSoon()
            again.expect(b"STAT", b"+OK 1 ")
            again.quit()

    def poll(self, way: Way, keep: bool) -> Sequence[bytes]:
        wire = Wire(self.service, way)
        wire.login()
        wire.expect(b"UIDL", b"+OK")
        fetched = []
        for listing in wire.rest().splitlines():
            number, uniqueId = listing.split()
            if uniqueId not in self.seen:
                fetched.append(wire.retrieve(int(number)))
                self.seen.add(uniqueId)
            if not keep:
                wire.expect(b"DELE " + number, b"+OK")
        wire.quit()
        return fetched

    def forget(self) -> None:
        self.seen.clear()
