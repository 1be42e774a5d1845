"""
Several checkers as one.

Cred's Portal keeps one checker for each kind of credentials and forgets the
earlier of two without a word; so the portal gets the chain alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from twisted.cred.checkers import (
    FilePasswordDB,
    ICredentialsChecker,
    InMemoryUsernamePasswordDatabaseDontUse,
)
from twisted.cred.error import UnauthorizedLogin, UnhandledCredentials
from twisted.internet.defer import Deferred, maybeDeferred
from zope.interface import implementer, providedBy

from ..atonce import promise
from ..errors import CheckerUnavailable, LoginRefused, SettingError
from ..interfaces import ILimited, IScramVerifiers, ScramVerifier
from ..limits import Limits
from .credentials import strangersCredentials
from .scram import ITERATIONS, SALT_OCTETS


@implementer(ICredentialsChecker, ILimited, IScramVerifiers)
class CheckerChain:
    """
    Asks its checkers in the order given; the first that knows the user decides.

    @ivar credentialInterfaces: what any of them can check, in their order.
    """

    def __init__(self, checkers: Iterable[ICredentialsChecker]) -> None:
        """
        @raise SettingError: the password file of a C{file:} checker cannot be
            read.
        """
        self._checkers = tuple(checkers)
        for each in self._checkers:
            _fit(each)
        self._fitting: dict[object, list[ICredentialsChecker]] = {}
        self._scramCheckers: list[Any] = [
            each for each in self._checkers if IScramVerifiers.providedBy(each)
        ]
        self.credentialInterfaces: tuple[Any, ...] = tuple(
            dict.fromkeys(kind for each in self._checkers for kind in each.credentialInterfaces)
        )

    def requestAvatarId(self, credentials: Any) -> Deferred[bytes | tuple[()]]:
        """
        @return: the avatar id, or the failure of the checker that decided: a
            checker that is down is never skipped, because a later one might
            then let in whom it would have refused.
        """
        return promise(self._ask(credentials))

    def useLimits(self, limits: Limits) -> None:
        """Passed on to the checkers that keep to limits."""
        for each in self._checkers:
            if ILimited.providedBy(each):
                each.useLimits(limits)

    @property
    def scramHashes(self) -> frozenset[str]:
        """What any of the checkers has verifiers for."""
        found: list[frozenset[str]] = [each.scramHashes for each in self._scramCheckers]
        # Asked for each connection; there is one such checker, if any.
        return found[0] if len(found) == 1 else frozenset[str]().union(*found)

    @property
    def scramShape(self) -> tuple[int, int]:
        """That of the first checker that has verifiers."""
        having = [each for each in self._scramCheckers if each.scramHashes]
        return having[0].scramShape if having else (SALT_OCTETS, ITERATIONS)

    def scramVerifier(self, hashName: str, username: bytes) -> Deferred[ScramVerifier | None]:
        """
        @return: of the first checker that has one; a checker that is down is not
            skipped.
        """
        return promise(self._findVerifier(hashName, username))

    async def _findVerifier(self, hashName: str, username: bytes) -> ScramVerifier | None:
        checkers = self._scramCheckers
        for index, checker in enumerate(checkers, 1):
            try:
                found = await checker.scramVerifier(hashName, username)
            except LoginRefused:
                raise
            except UnauthorizedLogin:
                continue
            if found is not None:
                for later in checkers[index:]:
                    # As long as for somebody whom nobody knows.
                    with suppress(Exception):
                        await later.scramVerifier(hashName, username)
                return found
        return None

    async def _ask(self, credentials: Any) -> bytes | tuple[()]:
        fit = self._thoseFor(credentials)
        if not fit:
            raise UnhandledCredentials("no checker is there for these credentials")
        for index, checker in enumerate(fit, 1):
            try:
                answer = await maybeDeferred(checker.requestAvatarId, credentials)
            except LoginRefused:
                await _pretend(fit[index:], credentials)
                raise
            except UnauthorizedLogin as error:
                # Twisted's FilePasswordDB says so when it cannot read its file.
                if isinstance(error.__context__, OSError):
                    raise CheckerUnavailable(f"a checker failed: {error.__context__}") from error
                continue
            return avatarIdOf(answer)
        raise UnauthorizedLogin("no checker knows this user")

    def _thoseFor(self, credentials: Any) -> list[ICredentialsChecker]:
        """Looked for once for each sort of credentials, and there are few."""
        provided = providedBy(credentials)
        fit = self._fitting.get(provided)
        if fit is None:
            fit = self._fitting[provided] = [
                checker
                for checker in self._checkers
                if any(provided.isOrExtends(kind) for kind in checker.credentialInterfaces)
            ]
        return fit


async def _pretend(checkers: list[ICredentialsChecker], credentials: Any) -> None:
    """
    Take as long as for somebody whom the checkers before do not know: else the time
    would tell whom they do. They are asked about nobody: a password that is wrong
    here is none of their business, and nobody's account gets locked by it.
    """
    stranger = strangersCredentials(credentials)
    if stranger is None:
        return
    for checker in checkers:
        # Whatever they say, or fail with, changes nothing.
        with suppress(Exception):
            await maybeDeferred(checker.requestAvatarId, stranger)


def avatarIdOf(answer: Any) -> bytes:
    """
    The avatar id in its one form. Checkers answer C{str} as well.

    @param answer: what a checker answered.
    @raise LoginRefused: C{ANONYMOUS} or nothing: nobody's maildrop, and a
        template filled with nothing would be the folder of all maildrops.
    @raise TypeError: neither C{bytes} nor C{str} nor C{ANONYMOUS}.
    """
    if not isinstance(answer, bytes | str | tuple):
        raise TypeError(f"a checker answered {type(answer).__name__} for an avatar id")
    if isinstance(answer, tuple) or not answer:
        raise LoginRefused("the checker accepts the credentials, but names nobody")
    return _octets(answer)


def _octets(text: bytes | str) -> bytes:
    """As the command line or a file had it (PEP 383)."""
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text


def _fit(checker: ICredentialsChecker) -> None:
    """
    What two of Twisted's own checkers need, to work as C{--auth} promises.

    C{memory:} gets its users from strcred as C{str}, where credentials have
    C{bytes}, and would refuse everybody. C{file:} opens its file, by a name that
    means something else once twistd has changed its directory, no sooner than
    somebody logs in; and it reads as far as the user's line, so that its time tells
    who has one.

    @raise SettingError: the file cannot be read.
    """
    if isinstance(checker, InMemoryUsernamePasswordDatabaseDontUse):
        checker.users = {
            _octets(name): _octets(password) for name, password in checker.users.items()
        }
    elif isinstance(checker, FilePasswordDB):
        checker.filename = os.path.abspath(checker.filename)
        try:
            with open(checker.filename, "rb"):
                pass
        except OSError as error:
            raise SettingError(
                f"cannot read the password file {checker.filename}: {error.strerror};"
                " make it readable for the user that the service runs as"
            ) from error
        read = checker._loadCredentials
        checker._loadCredentials = lambda: list(read())  # type: ignore[method-assign]
