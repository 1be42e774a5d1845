"""
getmail6, told to leave messages as they are. Debian's version of it knows no STLS.
"""

from __future__ import annotations

from pathlib import Path

from .harness import HOST, PASSWORD, USER, Served, Way
from .programs import DeliveryProgram, findProgram, run


class Getmail:
    """One user's getmail, with what it remembers."""

    def __init__(self, directory: Path) -> None:
        """@param directory: where it may put things."""
        self._directory = directory
        self._program = findProgram("getmail")
        self._delivery = DeliveryProgram(directory)

    def poll(self, service: Served, way: Way, keep: bool, apop: bool = False) -> list[bytes]:
        """@see: L{scenario.ClientTestCase.poll}"""
        kind = "SimplePOP3SSLRetriever" if way.implicit else "SimplePOP3Retriever"
        check = f"ca_certs = {service.authority}" if way.tls else ""
        settings = self._directory / "getmailrc"
        # Left to itself getmail adds Delivered-To and Received.
        settings.write_text(
            f"""\
[retriever]
type = {kind}
server = {HOST}
port = {service.port(way)}
username = {USER}
password = {PASSWORD}
use_apop = {apop}
{check}

[destination]
type = MDA_external
path = {self._delivery.command}
allow_root_commands = true

[options]
read_all = false
delete = {str(not keep).lower()}
delivered_to = false
received = false
"""
        )
        command = [self._program, "--getmaildir", str(self._directory), "--rcfile", str(settings)]
        run(command, self._directory)
        return self._delivery.taken()

    def forget(self) -> None:
        """It has never seen this server."""
        for each in self._directory.glob("oldmail-*"):
            each.unlink()
