"""
SCRAM against a client that others wrote (scramp), through the whole protocol.
"""

from base64 import b64decode, b64encode
from typing import Any
from unittest.mock import patch

from scramp import ScramClient  # type: ignore[import-untyped]
from scramp.core import CbName  # type: ignore[import-untyped]
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from pop3svc.channel import Channel
from pop3svc.core.replies import Refusal, refused
from pop3svc.errors import CheckerUnavailable, MaildropInUse

from .kinds import EveryKind
from .support import Connection, ControlledCred

WELCOME = b"+OK maildrop has 2 messages (320 octets)\r\n"
WRONG = refused(Refusal.WRONG)
BINDINGS = {"tls-exporter": b"x" * 32, "tls-server-end-point": b"y" * 32}


class Talk:
    """A client of scramp's at one end of a connection of ours."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        connection.received()

    def ask(self, line: bytes) -> bytes:
        self.connection.send(line + b"\r\n")
        return self.connection.received()

    def challenge(self, line: bytes) -> str:
        answer = self.ask(line)
        assert answer.startswith(b"+ "), answer
        return b64decode(answer[2:-2], validate=True).decode()

    def login(self, client: ScramClient, twoLines: bool = False) -> bytes:
        """@return: the last reply."""
        command = b"AUTH " + client.mechanism_name.encode()
        first = b64encode(client.get_client_first().encode())
        if twoLines:
            assert self.ask(command) == b"+ \r\n"
        client.set_server_first(self.challenge(first if twoLines else command + b" " + first))
        answer = self.ask(b64encode(client.get_client_final().encode()))
        if not answer.startswith(b"+ "):
            return answer
        client.set_server_final(b64decode(answer[2:]).decode())
        return self.ask(b"")


class ForeignClientTests(TestCase):
    """scramp's client against the whole protocol."""

    CHANNEL = Channel(bindings=BINDINGS)

    def connect(self, **settings: Any) -> Talk:
        return Talk(Connection(cred=EveryKind, **settings))

    def test_login(self) -> None:
        for name in ("SCRAM-SHA-1", "SCRAM-SHA-256"):
            for twoLines in (False, True):
                talk = self.connect()
                client = ScramClient([name], "karl", "secret")
                self.assertEqual(talk.login(client, twoLines), WELCOME)
                self.assertEqual(talk.ask(b"STAT"), b"+OK 2 320\r\n")
                [record] = talk.connection.audit.events()
                self.assertEqual((record["user"], record["mechanism"]), ("karl", name))

    def test_bound(self) -> None:
        for name in ("SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"):
            talk = self.connect(channel=self.CHANNEL)
            client = ScramClient(
                [name], "karl", "secret", ("tls-server-end-point", BINDINGS["tls-server-end-point"])
            )
            self.assertEqual(talk.login(client), WELCOME)

    def test_boundByExporter(self) -> None:
        """scramp leaves RFC 9266 to others; its client needs only the name."""
        with (
            patch.object(CbName, "SUPPORTED_TYPES", frozenset({"tls-exporter"})),
            patch.object(CbName, "UNSUPPORTED_TYPES", frozenset()),
        ):
            talk = self.connect(channel=self.CHANNEL)
            client = ScramClient(
                ["SCRAM-SHA-256-PLUS"], "karl", "secret", ("tls-exporter", b"x" * 32)
            )
            self.assertEqual(talk.login(client), WELCOME)

    def test_anotherChannel(self) -> None:
        """Somebody in between has a channel of his own to us."""
        talk = self.connect(channel=self.CHANNEL)
        binding = ("tls-server-end-point", b"z" * 32)
        client = ScramClient(["SCRAM-SHA-256-PLUS"], "karl", "secret", binding)
        self.assertEqual(talk.login(client), b"-ERR the exchange belongs to another channel\r\n")
        self.assertEqual(talk.connection.cred.logins, 0)

    def test_wrongPasswordAndUnknownUser(self) -> None:
        """They look the same, each time anew; the same name has the same salt."""
        seen = []
        for user in ("karl", "nobody", "nobody"):
            talk = self.connect(scramKey=b"k" * 32)
            client = ScramClient(["SCRAM-SHA-256"], user, "wrong")
            self.assertEqual(talk.login(client), WRONG)
            self.assertEqual(talk.connection.cred.logins, 1)
            [record] = talk.connection.audit.events()
            self.assertEqual((record["event"], record["reason"]), ("login-refused", "wrong"))
            seen.append((bytes(client.salt), int(client.iterations)))
        self.assertEqual([(len(salt), count) for salt, count in seen], [(16, 4096)] * 3)
        self.assertEqual(seen[1], seen[2])
        self.assertNotEqual(seen[0], seen[1])

    def test_checkerIsDown(self) -> None:
        for error, events in (
            (CheckerUnavailable("down"), ["login-refused", "checker-fault"]),
            (ZeroDivisionError("x"), ["login-refused", "fault"]),
        ):
            talk = self.connect()
            assert isinstance(talk.connection.cred, EveryKind)
            talk.connection.cred.verifierError = error
            answer = talk.ask(b"AUTH SCRAM-SHA-256 " + b64encode(b"n,,n=karl,r=b"))
            self.assertEqual(answer, refused(Refusal.TEMPORARY))
            self.assertEqual([each["event"] for each in talk.connection.audit.records], events)

    def test_maildropInUse(self) -> None:
        talk = self.connect()
        talk.connection.cred.error = MaildropInUse("x")
        client = ScramClient(["SCRAM-SHA-256"], "karl", "secret")
        self.assertEqual(talk.login(client), refused(Refusal.IN_USE))

    def test_clientDoubtsTheServer(self) -> None:
        """The maildrop that was opened for it is closed again."""
        talk = self.connect()
        client = ScramClient(["SCRAM-SHA-256"], "karl", "secret")
        first = b64encode(client.get_client_first().encode())
        client.set_server_first(talk.challenge(b"AUTH SCRAM-SHA-256 " + first))
        talk.challenge(b64encode(client.get_client_final().encode()))
        self.assertEqual(talk.ask(b"*"), b"-ERR login cancelled\r\n")
        self.assertTrue(talk.connection.closing)
        talk.connection.lose()
        self.assertEqual(talk.connection.maildrop.calls, ["close"])
        [record] = talk.connection.audit.events("logout")
        self.assertEqual(record["reason"], "login-not-confirmed")

    def test_lostDuringLookup(self) -> None:
        talk = self.connect()
        waiting: Deferred[Any] = Deferred()
        talk.connection.cred.scramVerifier = lambda *_: waiting  # type: ignore[attr-defined]
        talk.ask(b"AUTH SCRAM-SHA-256 " + b64encode(b"n,,n=karl,r=b"))
        talk.connection.lose()
        waiting.callback(None)
        self.assertEqual(talk.connection.received(), b"")
        self.assertEqual(talk.connection.factory.connections, set())
        self.assertEqual(talk.connection.audit.events("fault"), [])

    def test_onlyWhereVerifiersAre(self) -> None:
        talk = Talk(Connection(cred=ControlledCred))
        self.assertEqual(talk.ask(b"AUTH SCRAM-SHA-256"), b"-ERR this is not offered here\r\n")
