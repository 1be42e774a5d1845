"""
How a start ends that cannot be gone on with, and a service that cannot serve.
"""

from __future__ import annotations

import atexit
import os
import sys
from contextlib import suppress
from typing import Any, NoReturn

from twisted.logger import Logger

from ..errors import SettingError

_log = Logger()


def endStart(sentence: str, daemon: bool) -> NoReturn:
    """
    Exit status 1 after C{makeService}, where twistd would make a traceback of it.

    @param daemon: the terminal is already left.
    """
    if daemon:
        # twistd itself hands this to the terminal and exits with status 1.
        raise SettingError(sentence)
    # twistd has turned sys.stderr into the log by now.
    print(f"twistd pop3svc: {sentence}", file=sys.__stderr__)
    raise SystemExit(1)


def endRunning(sentence: str, reactor: Any) -> None:
    """
    An orderly end with exit status 1, which the reactor has no way to say.

    @param reactor: running.
    """
    _log.critical("{sentence}", sentence=sentence)
    if sys.__stderr__ is not None:
        # Whoever read there may be gone, such as a terminal; it is to end all the same.
        with suppress(OSError):
            print(f"twistd pop3svc: {sentence}", file=sys.__stderr__, flush=True)
    atexit.register(_fail)
    reactor.stop()


def _fail() -> None:
    """What was registered before, libraries' matters, is left undone."""
    os._exit(1)
