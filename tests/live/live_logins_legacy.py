"""
The fenced listener: a printer that knows TLS 1.0 alone is served on one network,
and the other listeners stay as strict as they are.
"""

from __future__ import annotations

import socket

from ..running import freePort
from .harness import IMPLICIT, LOOPBACK, PLAIN, STLS, USER, LiveTestCase, Way
from .messages import Maildir
from .sclient import SClient

_STRANGER = "127.0.0.2"
_OLD = ("-tls1", "-cipher", "ALL:@SECLEVEL=0")


class LegacyListenerTests(LiveTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.port = freePort()
        config = self.directory / "pop3svc.toml"
        config.write_text(
            f"""\
[[listener]]
endpoint = "tcp:{self.port}:interface={LOOPBACK}"
tls = "stls"
minimum-tls = "1.0"
networks = ["{LOOPBACK}/32"]
"""
        )
        self.service = self.serve("--config", str(config))
        Maildir(self.service.maildirs / USER).deliver(b"Subject: one\n\n")

    def test_printer(self) -> None:
        client = self._client(*_OLD, port=self.port)
        client.login()
        client.expect(b"STAT", b"+OK 1 ")
        client.expect(b"QUIT", b"+OK")
        self.assertEqual(self.service.events("login")[0]["tls"], "TLSv1")

    def test_newer(self) -> None:
        """Who comes there and knows better gets better."""
        client = self._client(port=self.port)
        client.login()
        client.expect(b"QUIT", b"+OK")
        self.assertEqual(self.service.events("login")[0]["tls"], "TLSv1.3")

    def test_otherListeners(self) -> None:
        for way in (STLS, IMPLICIT):
            with self.assertRaises(ConnectionError):
                self._client(*_OLD, way=way).ask(b"NOOP")

    def test_stranger(self) -> None:
        """He is cut off before a word is said."""
        with socket.create_connection(
            (LOOPBACK, self.port), 30, source_address=(_STRANGER, 0)
        ) as stranger:
            self.assertEqual(stranger.recv(100), b"")
        (refused,) = self.service.awaitEvents("stranger-refused", 1)
        self.assertEqual(refused["peer"], _STRANGER)
        # The others ask nobody where he comes from.
        with socket.create_connection(
            (LOOPBACK, self.service.port(PLAIN)), 30, source_address=(_STRANGER, 0)
        ) as stranger:
            self.assertEqual(stranger.recv(3), b"+OK")

    def _client(self, *options: str, way: Way = STLS, port: int | None = None) -> SClient:
        client = SClient(self.service, way, *options, port=port)
        self.addCleanup(client.close)
        return client
