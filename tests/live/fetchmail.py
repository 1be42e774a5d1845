"""
fetchmail, told to leave messages as they are.
"""

from __future__ import annotations

from pathlib import Path

from .harness import HOST, PASSWORD, USER, Served, Way
from .programs import DeliveryProgram, findProgram, run

_GOOD, _NO_MAIL = 0, 1


class Fetchmail:
    """One user's fetchmail, with what it remembers."""

    def __init__(self, directory: Path) -> None:
        """@param directory: where it may put things."""
        self._directory = directory
        self._program = findProgram("fetchmail")
        self._delivery = DeliveryProgram(directory)

    def poll(
        self,
        service: Served,
        way: Way,
        keep: bool,
        user: str = USER,
        protocol: str = "pop3",
        auth: str = "any",
    ) -> list[bytes]:
        """
        @param protocol: C{pop3} or C{apop}.
        @param auth: how it logs in, by its own words.
        @see: L{scenario.ClientTestCase.poll}
        """
        tls = "ssl" if way.implicit else "sslproto 'auto'" if way.stls else "sslproto ''"
        check = f'sslcertck sslcertfile "{service.authority}"' if way.tls else ""
        settings = self._directory / "fetchmailrc"
        # Left to itself fetchmail adds a Received field (invisible), completes
        # addresses (rewrite), decodes (mimedecode) and cuts CR (stripcr).
        settings.write_text(
            f"""\
set invisible
set no bouncemail
set no syslog
poll {HOST} service {service.port(way)} protocol {protocol} auth {auth} uidl timeout 30
    username {user} password {PASSWORD} is root here
    {tls} {check}
    {"keep" if keep else "nokeep fetchall"}
    no rewrite no mimedecode no stripcr pass8bits
    mda "{self._delivery.command}"
"""
        )
        settings.chmod(0o600)
        command = [self._program, "--fetchmailrc", str(settings), "--nodetach", "--silent"]
        run(command, self._directory, statuses=(_GOOD, _NO_MAIL))
        return self._delivery.taken()

    def forget(self) -> None:
        """It has never seen this server."""
        (self._directory / ".fetchids").unlink(missing_ok=True)
