"""
A Postfix of its own: private configuration, queue and log, one port of
loopback, and Maildirs that it delivers into as nobody.
"""

from __future__ import annotations

import os
import pwd
import shutil
import smtplib
import subprocess
import tempfile
import time
from pathlib import Path

from ..running import freePort
from .harness import LOOPBACK, environment
from .programs import findProgram, run, unavailable

DOMAIN = "example.test"

_STOP_SECONDS = 15.0
_SERVICES = """\
{address} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """
    @ivar maildirs: below it, each user's Maildir.
    """

    def __init__(self) -> None:
        """
        @raise SkipTest: it is not installed, or cannot be started by this user.
        """
        postfix, postconf = findProgram("postfix"), findProgram("postconf")
        if os.geteuid() != 0:
            unavailable("only root can start Postfix")
        # Its daemons run as other users, who may not see where the tests lie.
        self._directory = Path(tempfile.mkdtemp(prefix="pop3svc-postfix-"))
        self._directory.chmod(0o755)
        self.maildirs = self._directory / "maildirs"
        nobody = pwd.getpwnam("nobody")
        self.maildirs.mkdir()
        os.chown(self.maildirs, nobody.pw_uid, nobody.pw_gid)
        self._port = freePort()
        self._configure(nobody)
        (self._directory / "queue").mkdir()
        options = ["-c", str(self._directory)]
        run([postfix, *options, "check"], self._directory)
        daemons = run([postconf, *options, "-h", "daemon_directory"], self._directory)
        self._process = subprocess.Popen(
            # In front: then it is our child, and ends all of its own when it ends.
            [os.path.join(daemons.decode().strip(), "master"), *options, "-d"],
            env=environment(self._directory),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def connect(self) -> smtplib.SMTP:
        """A client, once Postfix answers."""
        giveUp = time.monotonic() + _STOP_SECONDS
        while True:
            try:
                return smtplib.SMTP(LOOPBACK, self._port, timeout=60)
            except ConnectionRefusedError as error:
                if time.monotonic() > giveUp:
                    raise AssertionError(f"Postfix does not start:\n{self.log()}") from error
                time.sleep(0.02)

    def log(self) -> str:
        """What it has to say."""
        log = self._directory / "postfix.log"
        return log.read_text("utf-8", "replace") if log.exists() else ""

    def stop(self) -> None:
        """End it, and remove all that it has left."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        finally:
            self._process.kill()
            self._process.wait()
            shutil.rmtree(self._directory)

    def _configure(self, owner: pwd.struct_passwd) -> None:
        directory = self._directory
        (directory / "main.cf").write_text(
            f"""\
compatibility_level = 3.6
queue_directory = {directory}/queue
data_directory = {directory}/data
maillog_file = {directory}/postfix.log
maillog_file_prefixes = {directory}
inet_interfaces = {LOOPBACK}
inet_protocols = ipv4
mynetworks = {LOOPBACK}
myhostname = mail.{DOMAIN}
mydestination =
alias_maps =
virtual_mailbox_domains = {DOMAIN}
virtual_mailbox_base = {self.maildirs}
virtual_mailbox_maps = inline:{{ karl@{DOMAIN}=karl/, joe@{DOMAIN}=joe/ }}
virtual_uid_maps = static:{owner.pw_uid}
virtual_gid_maps = static:{owner.pw_gid}
virtual_mailbox_limit = 0
message_size_limit = 0
smtpd_recipient_restrictions = permit_mynetworks, reject
local_header_rewrite_clients =
message_drop_headers =
"""
        )
        address = f"{LOOPBACK}:{self._port}"
        (directory / "master.cf").write_text(_SERVICES.format(address=address))
