"""
F{docs/haproxy.rst} with the real HAProxy: who connects is known by their own address, TLS
goes through, and HAProxy's checks are well.
"""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from textwrap import dedent

from tests.running import ROOT, freePorts

from .harness import IMPLICIT, LOOPBACK, STLS, USER, LiveTestCase, Way
from .messages import Maildir, canonical
from .programs import findProgram
from .wire import Wire

_PAGE = (ROOT / "docs" / "haproxy.rst").read_text()
_CLIENT = "127.0.0.2"
_PROXY_SECONDS = 10.0
_STORED = b"From: walter@example.org\nSubject: by way of a proxy\n\nOne line.\n"


def _shown(opening: str) -> str:
    """The page's first block behind a line."""
    found = re.search(rf"{re.escape(opening)}\n\n((?:    .*\n|\n)+)", _PAGE)
    assert found is not None
    return dedent(found[1])


class _Proxied:
    """The service as it looks from in front of the proxy."""

    def __init__(self, authority: Path, ports: tuple[int, int]) -> None:
        self.authority = authority
        self._ports = ports

    def port(self, way: Way = STLS) -> int:
        return self._ports[way.implicit]


class HAProxyTests(LiveTestCase):
    def setUp(self) -> None:
        super().setUp()
        front, frontTLS, behind, behindTLS = map(str, freePorts(4))
        self.ports = int(front), int(frontTLS)
        config = _shown("nobody but the proxy connect to it::")
        config = config.replace("192.0.2.10/32", f"{LOOPBACK}/32").replace("192.0.2.1", LOOPBACK)
        config = config.replace("tcp:1110", f"tcp:{behind}").replace("tcp:1995", f"tcp:{behindTLS}")
        (self.directory / "listeners.toml").write_text(config)
        self.service = self.serve("--config", str(self.directory / "listeners.toml"))
        Maildir(self.service.maildirs / USER).deliver(_STORED)

        proxy = _shown(".. code-block:: text").replace("192.0.2.1", LOOPBACK)
        for there, here in (
            ("bind :110", f"bind {LOOPBACK}:{front}"),
            ("bind :995", f"bind {LOOPBACK}:{frontTLS}"),
            (":1110", f":{behind}"),
            (":1995", f":{behindTLS}"),
            ("inter 10s", "inter 200ms"),
        ):
            self.assertIn(there, proxy)
            proxy = proxy.replace(there, here)
        # The path of a socket is short.
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.stats = f"{temporary.name}/stats"
        (self.directory / "haproxy.cfg").write_text(
            f"global\n    stats socket {self.stats}\n{proxy}"
        )
        self.log = (self.directory / "haproxy.log").open("wb")
        self.addCleanup(self.log.close)
        command = (findProgram("haproxy"), "-db", "-f", str(self.directory / "haproxy.cfg"))
        self.haproxy = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        self.addCleanup(self.haproxy.wait)
        self.addCleanup(self.haproxy.terminate)
        self.await_(lambda: self.column("pop3", "FRONTEND", "scur") == "0")

    def await_(self, holds: Callable[[], bool]) -> None:
        giveUp = time.monotonic() + _PROXY_SECONDS
        while True:
            try:
                if holds():
                    return
            except OSError:
                self.assertIsNone(self.haproxy.poll(), Path(self.log.name).read_text())
            self.assertLess(time.monotonic(), giveUp)
            time.sleep(0.05)

    def isWell(self, proxy: str) -> bool:
        return self.column(proxy, "one", "check_status") == "L7OK"

    def column(self, proxy: str, server: str, name: str) -> str:
        """What HAProxy counts."""
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(self.stats)
            asking.sendall(b"show stat\n")
            with asking.makefile() as answer:
                names, *rows = answer.read().lstrip("# ").splitlines()
        columns = names.split(",")
        [row] = [r.split(",") for r in rows if r.startswith(f"{proxy},{server},")]
        return row[columns.index(name)]

    def test_theClientsAddress(self) -> None:
        """In the clear after STLS, and inside TLS from the first octet."""
        front = _Proxied(self.service.authority, self.ports)
        for way in (STLS, IMPLICIT):
            wire = Wire(front, way, source=_CLIENT)
            wire.login()
            self.assertEqual(wire.retrieve(1), canonical(_STORED))
            wire.quit()
        logins = self.service.awaitEvents("login", 2)
        self.assertEqual([each["peer"] for each in logins], [_CLIENT] * 2)
        self.assertNotIn("none", [each["tls"] for each in logins])

    def test_checks(self) -> None:
        """Both are found well again and again, and nobody is taken for an attacker."""
        for proxy in ("pop3", "pop3s"):
            self.await_(partial(self.isWell, proxy))
        time.sleep(2)
        for proxy in ("pop3", "pop3s"):
            self.assertEqual(self.column(proxy, "one", "status"), "UP")
            self.assertEqual(self.column(proxy, "one", "chkfail"), "0")
        self.assertEqual(self.service.events("abuse"), [])
        self.assertEqual(self.service.events("connection-refused"), [])

    def test_aStranger(self) -> None:
        """Whoever comes past the proxy cannot tell any address."""
        behind = int(re.search(r"tcp:(\d+)", (self.directory / "listeners.toml").read_text())[1])  # type: ignore[index]
        with socket.create_connection((LOOPBACK, behind), 20, (_CLIENT, 0)) as stranger:
            stranger.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.1 1 110\r\n")
            with contextlib.suppress(ConnectionResetError):
                self.assertEqual(stranger.recv(100), b"")
        self.service.awaitEvents("stranger-refused", 1)
