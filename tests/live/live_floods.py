"""
Crowds from one address, while somebody at another reads his mail.
"""

from __future__ import annotations

import contextlib
import re
import selectors
import socket
import ssl
import struct
import threading
import time

from tests.process import peersOf

from .harness import IMPLICIT, LOOPBACK, PLAIN, USER, LiveService, LiveTestCase, Way
from .messages import Maildir
from .wire import Wire

_ATTACKER, _OWNER = "127.0.0.1", "127.0.0.2"
_SLOW, _FLOOD = 400, 10_000
_LOGIN_SECONDS = 1.0
# Of <linux/in.h>; Python does not name it.
_BIND_ADDRESS_NO_PORT = 24
_MAIL = b"Subject: mine\n\nHello.\n"


def loginSeconds(service: LiveService, way: Way, source: str = _OWNER) -> float:
    """Come, log in, read a mail and leave, as a mail program does."""
    began = time.monotonic()
    wire = Wire(service, way, source=source)
    wire.login()
    wire.retrieve(1)
    wire.quit()
    return time.monotonic() - began


def connectFrom(source: str, port: int) -> socket.socket:
    connection = socket.socket()
    connection.settimeout(10)
    # The kernel looks for a port when it knows both sides, which is far quicker.
    connection.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
    connection.bind((source, 0))
    connection.connect((LOOPBACK, port))
    return connection


class Slowloris(threading.Thread):
    """
    So many connections, each with an octet now and then; whoever is hung up on comes
    again in a moment.

    @ivar connections: how many were made.
    @ivar refusals: the different lines that it was refused with.
    """

    def __init__(self, port: int) -> None:
        super().__init__()
        self.connections = 0
        self.refusals: set[bytes] = set()
        self._port = port
        self._over = threading.Event()

    def run(self) -> None:
        with selectors.DefaultSelector() as selector:
            for _ in range(_SLOW):
                self._connect(selector)
            while not self._over.wait(0.2):
                for key, _ in selector.select(0):
                    self._read(selector, key.data)
                for key in list(selector.get_map().values()):
                    with contextlib.suppress(OSError):
                        key.data.send(b"U")
            for key in list(selector.get_map().values()):
                key.data.close()

    def _connect(self, selector: selectors.BaseSelector) -> None:
        connection = connectFrom(_ATTACKER, self._port)
        connection.setblocking(False)
        selector.register(connection, selectors.EVENT_READ, connection)
        self.connections += 1

    def _read(self, selector: selectors.BaseSelector, connection: socket.socket) -> None:
        try:
            data = connection.recv(4096)
        except OSError:
            data = b""
        self.refusals.update(re.findall(rb"-ERR [^\r]*", data))
        if not data:
            selector.unregister(connection)
            connection.close()
            self._connect(selector)

    def end(self) -> None:
        self._over.set()
        self.join()


def flood(port: int, seconds: float, most: int, rest: float = 0) -> int:
    """
    Connect and hang up, again and again.

    @param rest: from one to the next; without it as fast as one thread can.
    @return: how many connections it were.
    """
    giveUp = time.monotonic() + seconds
    count = 0
    while count < most and time.monotonic() < giveUp:
        with contextlib.suppress(OSError), connectFrom(_ATTACKER, port) as connection:
            # No goodbye: or the ports of this machine would run out.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            count += 1
        if rest:
            time.sleep(rest)
    return count


class FloodTests(LiveTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.service = self.serve()
        Maildir(self.service.maildirs / USER).deliver(_MAIL)
        # What a visit takes when nobody else is here but whatever this machine does.
        self.usual = max(
            loginSeconds(self.service, way) for way in (PLAIN, IMPLICIT) for _ in range(5)
        )

    def test_slowlorisAndFlood(self) -> None:
        """
        400 slow connections and a flood from one address hold ten places, and somebody
        elsewhere logs in within a second; there, a little politeness is left.
        """
        process = self.service.process
        memory, lines = process.residentKiB(), self.service.log().count("\n")
        slow = Slowloris(self.service.port())
        slow.start()
        self.addCleanup(slow.end)
        # Not all of the processor, because attackers and owner share one of Python's.
        attack = (self.service.port(IMPLICIT), 8, 1 << 30, 0.0005)
        flooding = threading.Thread(target=flood, args=attack)
        flooding.start()
        self.addCleanup(flooding.join)
        time.sleep(1)
        times = []
        for _ in range(10):
            times += [loginSeconds(self.service, way) for way in (PLAIN, IMPLICIT)]
            time.sleep(0.2)
        self.assertLess(max(times), _LOGIN_SECONDS + 5 * self.usual, sorted(times)[-5:])
        attackers = [
            port
            for way in (PLAIN, IMPLICIT)
            for host, port in peersOf(self.service.port(way))
            if host == _ATTACKER
        ]
        # Ten are served; others are just being told, or hung up on.
        self.assertLess(len(attackers), 10 + 50 + 50)
        flooding.join()
        slow.end()
        self.assertGreater(slow.connections, _SLOW)
        self.assertEqual(
            slow.refusals,
            {
                b"-ERR [SYS/TEMP] too many logins from your network at once; try again in a moment",
            },
        )
        self.assertLess(process.residentKiB() - memory, 4096)
        # Some twelve seconds, each with a line and a sum for each of few reasons.
        self.assertLess(self.service.log().count("\n") - lines - 2 * len(times), 100)

    def test_flood(self) -> None:
        """Ten thousand connections: little processor, little log, nothing kept."""
        process = self.service.process
        for way in (PLAIN, IMPLICIT):
            holders = [connectFrom(_ATTACKER, self.service.port(way)) for _ in range(10)]
            # The ten places are taken; everybody else is refused.
            time.sleep(0.2)
            before = (process.descriptors(), process.residentKiB(), process.cpuSeconds())
            lines = self.service.log().count("\n")
            count = flood(self.service.port(way), 30, _FLOOD)
            self.assertEqual(count, _FLOOD)
            time.sleep(0.2)
            self.assertLessEqual(process.descriptors(), before[0])
            self.assertLess(process.residentKiB() - before[1], 2048)
            each = (process.cpuSeconds() - before[2]) / _FLOOD
            self.assertLess(each, 0.0005, "half a millisecond for one that is refused")
            self.assertLess(self.service.log().count("\n") - lines, 100)
            for holder in holders:
                holder.close()
            self._awaitNobody(way)
        self.assertLess(loginSeconds(self.service, PLAIN), _LOGIN_SECONDS + self.usual)

    def test_total(self) -> None:
        """
        Silent peers of many addresses fill the service: the oldest makes room for each
        newcomer, and whoever has logged in stays.
        """
        self.service.kill()
        self.service = self._serveFew()
        Maildir(self.service.maildirs / USER).deliver(_MAIL)
        owner = Wire(self.service, source=_OWNER)
        owner.login()
        crowd = [connectFrom(f"127.0.3.{number}", self.service.port()) for number in range(60)]
        time.sleep(0.3)
        self.assertEqual(len(peersOf(self.service.port())), 40)
        # One is the owner's; the first 21 of 60 had to go.
        self.assertEqual([self._gone(each) for each in crowd], [True] * 21 + [False] * 39)
        wire = Wire(self.service, source="127.0.0.3")
        wire.expect(b"CAPA", b"+OK")
        wire.close()
        owner.expect(b"STAT", b"+OK 1 ")
        owner.quit()
        for each in crowd:
            each.close()

    def test_totalLoggedIn(self) -> None:
        """Where everybody has logged in, a newcomer is told so, or hung up on by TLS."""
        self.service.kill()
        users = [f"user{number}" for number in range(40)]
        passwd = self.directory / "passwd"
        passwd.write_text("".join(f"{user}:{{PLAIN}}secret\n" for user in users))
        self.service = self._serveFew("--auth", f"passwd:{passwd}")
        wires = []
        for number, user in enumerate(users):
            Maildir(self.service.maildirs / user)
            wires.append(Wire(self.service, source=f"127.0.3.{number}"))
            wires[-1].login(user)
        refused = connectFrom("127.0.0.3", self.service.port())
        self.assertEqual(
            refused.makefile("rb").read(),
            b"-ERR [SYS/TEMP] too many connections at the moment; try again later\r\n",
        )
        refused.close()
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            Wire(self.service, IMPLICIT, source="127.0.0.3")
        wires.pop().quit()
        Wire(self.service, source="127.0.0.3").quit()
        for wire in wires:
            wire.expect(b"NOOP", b"+OK")
            wire.quit()

    def _serveFew(self, *arguments: str) -> LiveService:
        """A service with place for forty."""
        self.directory = self.directory / "few"
        self.directory.mkdir()
        return self.serve("--limit", "connections=40", *arguments)

    def _gone(self, connection: socket.socket) -> bool:
        """The service has hung up; it has greeted everybody before."""
        connection.settimeout(0.05)
        try:
            while connection.recv(4096):
                continue
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        return True

    def _awaitNobody(self, way: Way) -> None:
        giveUp = time.monotonic() + 5
        while peersOf(self.service.port(way)) and time.monotonic() < giveUp:
            time.sleep(0.02)
        self.assertEqual(peersOf(self.service.port(way)), set())
