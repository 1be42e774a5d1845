"""
The service while it runs: its start, its limits, and the orderly end of sessions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredList, ensureDeferred, succeed
from twisted.internet.interfaces import IReactorTime

from .admission import Admission
from .draining import Drained, drain
from .factory import POP3Factory
from .interfaces import ILimited
from .limits import Limits
from .listeners import Listener
from .operations.audit import Audit
from .operations.auditfile import AuditFile
from .operations.confinement import forbidDumps
from .operations.descriptors import descriptors, fitted
from .operations.garbage import setAside
from .operations.notify import Notifier
from .operations.privileges import canBecomeRoot
from .operations.questions import Questions
from .operations.reload import Reloader
from .operations.signals import handleSignals
from .operations.startup import endStart
from .options import Options
from .throttlestate import ThrottleState

if TYPE_CHECKING:
    from .monitoring.pages import PagesListener


class POP3Service(MultiService):
    """
    All listeners, the reload, and the orderly end of sessions.

    @ivar limited: what keeps to limits besides the factories.
    @ivar questions: what it can be asked; whoever knows an answer teaches it.
    @ivar awaited: each fires when something is there without which nobody is served.
    @ivar listeners: of mail programs.
    @ivar pages: those of C{--http}.
    @ivar doors: through which connections come to the factories, if not directly.
    @ivar notifier: whom the process's own parent listens to.
    """

    reloader: Reloader
    throttleState: ThrottleState | None = None
    auditFile: AuditFile | None = None
    pages: PagesListener | None = None
    notifier: Notifier

    def __init__(
        self,
        options: Options,
        limited: list[object],
        dropping: bool,
        audit: Audit,
        admission: Admission | None = None,
        questions: Questions | None = None,
    ) -> None:
        """
        @param limited: what may keep to limits besides the factories.
        @param dropping: root binds the listeners, and twistd then changes the user.
        @param admission: perhaps that of several processes.
        @param questions: perhaps asked of others.
        """
        super().__init__()
        self.factories: list[POP3Factory] = []
        self.doors: list[Drained] = []
        self.awaited: list[Deferred[None]] = []
        self.listeners: list[Listener] = []
        self.admission = admission or Admission()
        self.questions = questions or Questions()
        self._audit = audit
        self._options = options
        self.limited = limited
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

        reactor.callWhenRunning(self._serve, reactor)

    def stopService(self) -> Deferred[Any]:
        """
        Drain: no new connections; sessions may finish for C{drainSeconds}, then
        they end without UPDATE.
        """
        from twisted.internet import reactor

        limits = self.factories[0].limits
        stopped = super().stopService()
        # What is left after that is closed within some seconds, and the log is written.
        self.notifier.stopping(limits.drainSeconds + limits.closeSeconds + 10, self._status)
        places = [*self.doors, *self.factories]
        drained = ensureDeferred(drain(places, limits, IReactorTime(reactor)))
        return DeferredList([stopped, drained]).addCallback(self._cbDrained)

    def reload(self) -> None:
        """Certificates, password files and limits, for connections from now on."""
        # While the last sessions finish nobody new comes who would need them.
        if self.running:
            self.notifier.reloading()
            self.reloader.reload().addCallback(self._cbReloaded)

    def _cbReloaded(self, result: None) -> None:
        if self.running:
            self.notifier.ready(self._status)

    def _serve(self, reactor: Any) -> None:
        if self._options.parent is not None:
            setAside()
        handleSignals(reactor, self.reload)
        DeferredList(self.awaited).addCallback(lambda _: self.notifier.ready(self._status))

    def _status(self) -> str:
        strangers = self.admission.strangers
        doing = "serving" if self.running else "draining"
        sessions = self.admission.total - strangers
        return f"{doing}; sessions: {sessions}, not logged in: {strangers}"

    def _cbDrained(self, result: object) -> Deferred[None]:
        saved = succeed(None) if self.throttleState is None else self.throttleState.save()
        if self.pages is not None:
            saved.addCallback(lambda _, pages: pages.close(), self.pages)
        return saved.addCallback(self._cbSaved)

    def _cbSaved(self, result: None) -> None:
        """Nothing is told any more: what the log holds back, it holds back no longer."""
        self._audit.sieve.tellLeftOut(all=True)
        if self.auditFile is not None:
            self.auditFile.flush()
        self.notifier.close()

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
        for each in self.limited:
            if ILimited.providedBy(each):
                each.useLimits(limits)
