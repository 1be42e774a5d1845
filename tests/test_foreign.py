"""L{pop3svc.core.foreign}: who does not speak POP3, wherever it is cut, and who does."""

from twisted.trial.unittest import TestCase

from pop3svc.core.effects import Disconnect, Reply
from pop3svc.core.foreign import foreign
from pop3svc.core.states import COMMANDS

from .support import Connection

# Reason -> lines, each without its end.
FOREIGN = {
    "http": (
        *(b"GET / HTTP/1.1", b"POST /x HTTP/1.0", b"HEAD /", b"PUT /x", b"DELETE /x", b"get /"),
        *(b"OPTIONS *", b"CONNECT mx:110 HTTP/1.1", b"TRACE /", b"PATCH /", b"PRI * HTTP/2.0"),
        *(b"PROPFIND /dav HTTP/1.1", b"SEARCH * HTTP/1.1", b"GET"),
        *(b"Host: mx", b"host: mx", b"Content-Length: 20", b"Host:", b"X-A:\tb"),
    ),
    "smtp": (b"EHLO mx", b"helo mx", b"LHLO mx", b"EHLO"),
    "ssh": (b"SSH-2.0-OpenSSH_9.2", b"SSH-1.99-x"),
    "tls-hello": (
        *(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\x16\x03\x03", b"\x16\x03\x01"),
        *(b"\x80\x2e\x01\x00\x02\x00\x15", b"\x80\x62\x01\x03\x01", b"\xff\x00\x01\x03\x04"),
    ),
}
POP3 = (
    *(b"USER karl", b"USER Host: x", b"PASS GET / HTTP/1.1", b"PASS / HTTP/1.1", b"AUTH"),
    *(b"AUTH PLAIN AGthcmwAc2VjcmV0", b"APOP karl 0123456789abcdef0123456789abcdef", b"STLS"),
    *(b"DELE 1", b"", b" ", b"GETX 1", b"XTND XMIT", b"A1 LOGIN karl secret", b"SSH", b"\x16"),
    *(b"\x80\x2e\x02\x00\x02", b"\x80\x2e\x01\x04\x01", b"\x16\x02\x01", b":", b"1: x"),
)


class TableTests(TestCase):
    def test_foreign(self) -> None:
        for reason, lines in FOREIGN.items():
            for line in lines:
                found = foreign(line + b" ")
                self.assertIsNot(found, None, repr(line))
                assert found is not None
                self.assertEqual(found.reason, reason, repr(line))

    def test_pop3(self) -> None:
        for line in (*POP3, *COMMANDS):
            self.assertIs(foreign(line + b" "), None, repr(line))

    def test_cutAnywhere(self) -> None:
        """What a beginning is found to be, the whole line is."""
        for line in (*POP3, *(each for lines in FOREIGN.values() for each in lines)):
            whole = foreign(line + b" ")
            for length in range(len(line) + 1):
                self.assertIn(foreign(line[:length]), (None, whole), repr(line[:length]))


class ConnectionTests(TestCase):
    def cutOff(self, connection: Connection, reason: str) -> None:
        """It is over, and what follows is for nobody."""
        answer = connection.received()
        self.assertEqual(answer.count(b"\r\n"), 0 if reason == "tls-hello" else 1)
        self.assertTrue(answer.startswith(b"-ERR this is POP3, not " if answer else b""))
        self.assertTrue(connection.closing)
        connection.send(b"\r\nUSER karl\r\nPASS secret\r\nCAPA\r\n")
        self.assertEqual((connection.received(), connection.cred.logins), (b"", 0))
        (record,) = connection.audit.events()
        self.assertEqual((record["event"], record["reason"]), ("abuse", reason))

    def test_atOnce(self) -> None:
        """Also behind commands, in one segment with others, and octet by octet."""
        for reason, lines in FOREIGN.items():
            for line in lines:
                ended = line + b"\r\nUSER karl\r\nPASS secret\r\n"
                for before in (b"", b"CAPA\r\nUSER joe\r\n"):
                    for piece in (1, 1 << 20):
                        connection = Connection()
                        connection.send(before)
                        connection.received()
                        for at in range(0, len(ended), piece):
                            connection.send(ended[at : at + piece])
                        self.cutOff(connection, reason)

    def test_noLineEnd(self) -> None:
        """A TLS hello has none, and a request line may be longer than a command."""
        hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xa5" * 505
        for octets, reason in (
            (hello, "tls-hello"),
            (hello[:2], "tls-hello"),
            (b"\x80\x2e\x01\x03\x01", "tls-hello"),
            (b"GET ", "http"),
            (b"GET /" + b"a" * 5000, "http"),
            (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n\r\n", "http"),
            (b"Host: ", "http"),
            (b"EHLO ", "smtp"),
            (b"SSH-2", "ssh"),
        ):
            connection = Connection()
            connection.received()
            connection.send(octets)
            self.cutOff(connection, reason)

    def test_afterTLS(self) -> None:
        """The rule holds inside TLS, too."""
        for octets, reason in ((b"GET / HTTP/1.1\r\n", "http"), (b"\x16\x03\x01", "tls-hello")):
            connection = Connection(tls=object())
            connection.send(b"STLS\r\n")
            connection.received()
            connection.send(octets)
            self.cutOff(connection, reason)

    def test_afterLogin(self) -> None:
        """Then it is a bad command like any other."""
        for line in (b"GET / HTTP/1.1", b"Host: mx", b"EHLO mx", b"SSH-2.0-x"):
            connection = Connection()
            connection.login()
            connection.send(line)
            connection.send(b"\r\nNOOP\r\n")
            self.assertEqual(
                connection.received(), b"-ERR unknown command\r\n+OK still here\r\n", repr(line)
            )
        connection = Connection()
        connection.login()
        connection.send(b"\x16\x03\x01\r\nNOOP\r\n")
        self.assertEqual(
            connection.received(), b"-ERR a command is printable ASCII\r\n+OK still here\r\n"
        )

    def test_inAnExchange(self) -> None:
        """There C{POST} is base64 for three octets; it does not fit, but it is an answer."""
        connection = Connection()
        connection.send(b"AUTH PLAIN\r\nPOST")
        connection.send(b"\r\nCAPA\r\n")
        self.assertIn(b"-ERR PLAIN takes", connection.received())
        self.assertFalse(connection.closing)

    def test_effects(self) -> None:
        connection = Connection()
        session = connection.protocol._session
        self.assertEqual(session.lineBegun(b"USER "), [])
        self.assertEqual(
            session.receiveLine(b"GET"),
            [Reply(b"-ERR this is POP3, not HTTP\r\n"), Disconnect("http")],
        )
        self.assertEqual(session.receiveLine(b"CAPA"), [])
