"""
L{pop3svc.auth.realm}.
"""

from __future__ import annotations

from typing import Any, cast

from twisted.cred.portal import IRealm
from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import Interface, implementer
from zope.interface.verify import verifyObject

from pop3svc.auth.realm import MaildropRealm
from pop3svc.errors import MaildropInUse
from pop3svc.interfaces import IMaildrop, IMaildropSource


class FakeMaildrop:
    """Counts how often it is closed."""

    def __init__(self) -> None:
        self.closed = 0
        self.closing: Deferred[None] = Deferred()

    def close(self) -> Deferred[None]:
        self.closed += 1
        return self.closing


@implementer(IMaildropSource)
class FakeSource:
    """Answers what it is told to."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.maildrop = FakeMaildrop()
        self.answer: Any = succeed(cast(IMaildrop, self.maildrop))

    def openMaildrop(self, avatarId: bytes) -> Deferred[IMaildrop]:
        self.asked.append(avatarId)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class RealmTests(SynchronousTestCase):
    """What a portal gets."""

    def setUp(self) -> None:
        self.source = FakeSource()
        self.realm = MaildropRealm(self.source)

    def test_interface(self) -> None:
        verifyObject(IRealm, self.realm)

    def test_maildrop(self) -> None:
        """The maildrop of this avatar id, not closed."""
        login = self.realm.requestAvatar(b"karl", None, Interface, IMaildrop)
        interface, maildrop, _ = self.successResultOf(login)
        self.assertIs(interface, IMaildrop)
        self.assertIs(maildrop, self.source.maildrop)
        self.assertEqual(self.source.asked, [b"karl"])
        self.assertEqual(self.source.maildrop.closed, 0)

    def test_otherInterfaces(self) -> None:
        """Nothing is opened for who does not ask for a maildrop."""
        for interfaces in ((), (Interface, IMaildropSource)):
            self.assertRaises(
                NotImplementedError, self.realm.requestAvatar, b"karl", None, *interfaces
            )
        self.assertEqual(self.source.asked, [])

    def test_anonymous(self) -> None:
        """Nobody is not handed to a store."""
        self.assertRaises(AssertionError, self.realm.requestAvatar, (), None, IMaildrop)
        self.assertEqual(self.source.asked, [])

    def test_failure(self) -> None:
        """As the source says it, at once or later."""
        for answer in (fail(MaildropInUse("by karl")), MaildropInUse("by karl")):
            self.source.answer = answer
            login = self.realm.requestAvatar(b"karl", None, IMaildrop)
            self.assertEqual(str(self.failureResultOf(login, MaildropInUse).value), "by karl")


class LogoutTests(SynchronousTestCase):
    """Closed once, whoever calls how often."""

    def setUp(self) -> None:
        source = FakeSource()
        self.maildrop = source.maildrop
        login = MaildropRealm(source).requestAvatar(b"karl", None, IMaildrop)
        self.logout = self.successResultOf(login)[2]

    def test_waits(self) -> None:
        """Until the maildrop is closed, each time."""
        first, second = self.logout(), self.logout()
        self.assertEqual(self.maildrop.closed, 1)
        self.assertNoResult(first)
        self.assertNoResult(second)
        self.maildrop.closing.callback(None)
        self.assertEqual([self.successResultOf(each) for each in (first, second)], [None, None])

    def test_afterwards(self) -> None:
        self.maildrop.closing.callback(None)
        self.successResultOf(self.logout())
        self.successResultOf(self.logout())
        self.assertEqual(self.maildrop.closed, 1)

    def test_failure(self) -> None:
        """Both hear it, and nothing is left for the log."""
        first = self.logout()
        self.maildrop.closing.errback(OSError("lost"))
        self.failureResultOf(first, OSError)
        self.failureResultOf(self.logout(), OSError)
        self.assertEqual(self.maildrop.closed, 1)

    def test_closeRaises(self) -> None:
        """A store that breaks the rules cannot break a logout."""
        self.patch(self.maildrop, "close", lambda: 1 / 0)
        self.failureResultOf(self.logout(), ZeroDivisionError)
