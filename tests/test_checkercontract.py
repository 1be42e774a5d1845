"""
L{pop3svc.testing}: the contract for checkers bites.

Each checker here has one fault; the test that is named for it must fail.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any
from unittest import TestResult

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernameHashedPassword, IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import fail
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import implementer

from pop3svc.testing import CheckerContract

TESTS = sorted(name for name, _ in inspect.getmembers(CheckerContract) if name.startswith("test_"))
USERS = {b"karl": b"secret", b"joe": b"iluvjane"}


@implementer(ICredentialsChecker)
class Good:
    """Answers as a checker should, and at once."""

    credentialInterfaces: tuple[Any, ...] = (IUsernamePassword,)

    def requestAvatarId(self, credentials: IUsernamePassword) -> Any:
        if self.isRight(credentials.username, credentials.password):
            return credentials.username
        raise UnauthorizedLogin()

    def isRight(self, name: bytes, password: bytes) -> bool:
        return USERS.get(name) == password


class AnswersText(Good):
    """As Twisted's C{memory:} of today."""

    def requestAvatarId(self, credentials: IUsernamePassword) -> Any:
        return super().requestAvatarId(credentials).decode()


class AnswersNothing(Good):
    def requestAvatarId(self, credentials: IUsernamePassword) -> Any:
        return super().requestAvatarId(credentials) and b""


class AnswersOneForAll(Good):
    def requestAvatarId(self, credentials: IUsernamePassword) -> Any:
        return super().requestAvatarId(credentials) and b"vmail"


class ChecksOthers(Good):
    credentialInterfaces = (IUsernameHashedPassword,)


class CutsAtNUL(Good):
    def isRight(self, name: bytes, password: bytes) -> bool:
        return super().isRight(name, password.split(b"\0")[0])


class CutsNameAtNUL(Good):
    def isRight(self, name: bytes, password: bytes) -> bool:
        return super().isRight(name.split(b"\0")[0], password)


class IgnoresCase(Good):
    def isRight(self, name: bytes, password: bytes) -> bool:
        return super().isRight(name, password.lower())


class EmptyPasswordBinds(Good):
    """As a directory that takes a login without a password for an anonymous one."""

    def isRight(self, name: bytes, password: bytes) -> bool:
        return super().isRight(name, password) or (name in USERS and not password)


class DecodesPasswords(Good):
    def isRight(self, name: bytes, password: bytes) -> bool:
        return super().isRight(name, password.decode("utf-8").encode())


class DecodesNames(Good):
    def isRight(self, name: bytes, password: bytes) -> bool:
        return super().isRight(name.decode("utf-8").encode(), password)


class KnowsKeyError(Good):
    def isRight(self, name: bytes, password: bytes) -> bool:
        return USERS[name] == password


class AnyPassword(Good):
    def isRight(self, name: bytes, password: bytes) -> bool:
        return name in USERS and password in USERS.values()


class Breaks(Good):
    """After one refusal it refuses everybody."""

    broken = False

    def isRight(self, name: bytes, password: bytes) -> bool:
        right = super().isRight(name, password) and not self.broken
        self.broken = not right
        return right


class RefusesOtherwise(Good):
    """With an error that would be taken for a fault of the service."""

    def requestAvatarId(self, credentials: IUsernamePassword) -> Any:
        if not self.isRight(credentials.username, credentials.password):
            return fail(PermissionError("wrong"))
        return credentials.username


FAULTS: list[tuple[Callable[[], Good], str]] = [
    (AnswersText, "test_goodPassword"),
    (AnswersNothing, "test_goodPassword"),
    (AnswersOneForAll, "test_usersAreTold"),
    (AnyPassword, "test_usersAreTold"),
    (ChecksOthers, "test_interface"),
    (ChecksOthers, "test_portal"),
    (CutsAtNUL, "test_wrongPassword"),
    (CutsNameAtNUL, "test_awkwardNames"),
    (IgnoresCase, "test_wrongPassword"),
    (EmptyPasswordBinds, "test_empty"),
    (DecodesPasswords, "test_awkwardPasswords"),
    (DecodesNames, "test_awkwardNames"),
    (KnowsKeyError, "test_unknownUser"),
    (Breaks, "test_refusalSpoilsNothing"),
    (Breaks, "test_atOnce"),
    (RefusesOtherwise, "test_atOnce"),
    (RefusesOtherwise, "test_wrongPassword"),
]


def run(make: Callable[[], Good], name: str) -> TestResult:
    """Run one test of the contract as trial does."""

    class Case(CheckerContract, TestCase):
        others = ((b"joe", b"iluvjane"),)

        def makeChecker(self) -> Any:
            return make()

    result = TestResult()
    Case(name).run(result)
    return result


class CheckerContractTests(SynchronousTestCase):
    def test_goodChecker(self) -> None:
        self.assertEqual(len(TESTS), 11)
        for name in TESTS:
            result = run(Good, name)
            self.assertEqual((name, result.failures + result.errors), (name, []))

    def test_faultyCheckers(self) -> None:
        for make, name in FAULTS:
            result = run(make, name)
            self.assertEqual(len(result.failures + result.errors), 1, (make, name))

    def test_everyTestBites(self) -> None:
        self.assertEqual(sorted({name for _, name in FAULTS}), TESTS)
