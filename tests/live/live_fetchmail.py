"""
fetchmail. It fetches with TOP where mail stays on the server, and with RETR
where it does not.
"""

from __future__ import annotations

from collections.abc import Sequence

from .fetchmail import Fetchmail
from .harness import IMPLICIT, PLAIN, STLS, Way
from .scenario import ClientTestCase


class FetchmailTests(ClientTestCase):
    program = "fetchmail"

    def setUp(self) -> None:
        super().setUp()
        self.fetchmail = Fetchmail(self.directory)

    def test_polls(self) -> None:
        self.checkPolls(PLAIN, STLS, IMPLICIT)

    def poll(self, way: Way, keep: bool) -> Sequence[bytes]:
        return self.fetchmail.poll(self.service, way, keep)

    def forget(self) -> None:
        self.fetchmail.forget()
