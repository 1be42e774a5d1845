"""
What administrators see of a service while it runs: its pages, and C{pop3svc trace}.
"""

from __future__ import annotations

from .auth.throttle import Throttle
from .doorkeeper import Doorkeeper
from .errors import SettingError
from .operations.audit import Audit, Subject
from .operations.startup import endStart
from .options import Options
from .parts import CertificateSets
from .serving import POP3Service
from .tracing.control import Control


def addControl(service: POP3Service, options: Options, audit: Audit) -> None:
    """C{--control}."""
    from twisted.internet import reactor

    if options["control"] is not None:
        Control(
            options["control"],
            reactor,
            service.questions,
            audit,
            lambda: service.factories[0].limits,
            lambda sentence: endStart(sentence, options.daemon),
        ).setServiceParent(service)


def learnMeasures(service: POP3Service, tls: CertificateSets, throttle: Throttle) -> None:
    """What the pages of C{--http} show of a process that serves."""
    from .monitoring.learning import learn

    factory = service.factories[0]
    learn(
        service.questions,
        service.factories,
        factory.audit,
        service.auditFile,
        tls.all(),
        throttle,
        factory.clock,
    ).setServiceParent(service)


def addPages(
    service: POP3Service, options: Options, tls: CertificateSets, doorkeeper: Doorkeeper
) -> None:
    """C{--http}; what that takes is imported by those alone who want it."""
    if options["http"] is None:
        if options["http-token"] is not None:
            raise SettingError("--http-token is for the pages of --http; add --http tcp:8110")
        return
    from .monitoring.monitor import Watched
    from .monitoring.pages import PagesListener
    from .monitoring.taking import Taking

    factories, audit, clock = service.factories, doorkeeper.audit, doorkeeper.clock
    own = None
    if options.workers == 1:
        learnMeasures(service, tls, doorkeeper.throttle)
    else:
        of = (factories, audit, service.auditFile, tls.all(), doorkeeper.throttle, clock)
        own = Taking(*of, serves=False).answer
    watched = Watched(
        service.questions,
        clock,
        limits=lambda: factories[0].limits,
        draining=lambda: not service.running,
        closed=lambda: [each.closed for each in service.listeners if each.closed],
        expected=lambda: options.workers,
        fault=lambda failure: audit.fault(Subject("-", "-"), "monitoring", failure),
        own=own,
    )
    service.pages = PagesListener(
        options["http"], options["http-token"], watched, audit, options.daemon
    )
    service.pages.setServiceParent(service)
    service.awaited.append(service.pages.listening)
