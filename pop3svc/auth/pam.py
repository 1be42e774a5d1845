"""
C{--auth pam:SERVICE}: users of the system, and of whatever PAM is set up for.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from typing import Any

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.strcred import ICheckerFactory
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.plugin import IPlugin
from zope.interface import implementer

from ..errors import CheckerUnavailable, LoginRefused, SettingError
from ..interfaces import ILimited
from ..limits import Limits
from ..pools import Pool
from .outside import OutsideLogins, askInThread

# Where libpam looks for a service. For one that it does not find it takes
# "other", which refuses everybody, or nobody.
_DIRECTORIES = ("/etc/pam.d", "/usr/lib/pam.d")
_SERVICE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}", re.ASCII)

# PAM_MAX_RESP_SIZE is 512 with the NUL: modules cut what is longer, and the cut
# password might be the right one.
_MOST_OCTETS = 511

# What Linux-PAM's numbers say of the user; all others say something of PAM, or
# of how it is set up. The library names them as well, but is imported late.
_USER_UNKNOWN = 10
_REFUSED = {
    6: "PAM denies permission",
    7: "wrong password",
    11: "PAM has counted too many tries",
    12: "the password has expired",
    13: "the account has expired",
    16: "the credentials have expired",
    27: "the password has expired",
}


@implementer(ICredentialsChecker, ILimited)
class PamChecker:
    """
    Asks PAM, in threads: first who it is, then whether the account may be used.
    """

    credentialInterfaces = (IUsernamePassword,)

    def __init__(
        self,
        service: str,
        makeAuthenticator: Callable[[], Any],
        pool: Pool,
        reactor: IReactorTime | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        @param service: the name of the file in F{/etc/pam.d}.
        @param makeAuthenticator: makes a C{PamAuthenticator} of python-pam, which
            serves for one login.
        @param clock: seconds of a monotonic clock.
        """
        self._service = service
        self._makeAuthenticator = makeAuthenticator
        self._pool = pool
        ask = askInThread(pool, self._authenticate, clock)
        self._logins = OutsideLogins(f"the PAM service {service}", ask, reactor, clock)

    def requestAvatarId(self, credentials: IUsernamePassword) -> Deferred[bytes | tuple[()]]:
        """
        @return: the user's name; fails with C{UnauthorizedLogin} for a user that
            PAM does not know, L{LoginRefused} for one whose password is wrong or
            whose account may not be used, L{CheckerUnavailable} when PAM cannot
            say.
        """
        return self._logins.check(credentials.username, credentials.password)

    def useLimits(self, limits: Limits) -> None:
        """The bounds of asking: threads, queue, seconds."""
        self._pool.resize(limits.checkerThreads, limits.checkerQueue)
        self._logins.useLimits(limits)

    def _authenticate(self, name: bytes, password: bytes, end: float) -> bytes:
        """Blocks for as long as the modules take; nobody can end that."""
        if not (_fits(name) and _fits(password)):
            raise UnauthorizedLogin("a name or a password that PAM cannot take")
        authenticator = self._makeAuthenticator()
        # Without setting credentials: nobody becomes the user here. The encoding
        # is for messages of modules, and takes any octets.
        authenticator.authenticate(
            name, password, service=self._service, encoding="latin-1", resetcreds=False
        )
        code = authenticator.code
        if code == 0:
            return name
        if code == _USER_UNKNOWN:
            raise UnauthorizedLogin("unknown user")
        if code in _REFUSED:
            raise LoginRefused(_REFUSED[code])
        raise CheckerUnavailable(
            f"the PAM service {self._service} failed with {authenticator.reason!r} ({code});"
            " the system's log of authentication says more"
        )


def _fits(octets: bytes) -> bool:
    """PAM takes short texts; which octets modules make of others is anyone's guess."""
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return len(octets) <= _MOST_OCTETS


@implementer(ICheckerFactory, IPlugin)
class PamCheckerFactory:
    """C{pam:SERVICE}."""

    authType = "pam"
    argStringFormat = "[SERVICE]"
    authHelp = """
The users that PAM knows, by the rules in /etc/pam.d/SERVICE; without a SERVICE it
is pop3svc. Both "auth" and "account" count: an expired account does not get in.
Needs pop3svc[pam]. Where the rules name pam_unix, write its options "nodelay"
(pop3svc delays guesses itself) and "noreap"; for other users than its own it
needs root. See docs/auth-pam.rst and the example etc/pam.d/pop3svc.
"""
    credentialInterfaces = (IUsernamePassword,)

    def generateChecker(self, argumentText: str) -> PamChecker:
        """
        @param argumentText: the name of the service, or nothing.
        @raise SettingError: with a sentence.
        """
        service = argumentText.strip() or "pop3svc"
        if not _SERVICE.fullmatch(service):
            raise SettingError(
                f"{service!r} is no name of a PAM service; write --auth pam:SERVICE with small"
                " letters, digits, dots, dashes and underscores"
            )
        if not any(os.path.isfile(os.path.join(each, service)) for each in _DIRECTORIES):
            raise SettingError(
                f"there is no PAM service {service}; write its rules into /etc/pam.d/{service}"
                " (etc/pam.d/pop3svc is an example)"
            )
        bounds = Limits()
        return PamChecker(
            service,
            _authenticators(),
            Pool("PAM", bounds.checkerThreads, bounds.checkerQueue),
        )


def _authenticators() -> Callable[[], Any]:
    """
    @raise SettingError: a library is not there.
    """
    try:
        from pam import PamAuthenticator
    except ImportError as error:
        raise SettingError("--auth pam needs a library; run: pip install 'pop3svc[pam]'") from error
    try:
        # Finds libpam now: to find it starts a program, which no thread should.
        PamAuthenticator()
    except (AttributeError, OSError) as error:
        raise SettingError(
            "--auth pam finds no libpam on this system; install it (libpam0g on Debian)"
        ) from error
    make: Callable[[], Any] = PamAuthenticator
    return make
