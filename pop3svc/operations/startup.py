"""
How a start ends that cannot be gone on with.
"""

from __future__ import annotations

import sys
from typing import NoReturn

from ..errors import SettingError


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
