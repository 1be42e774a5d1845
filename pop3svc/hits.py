"""
How often each limit was reached since the process began: plain counts, for whoever
watches the service. What the audit log tells of a limit is counted there already, and
L{pop3svc.monitoring.reached} knows which limit is counted where.
"""

from __future__ import annotations

from collections import Counter

# Field of L{pop3svc.limits.Limits} -> how often.
HITS: Counter[str] = Counter()


def hit(limit: str) -> None:
    """@param limit: the field's name, one of ours."""
    HITS[limit] += 1
