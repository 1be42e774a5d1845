"""
SIGTERM: who is at work may finish, nobody else comes in.
"""

from __future__ import annotations

import socket
import time

from .harness import IMPLICIT, LOOPBACK, PLAIN, USER, LiveTestCase
from .messages import Maildir, canonical
from .wire import Wire

_STORED = b"From: walter@example.org\nSubject: drain\n\nOne line.\n"
_CLOSE_SECONDS = 2.0


class DrainTests(LiveTestCase):
    def test_sessionsFinish(self) -> None:
        service = self.serve("--limit", "drain-login-seconds=1")
        maildir = Maildir(service.maildirs / USER)
        maildir.deliver(_STORED, _STORED)
        working, idle = Wire(service, IMPLICIT), Wire(service)
        working.login()
        service.terminate()

        # Who has not logged in is not waited for much longer.
        self.assertTrue(idle.ended())
        idle.close()
        for way in (PLAIN, IMPLICIT):
            self.assertTrue(self._refused(service.port(way)))

        self.assertEqual(working.retrieve(1), canonical(_STORED))
        working.expect(b"DELE 1", b"+OK")
        self.assertEqual(working.quit(), b"+OK pop3svc signing off (1 message left)")
        self.assertEqual(service.wait(), 0)
        self.assertEqual(len(maildir.stored()), 1)

    def test_sessionsThatDoNotFinish(self) -> None:
        """They end after C{drain-seconds}, without UPDATE."""
        service = self.serve("--limit", "drain-seconds=1")
        maildir = Maildir(service.maildirs / USER)
        maildir.deliver(_STORED)
        wire = Wire(service)
        wire.login()
        wire.expect(b"DELE 1", b"+OK")
        service.terminate()
        self.assertTrue(wire.ended())
        wire.close()
        self.assertEqual(service.wait(), 0)
        self.assertEqual(len(maildir.stored()), 1)

    def test_askedTwice(self) -> None:
        """A supervisor that says SIGTERM once more changes nothing."""
        service = self.serve()
        Maildir(service.maildirs / USER)
        wire = Wire(service)
        wire.login()
        service.terminate()
        self.assertTrue(self._refused(service.port()))
        service.terminate()
        wire.expect(b"STAT", b"+OK 0 0")
        wire.quit()
        self.assertEqual(service.wait(), 0)

    def _refused(self, port: int) -> bool:
        """Nobody listens there, or nobody will in a moment."""
        giveUp = time.monotonic() + _CLOSE_SECONDS
        while time.monotonic() < giveUp:
            try:
                socket.create_connection((LOOPBACK, port)).close()
            except ConnectionResetError:
                # It closed between the kernel's answer and the service's.
                continue
            except ConnectionRefusedError:
                return True
        return False
