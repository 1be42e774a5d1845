"""
Which clock deadlines are kept by.
"""

from __future__ import annotations

import time
from typing import Any


def keepDeadlines(reactor: Any) -> None:
    """
    Have timers go by a clock that is never set.

    Twisted's reactors ask for the time of day, and whoever sets that, a time server
    after a resume for example, would end all sessions at once, or none for hours.

    @param reactor: not running yet, and without timers.
    """
    reactor.seconds = time.monotonic
