"""
Those who deliver into an mbox on a real host: Postfix's local(8), procmail, and
Courier's maildrop.
"""

from __future__ import annotations

import os
import pwd
import random
import threading
from pathlib import Path

from .postfix import Postfix
from .programs import findProgram, run

LOCAL_DOMAIN = "local.example.test"

_SERVICE = "local unix - n n - - local\n"


class LocalPostfix(Postfix):
    """Delivers to accounts of this host, into C{spool}."""

    @property
    def spool(self) -> Path:
        """Where each account has its mbox."""
        return self._directory / "spool"

    def _configure(self, owner: pwd.struct_passwd) -> None:
        super()._configure(owner)
        self.spool.mkdir()
        # As spools were made for a long time; local(8) delivers as the recipient.
        self.spool.chmod(0o1777)
        with (self._directory / "main.cf").open("a") as file:
            file.write(
                f"mydestination = {LOCAL_DOMAIN}\nlocal_recipient_maps =\n"
                f"mail_spool_directory = {self.spool}\nmailbox_size_limit = 0\n"
                # Whoever meets a lock comes back soon.
                "queue_run_delay = 1s\nminimal_backoff_time = 1s\nmaximal_backoff_time = 2s\n"
            )
        with (self._directory / "master.cf").open("a") as file:
            file.write(_SERVICE)


class Writer(threading.Thread):
    """
    Delivers messages, one after the other.

    @ivar delivered: those that were taken, by serial number.
    @ivar error: what it did not expect.
    """

    def __init__(self, mbox: Path, count: int, first: int, home: Path) -> None:
        super().__init__(daemon=True)
        self.delivered: dict[int, bytes] = {}
        self.error: Exception | None = None
        self._mbox = mbox
        self._count = count
        self._first = first
        self._home = home
        self._dice = random.Random(first)

    def run(self) -> None:
        try:
            for serial in range(self._first, self._first + self._count):
                message = self._message(serial)
                self.delivered[serial] = message
                self.deliver(message)
        except Exception as error:
            self.error = error

    def deliver(self, message: bytes) -> None:
        raise NotImplementedError

    def _message(self, serial: int) -> bytes:
        """With lines that look like separators, to those who do not look well."""
        body = b"From here\n\nFrom there it is Sunday\n.\n" * self._dice.choice((1, 30, 3000))
        return b"From: walter@example.org\nSubject: x\nX-Sent: %d\n\n%s" % (serial, body)


class PostfixWriter(Writer):
    """By SMTP, and local(8)."""

    def __init__(
        self, mbox: Path, count: int, first: int, home: Path, postfix: LocalPostfix
    ) -> None:
        super().__init__(mbox, count, first, home)
        self._mta = postfix.connect()

    def deliver(self, message: bytes) -> None:
        self._mta.sendmail("walter@example.org", f"{self._mbox.name}@{LOCAL_DOMAIN}", message)


class ProcmailWriter(Writer):
    def run(self) -> None:
        self._settings = self._home / "procmailrc"
        self._settings.write_text(f"DEFAULT={self._mbox}\nLOCKSLEEP=1\nLOGFILE={self._home}/log\n")
        super().run()

    def deliver(self, message: bytes) -> None:
        command = [findProgram("procmail"), "-f", "walter@example.org", str(self._settings)]
        run(command, self._home, stdin=message)


class MaildropWriter(Writer):
    def run(self) -> None:
        self._settings = self._home / "mailfilter"
        self._settings.write_text(f'LOCKSLEEP=1\nto "{self._mbox}"\n')
        self._settings.chmod(0o600)
        super().run()

    def deliver(self, message: bytes) -> None:
        command = [findProgram("maildrop"), "-f", "walter@example.org", str(self._settings)]
        run(command, self._home, stdin=message)


def makeMbox(spool: Path, account: str) -> Path:
    """An empty mbox as an account has it."""
    mbox = spool / account
    mbox.touch(0o600)
    owner = pwd.getpwnam(account)
    os.chown(mbox, owner.pw_uid, owner.pw_gid)
    return mbox
