"""
The only place that sees everybody: it makes a service of the options.

Whatever can be wrong is found here, before the first connection, and said in
one sentence with exit status 1.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from itertools import zip_longest
from pathlib import Path
from typing import Any

from twisted.application.service import IService
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernameHashedPassword, IUsernamePassword
from twisted.cred.portal import Portal
from twisted.cred.strcred import InvalidAuthArgumentString, InvalidAuthType, makeChecker
from twisted.internet.interfaces import IReactorTime

from .auth.certificate import CertificateChecker
from .auth.chain import CheckerChain
from .auth.credentials import IBearerToken, ICertificateName
from .auth.realm import MaildropRealm
from .doorkeeper import Doorkeeper
from .errors import SettingError
from .factory import POP3Factory
from .listeners import Fence, Listener, ListenerSettings, makeEndpoint
from .maildrops.registry import makeSource
from .operations.audit import Audit
from .operations.auditfile import AuditFile
from .operations.clocks import keepDeadlines
from .operations.confinement import confine
from .operations.descriptors import raiseDescriptors
from .operations.privileges import checkUser, dropsRoot, unreadableAfter
from .operations.reload import Reloader
from .operations.signals import ignoreHangup
from .options import Options
from .proxied import ProxiedFactory
from .refused import TLSFactory
from .serving import POP3Service
from .throttlestate import ThrottleState
from .tls import ServerTLS, Version

__all__ = ["Options", "makeService"]

_SECRET_OCTETS = 32
# What a session makes of what a client sends.
_CREDENTIALS = {IUsernamePassword, IUsernameHashedPassword, IBearerToken, ICertificateName}


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


def _makeService(options: Options) -> IService:
    from twisted.internet import reactor

    dropping = _settlePrivileges(options)
    if options["demo"]:
        from .demo import prepareDemo

        prepareDemo(options)
    given = options.given
    if not (given["pop3"] or given["pop3s"] or options.listeners):
        raise SettingError("no listener is given; add --pop3 tcp:110 or --pop3s tcp:995")
    if not (given["auth"] or options["client-ca"]):
        raise SettingError("nobody could log in; add --auth KIND:ARGUMENTS (see --help-auth)")
    if options["client-ca"] and not given["certificate"]:
        raise SettingError("--client-ca needs a certificate of the service; add --certificate FILE")
    if not given["maildrop"]:
        raise SettingError(
            "no maildrops are given; add --maildrop maildir:/home/{user}/Maildir"
            " (see --help-maildrop)"
        )
    auditFile = _auditFile(options, dropping)
    audit = Audit(options["log-format"], IReactorTime(reactor), auditFile)
    source = makeSource(given["maildrop"][0])
    checkers = [_makeChecker(each) for each in given["auth"]]
    if options["client-ca"]:
        checkers.append(CertificateChecker())
    chain = CheckerChain(checkers)
    if not (_CREDENTIALS.intersection(chain.credentialInterfaces) or chain.scramHashes):
        kinds = ", ".join(each.partition(":")[0] for each in given["auth"])
        raise SettingError(
            f"nobody could log in: POP3 has nothing that --auth {kinds} takes;"
            " add another --auth KIND:ARGUMENTS (see --help-auth)"
        )
    portal = Portal(MaildropRealm(source), [chain])
    tls = _CertificateSets(options)
    secret = _readSecret(options["secret"])
    clock = IReactorTime(reactor)
    doorkeeper = Doorkeeper(options.limits, clock, audit)
    service = POP3Service(options, [source, chain, doorkeeper], dropping, audit)
    if options["throttle-state"]:
        service.throttleState = ThrottleState(
            options["throttle-state"], doorkeeper.throttle, audit, clock
        )
        service.throttleState.setServiceParent(service)
    for settings in _listeners(options, tls.given):
        factory = POP3Factory(
            portal,
            options.limits,
            tls.of(settings) if settings.tls == "stls" else None,
            settings.clearTextLogins,
            audit,
            mechanisms=[each.encode() for each in given["mechanism"]] or None,
            apop=bool(options["apop"]),
            scramKey=secret,
            admission=service.admission,
            doorkeeper=doorkeeper,
        )
        service.factories.append(factory)
        served: Any = factory
        if settings.tls == "implicit":
            served = TLSFactory(tls.of(settings), False, factory)
        if settings.proxied:
            served = ProxiedFactory(served, factory)
        if settings.networks:
            served = Fence(served, settings.networks, audit)
        endpoint = makeEndpoint(reactor, settings.endpoint)
        Listener(settings, endpoint, served, audit, options.daemon).setServiceParent(service)
    service.auditFile = auditFile
    service.useLimits(options.limits)
    service.reloader = Reloader(
        tls.all(),
        [service.reloadLimits, *([auditFile.reopen] if auditFile else [])],
        audit,
        service.factories[0].clock,
        lambda: service.factories[0].limits.watchSeconds,
    )
    service.reloader.setServiceParent(service)
    _warnOfUnreadable(options)
    return service


class _CertificateSets:
    """The certificates given, once for each oldest version of TLS asked for."""

    def __init__(self, options: Options) -> None:
        certificates, keys = options.given["certificate"], options.given["private-key"]
        if len(keys) > len(certificates):
            raise SettingError("each --private-key needs its --certificate")
        self.given = bool(certificates)
        self._clientCA = options["client-ca"]
        self._pairs = [
            (chain, key or chain) for chain, key in zip_longest(certificates, keys, fillvalue="")
        ]
        self._byVersion: dict[Version, ServerTLS] = {}

    def of(self, settings: ListenerSettings) -> ServerTLS:
        """@raise SettingError: there is no certificate, or it is wrong."""
        if not self.given:
            raise SettingError(
                f"TLS on {settings.endpoint} needs a certificate; add --certificate FILE"
            )
        version = settings.minimumTLS
        if version not in self._byVersion:
            self._byVersion[version] = ServerTLS(self._pairs, self._clientCA, version)
        return self._byVersion[version]

    def all(self) -> list[ServerTLS]:
        return list(self._byVersion.values())


def _settlePrivileges(options: Options) -> bool:
    """
    @return: root is changed to another user before anybody is served.
    @raise SettingError: the service would be root.
    """
    from twisted.internet import reactor

    if options.parent is None:
        # Part of somebody else's program, whose process it is.
        return False
    twistd = options.parent
    keepDeadlines(reactor)
    checkUser(twistd["uid"])
    raiseDescriptors()
    confine(twistd["umask"])
    # The demo reaches nobody else's maildrops, and nobody outside reaches it.
    if options["allow-root"] or options.demoAlone:
        return False
    return dropsRoot(twistd["uid"], twistd["gid"], twistd["euid"])


def _auditFile(options: Options, dropping: bool) -> AuditFile | None:
    """@raise SettingError: it cannot be written to."""
    from twisted.internet import reactor

    if options["audit-log"] is None:
        return None
    file = AuditFile(options["audit-log"], IReactorTime(reactor))
    if dropping and options.parent is not None:
        # After logs are rotated it is opened once more, by whoever serves then.
        file.handOver(options.parent["uid"], options.parent["gid"])
    return file


def _listeners(options: Options, certificate: bool) -> list[ListenerSettings]:
    """Those of the command line, and the tables of the configuration file."""
    clear = options["clear-text-logins"]
    return [
        *(
            ListenerSettings(each, "stls" if certificate else "none", clear)
            for each in options.given["pop3"]
        ),
        *(ListenerSettings(each, "implicit", clear) for each in options.given["pop3s"]),
        *options.listeners,
    ]


def _warnOfUnreadable(options: Options) -> None:
    """Root reads every file now; whom twistd makes of it may never again."""
    if options.parent is None:
        return
    given = options.given
    passwd = [each for each in given["auth"] if each.startswith("passwd:")]
    files = [
        *(each for each in (options["config"], options["client-ca"]) if each is not None),
        *(*given["certificate"], *given["private-key"]),
        *(each.removeprefix("passwd:").partition("?names=")[0] for each in passwd),
    ]
    sentence = unreadableAfter(options.parent["uid"], options.parent["gid"], files)
    if sentence is not None:
        print(f"twistd pop3svc: {sentence}", file=sys.stderr)


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


def _readSecret(path: str | None) -> bytes:
    """@raise SettingError: the file can neither be read nor made."""
    if path is None:
        return secrets.token_bytes(_SECRET_OCTETS)
    try:
        with contextlib.suppress(FileExistsError):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with open(os.open(path, flags, 0o600), "wb") as file:
                file.write(secrets.token_bytes(_SECRET_OCTETS))
        secret = Path(path).read_bytes()
    except OSError as error:
        raise SettingError(f"cannot read or make {path}: {error.strerror}") from error
    if len(secret) < _SECRET_OCTETS:
        raise SettingError(
            f"{path} has {len(secret)} octets, {_SECRET_OCTETS} are the least;"
            " remove it, and a good one is made"
        )
    return secret
