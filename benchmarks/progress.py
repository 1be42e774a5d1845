"""
What is going on: one line that changes, on a terminal; lines with the time, in a log.
"""

from __future__ import annotations

import sys
import time


def say(text: str) -> None:
    """@param text: takes the place of the one before."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
    elif text:
        print(time.strftime("%H:%M:%S"), text, file=sys.stderr, flush=True)
