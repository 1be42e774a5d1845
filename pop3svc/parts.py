"""
What the options name, made one by one: for the service, and for C{pop3svc check},
which goes on where the service would not start.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Any

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernameHashedPassword, IUsernamePassword
from twisted.cred.portal import Portal
from twisted.cred.strcred import InvalidAuthArgumentString, InvalidAuthType, makeChecker
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator

from .auth.certificate import CertificateChecker
from .auth.chain import CheckerChain
from .auth.credentials import IBearerToken, ICertificateName, IScramProof
from .channel import Channel
from .core.capabilities import Situation, mechanismNames, withheld
from .errors import SettingError
from .factory import POP3Factory
from .listeners import ListenerSettings, TLSMode
from .options import Options
from .startfiles import readRegular
from .tls import ServerTLS, Version

SECRET_OCTETS = 32
# What a session makes of what a client sends.
_CREDENTIALS = {IUsernamePassword, IUsernameHashedPassword, IBearerToken, ICertificateName}

_NEAR, _FAR = (IPv4Address("TCP", each, 110) for each in ("127.0.0.1", "192.0.2.1"))
# What a client may have told in its handshake: that it has a certificate, and that it
# can bind what it says to the channel.
_BOUND = Channel((), {"tls-exporter": b"", "tls-server-end-point": b""})
_CERTIFIED = replace(_BOUND, names=(b"karl",))


def missing(options: Options) -> Iterator[str]:
    """A sentence for each thing without which there is no service."""
    given = options.given
    if not (given["pop3"] or given["pop3s"] or options.listeners):
        yield "no listener is given; add --pop3 tcp:110 or --pop3s tcp:995"
    if not (given["auth"] or options["client-ca"]):
        yield "nobody could log in; add --auth KIND:ARGUMENTS (see --help-auth)"
    if options["client-ca"] and not given["certificate"]:
        yield "--client-ca needs a certificate of the service; add --certificate FILE"
    if not given["maildrop"]:
        yield (
            "no maildrops are given; add --maildrop maildir:/home/{user}/Maildir"
            " (see --help-maildrop)"
        )


def allListeners(options: Options) -> list[ListenerSettings]:
    """Those of the command line, and the tables of the configuration file."""
    clear, given = options["clear-text-logins"], options.given
    tls: TLSMode = "stls" if given["certificate"] else "none"
    return [
        *(ListenerSettings(each, tls, clear) for each in given["pop3"]),
        *(ListenerSettings(each, "implicit", clear) for each in given["pop3s"]),
        *options.listeners,
    ]


def filesReadAgain(options: Options) -> list[str]:
    """What the service reads at the start, and again while it runs."""
    given = options.given
    passwd = [each for each in given["auth"] if each.startswith("passwd:")]
    return [
        *(options[each] for each in ("config", "client-ca", "http-token") if options[each]),
        *(*given["certificate"], *given["private-key"]),
        *(each.removeprefix("passwd:").partition("?names=")[0] for each in passwd),
    ]


class CertificateSets:
    """The certificates given, once for each oldest version of TLS asked for."""

    def __init__(self, options: Options) -> None:
        certificates, keys = options.given["certificate"], options.given["private-key"]
        if len(keys) > len(certificates):
            raise SettingError("each --private-key needs its --certificate")
        self.paths = [
            (chain, key or chain) for chain, key in zip_longest(certificates, keys, fillvalue="")
        ]
        self._clientCA = options["client-ca"]
        self._byVersion: dict[Version, ServerTLS] = {}

    def of(self, settings: ListenerSettings) -> ServerTLS:
        """@raise SettingError: there is no certificate, or it is wrong."""
        if not self.paths:
            raise SettingError(
                f"TLS on {settings.endpoint} needs a certificate; add --certificate FILE"
            )
        version = settings.minimumTLS
        if version not in self._byVersion:
            self._byVersion[version] = ServerTLS(self.paths, self._clientCA, version)
        return self._byVersion[version]

    def all(self) -> list[ServerTLS]:
        return list(self._byVersion.values())


def makeOneChecker(description: str) -> ICredentialsChecker:
    """
    @param description: C{KIND:ARGUMENTS}.
    @raise SettingError: there is no such kind, or it does not take such arguments.
    """
    try:
        return makeChecker(description)
    except InvalidAuthType as error:
        kind = description.partition(":")[0]
        raise SettingError(
            f"--auth {kind}: there is no such kind; --help-auth lists them"
        ) from error
    except SettingError:
        raise
    except (InvalidAuthArgumentString, OSError, ValueError) as error:
        # Twisted's own has ValueError for a missing file.
        raise SettingError(f"--auth {description}: {error}") from error


def makeChain(options: Options, checkers: Sequence[ICredentialsChecker]) -> CheckerChain:
    """
    @param checkers: those of C{--auth}, in its order.
    @raise SettingError: POP3 has nothing that any of them takes.
    """
    authorities = [CertificateChecker()] if options["client-ca"] else []
    chain = CheckerChain([*checkers, *authorities])
    if not (_CREDENTIALS.intersection(chain.credentialInterfaces) or chain.scramHashes):
        kinds = ", ".join(each.partition(":")[0] for each in options.given["auth"])
        raise SettingError(
            f"nobody could log in: POP3 has nothing that --auth {kinds} takes;"
            " add another --auth KIND:ARGUMENTS (see --help-auth)"
        )
    return chain


def makeFactory(
    options: Options,
    settings: ListenerSettings,
    portal: Portal,
    tls: IOpenSSLServerConnectionCreator | None,
    **shared: Any,
) -> POP3Factory:
    """
    @param tls: for STLS, if it is offered on this listener.
    @param shared: what else L{POP3Factory} takes.
    """
    return POP3Factory(
        portal,
        options.limits,
        tls,
        settings.clearTextLogins,
        mechanisms=[each.encode() for each in options.given["mechanism"]] or None,
        apop=bool(options["apop"]),
        **shared,
    )


def situations(factory: POP3Factory, tls: TLSMode) -> dict[str, Situation]:
    """What a client can meet on a listener, by what it is called."""
    clear = {
        "in the clear, from this machine": factory.situation(_NEAR, False),
        "in the clear, from elsewhere": factory.situation(_FAR, False),
    }
    inside = {
        "inside TLS": factory.situation(_FAR, True, _BOUND),
        "inside TLS, with a certificate": factory.situation(_FAR, True, _CERTIFIED),
    }
    if tls == "none":
        return clear
    return inside if tls == "implicit" else clear | inside


def waysIn(situation: Situation) -> list[str]:
    """How one may log in there: C{USER}, C{APOP}, and SASL mechanisms as CAPA lists them."""
    commands = [each for each in (b"USER", b"APOP") if withheld(each, situation) is None]
    return [each.decode() for each in (*commands, *mechanismNames(situation))]


def checkLogins(served: Sequence[tuple[POP3Factory, TLSMode]], chain: CheckerChain) -> None:
    """@raise SettingError: on no listener could anybody log in."""
    for factory, tls in served:
        for each in situations(factory, tls).values():
            if IScramProof in chain.credentialInterfaces:
                # There may be none yet.
                each = replace(each, scramHashes=frozenset({"SHA-1", "SHA-256"}))
            if waysIn(each):
                return
    raise SettingError(
        "nobody could log in on any listener: passwords need TLS or --clear-text-logins, client"
        " certificates need TLS, and --mechanism may leave nothing; pop3svc check shows each"
    )


def readSecret(path: str | None) -> bytes:
    """
    @return: what is in the file, which is made if it is not there.
    @raise SettingError: the file can neither be read nor made.
    """
    if path is None:
        return secrets.token_bytes(SECRET_OCTETS)
    try:
        with contextlib.suppress(FileExistsError):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with open(os.open(path, flags, 0o600), "wb") as file:
                file.write(secrets.token_bytes(SECRET_OCTETS))
        secret = readRegular(path)
    except OSError as error:
        raise SettingError(f"cannot read or make {path}: {error.strerror}") from error
    if len(secret) < SECRET_OCTETS:
        raise SettingError(
            f"{path} has {len(secret)} octets, {SECRET_OCTETS} are the least;"
            " remove it, and a good one is made"
        )
    return secret
