"""
What a worker does when its parent says so.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from ..limits import Limits
from ..operations.audit import Audit, Subject
from ..operations.garbage import setAside
from ..operations.signals import stopReactor
from ..serving import POP3Service
from .commands import Drain, Ping, Reload
from .link import Part


class Faults:
    """
    Who hears of a reload in a worker; see L{pop3svc.operations.reload.Told}. The parent,
    which finds the same in the same files, writes it into the log.
    """

    def __init__(self, audit: Audit) -> None:
        self.sentences: list[str] = []
        self._audit = audit

    def reloaded(self) -> None:
        """The parent tells it when all have."""

    def reloadFailed(self, text: str) -> None:
        """@see: L{Audit.reloadFailed}"""
        self.sentences.append(text)

    def certificateEnds(self, certificate: str, days: int) -> None:
        """The parent tells it once for all."""

    def fault(self, subject: Subject, during: str) -> None:
        """@see: L{Audit.fault}"""
        self._audit.fault(subject, during)


class WorkersService(POP3Service):
    """A worker's. Signals are for the parent, but for those that end everything."""

    def _serve(self, reactor: Any) -> None:
        # Its options are not of twistd, and the process is the service's own all the same.
        setAside()
        super()._serve(reactor)

    def reload(self) -> None:
        """Whoever tells all processes of a group tells the parent, too."""


class Duties(Part):
    """A worker's side of supervision."""

    def __init__(self, service: POP3Service, faults: Faults, reactor: Any) -> None:
        super().__init__()
        self._service = service
        self._faults = faults
        self._reactor = reactor
        self._ending = False

    @Ping.responder
    def ping(self) -> dict[str, Any]:
        """@see: L{Ping}"""
        return {}

    @Reload.responder
    def reload(self, limits: dict[str, int]) -> Deferred[dict[str, Any]]:
        """@see: L{Reload}"""
        self._service.useLimits(Limits(**limits))
        self._faults.sentences.clear()
        reloaded = self._service.reloader.reload()
        return reloaded.addCallback(lambda _: {"faults": self._faults.sentences})

    @Drain.responder
    def drain(self) -> dict[str, Any]:
        """@see: L{Drain}"""
        self._end()
        return {}

    def lost(self) -> None:
        """Without its parent a worker serves only those who are in."""
        self._end()

    def _end(self) -> None:
        if not self._ending:
            self._ending = True
            # First the answer.
            self._reactor.callLater(0, stopReactor, self._reactor)
