"""
The audit log in a file of its own: lines with a time in front, written in batches.

What twistd does for each line of its log costs more than a poll of an unchanged
maildrop; here a line costs its formatting, and the file is written to ten
times a second at the most.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from collections.abc import Callable
from select import PIPE_BUF

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from ..errors import SettingError

_log = Logger()

# How long a line may wait for others.
_BATCH_SECONDS = 0.1
# The most that waits for a disk that is full; what comes then is counted.
_HELD_OCTETS = 1 << 20
# Neither follows a link, nor waits for whoever reads a FIFO.
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class AuditFile:
    """
    @ivar lost: how many lines could not be written since the start.
    @ivar descriptor: of the file that is written to now.
    """

    def __init__(
        self,
        path: str,
        clock: IReactorTime,
        now: Callable[[], float] = time.time,
        descriptor: int | None = None,
    ) -> None:
        """
        @param path: of the file; C{-} for standard output.
        @param descriptor: where it is open already.
        @raise SettingError: it cannot be written to.
        """
        self.lost = 0
        self._path = path
        self._clock = clock
        self._now = now
        self._lines: list[bytes] = []
        self._octets = 0
        self._failing = False
        self._flushing: IDelayedCall | None = None
        self._second, self._stamp = -1, ""
        self.descriptor = self._open() if descriptor is None else descriptor

    def time(self) -> str:
        """This moment, as ISO 8601 has it, to the millisecond."""
        seconds, parts = divmod(self._now(), 1)
        if int(seconds) != self._second:
            # Most lines share their second with others.
            self._second = int(seconds)
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
        return f"{self._stamp}.{int(parts * 1000):03}Z"

    def write(self, line: str) -> None:
        """
        @param line: without a line end; whoever hands over two has forged one.
        """
        octets = line.encode("utf-8", "backslashreplace") + b"\n"
        if self._octets + len(octets) > _HELD_OCTETS:
            self.lost += 1
            return
        self._lines.append(octets)
        self._octets += len(octets)
        if self._flushing is None:
            self._flushing = self._clock.callLater(_BATCH_SECONDS, self._flush)

    def reopen(self) -> None:
        """
        The file of that name may be another one since logs were rotated.

        @raise SettingError: it cannot be written to; the old one stays.
        """
        if self._path == "-":
            # It has no name; and what is called so now is a worker's pipe to its parent,
            # or nothing, since twistd went into the background.
            return
        descriptor = self._open()
        self._write()
        self.descriptor, old = descriptor, self.descriptor
        os.close(old)

    def handOver(self, uid: int, gid: int | None) -> None:
        """
        To the user that the service runs as later. A device stays whose it is.

        @param gid: C{None} leaves the group as it is.
        @raise SettingError: it has another name, perhaps that of a file of root's, which
            whoever may write into the directory has put there.
        """
        status = os.fstat(self.descriptor)
        if self._path == "-" or not stat.S_ISREG(status.st_mode):
            return
        if status.st_nlink > 1:
            raise SettingError(
                f"{self._path} is a hard link, and will not be given to the service's user;"
                " remove it, or name another --audit-log"
            )
        os.fchown(self.descriptor, uid, -1 if gid is None else gid)

    def flush(self) -> None:
        """Write what waits; what comes later, at the end of a process, is still taken."""
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        self._write()

    def close(self) -> None:
        """Write what waits, and let go of the file."""
        self.flush()
        os.close(self.descriptor)

    def _open(self) -> int:
        if self._path == "-":
            # twistd has made a log of sys.stdout.
            assert sys.__stdout__ is not None
            return os.dup(sys.__stdout__.fileno())
        try:
            return os.open(self._path, _FLAGS, 0o640)
        except OSError as error:
            raise SettingError(
                f"cannot write to {self._path}: {error.strerror}; let the service's user write"
                " there, or name another --audit-log"
            ) from error

    def _flush(self) -> None:
        self._flushing = None
        self._write()
        if self._lines:
            self._flushing = self._clock.callLater(1, self._flush)

    def _write(self) -> None:
        """What cannot be written now waits for the next time."""
        octets = b"".join(self._lines)
        try:
            while octets:
                octets = octets[os.write(self.descriptor, self._piece(octets)) :]
        except OSError as error:
            if not self._failing and error.errno != errno.EAGAIN:
                _log.error(
                    "the audit log {path!r} cannot be written ({reason}); make room",
                    path=self._path,
                    reason=os.strerror(error.errno or 0),
                )
                self._failing = True
        else:
            if self._failing:
                _log.info("the audit log {path!r} goes on", path=self._path)
            self._failing = False
        self._lines, self._octets = [octets] if octets else [], len(octets)

    def _piece(self, octets: bytes) -> bytes:
        """
        What goes out at once. Workers may share a pipe with us, and their lines come
        between ours; so that none comes into one, these are pieces that go out whole.
        """
        if len(octets) <= PIPE_BUF or stat.S_ISREG(os.fstat(self.descriptor).st_mode):
            return octets
        return octets[: octets.rfind(b"\n", 0, PIPE_BUF) + 1 or PIPE_BUF]
