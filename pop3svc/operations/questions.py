"""
What each process of the service can be asked by the one that an administrator talks
to: its counts, its sessions, a trace. Questions and answers are what JSON can say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred

# Takes the argument of a question; returns the answer, or a Deferred of it.
Answering = Callable[[dict[str, Any]], Any]


class Questions:
    """
    Those of one process, which serves alone. Where there are workers, the parent's
    asks them; see L{pop3svc.workers}.
    """

    def __init__(self) -> None:
        self._answering: dict[str, Answering] = {}

    def learn(self, name: str, answering: Answering) -> None:
        """@param name: of a question that this process can answer from now on."""
        self._answering[name] = answering

    def answer(self, name: str, argument: dict[str, Any]) -> Deferred[Any]:
        """
        @return: the answer of this process, or its failure; C{LookupError} for a
            question that it never learned.
        """
        return maybeDeferred(lambda: self._find(name)(argument))

    def askAll(self, name: str, argument: dict[str, Any] | None = None) -> Deferred[list[Any]]:
        """@return: an answer of each process that serves."""
        return self.answer(name, argument or {}).addCallback(lambda answer: [answer])

    def _find(self, name: str) -> Answering:
        try:
            return self._answering[name]
        except KeyError:
            raise LookupError(f"nobody here can answer {name!r}") from None
