"""
C{--auth ldap:URL}: users of a directory.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.strcred import ICheckerFactory
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.plugin import IPlugin
from twisted.python.failure import Failure
from zope.interface import implementer

from ..errors import SettingError
from ..interfaces import ILimited
from ..limits import Limits
from ..pools import Pool
from .ldapsettings import Misleading, parseSettings
from .outside import OutsideLogins, askInThread


class AsksDirectory(Protocol):
    """What a checker needs of L{pop3svc.auth.ldapdirectory.Directory}."""

    def login(self, name: bytes, password: bytes, end: float) -> bytes:
        """Blocks; see there."""


@implementer(ICredentialsChecker, ILimited)
class LdapChecker:
    """
    Asks a directory, in threads: each has one connection while it asks.
    """

    credentialInterfaces = (IUsernamePassword,)
    _log = Logger()

    def __init__(
        self,
        directory: AsksDirectory,
        pool: Pool,
        reactor: IReactorTime | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        @param reactor: that of the process unless given.
        @param clock: seconds of a monotonic clock.
        """
        self._pool = pool
        self._askInThread = askInThread(pool, directory.login, clock)
        self._logins = OutsideLogins("the directory", self._ask, reactor, clock)

    def requestAvatarId(self, credentials: IUsernamePassword) -> Deferred[bytes | tuple[()]]:
        """
        @return: the user's name, or the attribute that is set; fails as
            L{pop3svc.auth.ldapdirectory.Directory.login} does.
        """
        return self._logins.check(credentials.username, credentials.password)

    def useLimits(self, limits: Limits) -> None:
        """The bounds of asking: threads and with them connections, queue, seconds."""
        self._pool.resize(limits.checkerThreads, limits.checkerQueue)
        self._logins.useLimits(limits)

    def _ask(self, name: bytes, password: bytes, end: float) -> Deferred[bytes]:
        return self._askInThread(name, password, end).addErrback(self._ebMisleading, name)

    def _ebMisleading(self, failure: Failure, name: bytes) -> Failure:
        """To the user it is a login refused like others, so the log has to say it."""
        if failure.check(Misleading):
            self._log.warn("{name!r} cannot log in: {why}", name=name, why=str(failure.value))
        return failure


@implementer(ICheckerFactory, IPlugin)
class LdapCheckerFactory:
    """C{ldap:URL}."""

    authType = "ldap"
    argStringFormat = "URL[?NAME=VALUE]..."
    authHelp = """
A directory. Put the URL into quotes; a question mark within a value is %3F.
Users by a pattern of their DN:
  'ldap:ldaps://HOST/uid={user},ou=people,dc=example,dc=org'
or by a search, and the DN that it finds:
  'ldap:ldaps://HOST/ou=people,dc=example,dc=org?filter=(mail={user})'
Options: filter=(...{user}...); scope=sub or one; bind-dn=DN and
password-file=FILE, who searches (nobody in particular without); avatar=ATTRIBUTE,
what the maildrop is called by (the name as typed without); tls=verified (with
ldap:// by StartTLS), unverified or none; ca=FILE of authorities (those of
the system without). Needs pop3svc[ldap]. See docs/auth-ldap.rst.
"""
    credentialInterfaces = (IUsernamePassword,)

    def generateChecker(self, argumentText: str) -> LdapChecker:
        """
        @param argumentText: the URL with its options.
        @raise SettingError: with a sentence. That the directory is down is no
            reason: it may come up later.
        """
        settings = parseSettings(argumentText)
        try:
            from .ldapdirectory import Directory
        except ImportError as error:
            raise SettingError(
                "--auth ldap needs a library; run: pip install 'pop3svc[ldap]' (to build it takes"
                " a C compiler and the headers of OpenLDAP and SASL, on Debian libldap-dev and"
                " libsasl2-dev)"
            ) from error
        bounds = Limits()
        pool = Pool("directory", bounds.checkerThreads, bounds.checkerQueue)
        return LdapChecker(Directory(settings), pool)
