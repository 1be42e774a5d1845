"""
The service while it runs: its start, its limits, and the orderly end of sessions.
"""

from __future__ import annotations

from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredList, ensureDeferred, succeed

from .admission import Admission
from .factory import POP3Factory
from .interfaces import ILimited
from .limits import Limits
from .operations.audit import Audit
from .operations.auditfile import AuditFile
from .operations.confinement import forbidDumps
from .operations.descriptors import descriptors, fitted
from .operations.privileges import canBecomeRoot
from .operations.questions import Questions
from .operations.reload import Reloader
from .operations.signals import handleSignals
from .operations.startup import endStart
from .options import Options
from .throttlestate import ThrottleState


class POP3Service(MultiService):
    """
    All listeners, the reload, and the orderly end of sessions.

    @ivar questions: what it can be asked; whoever knows an answer teaches it.
    """

    reloader: Reloader
    throttleState: ThrottleState | None = None
    auditFile: AuditFile | None = None

    def __init__(
        self, options: Options, limited: list[object], dropping: bool, audit: Audit
    ) -> None:
        """
        @param limited: what may keep to limits besides the factories.
        @param dropping: root binds the listeners, and twistd then changes the user.
        """
        super().__init__()
        self.factories: list[POP3Factory] = []
        self.admission = Admission()
        self.questions = Questions()
        self._audit = audit
        self._options = options
        self._limited = limited
        self._dropping = dropping

    def startService(self) -> None:
        if self._options.parent is not None:
            forbidDumps()
        if self._dropping and canBecomeRoot():
            endStart(
                "root's privileges are not gone after --uid; start twistd without the secure"
                " bits or capabilities that keep them",
                self._options.daemon,
            )
        super().startService()
        from twisted.internet import reactor

        reactor.callWhenRunning(handleSignals, reactor, self.reloader.reload)

    def stopService(self) -> Deferred[Any]:
        """
        Drain: no new connections; sessions may finish for C{drainSeconds}, then
        they end without UPDATE.
        """
        stopped = super().stopService()
        drained = [ensureDeferred(_drain(each)) for each in self.factories]
        return DeferredList([stopped, *drained]).addCallback(self._cbDrained)

    def _cbDrained(self, result: object) -> Deferred[None]:
        saved = succeed(None) if self.throttleState is None else self.throttleState.save()
        return saved.addCallback(self._cbSaved)

    def _cbSaved(self, result: None) -> None:
        """Nothing is told any more: what the log holds back, it holds back no longer."""
        self._audit.sieve.tellLeftOut(all=True)
        if self.auditFile is not None:
            self.auditFile.flush()

    def reloadLimits(self) -> None:
        """@raise SettingError: the configuration file is wrong; the old limits stay."""
        self.useLimits(self._options.again().limits)

    def useLimits(self, limits: Limits) -> None:
        """New limits, for sessions that begin from now on."""
        limits, short = fitted(limits, descriptors())
        if short:
            self._audit.descriptorsShort(short)
        self._audit.useLimits(limits)
        for factory in self.factories:
            factory.limits = limits
        for each in self._limited:
            if ILimited.providedBy(each):
                each.useLimits(limits)


async def _drain(factory: POP3Factory) -> None:
    factory.endConnections("drain", alsoLoggedIn=False)
    patience = factory.clock.callLater(
        factory.limits.drainSeconds, factory.endConnections, "drain", True
    )
    await factory.whenEmpty()
    if patience.active():
        patience.cancel()
