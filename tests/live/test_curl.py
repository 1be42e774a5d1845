"""
curl. It keeps no state: the test remembers unique-ids for it.
"""

from __future__ import annotations

from collections.abc import Sequence

from .harness import HOST, IMPLICIT, LOOPBACK, PASSWORD, PLAIN, STLS, USER, Way
from .programs import findProgram, run
from .scenario import ClientTestCase


class CurlTests(ClientTestCase):
    program = "curl"

    def setUp(self) -> None:
        super().setUp()
        self.path = findProgram("curl")
        self.seen: set[bytes] = set()

    def test_polls(self) -> None:
        self.checkPolls(PLAIN, STLS, IMPLICIT)

    def poll(self, way: Way, keep: bool) -> Sequence[bytes]:
        fetched = []
        # Of an empty listing curl makes an empty line.
        listings = self._curl(way, [""], "--request", "UIDL").strip().splitlines()
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
        scheme, host = "pop3s" if way.implicit else "pop3", HOST if way.tls else LOOPBACK
        address = f"{scheme}://{host}:{self.service.port(way)}/{{{','.join(numbers)}}}"
        required = ["--ssl-reqd", "--cacert", str(self.service.authority)] if way.tls else []
        user = f"{USER}:{PASSWORD}"
        command = [self.path, "--silent", "--show-error", "--user", user, *required, *options]
        return run([*command, address if numbers != [""] else address[:-2]], self.directory)
