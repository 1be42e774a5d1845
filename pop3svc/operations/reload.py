"""
Certificates, password files and limits taken over without touching a session:
on SIGHUP, and when a certificate's file has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from ..certificates import now
from ..errors import SettingError
from .audit import Audit, Subject

if TYPE_CHECKING:
    from ..tls import ServerTLS

_DAY = 24 * 60 * 60


class Reloader(Service):
    """
    Watches certificates, and reloads everything when it is told to.
    """

    def __init__(
        self,
        certificates: Sequence[ServerTLS],
        others: Sequence[Callable[[], None]],
        audit: Audit,
        clock: IReactorTime,
        watchSeconds: Callable[[], int],
    ) -> None:
        """
        @param certificates: what serves TLS, one a listener's settings.
        @param others: what else to do on a reload; each raises SettingError
            when the new is bad and the old stays.
        @param watchSeconds: how often to look at the files.
        """
        self._certificates = certificates
        self._others = others
        self._audit = audit
        self._clock = clock
        self._watchSeconds = watchSeconds
        self._made = clock.seconds()
        self._reminded = -float(_DAY)
        self._watching = LoopingCall(self.watch)
        self._watching.clock = clock

    def startService(self) -> None:
        super().startService()
        self._watching.start(self._watchSeconds())

    def stopService(self) -> None:
        super().stopService()
        if self._watching.running:
            self._watching.stop()

    def reload(self) -> None:
        """Everything, now."""
        good = [
            self._try(what)
            for what in (*(each.reload for each in self._certificates), *self._others)
        ]
        self._made = self._clock.seconds()
        self._remind()
        if self._watching.running and self._watching.interval != self._watchSeconds():
            self._watching.stop()
            self._watching.start(self._watchSeconds(), now=False)
        if all(good):
            self._audit.reloaded()

    def watch(self) -> None:
        """
        Certificates whose files have changed; and once a day new contexts of
        all, so that the keys of session tickets do not last longer.
        """
        changed = [each for each in self._certificates if each.changed()]
        for each in changed:
            if self._try(each.reload):
                self._audit.reloaded()
        if self._clock.seconds() - self._made >= _DAY:
            self._made = self._clock.seconds()
            for each in self._certificates:
                self._try(each.rotate)
        if changed or self._clock.seconds() - self._reminded >= _DAY:
            self._remind()

    def _try(self, what: Callable[[], None]) -> bool:
        try:
            what()
        except SettingError as error:
            self._audit.reloadFailed(str(error))
            return False
        except Exception as error:
            # A fault of ours; but were it to get out, nothing would be watched any more.
            self._audit.reloadFailed(f"{type(error).__name__}; the log has more")
            self._audit.fault(Subject("-", "-"), "reload")
            return False
        return True

    def _remind(self) -> None:
        """Tell of certificates that end soon: at the start, on change, once a day."""
        self._reminded = self._clock.seconds()
        at = now()
        pairs = {pair for each in self._certificates for pair in each.pairs}
        for pair in sorted(pairs, key=lambda pair: pair.expires):
            if pair.endsSoon(at):
                self._audit.certificateEnds(pair.certificate, (pair.expires - at).days)
