"""
Whole conversations, from text files: fed whole, octet by octet and cut at each
position, always with the same answers in the same order.

C{C:} is a line of the client, C{S:} one of the server, C{M: n} message n
byte-stuffed with its end, C{E:} the end of the connection. C{K:} in the first line
says that every kind of login is possible, inside TLS and with a certificate of
karl's.
"""

from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import TestCase

from pop3svc import __version__
from pop3svc.channel import Channel
from pop3svc.core.stuffing import Stuffing

from .kinds import EveryKind
from .support import FIRST, SECOND, Connection

DIALOGUES = sorted((Path(__file__).parent / "dialogues").glob("*.txt"))


def message(number: int) -> bytes:
    stuffing = Stuffing()
    return stuffing.block((FIRST, SECOND)[number - 1]) + stuffing.end()


def read(path: Path) -> tuple[list[tuple[bytes, bytes]], bool]:
    """
    @return: the greeting and the turns, as pairs of what the client sends and
        what it gets, and whether the server ends the connection.
    """
    turns: list[tuple[bytes, bytes]] = [(b"", b"")]
    ends = False
    for line in path.read_text().replace("@version@", __version__).splitlines():
        kind, text = line[:2], line[3:].encode()
        sent, got = turns[-1]
        if kind == "C:":
            turns.append((text + b"\r\n", b""))
        elif kind == "S:":
            turns[-1] = sent, got + text + b"\r\n"
        elif kind == "M:":
            turns[-1] = sent, got + message(int(text))
        elif kind == "E:":
            ends = True
        elif not line.startswith(("#", "K:")):
            raise ValueError(f"{path}: {line}")
    return turns, ends


def connect(path: Path) -> Connection:
    if not path.read_text().startswith("K:"):
        return Connection()
    channel = Channel((b"karl@example.org",), {"tls-exporter": b"x" * 32})
    return Connection(cred=EveryKind, channel=channel, random=lambda n: b"\xab" * n, host=b"mx")


def pieces(data: bytes) -> Iterator[list[bytes]]:
    """The same octets whole, one by one, and cut at each position."""
    yield [data]
    yield [data[at : at + 1] for at in range(len(data))]
    for at in range(1, len(data)):
        yield [data[:at], data[at:]]


class DialogueTests(TestCase):
    def test_thereAreDialogues(self) -> None:
        self.assertGreaterEqual(len(DIALOGUES), 12)

    def test_turnByTurn(self) -> None:
        for path in DIALOGUES:
            turns, ends = read(path)
            connection = connect(path)
            for sent, expected in turns:
                connection.send(sent)
                self.assertEqual(connection.received(), expected, f"{path.name}: {sent!r}")
            self.assertEqual(connection.closing, ends, path.name)

    def test_pipelinedAndCutAnywhere(self) -> None:
        for path in DIALOGUES:
            turns, ends = read(path)
            sent = b"".join(each for each, _ in turns)
            expected = b"".join(each for _, each in turns)
            for cuts in pieces(sent):
                connection = connect(path)
                for piece in cuts:
                    connection.send(piece)
                self.assertEqual(connection.received(), expected, path.name)
                self.assertEqual(connection.closing, ends, path.name)

    def test_bareLineFeeds(self) -> None:
        """People with telnet, and popa3d's users, end lines with LF alone."""
        for path in DIALOGUES:
            turns, _ = read(path)
            connection = connect(path)
            connection.send(b"".join(each for each, _ in turns).replace(b"\r\n", b"\n"))
            self.assertEqual(connection.received(), b"".join(each for _, each in turns))

    def test_nothingIsLoggedAsAFault(self) -> None:
        for path in DIALOGUES:
            connection = connect(path)
            connection.send(b"".join(each for each, _ in read(path)[0]))
            self.assertEqual(connection.audit.events("fault", "store-fault"), [], path.name)
