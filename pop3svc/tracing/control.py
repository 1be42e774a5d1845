"""
The socket of C{--control}, through which an administrator speaks to the running service;
see L{pop3svc.tracing.asker}.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime, IReactorUNIX

from ..errors import SettingError
from ..limits import Limits
from ..operations.audit import Audit
from ..operations.questions import Questions
from .asker import AskerFactory


class Control(Service):
    """
    Listens while the service runs.
    """

    def __init__(
        self,
        path: str,
        reactor: Any,
        questions: Questions,
        audit: Audit,
        limits: Callable[[], Limits],
        fail: Callable[[str], object],
    ) -> None:
        """
        @param path: absolute, of the socket.
        @param fail: called with a sentence when there can be no socket.
        """
        self._path = path
        self._reactor: IReactorUNIX = reactor
        self._factory = AskerFactory(questions, audit, limits, IReactorTime(reactor))
        self._fail = fail
        self._port: Any = None

    def startService(self) -> None:
        """Root's privileges are gone by now, so that the socket is the service's own."""
        super().startService()
        before = os.umask(0o177)
        try:
            removeStale(self._path)
            self._port = self._reactor.listenUNIX(self._path, self._factory, mode=0o600)
        except SettingError as error:
            self._fail(str(error))
        except Exception as error:
            reason = getattr(getattr(error, "socketError", error), "strerror", None) or error
            self._fail(
                f"cannot make the control socket {self._path}: {reason}; let the service's user"
                " write into its directory, or name another --control"
            )
        finally:
            os.umask(before)

    def stopService(self) -> Deferred[None] | None:
        super().stopService()
        self._factory.endAll()
        port, self._port = self._port, None
        stopped: Deferred[None] | None = None if port is None else port.stopListening()
        return stopped


def removeStale(path: str) -> None:
    """
    Make room for a socket where one was left over by a service that was killed.

    @raise SettingError: it is no such socket.
    """
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        raise SettingError(f"{path} is no socket; name another --control")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except FileNotFoundError:
            return
    raise SettingError(
        f"another service answers at {path}; stop it, or name another --control for this one"
    )
