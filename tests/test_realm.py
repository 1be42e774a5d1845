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

from pop3svc.account import Account
from pop3svc.auth.realm import MaildropRealm
from pop3svc.errors import MaildropInUse
from pop3svc.interfaces import ILoginListener, IMaildrop, IMaildropSource


class FakeMaildrop:
    """Counts how often it is closed."""

    def __init__(self) -> None:
        self.closed = 0
        self.messages = object()
        self.closing: Deferred[None] = Deferred()

    def openMessage(self, number: int) -> str:
        return f"message {number}"

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

    def test_mind(self) -> None:
        """Whoever wants to know is told who logs in, before anything is opened."""

        @implementer(ILoginListener)
        class Listener:
            heard: list[Any] = []

            def loggedInAs(_, avatarId: bytes) -> None:
                Listener.heard.append((avatarId, list(self.source.asked)))

        verifyObject(ILoginListener, Listener())
        account = Account(b"karl")
        self.successResultOf(self.realm.requestAvatar(account, Listener(), IMaildrop))
        [(heard, asked)] = Listener.heard
        self.assertIs(heard, account)
        self.assertEqual(asked, [])

    def test_account(self) -> None:
        """The source gets all that the checker knows."""
        account = Account(b"karl", "/srv/karl")
        _, maildrop, _ = self.successResultOf(
            self.realm.requestAvatar(account, object(), IMaildrop)
        )
        self.assertIs(self.source.asked[0], account)
        self.assertIs(maildrop, self.source.maildrop)

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


class ReadOnlyTests(SynchronousTestCase):
    """A maildrop for a credential that may not remove anything."""

    def setUp(self) -> None:
        self.source = FakeSource()
        account = Account(b"karl", readOnly=True)
        login = MaildropRealm(self.source).requestAvatar(account, None, IMaildrop)
        _, self.maildrop, self.logout = self.successResultOf(login)

    def test_interface(self) -> None:
        verifyObject(IMaildrop, self.maildrop)
        self.assertIs(self.maildrop.messages, self.source.maildrop.messages)

    def test_read(self) -> None:
        self.assertEqual(self.maildrop.openMessage(2), "message 2")

    def test_remove(self) -> None:
        """Nothing is, and the session is told so."""
        self.assertEqual(self.successResultOf(self.maildrop.remove((1, 3))), [1, 3])

    def test_logout(self) -> None:
        """The lock is freed as ever."""
        ending = self.logout()
        self.assertEqual(self.source.maildrop.closed, 1)
        self.source.maildrop.closing.callback(None)
        self.successResultOf(ending)

    def test_failure(self) -> None:
        self.source.answer = fail(MaildropInUse("by karl"))
        account = Account(b"karl", readOnly=True)
        login = MaildropRealm(self.source).requestAvatar(account, None, IMaildrop)
        self.failureResultOf(login, MaildropInUse)


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
