"""
getmail6. It keeps the unique-ids that it has seen in a file.
"""

from __future__ import annotations

from collections.abc import Sequence

from .getmail import Getmail
from .harness import IMPLICIT, PLAIN, Way
from .messages import canonical
from .scenario import ClientTestCase


class GetmailTests(ClientTestCase):
    program = "getmail"

    def setUp(self) -> None:
        super().setUp()
        self.getmail = Getmail(self.directory)

    def test_polls(self) -> None:
        self.checkPolls(PLAIN, IMPLICIT)

    def poll(self, way: Way, keep: bool) -> Sequence[bytes]:
        return self.getmail.poll(self.service, way, keep)

    def forget(self) -> None:
        self.getmail.forget()

    def expected(self, way: Way, stored: Sequence[bytes]) -> Sequence[bytes]:
        """It writes LF for line ends, and tells an MDA the sender in any case."""
        return [
            b"Return-Path: <unknown>\n" + canonical(each).replace(b"\r\n", b"\n") for each in stored
        ]
