"""
The traces of one process that serves.

Nothing ends a trace but that nobody asks for its lines any more. So a worker that is
started anew takes part in it, and none is left over when whoever asks dies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from ..errors import SettingError
from ..hits import hit
from ..limits import Limits
from ..operations.questions import Questions
from .trace import Target, Trace
from .transcript import Transcript

if TYPE_CHECKING:
    from ..connection import Connection
    from ..factory import POP3Factory

# The names of the questions.
TRACE, TRACE_END = "trace", "trace-end"
# How many lines one answer has: together a few hundred KiB.
LINES_AT_ONCE = 500

_FORGOTTEN_SECONDS = 10.0
_LOOK_SECONDS = 1.0


@dataclass
class _Running:
    """@ivar asked: when somebody asked for its lines."""

    trace: Trace
    asked: float


class Traces:
    """Knows the answers to the questions C{trace} and C{trace-end}."""

    def __init__(
        self, factories: Sequence[POP3Factory], clock: IReactorTime, questions: Questions
    ) -> None:
        """@param factories: all that serve, now or later."""
        self._factories = factories
        self._clock = clock
        self._running: dict[str, _Running] = {}
        self._looking = LoopingCall(self._look)
        self._looking.clock = clock
        questions.learn(TRACE, self.take)
        questions.learn(TRACE_END, self.end)

    def take(self, argument: dict[str, Any]) -> dict[str, Any]:
        """
        Begin a trace that is not yet known, and take what waits to be shown.

        @param argument: C{id}, what L{Target.parse} takes, and C{most}, the lines wanted.
        @return: C{lines}, each of C{time}, C{session}, C{source} and C{text}, and C{lost}; or
            C{refused}, a sentence.
        """
        now = self._clock.seconds()
        running = self._running.get(argument["id"])
        if running is None:
            if len(self._running) >= self._limits.traces:
                hit("traces")
                return {
                    "refused": f"there are {len(self._running)} traces already; wait for one to"
                    " end, or raise the limit traces"
                }
            try:
                running = self._begin(argument, now)
            except SettingError as error:
                return {"refused": str(error)}
        running.asked = now
        lines, lost = running.trace.take(min(argument["most"], LINES_AT_ONCE))
        return {"lines": [list(each) for each in lines], "lost": lost}

    def end(self, argument: dict[str, Any]) -> dict[str, Any]:
        """@param argument: C{id}; it does not matter whether there is such a trace."""
        if self._running.pop(argument["id"], None) is not None:
            self._apply()
        return {}

    @property
    def _limits(self) -> Limits:
        return self._factories[0].limits

    def _begin(self, argument: dict[str, Any], now: float) -> _Running:
        """@raise SettingError: nobody could be meant."""
        limits = self._limits
        trace = Trace(Target.parse(argument), limits.traceLines, limits.traceLetters)
        running = self._running[argument["id"]] = _Running(trace, now)
        self._apply()
        if not self._looking.running:
            self._looking.start(_LOOK_SECONDS, now=False)
        return running

    def _look(self) -> None:
        """Whether anybody is still interested."""
        before = self._clock.seconds() - _FORGOTTEN_SECONDS
        for name in [name for name, each in self._running.items() if each.asked < before]:
            self.end({"id": name})

    def _apply(self) -> None:
        """To those who are connected, and to those who will be."""
        for factory in self._factories:
            factory.tracing = self._transcriptOf if self._running else None
            for connection in factory.connections:
                connection.transcript = self._transcriptOf(connection)
        if not self._running and self._looking.running:
            self._looking.stop()

    def _transcriptOf(self, connection: Connection) -> Transcript | None:
        subject = connection.subject
        traces = [each.trace for each in self._running.values()]
        telling = [each for each in traces if each.matches(subject)]
        others = [] if connection.loggedIn else [each for each in traces if each.target.user]
        undecided = [each for each in others if each not in telling]
        if not telling and not undecided:
            return None
        forget = partial(setattr, connection, "transcript", None)
        return Transcript(subject, telling, undecided, _now, self._limits.traceLinesBefore, forget)


def _now() -> str:
    return datetime.now(UTC).isoformat("T", "milliseconds").replace("+00:00", "Z")
