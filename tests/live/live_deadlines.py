"""
Peers that stop, each in its own way, in the clear and inside TLS: all at once, and each
is gone by its deadline, not before it, and its maildrop is free then.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.process import peersOf

from .harness import HOST, IMPLICIT, LOOPBACK, PASSWORD, PLAIN, STLS, LiveService, LiveTestCase, Way
from .messages import Maildir
from .wire import Wire

# Each of the four is told from the others by its length.
_HANDSHAKE, _STALL, _LOGIN, _IDLE, _CLOSE = 2.0, 3.0, 4.0, 5.0, 1.0
_LIMITS = {
    "handshake-seconds": _HANDSHAKE,
    "write-stall-seconds": _STALL,
    "login-seconds": _LOGIN,
    "idle-seconds": _IDLE,
    "close-seconds": _CLOSE,
}
# Some thirty peers and the service share two cores, perhaps with others.
_PATIENCE = 2.0
_BIG = b"Subject: big\n\n" + b"a line of it, and another\n" * 300_000


class Peer:
    """
    A client that does one thing wrong.

    @ivar source: its own address, by which the log knows it.
    @ivar wrong: what it does; ends when the service has had enough of it.
    @ivar began: when its deadline began to run.
    @ivar served: the service has said something to it.
    """

    socket: socket.socket | ssl.SSLSocket

    def __init__(self, service: LiveService, way: Way, number: int, kind: Kind) -> None:
        self.service, self.way, self.kind = service, way, kind
        self.source, self.user = f"127.0.1.{number}", f"user{number}"
        self.began, self.served = 0.0, False
        self._context = ssl.create_default_context(cafile=str(service.authority))
        self.port = 0
        self._thread = threading.Thread(target=self._run, name=f"{kind.name} {way.name}")
        self.error: Exception | None = None

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join()
        self.socket.close()

    def _run(self) -> None:
        try:
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                self.connect()
                self.kind.wrong(self)
        except Exception as error:
            self.error = error

    def connect(self) -> None:
        """Up to where TLS begins, if it does."""
        plain = socket.socket()
        # A small window, so that a message does not go into it.
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.settimeout(20)
        plain.bind((self.source, 0))
        self.port = plain.getsockname()[1]
        self.socket = plain
        self.begin()
        plain.connect((LOOPBACK, self.service.port(self.way)))
        if not self.way.implicit:
            self.line()
        if self.way.stls:
            self.ask(b"STLS")

    def begin(self) -> None:
        """The deadline begins to run."""
        self.began = time.monotonic()

    def startTLS(self) -> None:
        """Up to where mail programs begin."""
        if self.way.tls:
            self.socket = self._context.wrap_socket(self.socket, server_hostname=HOST)
        if self.way.implicit:
            self.line()

    def login(self) -> None:
        self.startTLS()
        self.ask(b"USER " + self.user.encode())
        self.ask(b"PASS " + PASSWORD.encode())

    def ask(self, command: bytes) -> None:
        self.socket.sendall(command + b"\r\n")
        if not self.line().startswith(b"+OK"):
            raise AssertionError(f"{command!r} is refused")

    def line(self) -> bytes:
        """Octet by octet, so that nothing is read that TLS should have."""
        line = b""
        while not line.endswith(b"\n"):
            octet = self.socket.recv(1)
            if not octet:
                raise ConnectionResetError
            line += octet
        self.served = True
        return line

    def listen(self) -> None:
        """Read until the service ends it."""
        while self.socket.recv(1 << 16):
            continue

    def bare(self) -> None:
        """From now on below TLS: nothing answers the service's goodbye."""
        if isinstance(self.socket, ssl.SSLSocket):
            plain = socket.socket(fileno=self.socket.detach())
            plain.settimeout(20)
            self.socket = plain


@dataclass(frozen=True)
class Kind:
    """
    @ivar seconds: its deadline; nothing, where it ends by itself.
    @ivar reason: what the log says of it; one of several, with C{|} between.
    @ivar ways: how it comes.
    @ivar loggedIn: it has a maildrop.
    """

    name: str
    wrong: Callable[[Peer], None]
    seconds: float
    reason: str
    ways: tuple[Way, ...] = field(default=(PLAIN, STLS, IMPLICIT))
    loggedIn: bool = False


def silent(peer: Peer) -> None:
    peer.begin()
    time.sleep(_HANDSHAKE + _CLOSE + _PATIENCE)


def halfAHandshake(peer: Peer) -> None:
    peer.begin()
    outgoing = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=HOST)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    peer.socket.sendall(outgoing.read()[:100])
    time.sleep(_HANDSHAKE + _CLOSE + _PATIENCE)


def silentBeforeLogin(peer: Peer) -> None:
    peer.startTLS()
    peer.listen()


def octetByOctet(peer: Peer) -> None:
    peer.startTLS()
    while True:
        peer.socket.sendall(b"U")
        time.sleep(0.1)


def commandsBeforeLogin(peer: Peer) -> None:
    peer.startTLS()
    while True:
        peer.ask(b"USER somebody")
        time.sleep(0.2)


def neverReadsBeforeLogin(peer: Peer) -> None:
    """More answers than the kernels hold."""
    peer.startTLS()
    peer.socket.settimeout(_LOGIN + _CLOSE + _PATIENCE)
    with contextlib.suppress(TimeoutError):
        while True:
            peer.socket.sendall(b"CAPA\r\n" * 1000)


def idle(peer: Peer) -> None:
    peer.login()
    peer.begin()
    peer.listen()


def octetsAfterLogin(peer: Peer) -> None:
    peer.login()
    peer.begin()
    while True:
        peer.socket.sendall(b"N")
        time.sleep(0.1)


def stalledReader(peer: Peer) -> None:
    peer.login()
    peer.socket.sendall(b"RETR 1\r\n")
    peer.begin()
    time.sleep(_STALL + _CLOSE + _PATIENCE + 1)


def halfClosed(peer: Peer) -> None:
    """It will say no more, and goes on reading."""
    peer.login()
    peer.bare()
    peer.begin()
    peer.socket.shutdown(socket.SHUT_WR)
    peer.listen()


def halfClosedAndStalled(peer: Peer) -> None:
    peer.login()
    peer.socket.sendall(b"RETR 1\r\n")
    peer.bare()
    peer.begin()
    peer.socket.shutdown(socket.SHUT_WR)
    time.sleep(_STALL + _CLOSE + _PATIENCE + 1)


def ignoresGoodbye(peer: Peer) -> None:
    """Shown out, and it does not even answer that."""
    peer.startTLS()
    peer.socket.sendall(b"X\r\nX\r\nX\r\n")
    peer.begin()
    peer.bare()
    time.sleep(_CLOSE + _PATIENCE + 1)


def neverCloses(peer: Peer) -> None:
    """It has what it wanted, and keeps the connection."""
    peer.login()
    peer.ask(b"QUIT")
    peer.begin()
    peer.bare()
    time.sleep(_CLOSE + _PATIENCE + 1)


_TLS = (STLS, IMPLICIT)
_KINDS = (
    Kind("silent before the handshake", silent, _HANDSHAKE, "handshake-deadline", _TLS),
    Kind("half a handshake", halfAHandshake, _HANDSHAKE, "handshake-deadline", _TLS),
    Kind("silent before login", silentBeforeLogin, _LOGIN, "login-deadline"),
    Kind("octet by octet", octetByOctet, _LOGIN, "login-deadline"),
    Kind("commands before login", commandsBeforeLogin, _LOGIN, "login-deadline"),
    # Both run, and the kernels' buffers decide which begins how much sooner.
    Kind("never reads before login", neverReadsBeforeLogin, _STALL, "login-deadline|write-stall"),
    Kind("idle", idle, _IDLE, "idle", loggedIn=True),
    Kind("octets after login", octetsAfterLogin, _IDLE, "idle", loggedIn=True),
    Kind("stalled reader", stalledReader, _STALL, "write-stall", loggedIn=True),
    Kind("half closed", halfClosed, 0, "connection-lost", loggedIn=True),
    Kind("half closed, stalled", halfClosedAndStalled, _STALL, "write-stall", loggedIn=True),
    Kind("ignores the goodbye", ignoresGoodbye, 0, "bad-commands"),
    Kind("QUIT and stays", neverCloses, 0, "quit", loggedIn=True),
)


class DeadlineTests(LiveTestCase):
    def setUp(self) -> None:
        super().setUp()
        peers = [(kind, way) for kind in _KINDS for way in kind.ways]
        passwd = self.directory / "passwd"
        passwd.write_text("".join(f"user{n}:{{PLAIN}}{PASSWORD}\n" for n in range(len(peers))))
        limits = [("--limit", f"{name}={seconds:.0f}") for name, seconds in _LIMITS.items()]
        self.service = self.serve(
            *("--auth", f"passwd:{passwd}", *(word for limit in limits for word in limit))
        )
        self.peers = [
            Peer(self.service, way, number, kind) for number, (kind, way) in enumerate(peers)
        ]
        for peer in self.peers:
            if peer.kind.loggedIn:
                Maildir(self.service.maildirs / peer.user).deliver(_BIG)

    def test_everybodyIsGone(self) -> None:
        for peer in self.peers:
            peer.start()
        gone = self._watch()
        for peer in self.peers:
            peer.join()
            name = f"{peer.kind.name}, {peer.way.name}"
            self.assertIs(peer.error, None, name)
            self.assertIn(peer.source, gone, f"{name} is still there")
            took, seconds = gone[peer.source] - peer.began, peer.kind.seconds
            self.assertGreater(took, seconds - 1, f"{name}: too early")
            self.assertLess(took, seconds + _CLOSE + _PATIENCE, f"{name}: too late")
            self.assertIn(self._reason(peer), peer.kind.reason.split("|"), name)
        self._checkMaildrops()

    def _watch(self) -> dict[str, float]:
        """
        @return: source -> when the service had closed the last of its sockets for it.
        """
        gone: dict[str, float] = {}
        ports = {self.service.port(way) for way in (PLAIN, IMPLICIT)}
        seen: set[str] = set()
        giveUp = time.monotonic() + _IDLE + _CLOSE + 3 * _PATIENCE
        while len(gone) < len(self.peers) and time.monotonic() < giveUp:
            # Some are gone again before anybody looks.
            seen |= {peer.source for peer in self.peers if peer.served}
            here = {host for port in ports for host, _ in peersOf(port)}
            seen |= here
            now = time.monotonic()
            for source in seen - here:
                gone.setdefault(source, now)
            time.sleep(0.05)
        return gone

    def _reason(self, peer: Peer) -> str:
        events = self.service.events("logout") + self.service.events("abuse")
        found = {each["reason"] for each in events if each["peer"] == peer.source}
        return " ".join(sorted(found))

    def _checkMaildrops(self) -> None:
        """Nobody has locked one any more, and no mail is lost."""
        for number, peer in enumerate(each for each in self.peers if each.kind.loggedIn):
            wire = Wire(self.service, source=f"127.0.2.{number}")
            answer = wire.login(peer.user)
            self.assertIn(b"1 message", answer)
            wire.quit()
