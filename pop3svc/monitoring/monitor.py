"""
Asks every few seconds how the service is, and shows it to whoever may see.
"""

from __future__ import annotations

import json
import platform
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure
from twisted.web.http import Request

import twisted

from .. import __version__
from ..auth.shared import InFlight
from ..limits import Limits
from ..operations.questions import Questions
from .access import Access
from .health import Situation, illnesses
from .history import History
from .numbers import Taken, toJSON
from .page import REFRESH_LEAST, REFRESH_MOST, SESSIONS_MOST, Shown, statusPage
from .prometheus import Exposition
from .style import POLICY
from .totals import Totals
from .web import Answer, Pages, PagesSite

# How often it asks when nobody wants to know.
_LOOK_SECONDS = 5.0
# Workers that take longer than five are left out by whoever asks them.
_ANSWER_SECONDS = 7.0
# Whoever looks at a page is shown what was known before, if the news take longer.
_NEWS_SECONDS = 2.0


@dataclass(frozen=True)
class Watched:
    """
    The service, as far as it is watched.

    @ivar limits: tells those in force.
    @ivar draining: tells whether the service is being stopped.
    @ivar closed: tells which listeners should be open and are not.
    @ivar expected: tells how many processes should serve.
    @ivar fault: hears of a fault in what is shown.
    @ivar own: takes the numbers of this process, if it is the parent of those that serve.
    """

    questions: Questions
    clock: IReactorTime
    limits: Callable[[], Limits]
    draining: Callable[[], bool]
    closed: Callable[[], list[str]]
    expected: Callable[[], int]
    fault: Callable[[Failure], None]
    own: Callable[[dict[str, Any]], dict[str, Any]] | None = None


class Monitor(Service):
    """
    @ivar site: the pages.
    """

    def __init__(
        self, watched: Watched, access: Access, wall: Callable[[], float] = time.time
    ) -> None:
        """@param wall: seconds since 1970."""
        self._watched = watched
        self._wall = wall
        self._exposition = Exposition()
        self._totals = Totals()
        self._history = History(watched.clock.seconds())
        self._illnesses: list[str] = []
        self._asking: InFlight[None] = InFlight()
        self._looking = LoopingCall(self.look)
        self._looking.clock = watched.clock
        self._pages = Pages(
            {b"/": self._page, b"/metrics": self._metrics, b"/healthz": self._health},
            access,
            watched.fault,
        )
        self.site = PagesSite(self._pages, watched.limits, watched.clock)

    def startService(self) -> None:
        super().startService()
        # Not at once: the workers are only starting.
        self._looking.start(_LOOK_SECONDS, now=False).addErrback(self._watched.fault)

    def stopService(self) -> None:
        super().stopService()
        if self._looking.running:
            self._looking.stop()

    def look(self) -> Deferred[None]:
        """Ask all processes for their numbers; once, however many want to know."""
        return self._asking.join(None, lambda: Deferred.fromCoroutine(self._look()))

    async def _look(self) -> None:
        answers = await self._askAll("measures", {})
        watched, totals = self._watched, self._totals
        workers = len(answers)
        if watched.own is not None:
            answers.append(watched.own({}))
        totals.update(answers)
        self._history.add(watched.clock.seconds(), _sums(totals))
        situation = Situation(
            watched.draining(),
            watched.closed(),
            workers,
            watched.expected(),
            self._history.lastMinute(),
        )
        self._illnesses = illnesses(situation, watched.limits().unhealthyFaults)
        totals.update([*answers, self._ownAnswer()])

    async def _askAll(self, name: str, argument: dict[str, Any]) -> list[dict[str, Any]]:
        """@return: what has come within a few seconds; nothing, if that is not to be had."""
        watched = self._watched
        asked = watched.questions.askAll(name, argument)
        try:
            return await asked.addTimeout(_ANSWER_SECONDS, watched.clock)
        except Exception:
            # That nobody answers is what the pages then show.
            watched.fault(Failure())
            return []

    def _ownAnswer(self) -> dict[str, Any]:
        """What only this process knows, shaped like the answer of one that serves."""
        taken = Taken()
        taken.put("workers_expected", self._watched.expected())
        taken.put("healthy", not self._illnesses)
        taken.put("build_info", 1, __version__, twisted.__version__, platform.python_version())
        # Of one worker it would be a part.
        taken.put("limit_used", self._totals.sum("connections"), "connections")
        for (path, code), count in self._pages.requests.items():
            taken.put("http_requests_total", count, path, code)
        return {"pid": 0, "began": 0.0, "numbers": toJSON(taken.numbers)}

    def _news(self) -> Deferred[None]:
        """Ask, and wait for it a little while."""
        clock = self._watched.clock
        return self.look().addTimeout(_NEWS_SECONDS, clock, onTimeoutCancel=lambda _, seconds: None)

    # The pages.

    def _metrics(self, request: Request) -> Deferred[Answer]:
        # As octets: of a text Twisted wants that it is UTF-8.
        accept = request.getHeader(b"Accept") or b""
        return self._news().addCallback(self._cbMetrics, accept.decode("latin-1"))

    def _cbMetrics(self, result: None, accept: str) -> Answer:
        self._exposition.numbers = self._totals.numbers
        contentType, content = self._exposition.text(accept)
        return Answer(content, contentType)

    def _health(self, request: Request) -> Deferred[Answer]:
        return self._news().addCallback(self._cbHealth)

    def _cbHealth(self, result: None) -> Answer:
        isWell = not self._illnesses
        told = {"status": "well" if isWell else "not well", "why": self._illnesses}
        content = json.dumps(told).encode() + b"\n"
        return Answer(content, "application/json", 200 if isWell else 503)

    def _page(self, request: Request) -> Deferred[Answer]:
        return Deferred.fromCoroutine(self._makePage(request))

    async def _makePage(self, request: Request) -> Answer:
        await self._news()
        answers = await self._askAll("sessions", {"most": SESSIONS_MOST})
        content = statusPage(
            Shown(
                socket.gethostname(),
                datetime.fromtimestamp(self._wall(), UTC),
                self._illnesses,
                self._totals,
                self._history,
                answers,
                _refresh(request),
            )
        )
        headers = {b"Content-Security-Policy": POLICY}
        return Answer(content, "text/html; charset=utf-8", headers=headers)


def _sums(totals: Totals) -> dict[str, float]:
    """What the history and the health are about."""
    refused = totals.sum("logins_refused_total") + totals.sum("connections_refused_total")
    return {
        "logins": totals.sum("logins_total"),
        "refused": refused,
        "throttled": totals.sum("throttled_total"),
        "octets": totals.value("retrieved_octets_total"),
        "retrieved": totals.value("retrieved_messages_total"),
        "deleted": totals.value("deleted_messages_total"),
        "checkerFaults": totals.value("checker_faults_total"),
        "openFaults": totals.value("store_faults_total", "open"),
        "retrieveFaults": totals.value("store_faults_total", "retrieve"),
        "removeFaults": totals.value("store_faults_total", "remove"),
        "faults": totals.value("faults_total"),
    }


def _refresh(request: Request) -> int:
    """@return: seconds; 0 where nothing sensible is asked for."""
    asked = (request.args or {}).get(b"refresh", [b""])[0]
    if not (asked.isdigit() and len(asked) <= len(str(REFRESH_MOST))):
        return 0
    seconds = int(asked)
    return min(REFRESH_MOST, max(REFRESH_LEAST, seconds)) if seconds else 0
