"""
Python's poplib, the client inside getmail, Discourse's importers and many a
script.
"""

from __future__ import annotations

import poplib
import ssl
from collections.abc import Sequence

from .harness import HOST, IMPLICIT, LOOPBACK, PASSWORD, PLAIN, STLS, USER, LiveService, Way
from .scenario import ClientTestCase


def connect(service: LiveService, way: Way) -> poplib.POP3:
    """A client that nobody has logged in yet."""
    context = ssl.create_default_context(cafile=str(service.authority))
    if way.implicit:
        return poplib.POP3_SSL(HOST, service.port(way), context=context, timeout=30)
    client = poplib.POP3(HOST if way.tls else LOOPBACK, service.port(way), timeout=30)
    if way.stls:
        client.stls(context)
    return client


def login(service: LiveService, way: Way) -> poplib.POP3:
    """A client that is logged in as L{USER}."""
    client = connect(service, way)
    client.user(USER)
    client.pass_(PASSWORD)
    return client


class PoplibTests(ClientTestCase):
    program = "poplib"

    def setUp(self) -> None:
        super().setUp()
        self.seen: set[bytes] = set()

    def test_polls(self) -> None:
        self.checkPolls(PLAIN, STLS, IMPLICIT)

    def poll(self, way: Way, keep: bool) -> Sequence[bytes]:
        client = login(self.service, way)
        fetched = []
        for line in client.uidl()[1]:
            number, uniqueId = line.split()
            if uniqueId not in self.seen:
                # poplib hands out lines without their CRLF.
                fetched.append(b"".join(each + b"\r\n" for each in client.retr(int(number))[1]))
                self.seen.add(uniqueId)
            if not keep:
                client.dele(int(number))
        client.quit()
        return fetched

    def forget(self) -> None:
        self.seen.clear()
