"""
A passwd file behind the protocol: what a credential may do, and what the log says.
"""

from __future__ import annotations

import base64
from typing import Any

from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from pop3svc.account import Account
from pop3svc.auth.chain import CheckerChain
from pop3svc.auth.passwd import PasswdChecker
from pop3svc.auth.passwdedit import makeHash
from pop3svc.auth.realm import MaildropRealm
from pop3svc.auth.verifier import PasswordVerifier
from pop3svc.errors import MaildropInUse
from pop3svc.factory import POP3Factory
from pop3svc.interfaces import IMaildrop, IMaildropSource

from .checking import DirectPool
from .support import FIRST, ControlledMaildrop, RecordingAudit, Transport, prompt

FILE = b"""\
karl:{PLAIN}secret:networks=192.0.2.0/24:maildrop=/srv/karl
karl:{PLAIN}phone-1:name=phone:expires=2001-01-31
karl:{PLAIN}scan:name=scanner:read-only
joe:%b
""" % makeHash("scram-sha-256", b"iluvjane")

WRONG = b"-ERR [AUTH] "


@implementer(IMaildropSource)
class Source:
    """
    One maildrop for everybody.

    @ivar busy: another session has it.
    """

    def __init__(self) -> None:
        self.maildrop = ControlledMaildrop([FIRST])
        self.asked: list[Any] = []
        self.busy = False

    def openMaildrop(self, avatarId: bytes) -> Deferred[IMaildrop]:
        self.asked.append(avatarId)
        if self.busy:
            raise MaildropInUse("x")
        return succeed(self.maildrop)


class LoginTests(SynchronousTestCase):
    def setUp(self) -> None:
        path = self.mktemp()
        with open(path, "wb") as file:
            file.write(FILE)
        clock = Clock()
        verifier = PasswordVerifier(clock=clock.seconds)
        verifier.pool = DirectPool()
        checker = PasswdChecker(path, verifier, DirectPool(), clock.seconds)
        self.source = Source()
        self.audit = RecordingAudit()
        self.factory = POP3Factory(
            Portal(MaildropRealm(self.source), [CheckerChain([checker])]),
            prompt(),
            clock=clock,
            audit=self.audit,
            clearTextLogins="always",
        )

    def connect(self, peer: str = "192.0.2.7") -> tuple[Any, Transport]:
        transport = Transport(peer)
        protocol = self.factory.buildProtocol(transport.getPeer())
        assert protocol is not None
        protocol.makeConnection(transport)
        transport.clear()
        return protocol, transport

    def says(self, connection: tuple[Any, Transport], line: bytes) -> bytes:
        protocol, transport = connection
        protocol.dataReceived(line + b"\r\n")
        answer = transport.value()
        transport.clear()
        return answer

    def login(self, password: bytes, name: bytes = b"karl", peer: str = "192.0.2.7") -> bytes:
        plain = base64.b64encode(b"\0%b\0%b" % (name, password))
        return self.says(self.connect(peer), b"AUTH PLAIN " + plain)

    def test_theSourceGetsAnAccount(self) -> None:
        self.login(b"secret")
        [account] = self.source.asked
        self.assertIsInstance(account, Account)
        self.assertEqual((account, account.maildrop), (b"karl", "/srv/karl"))

    def test_oneText(self) -> None:
        """Wrong, expired, from elsewhere, unknown: a client cannot tell them apart."""
        answers = {
            self.login(b"wrong"),
            self.login(b"phone-1"),
            self.login(b"secret", peer="192.0.3.7"),
            self.login(b"secret", b"nobody"),
        }
        self.assertEqual(len(answers), 1)
        self.assertEqual(answers.pop()[: len(WRONG)], WRONG)
        self.assertEqual(self.source.asked, [])

    def test_audit(self) -> None:
        """The name of the application password, and nothing for the main one."""
        connection = self.connect()
        self.says(connection, b"USER karl")
        self.says(connection, b"PASS scan")
        self.says(connection, b"QUIT")
        connection[0].connectionLost()
        login, logout = self.audit.events("login", "logout")
        self.assertEqual((login["credential"], logout["credential"]), ("scanner", "scanner"))
        self.login(b"secret")
        self.assertNotIn("credential", self.audit.events("login")[1])

    def test_auditOfRefusals(self) -> None:
        """The name is that of this login, and no earlier one's."""
        self.source.busy = True
        connection = self.connect()
        for password in (b"scan", b"wrong"):
            self.says(connection, b"USER karl")
            self.says(connection, b"PASS " + password)
        first, second = self.audit.events("login-refused")
        self.assertEqual((first["reason"], first["credential"]), ("in-use", "scanner"))
        self.assertEqual(second["reason"], "wrong")
        self.assertNotIn("credential", second)

    def test_readOnly(self) -> None:
        """DELE is refused, and nothing is removed."""
        connection = self.connect()
        self.says(connection, b"USER karl")
        self.says(connection, b"PASS scan")
        self.assertEqual(
            self.says(connection, b"DELE 1"),
            b"-ERR this login may read messages, not delete them\r\n",
        )
        answer = self.says(connection, b"QUIT")
        self.assertEqual(answer, b"+OK pop3svc signing off (1 message left)\r\n")
        self.assertEqual(self.source.maildrop.calls, ["close"])

    def test_scramIsOffered(self) -> None:
        """By what is in the file; the passwords in clear text serve CRAM-MD5 too."""
        answer = self.says(self.connect(), b"CAPA")
        [line] = [each for each in answer.split(b"\r\n") if each.startswith(b"SASL")]
        self.assertLessEqual(
            {b"SCRAM-SHA-256", b"SCRAM-SHA-1", b"CRAM-MD5", b"PLAIN"}, set(line.split())
        )

    def test_scramsPasswordByPLAIN(self) -> None:
        self.assertEqual(self.login(b"iluvjane", b"joe")[:3], b"+OK")
        self.assertEqual(self.login(b"iluvjohn", b"joe")[: len(WRONG)], WRONG)
