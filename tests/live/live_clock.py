"""
The time of day jumps under the real service, by libfaketime.
"""

from __future__ import annotations

import os
import socket
import time
from glob import glob
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from tests.running import RunningService, freePort

from .programs import unavailable

_LIBRARIES = "/usr/lib/*/faketime/libfaketime.so.1"


class JumpTests(SynchronousTestCase):
    def setUp(self) -> None:
        found = glob(_LIBRARIES)
        if not found:
            unavailable("libfaketime is not installed")
        self.offset = Path(os.path.abspath(self.mktemp()))
        self.setOffset("+0")
        changed = {
            "LD_PRELOAD": found[0],
            "FAKETIME_TIMESTAMP_FILE": str(self.offset),
            "FAKETIME_NO_CACHE": "1",
            # Only what people set is changed; time itself goes on.
            "DONT_FAKE_MONOTONIC": "1",
        }
        self.port = freePort()
        with mock.patch.dict(os.environ, changed):
            self.service = RunningService(
                Path(self.mktemp()),
                *("--pop3", f"tcp:{self.port}:interface=127.0.0.1"),
                *("--auth", "memory:karl:secret", "--maildrop", "memory:"),
                *("--limit", "idle-seconds=6", "--limit", "login-seconds=6"),
            )
        self.addCleanup(self.service.stop)
        self.service.waitFor("event=listening")

    def setOffset(self, offset: str) -> None:
        """@param offset: in seconds from the true time of day."""
        self.offset.write_text(offset + "\n")

    def connect(self, *lines: bytes) -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.port), 20)
        self.addCleanup(client.close)
        client.recv(4096)
        for line in lines:
            self.assertEqual(self.say(client, line)[:3], b"+OK")
        return client

    def say(self, client: socket.socket, line: bytes) -> bytes:
        client.sendall(line + b"\r\n")
        return client.recv(4096)

    def jump(self, offset: str) -> None:
        stranger, session = self.connect(), self.connect(b"USER karl", b"PASS secret")
        self.setOffset(offset)
        time.sleep(1)
        # A timer that goes by the time of day is due by now, or in a day.
        self.assertEqual(self.say(session, b"NOOP")[:3], b"+OK")
        self.assertEqual(self.say(stranger, b"USER karl")[:3], b"+OK")
        for client in (stranger, session):
            client.settimeout(15)
            self.assertEqual(client.recv(4096), b"")

    def test_forward(self) -> None:
        """Nobody is sent away."""
        self.jump("+86400")

    def test_back(self) -> None:
        """Deadlines are kept."""
        self.jump("-86400")
