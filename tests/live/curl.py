"""
curl, as scripts call it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .harness import HOST, LOOPBACK, PASSWORD, USER, LiveService, Way
from .programs import findProgram, run

LOGIN_DENIED = 67


class Curl:
    """curl in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        """@param directory: where it runs."""
        self._directory = directory
        self._program = findProgram("curl")

    def ask(
        self,
        service: LiveService,
        way: Way,
        *options: str,
        path: str = "",
        password: str = PASSWORD,
        statuses: Sequence[int] = (0,),
    ) -> bytes:
        """
        @param options: of the command line.
        @param path: a message-number, or C{{1,2}} for several in one session.
        @param password: empty when something else lets the user in.
        @param statuses: the exit statuses that are good.
        @return: what it prints: the message, or without a number the scan listing.
        """
        scheme, host = "pop3s" if way.implicit else "pop3", HOST if way.tls else LOOPBACK
        required = ["--ssl-reqd", "--cacert", str(service.authority)] if way.tls else []
        user = ["--user", f"{USER}:{password}"]
        command = [self._program, "--silent", "--show-error", *user, *required, *options]
        address = f"{scheme}://{host}:{service.port(way)}/{path}"
        return run([*command, address], self._directory, statuses)
