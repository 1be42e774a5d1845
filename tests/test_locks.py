"""L{pop3svc.maildrops.locks}: one session a maildrop."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pop3svc.errors import MaildropInUse, MaildropUnavailable
from pop3svc.maildrops.locks import lock, unlock

HOLDER = """
import fcntl, os, sys
fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


class LockTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp()).absolute()
        self.path.mkdir()

    def open(self) -> int:
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        self.addCleanup(os.close, descriptor)
        return descriptor

    def test_exclusive(self) -> None:
        """Two sessions in one process exclude each other."""
        first, second = self.open(), self.open()
        lock(first, "it")
        with self.assertRaisesRegex(MaildropInUse, "^another session has it$"):
            lock(second, "it")
        unlock(first)
        lock(second, "it")

    def test_nothingIsWritten(self) -> None:
        lock(self.open(), "it")
        self.assertEqual(list(self.path.iterdir()), [])

    def test_forkedCopy(self) -> None:
        """A copy of the descriptor, as a fork makes one, does not keep the lock."""
        first = self.open()
        lock(first, "it")
        self.addCleanup(os.close, os.dup(first))
        unlock(first)
        lock(self.open(), "it")

    def test_otherProcess(self) -> None:
        """Another process excludes us, and its death by SIGKILL frees the lock."""
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLDER, self.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.addCleanup(holder.communicate)
        self.addCleanup(holder.kill)
        assert holder.stdout is not None
        self.assertEqual(holder.stdout.readline(), b"locked\n")
        descriptor = self.open()
        with self.assertRaises(MaildropInUse):
            lock(descriptor, "it")
        holder.send_signal(signal.SIGKILL)
        holder.wait(10)
        lock(descriptor, "it")

    def test_fileSystemCannotLock(self) -> None:
        """As NFS does: flock needs a descriptor for writing, which no directory has."""

        def refuse(descriptor: int, operation: int) -> None:
            raise OSError(errno.EBADF, "no")

        self.patch(fcntl, "flock", refuse)
        with self.assertRaises(MaildropUnavailable) as caught:
            lock(self.open(), "it")
        self.assertEqual(
            str(caught.exception),
            "it cannot be locked (Bad file descriptor); mount an NFS file system with"
            " local_lock=flock, and serve it from one host",
        )
