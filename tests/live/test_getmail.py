"""
getmail6. Debian's version of it knows no STLS.
"""

from __future__ import annotations

from collections.abc import Sequence

from .harness import HOST, IMPLICIT, PASSWORD, PLAIN, USER, Way
from .messages import canonical
from .programs import DeliveryProgram, findProgram, run
from .scenario import ClientTestCase


class GetmailTests(ClientTestCase):
    program = "getmail"

    def setUp(self) -> None:
        super().setUp()
        self.getmail = findProgram("getmail")
        self.delivery = DeliveryProgram(self.directory)

    def test_polls(self) -> None:
        self.checkPolls(PLAIN, IMPLICIT)

    def poll(self, way: Way, keep: bool) -> Sequence[bytes]:
        kind = "SimplePOP3SSLRetriever" if way.implicit else "SimplePOP3Retriever"
        check = f"ca_certs = {self.service.authority}" if way.tls else ""
        settings = self.directory / "getmailrc"
        # Left to itself getmail adds Delivered-To and Received.
        settings.write_text(
            f"""\
[retriever]
type = {kind}
server = {HOST}
port = {self.service.port(way)}
username = {USER}
password = {PASSWORD}
{check}

[destination]
type = MDA_external
path = {self.delivery.command}
allow_root_commands = true

[options]
read_all = false
delete = {str(not keep).lower()}
delivered_to = false
received = false
"""
        )
        command = [self.getmail, "--getmaildir", str(self.directory), "--rcfile", str(settings)]
        run(command, self.directory)
        return self.delivery.taken()

    def forget(self) -> None:
        for each in self.directory.glob("oldmail-*"):
            each.unlink()

    def expected(self, way: Way, stored: Sequence[bytes]) -> Sequence[bytes]:
        """It writes LF for line ends, and tells an MDA the sender in any case."""
        return [
            b"Return-Path: <unknown>\n" + canonical(each).replace(b"\r\n", b"\n") for each in stored
        ]
