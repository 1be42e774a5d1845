"""
The end of a connection, on real sockets: what is on its way after UPDATE
arrives, and a peer that says no goodbye is cut off all the same.
"""

import contextlib
import os
import socket
import ssl
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pop3svc.demo import makeCertificate

from .running import RunningService, freePort

MESSAGE = b"Subject: long\n\n" + b"a line of it, and another\n" * 120_000


class ClosingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.root = Path(os.path.abspath(self.mktemp()))
        for folder in ("new", "cur", "tmp"):
            (self.root / "karl" / folder).mkdir(parents=True)
        self.mail = self.root / "karl" / "new" / "1700000000.M1P1.host"
        self.mail.write_bytes(MESSAGE)
        certificate = self.root / "certificate.pem"
        certificate.write_bytes(makeCertificate("localhost"))
        self.port = freePort()
        self.service = RunningService(
            self.root / "log",
            *("--pop3s", f"tcp:{self.port}:interface=127.0.0.1", "--auth", "memory:karl:secret"),
            *("--certificate", str(certificate), "--maildrop", f"maildir:{self.root}/{{user}}"),
            *("--limit", "close-seconds=1", "--limit", "write-stall-seconds=60"),
        )
        self.addCleanup(self.service.process.wait)
        self.addCleanup(self.service.process.kill)
        self.service.waitFor("tls=implicit")

    def connect(self) -> ssl.SSLSocket:
        plain = socket.socket()
        # A small window, so that most of the message stays with the service.
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.settimeout(20)
        plain.connect(("127.0.0.1", self.port))
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = context.wrap_socket(plain)
        self.addCleanup(connection.close)
        return connection

    def test_slowPeerGetsAll(self) -> None:
        """
        RETR, DELE and QUIT in one go, and then a pause far longer than
        C{closeSeconds}: the message is removed, so its last octet must arrive.
        """
        connection = self.connect()
        connection.sendall(b"USER karl\r\nPASS secret\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n")
        time.sleep(4)
        got = b""
        while not got.endswith(b"(maildrop empty)\r\n"):
            data = connection.recv(1 << 16)
            self.assertNotEqual(data, b"", f"cut after {len(got)} octets")
            got += data
        self.assertEqual(got.count(b"a line of it, and another\r\n"), 120_000)
        self.assertFalse(self.mail.exists())

    def test_silentPeerIsCutOff(self) -> None:
        """Whoever is shown out and says no goodbye holds on for closeSeconds."""
        connection = self.connect()
        connection.sendall(b"X\r\nX\r\nX\r\n")
        began = time.monotonic()
        # Below TLS, so that nothing answers the service's goodbye.
        raw = socket.socket(fileno=connection.detach())
        self.addCleanup(raw.close)
        raw.settimeout(20)
        with contextlib.suppress(ConnectionResetError):
            while raw.recv(1 << 16):
                continue
        self.assertLess(time.monotonic() - began, 4)
        self.service.waitFor("reason=bad-commands")
