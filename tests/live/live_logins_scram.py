"""
SCRAM by libraries of other people, with each way to bind it to the channel.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import ssl
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

from scramp import ScramClient  # type: ignore[import-untyped]

from .gnusasl import GNUSession
from .harness import IMPLICIT, PASSWORD, STLS, USER, Way
from .logins import TLS_WAYS, LoginTestCase
from .wire import Wire

_BARE = ("SCRAM-SHA-1", "SCRAM-SHA-256")
_PLUS = ("SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS")

_Answers = Iterable[Callable[[bytes], bytes]]
# Of a connection: what makes the answers, by mechanism.
_Client = Callable[[str], _Answers]


def _scramp(binding: tuple[str, ssl.SSLSocket] | None) -> _Client:
    """scramp: it takes from the connection whatever it binds to."""

    def answers(mechanism: str) -> _Answers:
        client = ScramClient([mechanism], USER, PASSWORD, channel_binding=binding)

        def final(challenge: bytes) -> bytes:
            client.set_server_first(challenge.decode())
            return client.get_client_final().encode()

        def end(challenge: bytes) -> bytes:
            # It checks the signature of the service.
            client.set_server_final(challenge.decode())
            return b""

        return [lambda challenge: client.get_client_first().encode(), final, end]

    return answers


def _gnu(exported: bytes) -> _Client:
    """GNU SASL, because scramp does not bind to what TLS 1.3 exports."""

    def answers(mechanism: str) -> _Answers:
        session = GNUSession(mechanism, USER, PASSWORD, exported)
        return [session.step] * 3

    return answers


def _exported(keylog: Path) -> bytes:
    """
    What Python's ssl does not tell, made by RFC 8446 section 7.5.

    @param keylog: the file of secrets of the connection that was made last.
    """
    secrets = re.findall("^EXPORTER_SECRET .* (.*)$", keylog.read_text("ascii"), re.MULTILINE)
    secret = bytes.fromhex(secrets[-1])
    hashName = {32: "sha256", 48: "sha384"}[len(secret)]
    context = hashlib.new(hashName).digest()

    def expand(key: bytes, label: bytes, length: int) -> bytes:
        """HKDF-Expand-Label for no more than one block."""
        label = b"tls13 " + label
        info = struct.pack(">HB", length, len(label)) + label + bytes([len(context)]) + context
        return hmac.digest(key, info + b"\x01", hashName)[:length]

    return expand(expand(secret, b"EXPORTER-Channel-Binding", len(secret)), b"exporter", 32)


class ScramTests(LoginTestCase):
    connect: Callable[[Way], tuple[Wire, _Client]]

    def test_unbound(self) -> None:
        self.connect = lambda way: (self._wire(way), _scramp(None))
        self.checkLogins(_BARE)

    def test_endPoint(self) -> None:
        """RFC 5929 section 4: the hash of the certificate."""
        self.connect = lambda way: self._bound(way, "tls-server-end-point")
        self.checkLogins(_PLUS, TLS_WAYS)

    def test_unique(self) -> None:
        """RFC 5929 section 3, for whoever does not speak TLS 1.3."""
        self.connect = lambda way: self._bound(way, "tls-unique")
        self.checkLogins(_PLUS, TLS_WAYS, tls="TLSv1.2")

    def test_exporter(self) -> None:
        """RFC 9266, for whoever does."""
        self.connect = self._exporting
        self.checkLogins(_PLUS, TLS_WAYS)

    def test_otherChannel(self) -> None:
        """Who passes on what was proven to him on his own channel is not let in."""
        _, client = self._exporting(IMPLICIT)
        wire, _ = self._exporting(STLS)
        self._checkRefused(wire, client, "SCRAM-SHA-256-PLUS", "another channel")

    def test_downgraded(self) -> None:
        """A client that could bind was shown no -PLUS: somebody has taken it away."""
        wire, client = self._bound(STLS, "tls-server-end-point")
        self._checkRefused(wire, client, "SCRAM-SHA-256", "channel binding is offered here")

    def logIn(self, way: Way, mechanism: str) -> int:
        wire, client = self.connect(way)
        self.assertEqual(wire.authenticate(mechanism, client(mechanism))[:3], b"+OK")
        messages = int(wire.expect(b"STAT", b"+OK").split()[1])
        wire.quit()
        return messages

    def _checkRefused(self, wire: Wire, client: _Client, mechanism: str, why: str) -> None:
        with self.assertRaises(AssertionError) as raised:
            wire.authenticate(mechanism, client(mechanism))
        self.assertIn(why, str(raised.exception))
        self.assertEqual(self.service.events("login"), [])

    def _bound(self, way: Way, kind: str) -> tuple[Wire, _Client]:
        newest = ssl.TLSVersion.TLSv1_2 if kind == "tls-unique" else ssl.TLSVersion.TLSv1_3
        wire = self._wire(way, newest)
        return wire, _scramp((kind, cast(ssl.SSLSocket, wire.socket)))

    def _exporting(self, way: Way) -> tuple[Wire, _Client]:
        return self._wire(way), _gnu(_exported(self.directory / "keylog"))

    def _wire(self, way: Way, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> Wire:
        context = ssl.create_default_context(cafile=str(self.service.authority))
        context.maximum_version = newest
        context.keylog_filename = str(self.directory / "keylog")
        wire = Wire(self.service, way, context)
        self.addCleanup(wire.close)
        return wire
