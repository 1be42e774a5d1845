"""
What systemd is told while the service runs: sd_notify(3), without its library.

Where nobody has asked for it, nothing is sent.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, MutableMapping
from typing import Self

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from ..errors import SettingError

_log = Logger()

_SOCKET, _WATCHDOG, _WATCHDOG_PID = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"

_USEC = 1_000_000
# How old the sentence of "systemctl status" may be.
_STATUS_SECONDS = 10.0
# systemd reads slowly while a machine boots; lost, READY would be the end of the service.
_AGAIN_SECONDS = 0.1


class Notifier:
    """
    One process's way to whoever started it.
    """

    def __init__(
        self,
        clock: IReactorTime,
        address: bytes | None = None,
        watchdogSeconds: float | None = None,
    ) -> None:
        """
        @param address: of a UNIX socket for datagrams, abstract ones with NUL in front;
            C{None} if nobody wants to be told.
        @param watchdogSeconds: whoever is silent for so long is killed.
        """
        self._clock = clock
        self._address = address
        self._owed: list[bytes] = []
        self._again: IDelayedCall | None = None
        self._failed = False
        self._status: Callable[[], str] = str
        self._said = ""
        self._watched = watchdogSeconds is not None
        # Half of it is what sd_watchdog_enabled(3) asks for.
        self._interval = min(_STATUS_SECONDS, (watchdogSeconds or float("inf")) / 2)
        self._beating = LoopingCall(self._beat)
        self._beating.clock = clock
        if address is not None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)

    @classmethod
    def fromEnvironment(cls, environ: MutableMapping[str, str], clock: IReactorTime) -> Self:
        """
        @param environ: what is found is removed: no program that we start is to speak
            for us.
        @raise SettingError: it asks for what we cannot do.
        """
        name = environ.pop(_SOCKET, "")
        microseconds = environ.pop(_WATCHDOG, "")
        watched = environ.pop(_WATCHDOG_PID, "") in ("", str(os.getpid()))
        if not name:
            return cls(clock)
        if name[0] not in "/@":
            raise SettingError(f"{_SOCKET} is {name!r}, which is no UNIX socket; unset it")
        address = os.fsencode(name)
        if name[0] == "@":
            address = b"\0" + address[1:]
        if not (watched and microseconds.isascii() and microseconds.isdecimal()):
            return cls(clock, address)
        return cls(clock, address, int(microseconds) / _USEC or None)

    def ready(self, status: Callable[[], str]) -> None:
        """
        Everybody who comes is served, from now on, or again after L{reloading}.

        @param status: makes a short sentence about what the service is doing.
        """
        self._status = status
        self._tell("READY=1", self._sentence())
        if self._address is not None and not self._beating.running:
            # Driven by the reactor: one that hangs falls silent.
            self._beating.start(self._interval, now=False)

    def reloading(self) -> None:
        """Files are read again; L{ready} says when that is done."""
        monotonic = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._tell("RELOADING=1", f"MONOTONIC_USEC={monotonic}", "STATUS=reading files again")
        self._said = ""

    def stopping(self, seconds: float, status: Callable[[], str]) -> None:
        """
        @param seconds: how long that may take, whatever a unit says.
        @param status: as for L{ready}.
        """
        self._status = status
        self._tell("STOPPING=1", f"EXTEND_TIMEOUT_USEC={int(seconds * _USEC)}", self._sentence())

    def close(self) -> None:
        """The process ends, and says nothing more."""
        if self._beating.running:
            self._beating.stop()
        if self._again is not None:
            self._again.cancel()
            self._again = None
        if self._address is not None:
            self._address = None
            self._socket.close()

    def _beat(self) -> None:
        if self._owed:
            # What waits already must not become more.
            return
        words = ["WATCHDOG=1"] if self._watched else []
        said = self._said
        sentence = self._sentence()
        if sentence != said:
            words.append(sentence)
        if words:
            self._tell(*words)

    def _sentence(self) -> str:
        self._said = f"STATUS={self._status()}"
        return self._said

    def _tell(self, *words: str) -> None:
        if self._address is None:
            return
        self._owed.append("\n".join(words).encode())
        if self._again is None:
            self._send(self._address)

    def _send(self, address: bytes) -> None:
        self._again = None
        while self._owed:
            try:
                self._socket.sendto(self._owed[0], address)
            except BlockingIOError:
                self._again = self._clock.callLater(_AGAIN_SECONDS, self._send, address)
                return
            except OSError as error:
                self._tellOnce(os.strerror(error.errno or 0))
            del self._owed[0]

    def _tellOnce(self, reason: str) -> None:
        if not self._failed:
            self._failed = True
            _log.warn(
                "whoever started the service cannot be told how it is ({reason}); look at"
                " NotifyAccess= and at the sandbox",
                reason=reason,
            )
