"""
mpop. It pipelines whatever it can, and reads answers strictly.
"""

from __future__ import annotations

from collections.abc import Sequence

from .harness import IMPLICIT, PLAIN, STLS, Way
from .messages import canonical
from .mpop import Mpop
from .scenario import ClientTestCase


class MpopTests(ClientTestCase):
    program = "mpop"

    def setUp(self) -> None:
        super().setUp()
        self.mpop = Mpop(self.directory)

    def test_polls(self) -> None:
        self.checkPolls(PLAIN, STLS, IMPLICIT)

    def poll(self, way: Way, keep: bool) -> Sequence[bytes]:
        return self.mpop.poll(self.service, way, keep)

    def forget(self) -> None:
        self.mpop.forget()

    def expected(self, way: Way, stored: Sequence[bytes]) -> Sequence[bytes]:
        """It writes LF for line ends, and keeps a CR that is not part of one."""
        return [canonical(each).replace(b"\r\n", b"\n") for each in stored]
