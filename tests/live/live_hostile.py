"""
Ten million octets that no mail program sends: no traceback, no dead reactor, and
never two answers to one line.
"""

from __future__ import annotations

import contextlib
import errno
import random
import socket
import ssl
import time

from .harness import HOST, IMPLICIT, LOOPBACK, PASSWORD, PLAIN, USER, LiveTestCase, Way
from .hostile import hostile, wrongLine
from .messages import Maildir
from .wire import Wire

_OCTETS = 10_000_000
_CONNECTION_OCTETS = (500, 5_000, 20_000)
_ANSWER_SECONDS = 1.0
_HANG_SECONDS = 10.0
_STORED = b"From: walter@example.org\nSubject: hostile\n\nOne.\n.\nTwo.\n"
# To each the answer is one line that begins with +OK.
_RIGHT = (b"NOOP", b"STAT", b"LIST 1", b"UIDL 1", b"RSET", b"UTF8", b"noop", b"list 2")
# The service ends a session after 20 wrong lines in a row.
_WRONG_IN_A_ROW = 15
_BATCHES, _BATCH_LINES = 30, 100


class HostileTests(LiveTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.dice = random.Random(1996)
        self.service = self.serve()
        self.context = ssl.create_default_context(cafile=str(self.service.authority))
        self.maildir = Maildir(self.service.maildirs / USER)
        self.maildir.deliver(_STORED, _STORED)

    def test_noise(self) -> None:
        """In the clear, inside TLS and instead of TLS, logged in or not."""
        left = _OCTETS
        while left > 0:
            noise = hostile(self.dice, self.dice.choice(_CONNECTION_OCTETS))
            self._throw(noise, self.dice.choice((PLAIN, IMPLICIT)))
            left -= len(noise)
            if not self.maildir.stored():
                # DELE and QUIT are among the noise.
                self.maildir.deliver(_STORED, _STORED)
        for way in (PLAIN, IMPLICIT):
            self._checkAnswers(way)

    def test_oneAnswerToOneLine(self) -> None:
        """Right and wrong lines, cut anywhere: as many answers as lines."""
        for way in (PLAIN, IMPLICIT):
            wire = Wire(self.service, way)
            wire.login()
            for _ in range(_BATCHES):
                lines = self._lines()
                self._sendCut(wire, b"".join(line + b"\r\n" for line, _ in lines))
                for line, answer in lines:
                    self.assertEqual(wire.line()[:4], answer, repr(line))
            # Had one line two answers, the second would be here.
            self.assertTrue(wire.quit().startswith(b"+OK pop3svc signing off"))

    def _throw(self, noise: bytes, way: Way) -> None:
        """One connection, which the service ends when it has heard enough."""
        connection = socket.create_connection((LOOPBACK, self.service.port(way)), _HANG_SECONDS)
        try:
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                if way is IMPLICIT and self.dice.random() < 0.8:
                    connection = self.context.wrap_socket(connection, server_hostname=HOST)
                if self.dice.random() < 0.6:
                    connection.sendall(f"USER {USER}\r\nPASS {PASSWORD}\r\n".encode())
                connection.sendall(noise)
                if self.dice.random() < 0.5:
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(65536):
                        pass
        except OSError as error:
            # The service has hung up already; a time-out would be a hang.
            if error.errno != errno.ENOTCONN:
                raise
        finally:
            connection.close()

    def _lines(self) -> list[tuple[bytes, bytes]]:
        """Lines, and how the answer to each begins."""
        lines, wrong = [], 0
        for _ in range(_BATCH_LINES):
            if wrong < _WRONG_IN_A_ROW and self.dice.random() < 0.6:
                lines.append((wrongLine(self.dice), b"-ERR"))
                wrong += 1
            else:
                lines.append((self.dice.choice(_RIGHT), b"+OK "))
                wrong = 0
        lines.append((b"NOOP", b"+OK "))
        return lines

    def _sendCut(self, wire: Wire, octets: bytes) -> None:
        """Send it in pieces, each a segment of its own."""
        while octets:
            piece = self.dice.choice((1, 2, 100, 5_000))
            wire.send(octets[:piece])
            octets = octets[piece:]

    def _checkAnswers(self, way: Way) -> None:
        """Somebody with a mail program is served as if nothing had been."""
        began = time.monotonic()
        wire = Wire(self.service, way)
        wire.loginSoon()
        wire.expect(b"STAT", b"+OK ")
        wire.quit()
        self.assertLess(time.monotonic() - began, _ANSWER_SECONDS)
