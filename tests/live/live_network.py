"""
The network is cut, and nobody hears of it: the session ends by its deadline, nothing is
removed without a QUIT that came through, and the maildrop is free for the next one.
"""

from __future__ import annotations

import socket
import time

from tests.running import freePort

from .harness import PASSWORD, USER, LiveTestCase
from .messages import Maildir, canonical
from .network import CLIENT, SERVER, Cable
from .wire import Wire

_STALL, _LOGIN, _IDLE, _CLOSE = 3, 4, 5, 1
# The service and the tests share two cores, perhaps with others.
_PATIENCE = 3.0
_BIG = b"Subject: big\n\n" + b"a line of it, and another\n" * 300_000
_MESSAGES = [b"Subject: %d\n\n.\n" % number for number in range(5)] + [_BIG]
_BIG_NUMBER = len(_MESSAGES)
# Fewer than may log in at once from one network.
_HALF_OPEN = 8


class NetworkTests(LiveTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.cable = Cable()
        self.addCleanup(self.cable.remove)
        self.port = freePort()
        limits = {
            "write-stall-seconds": _STALL,
            "login-seconds": _LOGIN,
            "idle-seconds": _IDLE,
            "close-seconds": _CLOSE,
        }
        with self.cable.atServer():
            self.service = self.serve(
                *("--pop3", f"tcp:{self.port}:interface={SERVER}"),
                *("--clear-text-logins", "always"),
                *(
                    word
                    for name, value in limits.items()
                    for word in ("--limit", f"{name}={value}")
                ),
            )
        self.maildir = Maildir(self.service.maildirs / USER)
        self.names = self.maildir.deliver(*_MESSAGES)

    def connect(self) -> socket.socket:
        client = self.cable.connect(self.port)
        self.addCleanup(client.close)
        return client

    def ask(self, client: socket.socket, *commands: bytes) -> None:
        for command in commands:
            client.sendall(command + b"\r\n")
            self.readAnswer(client)

    def readAnswer(self, client: socket.socket) -> None:
        answer = b""
        while not answer.endswith(b"\n"):
            octet = client.recv(1)
            self.assertNotEqual(octet, b"", f"the connection has ended behind {answer!r}")
            answer += octet
        self.assertTrue(answer.startswith(b"+OK"), answer)

    def login(self) -> socket.socket:
        """Over the cable, with two messages marked."""
        client = self.connect()
        self.readAnswer(client)
        self.ask(client, b"USER " + USER.encode(), b"PASS " + PASSWORD.encode())
        self.ask(client, b"DELE 1", b"DELE 3")
        return client

    def assertEnds(self, reason: str, seconds: float, began: float, deleted: str = "0") -> None:
        """The session is over by its deadline, and the log says why."""
        giveUp = began + seconds + _CLOSE + _PATIENCE
        ends: list[tuple[str, str]] = []
        while not ends and time.monotonic() < giveUp:
            time.sleep(0.02)
            events = self.service.events("logout")
            ends = [(e["reason"], e["deleted"]) for e in events if e["peer"] == CLIENT]
        self.assertEqual(ends, [(reason, deleted)])

    def checkMaildrop(self, *removed: int) -> None:
        """By a program on the service's own host, which does not wait for anything."""
        began = time.monotonic()
        with self.cable.atServer():
            wire = Wire(self.service)
        wire.login()
        self.assertLess(time.monotonic() - began, _PATIENCE)
        wire.expect(b"UIDL", b"+OK")
        left = [number for number in range(1, len(_MESSAGES) + 1) if number not in removed]
        listed = [line.split()[1] for line in wire.rest().splitlines()]
        self.assertEqual(listed, [self.names[number - 1] for number in left])
        for number, old in enumerate(left, 1):
            self.assertEqual(wire.retrieve(number), canonical(_MESSAGES[old - 1]))
        wire.quit()

    def checkMended(self) -> None:
        """Over the cable, as before."""
        self.cable.mend()
        client = self.login()
        self.ask(client, b"RSET", b"QUIT")

    def test_whileRetrieving(self) -> None:
        client = self.login()
        client.sendall(b"RETR %d\r\n" % _BIG_NUMBER)
        got = len(client.recv(1 << 16)) + len(client.recv(1 << 16))
        self.assertLess(got, len(_BIG))
        self.cable.cut()
        self.assertEnds("write-stall", _STALL, time.monotonic())
        self.checkMaildrop()
        self.checkMended()

    def test_beforeQuit(self) -> None:
        """QUIT is sent, and does not arrive."""
        client = self.login()
        self.cable.cut()
        began = time.monotonic()
        client.sendall(b"QUIT\r\n")
        self.assertEnds("idle", _IDLE, began)
        self.checkMaildrop()
        self.checkMended()

    def test_withinQuit(self) -> None:
        """A part of it does."""
        client = self.login()
        client.sendall(b"QUIT")
        time.sleep(0.2)
        self.cable.cut()
        began = time.monotonic()
        client.sendall(b"\r\n")
        self.assertEnds("idle", _IDLE, began)
        self.checkMaildrop()

    def test_theAnswerIsLost(self) -> None:
        """What QUIT has asked for is done, and the maildrop is free at once."""
        client = self.login()
        self.cable.cut("INPUT")
        began = time.monotonic()
        client.sendall(b"QUIT\r\n")
        giveUp = began + _PATIENCE
        while len(self.maildir.stored()) > len(_MESSAGES) - 2 and time.monotonic() < giveUp:
            time.sleep(0.02)
        self.checkMaildrop(1, 3)
        # Its answer is on its way as long as any other.
        self.assertEnds("quit", _STALL, began, deleted="2")

    def test_clientsVanish(self) -> None:
        """
        A host goes away with many connections, logged in or not: each is gone by its
        deadline, and meanwhile others are served as ever.
        """
        process = self.service.process
        before = process.descriptors()
        clients = [self.connect() for _ in range(_HALF_OPEN)]
        self.login()
        # Should no deadline find them, the kernel would: within two minutes.
        time.sleep(0.5)
        timers = self.cable.timers()
        self.assertEqual(len(timers), _HALF_OPEN + 1)
        for timer in timers:
            self.assertRegex(timer, r"\(keepalive,[0-9]")
        self.cable.cut()
        began = time.monotonic()
        worst = 0.0
        with self.cable.atServer():
            while (
                process.descriptors() > before
                and time.monotonic() < began + _IDLE + _CLOSE + _PATIENCE
            ):
                asked = time.monotonic()
                wire = Wire(self.service)
                wire.expect(b"CAPA", b"+OK")
                wire.rest()
                wire.quit()
                worst = max(worst, time.monotonic() - asked)
                time.sleep(0.05)
        self.assertLessEqual(process.descriptors(), before)
        self.assertGreater(time.monotonic(), began + _LOGIN)
        self.assertLess(worst, 1.0)
        self.checkMaildrop()
        for client in clients:
            client.close()
