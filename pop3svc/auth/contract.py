"""
The tests that every checker of passwords must pass; L{pop3svc.testing} offers
them to authors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword, UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import IRealm, Portal
from twisted.internet.defer import DeferredList, maybeDeferred
from zope.interface import Interface, implementer
from zope.interface.verify import verifyObject

if TYPE_CHECKING:
    from twisted.trial.unittest import TestCase as _Mixed
else:
    _Mixed = object

# What breaks checkers, as names and as passwords: octets that end a text, a
# field or a line elsewhere, that are no UTF-8, that mean something to a
# directory or a shell, and more of them than anybody expects.
AWKWARD_OCTETS = (
    b"\0",
    b"\r\n",
    b"\xff\xfe\x80",
    "kärl".encode(),
    "kärl".encode("latin-1"),
    b":",
    b"*",
    b"!",
    b"../karl",
    b"karl)(uid=*",
    b"' OR 1=1 --",
    b"%u $HOME {user}",
    b"{PLAIN}",
    b"a" * 65536,
    b"\xff" * 65536,
)


class CheckerContract(_Mixed):
    """
    What the portal, and the throttle in front of it, rely on.

    @ivar good: the name and the password of a user.
    @ivar others: of further users, if there are any.
    """

    good: tuple[bytes, bytes] = (b"karl", b"secret")
    others: Sequence[tuple[bytes, bytes]] = ()

    def makeChecker(self) -> ICredentialsChecker:  # pragma: no cover
        """A new checker, which knows the users C{good} and C{others}."""
        raise NotImplementedError

    # What the tests are written with.

    async def _ask(self, checker: ICredentialsChecker, name: bytes, password: bytes) -> Any:
        return await maybeDeferred(checker.requestAvatarId, UsernamePassword(name, password))

    async def _assertRefused(
        self, checker: ICredentialsChecker, name: bytes, password: bytes
    ) -> None:
        """Any other failure would be C{[SYS/TEMP]}, and passes through."""
        try:
            avatarId = await self._ask(checker, name, password)
        except UnauthorizedLogin:
            return
        self.fail(f"{name[:40]!r} with {password[:40]!r} was let in as {avatarId!r}")

    # The contract.

    def test_interface(self) -> None:
        """A checker says that it is one, and that it checks passwords."""
        checker = self.makeChecker()
        verifyObject(ICredentialsChecker, checker)
        self.assertIn(IUsernamePassword, checker.credentialInterfaces)

    async def test_goodPassword(self) -> None:
        """The answer is the avatar id, in octets, each time."""
        checker = self.makeChecker()
        first = await self._ask(checker, *self.good)
        self.assertIsInstance(first, bytes)
        self.assertNotEqual(first, b"")
        self.assertEqual(await self._ask(checker, *self.good), first)

    async def test_usersAreTold(self) -> None:
        """Each user has an avatar id and a password of their own."""
        checker = self.makeChecker()
        users = [self.good, *self.others]
        avatarIds = [await self._ask(checker, *each) for each in users]
        self.assertEqual(len(set(avatarIds)), len(users))
        for name, password in users:
            for otherName, otherPassword in users:
                if name != otherName and password != otherPassword:
                    await self._assertRefused(checker, name, otherPassword)

    async def test_wrongPassword(self) -> None:
        """Neither another one nor the right one with something more or less."""
        checker, (name, password) = self.makeChecker(), self.good
        for wrong in (
            b"wrong" + password,
            password[:-1],
            password + b"x",
            password + b" ",
            password + b"\0",
            password + b"\0junk",
            password + b"\r\n",
            password.swapcase(),
        ):
            await self._assertRefused(checker, name, wrong)

    async def test_unknownUser(self) -> None:
        checker = self.makeChecker()
        await self._assertRefused(checker, self.good[0] + b"-who-is-not-there", self.good[1])

    async def test_empty(self) -> None:
        """No name, no password, neither."""
        checker, (name, password) = self.makeChecker(), self.good
        await self._assertRefused(checker, b"", password)
        await self._assertRefused(checker, name, b"")
        await self._assertRefused(checker, b"", b"")

    async def test_awkwardPasswords(self) -> None:
        """They are wrong, and nothing else."""
        checker = self.makeChecker()
        for octets in AWKWARD_OCTETS:
            await self._assertRefused(checker, self.good[0], octets)

    async def test_awkwardNames(self) -> None:
        """They are unknown, and nothing else."""
        checker, (good, password) = self.makeChecker(), self.good
        users = [good, *(name for name, _ in self.others)]
        for octets in AWKWARD_OCTETS:
            for name in (octets, good + octets, octets + good):
                if name not in users:
                    await self._assertRefused(checker, name, password)

    async def test_refusalSpoilsNothing(self) -> None:
        """After a refused login the next one is checked as if it were the first."""
        checker = self.makeChecker()
        await self._assertRefused(checker, self.good[0], b"wrong")
        await self._ask(checker, *self.good)
        await self._assertRefused(checker, self.good[0], b"wrong")

    async def test_atOnce(self) -> None:
        """Logins at the same time get each their own answer."""
        checker = self.makeChecker()
        name, password = self.good
        asked = [password, b"wrong", password, password, b"wrong", b"another"]
        outcomes = await DeferredList(
            [
                maybeDeferred(checker.requestAvatarId, UsernamePassword(name, each))
                for each in asked
            ],
            consumeErrors=True,
        )
        self.assertEqual([good for good, _ in outcomes], [each == password for each in asked])
        refused: list[Any] = [outcome for good, outcome in outcomes if not good]
        for failure in refused:
            self.assertIsInstance(failure.value, UnauthorizedLogin)

    async def test_portal(self) -> None:
        """Behind a portal it lets in and keeps out as by itself."""
        checker = self.makeChecker()
        portal = Portal(_Realm(), [checker])
        _, avatar, _ = await portal.login(UsernamePassword(*self.good), None, Interface)
        self.assertEqual(avatar, await self._ask(checker, *self.good))
        refused = portal.login(UsernamePassword(self.good[0], b"wrong"), None, Interface)
        await self.assertFailure(refused, UnauthorizedLogin)


@implementer(IRealm)
class _Realm:
    """Its avatars are the avatar ids."""

    def requestAvatar(self, avatarId: Any, mind: object, *interfaces: Any) -> Any:
        return interfaces[0], avatarId, lambda: None
