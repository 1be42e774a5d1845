"""
mpop, told to leave messages as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .harness import HOST, PASSWORD, USER, LiveService, Way
from .programs import DeliveryProgram, findProgram, run


class Mpop:
    """One user's mpop, with what it remembers."""

    def __init__(self, directory: Path) -> None:
        """@param directory: where it may put things."""
        self._directory = directory
        self._program = findProgram("mpop")
        self._delivery = DeliveryProgram(directory)

    def poll(
        self,
        service: LiveService,
        way: Way,
        keep: bool,
        auth: str = "user",
        password: str = PASSWORD,
        certificate: str = "",
        statuses: Sequence[int] = (0,),
    ) -> list[bytes]:
        """
        @param auth: how it logs in, by its own words.
        @param password: or a token.
        @param certificate: a PEM file with its key.
        @param statuses: the exit statuses that are good.
        @see: L{scenario.ClientTestCase.poll}
        """
        onOff = {True: "on", False: "off"}
        settings = self._directory / "mpoprc"
        # Left to itself mpop adds a Received field.
        settings.write_text(
            f"""\
account default
host {HOST}
port {service.port(way)}
auth {auth}
user {USER}
password {password}
tls {onOff[way.tls]}
tls_starttls {onOff[way.stls]}
{f"tls_trust_file {service.authority}" if way.tls else ""}
{f"tls_cert_file {certificate}" if certificate else ""}
{f"tls_key_file {certificate}" if certificate else ""}
keep {onOff[keep]}
received_header off
uidls_file ~/uidls
delivery mda {self._delivery.command}
"""
        )
        settings.chmod(0o600)
        run([self._program, "--file", str(settings), "--quiet"], self._directory, statuses)
        return self._delivery.taken()

    def forget(self) -> None:
        """It has never seen this server."""
        (self._directory / "uidls").unlink(missing_ok=True)
