"""
Certificates, password files and limits taken over without touching a session:
on SIGHUP, and when a certificate's file has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from ..certificates import now
from ..errors import SettingError
from .audit import Subject

if TYPE_CHECKING:
    from ..tls import ServerTLS

_DAY = 24 * 60 * 60


class Told(Protocol):
    """Who hears of it; L{pop3svc.operations.audit.Audit} is one."""

    def reloaded(self) -> None:
        """All is new."""

    def reloadFailed(self, text: str) -> None:
        """@param text: what is wrong."""

    def certificateEnds(self, certificate: str, days: int) -> None:
        """@see: L{Audit.certificateEnds}"""

    def fault(self, subject: Subject, during: str) -> None:
        """@see: L{Audit.fault}"""


# Has other processes do the same.
Elsewhere = Callable[[], Deferred[list[str]]]


def nowhereElse() -> Deferred[list[str]]:
    """There are no others."""
    return succeed([])


class Reloader(Service):
    """
    Watches certificates, and reloads everything when it is told to.
    """

    def __init__(
        self,
        certificates: Sequence[ServerTLS],
        others: Sequence[Callable[[], None]],
        audit: Told,
        clock: IReactorTime,
        watchSeconds: Callable[[], int],
        elsewhere: Elsewhere = nowhereElse,
    ) -> None:
        """
        @param certificates: what serves TLS, one a listener's settings.
        @param others: what else to do on a reload; each raises SettingError
            when the new is bad and the old stays.
        @param watchSeconds: how often to look at the files.
        @param elsewhere: has other processes do the same, and then fires with a sentence
            for each thing that is wrong there.
        """
        self._certificates = certificates
        self._others = others
        self._audit = audit
        self._clock = clock
        self._watchSeconds = watchSeconds
        self._elsewhere = elsewhere
        self._failures: list[str] = []
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

    def reload(self) -> Deferred[None]:
        """
        Everything, now.

        @return: fires when it is done everywhere.
        """
        self._failures = []
        for what in (*(each.reload for each in self._certificates), *self._others):
            self._try(what)
        self._made = self._clock.seconds()
        self._remind()
        if self._watching.running and self._watching.interval != self._watchSeconds():
            self._watching.stop()
            self._watching.start(self._watchSeconds(), now=False)
        return self._elsewhere().addCallback(self._cbElsewhere, self._failures)

    def _cbElsewhere(self, failures: list[str], ours: list[str]) -> None:
        # What is wrong here is wrong there, too, and has been told.
        for each in failures:
            if each not in ours:
                self._audit.reloadFailed(each)
        if not failures and not ours:
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
            self._fail(str(error))
            return False
        except Exception as error:
            # A fault of ours; but were it to get out, nothing would be watched any more.
            self._fail(f"{type(error).__name__}; the log has more")
            self._audit.fault(Subject("-", "-"), "reload")
            return False
        return True

    def _fail(self, text: str) -> None:
        self._failures.append(text)
        self._audit.reloadFailed(text)

    def _remind(self) -> None:
        """Tell of certificates that end soon: at the start, on change, once a day."""
        self._reminded = self._clock.seconds()
        at = now()
        pairs = {pair for each in self._certificates for pair in each.pairs}
        for pair in sorted(pairs, key=lambda pair: pair.expires):
            if pair.endsSoon(at):
                self._audit.certificateEnds(pair.certificate, (pair.expires - at).days)
