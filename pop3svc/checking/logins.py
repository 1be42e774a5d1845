"""
Who may log in, and how, on each listener; what CAPA says comes from the same place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernameHashedPassword, IUsernamePassword
from twisted.cred.portal import Portal
from twisted.internet.task import Clock

from ..account import Account
from ..auth.chain import CheckerChain
from ..auth.credentials import IBearerToken, ICertificateName, IScramProof
from ..auth.names import NameRule, UnfitName, normalised
from ..auth.passwdfile import Table, User, readTable
from ..auth.realm import MaildropRealm
from ..errors import SettingError
from ..interfaces import IScramVerifiers
from ..listeners import ListenerSettings
from ..maildrops.memory import MemoryMaildropSource
from ..options import Options
from ..parts import CertificateSets, makeChain, makeFactory, makeOneChecker, situations, waysIn
from .findings import Section, counted
from .ports import Port, checkPort

# Of these the arguments hold no secret.
_PLAIN_KINDS = ("passwd", "file", "pam", "checkpassword", "oauth2")
# Nobody from elsewhere gets to such an endpoint.
_NEAR = re.compile(r"\A(?!haproxy:)(?:unix:|.*:interface=(?:127\.|\\:\\:1(?:\Z|:)))")
_TAKES = {
    IUsernamePassword: "passwords",
    IUsernameHashedPassword: "digests of passwords (CRAM-MD5, APOP)",
    IScramProof: "SCRAM",
    IBearerToken: "tokens",
    ICertificateName: "client certificates",
}


def checkCheckers(
    section: Section, options: Options, user: bytes | None
) -> tuple[CheckerChain | None, Account | None]:
    """
    @param user: whose password files are looked at, too.
    @return: the chain, if there is one; and the user as a password file has it.
    """
    checkers: list[ICredentialsChecker] = []
    account: Account | None = None
    found = False
    for description in options.given["auth"]:
        kind, _, arguments = description.partition(":")
        section.tell(f"{kind}:{arguments if kind in _PLAIN_KINDS else '...'}")
        with section.trying(1):
            checker = makeOneChecker(description)
            checkers.append(checker)
            section.tell(f"takes {', '.join(_takes(checker)) or 'nothing that POP3 has'}", 1)
            if kind != "passwd":
                continue
            table, rule = _table(arguments, options.limits.credentialsPerUser)
            _tellTable(section, table, arguments)
            known = None if user is None else _find(table, user, rule)
            if known is not None and not found:
                found, account = True, _tellUser(section, known)
    onlyFiles = all(each.startswith("passwd:") for each in options.given["auth"])
    if user is not None and not found and onlyFiles and options.given["auth"]:
        section.error(
            f"{_text(user)} is in none of the password files; add the user with pop3svc passwd set"
        )
    chain: CheckerChain | None = None
    if len(checkers) == len(options.given["auth"]) and (checkers or options["client-ca"]):
        with section.trying():
            chain = makeChain(options, checkers)
    return chain, account


def checkListeners(
    section: Section,
    options: Options,
    listeners: Sequence[ListenerSettings],
    chain: CheckerChain | None,
    sets: CertificateSets | None,
    ports: list[Port],
) -> None:
    """
    @param chain: C{None} if there is none, which has been told.
    @param sets: the same.
    @param ports: those of the listeners are added.
    """
    for each in listeners:
        section.tell(f"{each.endpoint}: {_what(each)}, for {_whom(each)}")
        with section.trying(1):
            checkPort(section, each, ports)
        tls = None
        if sets is not None and each.tls != "none":
            with section.trying(1):
                tls = sets.of(each)
        if chain is not None:
            _tellWays(section, options, each, chain, tls)
        if each.minimumTLS in ("1.0", "1.1") and _isForAll(each) and each.tls != "none":
            section.warn(
                f"TLS {each.minimumTLS} is weak, and spoken with everybody here; add networks ="
                " [...] for those that need it",
                1,
            )


def _tellWays(
    section: Section,
    options: Options,
    settings: ListenerSettings,
    chain: CheckerChain,
    tls: Any,
) -> None:
    """@param tls: for STLS, and unused if there is none."""
    portal = Portal(MaildropRealm(MemoryMaildropSource({})), [chain])
    stls = tls if settings.tls == "stls" else None
    # With a clock of its own it needs no reactor.
    factory = makeFactory(options, settings, portal, stls, clock=Clock())
    met = situations(factory, settings.tls)
    ways = {name: waysIn(each) for name, each in met.items()}
    if not any(ways.values()):
        section.error(
            "nobody can log in here: passwords need TLS or clear-text-logins, client certificates"
            " need TLS, and mechanism may leave nothing; set tls, or remove the listener",
            1,
        )
        return
    for name, names in _merged(ways):
        nothing = "nothing" if "TLS" in name or stls is None else "nothing before STLS"
        section.tell(f"{name}: {' '.join(names) or nothing}", 1)
    far = met.get("in the clear, from elsewhere")
    isForAll = _isForAll(settings) and _NEAR.match(settings.endpoint) is None
    if far is not None and far.passwordsHere and far.passwords and isForAll:
        section.warn(
            "passwords are taken in the clear from everywhere, and whoever listens on the way"
            " reads them; set clear-text-logins to loopback, or to never",
            1,
        )


def _isForAll(settings: ListenerSettings) -> bool:
    """A proxy may be the only one that connects, and tells for whom."""
    return settings.proxied or not settings.networks


def _merged(ways: dict[str, list[str]]) -> list[tuple[str, list[str]]]:
    """What is the same for this machine and others, with a certificate and without, once."""
    near, far = "in the clear, from this machine", "in the clear, from elsewhere"
    inside, certified = "inside TLS", "inside TLS, with a certificate"
    merged = dict(ways)
    if near in ways and ways[near] == ways[far]:
        merged = {"in the clear": ways[near]} | {k: v for k, v in ways.items() if k != near}
        del merged[far]
    if inside in ways and ways[inside] == ways[certified]:
        del merged[certified]
    return list(merged.items())


def _what(settings: ListenerSettings) -> str:
    if settings.tls == "none":
        return "no TLS"
    kind = "STLS" if settings.tls == "stls" else "TLS from the start"
    return f"{kind}, version {settings.minimumTLS} at the least"


def _whom(settings: ListenerSettings) -> str:
    return ", ".join(map(str, settings.networks)) or "everybody"


def _takes(checker: ICredentialsChecker) -> list[str]:
    kinds = [each for each in checker.credentialInterfaces if each in _TAKES]
    verifiers = IScramVerifiers(checker, None)
    if IScramProof in kinds and not (verifiers and verifiers.scramHashes):
        # It could, but nobody has a verifier.
        kinds.remove(IScramProof)
    return [_TAKES[each] for each in kinds]


def _table(arguments: str, most: int) -> tuple[Table, NameRule]:
    path, _, names = arguments.partition("?names=")
    rule: NameRule = "precis" if names == "precis" else "plain"
    read = readTable(path, None, most, rule)
    if read is None:
        raise SettingError(f"cannot read {path}; try again")
    return read[1], rule


def _tellTable(section: Section, table: Table, path: str) -> None:
    section.tell(f"{counted(len(table.users), 'user')}, {table.usable:,} of them not locked", 1)
    for number, sentence in table.complaints:
        section.warn(f"{path} line {number}: {sentence}", 1)


def _find(table: Table, user: bytes, rule: NameRule) -> User | None:
    try:
        return table.users.get(normalised(user, rule))
    except UnfitName:
        return None


def _tellUser(section: Section, user: User) -> Account | None:
    name = _text(user.name)
    closed = user.lockedBy or user.closedBy
    if closed:
        section.error(f"{name} is kept out by {closed}; change the user's line", 1)
    if not user.credentials:
        return None
    section.tell(f"{name} is here, with {counted(len(user.credentials), 'password')}", 1)
    return user.account(user.credentials[0])


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")
