"""
C{--throttle-state FILE}: what the throttle knows survives a restart.

Nothing here keeps the service from starting or from ending: whatever is wrong
with the file is a line in the log.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from .auth.throttle import Throttle
from .auth.throttlememory import Memory, remember
from .operations.audit import Audit
from .pools import Pool, PoolFull

# Many times what throttle-entries make of it.
_MOST_OCTETS = 64 * 1024 * 1024

# Neither follows a link, nor waits for whoever writes into a FIFO.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class ThrottleState(Service):
    """Writes the file every so often, if there is something new."""

    def __init__(
        self,
        path: str,
        throttle: Throttle,
        audit: Audit,
        clock: IReactorTime,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """
        Reads the file, if there is one.

        @param path: absolute.
        @param wall: seconds since 1970.
        """
        self._path = path
        self._throttle = throttle
        self._audit = audit
        self._clock = clock
        self._wall = wall
        self._pool = Pool("throttle state", 1, 1)
        self._saved = throttle.changes
        self._failed = ""
        self._timer: IDelayedCall | None = None
        self._read()

    def startService(self) -> None:
        super().startService()
        self._schedule()

    def stopService(self) -> None:
        super().stopService()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def save(self) -> Deferred[None]:
        """
        @return: fires when the file is written, or when that has failed and the
            log says so.
        """
        if self._throttle.changes == self._saved:
            return succeed(None)
        self._saved = self._throttle.changes
        memory = Memory(self._throttle, self._clock.seconds(), self._wall())
        return Deferred.fromCoroutine(self._save(memory))

    async def _save(self, memory: Memory) -> None:
        try:
            await self._pool.run(lambda: _replace(self._path, memory.octets()))
        except (OSError, PoolFull) as error:
            self._saved = -1
            self._tell(f"cannot write {self._path}: {_reason(error)}")
        else:
            self._failed = ""

    def _schedule(self) -> None:
        self._timer = self._clock.callLater(
            self._throttle.limits.throttleSaveSeconds, self._saveOften
        )

    def _saveOften(self) -> None:
        self._schedule()
        self.save()

    def _read(self) -> None:
        try:
            octets = _contents(self._path)
            remember(self._throttle, octets, self._clock.seconds(), self._wall())
        except FileNotFoundError:
            # The first start.
            return
        except (OSError, ValueError) as error:
            self._tell(f"cannot use {self._path}, which is begun anew: {_reason(error)}")

    def _tell(self, text: str) -> None:
        """Once, however often it happens."""
        if text != self._failed:
            self._audit.throttleStateFailed(text)
        self._failed = text


def _contents(path: str) -> bytes:
    """@raise OSError: it cannot be read, or is no regular file."""
    with open(os.open(path, _READ), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MOST_OCTETS:
            raise OSError("it is no file of this service")
        return file.read(_MOST_OCTETS)


def _replace(path: str, octets: bytes) -> None:
    """Write a file so that at any time there is the old one or the new. Blocks."""
    new = path + ".new"
    if os.path.lexists(new):
        # Left by somebody who was killed while writing it.
        os.unlink(new)
    with open(os.open(new, _WRITE, 0o600), "wb") as file:
        file.write(octets)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
