"""
The only place that sees everybody: it makes a service of the options.

Whatever can be wrong is found here, before the first connection, and said in
one sentence with exit status 1.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.application.service import IService
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocolFactory, IReactorTime

from .administration import addControl, addPages, learnMeasures
from .auth.realm import MaildropRealm
from .auth.throttle import Throttle
from .auth.turnstile import Turnstile
from .doorkeeper import Doorkeeper
from .errors import SettingError
from .listeners import Fence, Listener, ListenerSettings, makeEndpoint
from .maildrops.registry import makeSource
from .operations.audit import Audit
from .operations.auditfile import AuditFile
from .operations.notify import Notifier
from .operations.reload import Elsewhere, Reloader, Told, nowhereElse
from .operations.signals import ignoreHangup
from .options import Options
from .parts import (
    CertificateSets,
    allListeners,
    checkLogins,
    makeChain,
    makeFactory,
    makeOneChecker,
    missing,
    readSecret,
)
from .proxied import ProxiedFactory
from .refused import TLSFactory
from .servicekey import serviceKey, useMasterKey
from .serving import POP3Service
from .settling import openAuditFile, settlePrivileges, warnOfUnreadable
from .startfiles import given, keeping, within
from .throttlestate import ThrottleState
from .tracing.traces import Traces
from .workers.link import Part
from .workers.orders import Orders

__all__ = ["Made", "Options", "makeService", "makeWorker"]

_Listen = Callable[[ListenerSettings, IProtocolFactory], Listener]


@dataclass
class Made:
    """
    A worker.

    @ivar parts: those of its link.
    @ivar join: called when the link is up; nobody is to be served before it fires.
    @ivar leave: called when nobody is served any more; the process goes on until it fires.
    """

    service: POP3Service
    parts: Sequence[Part]
    join: Callable[[], Deferred[None]]
    leave: Callable[[], Deferred[None]]


def makeService(options: Options) -> IService:
    """
    @param options: parsed.
    @raise SystemExit: with one sentence, for whatever is wrong.
    """
    if options.parent is not None:
        ignoreHangup()
    try:
        return _makeService(options)
    except SettingError as error:
        raise SystemExit(f"twistd pop3svc: {error}") from error


def makeWorker(orders: Orders) -> Made:
    """
    @param orders: of the parent, whose options were found to be good.
    @raise SettingError: they are not good here.
    """
    from twisted.internet import reactor

    from .workers.asking import Answers
    from .workers.attempts import SharedTurnstile
    from .workers.duties import Duties, Faults, WorkersService
    from .workers.places import Places, SharedAdmission
    from .workers.rooms import PlacesPart
    from .workers.sockets import InheritedEndpoint, SharedListener

    clock, count = IReactorTime(reactor), orders.workers
    useMasterKey(orders.key)
    options = orders.madeOptions()
    file = orders.auditLog
    auditFile = None if file is None else AuditFile(options["audit-log"], clock, descriptor=file)
    audit = Audit(options["log-format"], clock, auditFile)
    turnstile = SharedTurnstile(orders.limits, clock, count)
    doorkeeper = Doorkeeper(orders.limits, clock, audit, turnstile)
    places = Places(orders.shared["places"], count, serviceKey("places"))
    admission = SharedAdmission(places, orders.number - 1)
    service = WorkersService(options, [doorkeeper], False, audit, admission)
    service.auditFile, service.notifier = auditFile, Notifier(clock)
    inherited = iter(orders.listeners)

    def listen(settings: ListenerSettings, served: IProtocolFactory) -> Listener:
        endpoint = InheritedEndpoint(reactor, next(inherited)[1])
        return SharedListener(settings, endpoint, served, audit, daemon=False)

    with within(orders.directory), given(orders.files):
        listeners = [settings for settings, _ in orders.listeners]
        tls = _furnish(service, options, listeners, doorkeeper, orders.scramKey, listen)
    for descriptor in (orders.directory, *(each.descriptor for each in orders.files.values())):
        os.close(descriptor)
    faults = Faults(audit)
    _addReloader(service, tls, [], faults)
    if options["http"] is not None:
        learnMeasures(service, tls, Throttle(orders.limits))
    service.useLimits(orders.limits)
    duties = Duties(service, faults, reactor)
    parts = [duties, Answers(service.questions), PlacesPart(admission), turnstile]
    return Made(service, parts, turnstile.join, turnstile.report)


def _makeService(options: Options) -> IService:
    """One that serves alone, or has workers."""
    from twisted.internet import reactor

    clock = IReactorTime(reactor)
    dropping = settlePrivileges(options)
    if options["demo"]:
        from .demo import prepareDemo

        prepareDemo(options)
    sentence = next(missing(options), None)
    if sentence is not None:
        raise SettingError(sentence)
    auditFile = openAuditFile(options, dropping)
    audit = Audit(options["log-format"], clock, auditFile)
    secret = readSecret(options["secret"])
    doorkeeper = Doorkeeper(options.limits, clock, audit)
    if options.workers == 1:
        service = POP3Service(options, [doorkeeper], dropping, audit)

        def listen(settings: ListenerSettings, served: IProtocolFactory) -> Listener:
            endpoint = makeEndpoint(reactor, settings.endpoint)
            return Listener(settings, endpoint, served, audit, options.daemon)

        tls = _furnish(service, options, allListeners(options), doorkeeper, secret, listen)
        elsewhere = nowhereElse
    else:
        service, tls, elsewhere = _makeParent(options, dropping, doorkeeper, auditFile, secret)
    service.auditFile = auditFile
    if options["throttle-state"]:
        service.throttleState = ThrottleState(
            options["throttle-state"], doorkeeper.throttle, audit, clock
        )
        service.throttleState.setServiceParent(service)
    addPages(service, options, tls, doorkeeper)
    addControl(service, options, audit)
    # In somebody else's program it is for that to speak.
    environ = {} if options.parent is None else os.environ
    service.notifier = Notifier.fromEnvironment(environ, clock)
    service.useLimits(options.limits)
    others = [service.pages.access.reload] if service.pages else []
    _addReloader(service, tls, [service.reloadLimits, *others], audit, elsewhere)
    warnOfUnreadable(options)
    return service


def _makeParent(
    options: Options,
    dropping: bool,
    doorkeeper: Doorkeeper,
    auditFile: AuditFile | None,
    secret: bytes,
) -> tuple[POP3Service, CertificateSets, Elsewhere]:
    """One that serves nobody itself."""
    from twisted.internet import reactor

    from .workers.parent import Parent, checkFitness
    from .workers.sockets import HeldListener

    checkFitness(options)
    audit, turnstile = doorkeeper.audit, doorkeeper.turnstile
    assert isinstance(turnstile, Turnstile)
    parent = Parent(options, secret, turnstile, audit, auditFile, reactor)
    service = POP3Service(
        options, [doorkeeper, parent.turns], dropping, audit, parent.admission, parent.questions
    )

    def listen(settings: ListenerSettings, served: IProtocolFactory) -> Listener:
        endpoint = makeEndpoint(reactor, settings.endpoint)
        listener = HeldListener(settings, endpoint, served, audit, options.daemon)
        parent.listeners.append(listener)
        return listener

    with keeping() as parent.files:
        tls = _furnish(service, options, allListeners(options), doorkeeper, secret, listen)
    parent.certificates, parent.factories = tls.all(), service.factories
    parent.crew.setServiceParent(service)
    service.awaited.append(parent.crew.whenServing)
    return service, tls, parent.reload


def _furnish(
    service: POP3Service,
    options: Options,
    listeners: Sequence[ListenerSettings],
    doorkeeper: Doorkeeper,
    secret: bytes,
    listen: _Listen,
) -> CertificateSets:
    """
    What each process has, whoever it serves.

    @param service: gets it all.
    @param secret: C{scramKey} of L{pop3svc.factory.POP3Factory}.
    """
    given, audit = options.given, doorkeeper.audit
    source = makeSource(given["maildrop"][0])
    chain = makeChain(options, [makeOneChecker(each) for each in given["auth"]])
    portal = Portal(MaildropRealm(source), [chain])
    service.limited += [source, chain]
    tls = CertificateSets(options)
    for settings in listeners:
        factory = makeFactory(
            options,
            settings,
            portal,
            tls.of(settings) if settings.tls == "stls" else None,
            audit=audit,
            scramKey=secret,
            admission=service.admission,
            doorkeeper=doorkeeper,
        )
        factory.name = settings.endpoint
        service.factories.append(factory)
        served: Any = factory
        if settings.tls == "implicit":
            served = TLSFactory(tls.of(settings), False, factory)
        if settings.proxied:
            served = ProxiedFactory(served, factory)
            service.doors.append(served)
        if settings.networks:
            served = Fence(served, settings.networks, audit)
        listener = listen(settings, served)
        listener.setServiceParent(service)
        service.awaited.append(listener.listening)
        service.listeners.append(listener)
    Traces(service.factories, doorkeeper.clock, service.questions)
    modes = [each.tls for each in listeners]
    checkLogins(list(zip(service.factories, modes, strict=True)), chain)
    return tls


def _addReloader(
    service: POP3Service,
    tls: CertificateSets,
    others: Sequence[Callable[[], None]],
    told: Told,
    elsewhere: Elsewhere = nowhereElse,
) -> None:
    """@param others: what is read again besides certificates and the audit log."""
    factory = service.factories[0]
    reopen = [service.auditFile.reopen] if service.auditFile else []
    service.reloader = Reloader(
        tls.all(),
        [*others, *reopen],
        told,
        factory.clock,
        lambda: factory.limits.watchSeconds,
        elsewhere,
    )
    service.reloader.setServiceParent(service)
