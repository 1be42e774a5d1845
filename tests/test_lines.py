"""
L{pop3svc.lines}: how long the lines of a SASL exchange may be; L{test_protocol} has those
of commands.
"""

from twisted.trial.unittest import TestCase

from pop3svc.limits import Limits

from .support import Connection


def feed(connection: Connection, data: bytes, piece: int) -> None:
    for at in range(0, len(data), piece):
        connection.send(data[at : at + piece])


class SASLLineTests(TestCase):
    def test_saslLine(self) -> None:
        """Each bound at its edge: an AUTH line, an answer, and what is neither."""
        most = Limits().saslLineOctets
        notFit = b"-ERR PLAIN takes a name and a password between two NULs\r\n"
        tooLong = b"-ERR this line is too long\r\n"
        # Spaces in front, so that the rest is whole base64.
        for octets, answer in ((most, notFit), (most + 1, tooLong)):
            for piece in (1000, 1 << 20):
                connection = Connection()
                connection.received()
                spaces = b" " * (1 + (octets - 13) % 4)
                line = b"aUTh PLAIN" + spaces
                line += b"A" * (octets - len(line) - 2) + b"\r\n"
                self.assertEqual(len(line), octets)
                feed(connection, line + b"CAPA\r\n", piece)
                received = connection.received()
                self.assertTrue(received.startswith(answer + b"+OK capa"), received[:80])

    def test_saslAnswer(self) -> None:
        most = Limits().saslLineOctets
        for octets, answer in (
            (most, b"-ERR this is not base64\r\n"),
            (most + 1, b"-ERR this line is too long\r\n"),
        ):
            for end in (b"\r\n", b"\n"):
                connection = Connection()
                connection.send(b"AUTH PLAIN\r\n")
                connection.received()
                feed(connection, b"=" * (octets - len(end)) + end + b"CAPA\r\n", 5000)
                received = connection.received()
                self.assertTrue(received.startswith(answer + b"+OK capa"), received[:80])

    def test_boundIsBackAfterASASLLine(self) -> None:
        """A long line buys nothing for the one behind it."""
        for between, challenge in ((b" ", b""), (b"\r\n", b"+ \r\n")):
            for octets, answer in (
                (5000, b"-ERR PLAIN takes a name and a password between two NULs\r\n"),
                (92_000, b"-ERR this line is too long\r\n"),
            ):
                connection = Connection()
                connection.received()
                connection.send(b"AUTH PLAIN" + between + b"A" * octets + b"\r\n")
                self.assertEqual(connection.received(), challenge + answer)
                connection.send(b"X" * 1024)
                self.assertEqual(connection.received(), b"-ERR this line is too long\r\n")

    def test_junkStaysShort(self) -> None:
        """What does not begin with AUTH is cut where any command is."""
        for start in (b"AUTHX", b"XAUTH ", b" AUTH ", b"USER AUTH "):
            connection = Connection()
            connection.received()
            connection.send(start + b"A" * 1024)
            self.assertEqual(connection.received(), b"-ERR this line is too long\r\n")

    def test_endlessSASLLine(self) -> None:
        limits = Limits()
        most = limits.saslLineOctets - 1 + limits.skippedOctets
        for octets, closed in ((most, False), (most + 1, True)):
            connection = Connection()
            connection.received()
            connection.send(b"AUTH " + b"A" * (octets - 5))
            self.assertEqual(connection.received(), b"-ERR this line is too long\r\n")
            self.assertEqual(connection.closing, closed)
