"""
Who is connected to this process, and who was refused: what the status page asks for.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from ..factory import POP3Factory
from ..operations.audit import Audit
from .taking import cpuSeconds, residentOctets

# A name is whatever a client says.
_NAME_LETTERS = 80


class Sessions:
    """It answers the question C{sessions}."""

    def __init__(self, factories: Sequence[POP3Factory], audit: Audit) -> None:
        """@param factories: of all listeners; there may come more later."""
        self._factories = factories
        self._audit = audit

    def answer(self, argument: dict[str, Any]) -> dict[str, Any]:
        """
        @param argument: C{most}: of how many sessions to tell.
        @return: the process, how many are connected, the oldest of them, and networks
            that were refused most often of late.
        """
        all_ = [(one.began, one, each) for each in self._factories for one in each.connections]
        all_.sort(key=lambda one: one[0])
        return {
            "pid": os.getpid(),
            "cpu": cpuSeconds(),
            "memory": residentOctets(),
            "count": len(all_),
            "loggedIn": sum(one.loggedIn for _, one, _ in all_),
            "sessions": [
                {
                    "id": one.subject.session,
                    "user": one.subject.user.decode("utf-8", "backslashreplace")[:_NAME_LETTERS],
                    "network": one.subject.peer,
                    "doing": one.doing,
                    "age": each.clock.seconds() - began,
                    "octets": one.octetsSent,
                    "tls": one.subject.tls,
                    "listener": each.name,
                    "loggedIn": one.loggedIn,
                }
                for began, one, each in all_[: argument["most"]]
            ],
            "refused": self._audit.tally.refusedNetworks.counts(),
        }
