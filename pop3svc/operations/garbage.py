"""
What Python's collector of garbage need not look at.
"""

from __future__ import annotations

import gc

# What is new is gone through when there is so much more of it. Sessions leave little
# behind that only this finds, some MB at the most; with the 700 that Python takes it was
# a twentieth of all work.
_NEW_MOST = 10_000


def setAside() -> None:
    """
    Have modules, settings and whatever else there is by now looked at no more. It
    lives as long as the process, and to go through all of it holds everybody up for
    some sixty milliseconds each time.
    """
    gc.freeze()
    gc.set_threshold(_NEW_MOST)
