"""STLS (RFC 2595) as the protocol performs it; the handshake is for other tests."""

from typing import Any, cast

from twisted.trial.unittest import TestCase

from pop3svc.limits import Limits

from .support import Connection

LOGIN = b"+OK send PASS\r\n"


class StartTLSTests(TestCase):
    """RFC 2595 section 4, and what an attacker could want of it."""

    def connect(self, **settings: Any) -> Connection:
        connection = Connection(tls=cast(Any, object()), **settings)
        connection.received()
        return connection

    def test_injected(self) -> None:
        """In the same segment or a later one: nothing of it is executed or answered."""
        for pieces in ([b"STLS\r\nUSER karl\r\n"], [b"STLS\r\nX"], [b"CAPA\r\nSTLS\r\n\n"]):
            connection = self.connect()
            for piece in pieces:
                connection.send(piece)
            self.assertTrue(
                connection.received().endswith(b"-ERR nothing may follow STLS before TLS\r\n")
            )
            self.assertTrue(connection.closing)
            self.assertEqual(connection.transport.contexts, [])
            self.assertEqual(connection.audit.events("abuse")[0]["reason"], "tls-injection")

    def test_everythingIsForgotten(self) -> None:
        connection = self.connect()
        connection.send(b"USER karl\r\nSTLS\r\n")
        self.assertTrue(connection.received().endswith(b"+OK begin TLS\r\n"))
        self.assertEqual(connection.transport.contexts, [connection.factory.tls])
        connection.send(b"PASS secret\r\nSTLS\r\n")
        self.assertEqual(
            connection.received(),
            b"-ERR USER comes before PASS\r\n-ERR this is not offered here\r\n",
        )

    def test_attemptsAreNot(self) -> None:
        """STLS buys no new attempts to guess, nor new bad commands."""
        connection = self.connect(limits=Limits(loginAttempts=2))
        wrong = b"-ERR [AUTH] user name or password is wrong\r\n"
        connection.send(b"USER karl\r\nPASS x\r\nSTLS\r\n")
        connection.received()
        connection.send(b"USER karl\r\nPASS x\r\n")
        self.assertEqual(connection.received(), LOGIN + wrong)
        self.assertTrue(connection.closing)
        connection = self.connect(limits=Limits(badCommandsBeforeLogin=2))
        connection.send(b"XTND\r\nSTLS\r\n")
        connection.received()
        connection.send(b"XTND\r\n")
        self.assertEqual(connection.received(), b"-ERR unknown command\r\n")
        self.assertTrue(connection.closing)

    def test_notInAnExchange(self) -> None:
        """There it is an answer, and one that does not fit."""
        connection = self.connect()
        connection.send(b"AUTH LOGIN\r\nSTLS \r\nSTLS\r\n")
        self.assertTrue(
            connection.received().endswith(b"-ERR this is not base64\r\n+OK begin TLS\r\n")
        )
