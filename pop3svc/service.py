"""
The only place that sees everybody: it makes a service of the options.

Whatever can be wrong is found here, before the first connection, and said in
one sentence with exit status 1.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, NoReturn

from twisted.application.service import IService, MultiService, Service
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.portal import Portal
from twisted.cred.strcred import InvalidAuthArgumentString, InvalidAuthType, makeChecker
from twisted.internet.defer import Deferred, DeferredList, ensureDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import (
    IListeningPort,
    IProtocolFactory,
    IStreamServerEndpoint,
)
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from .auth.chain import CheckerChain
from .auth.realm import MaildropRealm
from .errors import SettingError
from .factory import POP3Factory
from .interfaces import ILimited, IMaildropSource
from .limits import Limits
from .maildrops.registry import makeSource
from .operations.audit import Audit
from .options import Options
from .tls import ServerTLS

__all__ = ["Options", "makeService"]


def makeService(options: Options) -> IService:
    """
    @param options: parsed.
    @raise SystemExit: with one sentence, for whatever is wrong.
    """
    try:
        return _makeService(options)
    except SettingError as error:
        raise SystemExit(f"twistd pop3svc: {error}") from error


def _makeService(options: Options) -> IService:
    from twisted.internet import reactor

    if options["demo"]:
        from .demo import prepareDemo

        prepareDemo(options)
    given = options.given
    if not given["pop3"] and not given["pop3s"]:
        raise SettingError("no listener is given; add --pop3 tcp:110 or --pop3s tcp:995")
    if not given["auth"]:
        raise SettingError("nobody could log in; add --auth KIND:ARGUMENTS (see --help-auth)")
    if not given["maildrop"]:
        raise SettingError(
            "no maildrops are given; add --maildrop maildir:/home/{user}/Maildir"
            " (see --help-maildrop)"
        )
    limits = options.limits
    audit = Audit(options["log-format"])
    factory = POP3Factory(
        _makePortal(given["auth"], makeSource(given["maildrop"][0]), limits),
        limits,
        _makeTLS(given["certificate"], given["private-key"]),
        options["clear-text-logins"],
        audit,
    )
    service = POP3Service(factory)
    parent = options.parent
    daemon = parent is not None and not parent["nodaemon"]
    for description in given["pop3"]:
        tls = "none" if factory.tls is None else "stls"
        endpoint = _makeEndpoint(reactor, description)
        Listener(description, endpoint, factory, tls, audit, daemon).setServiceParent(service)
    for description in given["pop3s"]:
        if factory.tls is None:
            raise SettingError("--pop3s needs a certificate; add --certificate FILE")
        inside = TLSMemoryBIOFactory(factory.tls, False, factory)
        inside.noisy = False
        endpoint = _makeEndpoint(reactor, description)
        Listener(description, endpoint, inside, "implicit", audit, daemon).setServiceParent(service)
    return service


class Listener(Service):
    """
    One endpoint. It is bound while twistd still has the privileges to.
    """

    def __init__(
        self,
        description: str,
        endpoint: IStreamServerEndpoint,
        factory: IProtocolFactory,
        tls: str,
        audit: Audit,
        daemon: bool,
    ) -> None:
        """
        @param tls: for the log: C{none}, C{stls} or C{implicit}.
        @param daemon: the terminal is already left when the endpoint is bound.
        """
        self._description = description
        self._endpoint = endpoint
        self._factory = factory
        self._tls = tls
        self._audit = audit
        self._daemon = daemon
        self._port: IListeningPort | None = None

    def privilegedStartService(self) -> None:
        super().privilegedStartService()
        failures: list[Failure] = []
        self._endpoint.listen(self._factory).addCallbacks(self._cbListening, failures.append)
        if failures:
            self._fail(failures[0])

    def stopService(self) -> Deferred[None] | None:
        super().stopService()
        port, self._port = self._port, None
        return None if port is None else port.stopListening()

    def _cbListening(self, port: IListeningPort) -> None:
        self._port = port
        self._audit.listening(self._description, self._tls)

    def _fail(self, failure: Failure) -> NoReturn:
        reason = getattr(failure.value, "socketError", failure.value)
        reason = getattr(reason, "strerror", None) or reason
        sentence = f"cannot listen on {self._description}: {reason}"
        if self._daemon:
            # twistd itself hands this to the terminal and exits with status 1.
            raise SettingError(sentence)
        # twistd has turned sys.stderr into the log by now.
        print(f"twistd pop3svc: {sentence}", file=sys.__stderr__)
        raise SystemExit(1)


class POP3Service(MultiService):
    """All listeners, and the orderly end of their sessions."""

    def __init__(self, factory: POP3Factory) -> None:
        super().__init__()
        self.factory = factory

    def startService(self) -> None:
        super().startService()
        from twisted.internet import reactor

        reactor.callWhenRunning(self._handleSIGTERM, reactor)

    def stopService(self) -> Deferred[Any]:
        """
        Drain: no new connections; sessions may finish for C{drainSeconds}, then
        they end without UPDATE.
        """
        stopped = super().stopService()
        return DeferredList([stopped, ensureDeferred(self._drain())])

    async def _drain(self) -> None:
        factory = self.factory
        factory.endConnections("drain", alsoLoggedIn=False)
        patience = factory.clock.callLater(
            factory.limits.drainSeconds, factory.endConnections, "drain", True
        )
        await factory.whenEmpty()
        if patience.active():
            patience.cancel()

    def _handleSIGTERM(self, reactor: Any) -> None:
        """
        An asked-for end is a success: twistd alone would end by the signal, and
        its exit status would not be 0.
        """
        signal.signal(signal.SIGTERM, lambda *_: reactor.callFromThread(reactor.stop))


def _makePortal(descriptions: Sequence[str], source: IMaildropSource, limits: Limits) -> Portal:
    checkers = CheckerChain([_makeChecker(each) for each in descriptions])
    for each in (checkers, source):
        if ILimited.providedBy(each):
            each.useLimits(limits)
    return Portal(MaildropRealm(source), [checkers])


def _makeChecker(description: str) -> ICredentialsChecker:
    try:
        return makeChecker(description)
    except InvalidAuthType as error:
        kind = description.partition(":")[0]
        raise SettingError(
            f"--auth {kind}: there is no such kind; --help-auth lists them"
        ) from error
    except (InvalidAuthArgumentString, OSError) as error:
        raise SettingError(f"--auth {description}: {error}") from error


def _makeTLS(certificates: Sequence[str], keys: Sequence[str]) -> ServerTLS | None:
    if len(keys) > len(certificates):
        raise SettingError("each --private-key needs its --certificate")
    if not certificates:
        return None
    return ServerTLS(
        [(chain, key or chain) for chain, key in zip_longest(certificates, keys, fillvalue="")]
    )


def _makeEndpoint(reactor: Any, description: str) -> IStreamServerEndpoint:
    try:
        return serverFromString(reactor, description)
    except (ValueError, TypeError, LookupError, OSError) as error:
        raise SettingError(
            f"{description!r} is no server endpoint, such as tcp:110 or"
            f" tcp:995:interface=192.0.2.1: {error}"
        ) from error
