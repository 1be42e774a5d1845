"""
openssl s_client, as an administrator uses it to look at a service.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, cast

from .harness import HOST, LiveService, Way, environment
from .programs import findProgram, run
from .wire import Dialogue

_SECONDS = 30.0


def _command(service: LiveService, way: Way, port: int) -> list[str]:
    return [
        *(findProgram("openssl"), "s_client", "-connect", f"{HOST}:{port}"),
        *("-CAfile", str(service.authority), "-verify_return_error"),
        # Without the latter it takes Q for a command of its own.
        *("-crlf", "-nocommands"),
        *(["-starttls", "pop3"] if way.stls else []),
    ]


def look(
    service: LiveService,
    way: Way,
    directory: Path,
    *options: str,
    statuses: Sequence[int] = (0,),
) -> bytes:
    """
    Connect, and QUIT.

    @param directory: where it runs.
    @param options: further ones of s_client.
    @param statuses: the exit statuses that are good.
    @return: what s_client has to say of the connection.
    """
    command = [*_command(service, way, service.port(way)), "-ign_eof", *options]
    return run(command, directory, statuses, stdin=b"QUIT\n")


class SClient(Dialogue):
    """
    One connection.

    @ivar greeting: what the service said first; before STLS only s_client reads it.
    """

    def __init__(
        self, service: LiveService, way: Way, *options: str, port: int | None = None
    ) -> None:
        """
        @param options: further ones of s_client.
        @param port: where, if it is not where others go.
        """
        self._process = subprocess.Popen(
            [
                *_command(service, way, port or service.port(way)),
                # Otherwise it writes into the lines of the service.
                *("-quiet", "-verify_quiet"),
                *options,
            ],
            env=environment(service.directory),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._patience = threading.Timer(_SECONDS, self._process.kill)
        self._patience.start()
        try:
            self.greeting = self.line() if way.implicit else b""
        except ConnectionError:
            self.close()
            raise

    def send(self, octets: bytes) -> None:
        stdin = cast(IO[bytes], self._process.stdin)
        stdin.write(octets.replace(b"\r\n", b"\n"))
        stdin.flush()

    def line(self) -> bytes:
        line = cast(IO[bytes], self._process.stdout).readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError(f"the connection has ended behind {line!r}")
        return line.removesuffix(b"\r\n")

    def close(self) -> None:
        """Hang up without a word."""
        self._process.kill()
        self._process.communicate()
        self._patience.cancel()
