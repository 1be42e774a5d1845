"""
Dovecot as an IMAP server beside the service, on the same Maildirs.
"""

from __future__ import annotations

import imaplib
import subprocess
import time
from pathlib import Path

from tests.running import freePort

from .harness import LOOPBACK, PASSWORD, environment
from .programs import findProgram

_SECONDS = 30.0
_SETTINGS = """\
base_dir = {directory}/run
state_dir = {directory}/state
log_path = {directory}/dovecot.log
instance_name = neighbour
protocols = imap
listen = {address}
ssl = no
disable_plaintext_auth = no
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={owner} gid={group} home={maildirs}/%u
}}
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:{maildirs}/%u:INDEX=MEMORY
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
"""


class Dovecot:
    """It runs until L{stop}."""

    def __init__(self, directory: Path, maildirs: Path, owner: int, group: int) -> None:
        """
        @param directory: where it may put things; its users can look there.
        @raise SkipTest: it is not installed.
        """
        program = findProgram("dovecot")
        self._port = freePort()
        self._log = directory / "dovecot.log"
        for each in ("run", "state"):
            (directory / each).mkdir()
        settings = directory / "dovecot.conf"
        settings.write_text(
            _SETTINGS.format(
                directory=directory,
                address=LOOPBACK,
                password=PASSWORD,
                owner=owner,
                group=group,
                maildirs=maildirs,
                port=self._port,
            )
        )
        self._process = subprocess.Popen(
            [program, "-F", "-c", str(settings)],
            env=environment(directory),
            stdin=subprocess.DEVNULL,
        )

    def connect(self, user: str) -> imaplib.IMAP4:
        """A client that is logged in, once Dovecot answers."""
        giveUp = time.monotonic() + _SECONDS
        while True:
            try:
                client = imaplib.IMAP4(LOOPBACK, self._port, _SECONDS)
            except ConnectionRefusedError as error:
                if time.monotonic() > giveUp:
                    log = self._log.read_text() if self._log.exists() else ""
                    raise AssertionError(f"Dovecot does not start:\n{log}") from error
                time.sleep(0.05)
            else:
                client.login(user, PASSWORD)
                return client

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(_SECONDS)
        finally:
            self._process.kill()
            self._process.wait()
