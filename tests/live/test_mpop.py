"""
mpop. It pipelines whatever it can, and reads answers strictly.
"""

from __future__ import annotations

from collections.abc import Sequence

from .harness import HOST, IMPLICIT, PASSWORD, PLAIN, STLS, USER, Way
from .messages import canonical
from .programs import DeliveryProgram, findProgram, run
from .scenario import ClientTestCase


class MpopTests(ClientTestCase):
    program = "mpop"

    def setUp(self) -> None:
        super().setUp()
        self.mpop = findProgram("mpop")
        self.delivery = DeliveryProgram(self.directory)

    def test_polls(self) -> None:
        self.checkPolls(PLAIN, STLS, IMPLICIT)

    def poll(self, way: Way, keep: bool) -> Sequence[bytes]:
        onOff = {True: "on", False: "off"}
        check = f"tls_trust_file {self.service.authority}" if way.tls else ""
        settings = self.directory / "mpoprc"
        # Left to itself mpop adds a Received field.
        settings.write_text(
            f"""\
account default
host {HOST}
port {self.service.port(way)}
auth user
user {USER}
password {PASSWORD}
tls {onOff[way.tls]}
tls_starttls {onOff[way.stls]}
{check}
keep {onOff[keep]}
received_header off
uidls_file ~/uidls
delivery mda {self.delivery.command}
"""
        )
        settings.chmod(0o600)
        run([self.mpop, "--file", str(settings), "--quiet"], self.directory)
        return self.delivery.taken()

    def forget(self) -> None:
        (self.directory / "uidls").unlink(missing_ok=True)

    def expected(self, way: Way, stored: Sequence[bytes]) -> Sequence[bytes]:
        """It writes LF for line ends, and keeps a CR that is not part of one."""
        return [canonical(each).replace(b"\r\n", b"\n") for each in stored]
