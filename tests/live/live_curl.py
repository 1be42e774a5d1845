"""
curl. It keeps no state: the test remembers unique-ids for it.
"""

from __future__ import annotations

from collections.abc import Sequence

from .curl import Curl
from .harness import IMPLICIT, PLAIN, STLS, Way
from .scenario import ClientTestCase


class CurlTests(ClientTestCase):
    program = "curl"

    def setUp(self) -> None:
        super().setUp()
        self.curl = Curl(self.directory)
        self.seen: set[bytes] = set()

    def test_polls(self) -> None:
        self.checkPolls(PLAIN, STLS, IMPLICIT)

    def poll(self, way: Way, keep: bool) -> Sequence[bytes]:
        fetched = []
        # Of an empty listing curl makes an empty line.
        listings = self._curl(way, [], "--request", "UIDL").strip().splitlines()
        for number, uniqueId in map(bytes.split, listings):
            if uniqueId not in self.seen:
                fetched.append(number.decode())
                self.seen.add(uniqueId)
        if not fetched:
            return []
        # All in one session: curl keeps its connection from address to address.
        output = self.directory / "output"
        self._curl(way, fetched, "--output", str(output / "#1"), "--create-dirs")
        if not keep:
            # DELE has no second line; without --head curl would wait for one.
            self._curl(way, fetched, "--request", "DELE", "--head")
        return [(output / number).read_bytes() for number in fetched]

    def forget(self) -> None:
        self.seen.clear()

    def _curl(self, way: Way, numbers: list[str], *options: str) -> bytes:
        path = f"{{{','.join(numbers)}}}" if numbers else ""
        return self.curl.ask(self.service, way, *options, path=path)
