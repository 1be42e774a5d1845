"""
Where the pages are, from the bind as root to the end of the drain.
"""

from __future__ import annotations

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed

from ..listeners import Listener, ListenerSettings, makeEndpoint
from ..operations.audit import Audit
from .access import Access, onLoopback
from .monitor import Monitor, Watched


class PagesListener(Listener):
    """
    The listener of the pages. It is there until the service has drained, so that
    C{/healthz} can tell that nobody new is let in.

    @ivar access: reads its token again on a reload.
    """

    def __init__(
        self, endpoint: str, tokenFile: str | None, watched: Watched, audit: Audit, daemon: bool
    ) -> None:
        """
        @param endpoint: on loopback, if it names no interface.
        @raise SettingError: as L{Access} and L{makeEndpoint}.
        """
        from twisted.internet import reactor

        endpoint = onLoopback(endpoint)
        made = makeEndpoint(reactor, endpoint)
        self.access = Access(endpoint, tokenFile)
        self._monitor = Monitor(watched, self.access)
        settings = ListenerSettings(endpoint, "none")
        super().__init__(settings, made, self._monitor.site, audit, daemon)

    def startService(self) -> None:
        super().startService()
        self._monitor.startService()

    def stopService(self) -> None:
        """@see: L{close}"""
        Service.stopService(self)

    def close(self) -> Deferred[None]:
        """The service has drained, and nobody asks any more."""
        self._monitor.stopService()
        return super().stopService() or succeed(None)
