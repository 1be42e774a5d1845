"""
What the audit log's counts of events leave open: numbers that are added up, and times.

Plain numbers, so that it costs next to nothing where they are bumped; what Prometheus
makes of them is the business of L{pop3svc.monitoring}.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable

from .frequent import RecentlyFrequent

# A poll takes milliseconds, a download minutes, and a session ends after ten minutes
# of silence.
SESSION_SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 120.0, 600.0, 3600.0)
# A remembered password takes a millisecond, a hash a tenth of a second, a penalty 15.
LOGIN_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0)

# Many people refuse to be one: enough for a table of ten, and for what wears off.
_NETWORKS = 200


class Histogram:
    """
    How many were how large.

    @ivar counts: for each bound those at or below it and above the one before; behind
        them those above all bounds.
    @ivar sum: of all.
    """

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """One more."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


class Tally:
    """
    @ivar logins: mechanism and version of TLS -> how many logged in.
    @ivar handshakes: version of TLS -> how many were completed.
    @ivar retrieved: messages sent whole.
    @ivar retrievedOctets: their size.
    @ivar deleted: messages removed.
    @ivar sessionSeconds: from login to logout.
    @ivar loginSeconds: from a claim to its answer, whatever that is.
    @ivar refusedNetworks: who was refused, throttled or cut off most often of late.
    """

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self.logins: Counter[tuple[str, str]] = Counter()
        self.handshakes: Counter[str] = Counter()
        self.retrieved = self.retrievedOctets = self.deleted = 0
        self.sessionSeconds = Histogram(SESSION_SECONDS)
        self.loginSeconds = Histogram(LOGIN_SECONDS)
        self.refusedNetworks = RecentlyFrequent(_NETWORKS, seconds)
