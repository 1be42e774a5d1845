"""C{--http} as it is started, and how long its listener is there."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

from twisted.trial.unittest import TestCase

from pop3svc.errors import SettingError
from pop3svc.monitoring.monitor import Watched
from pop3svc.monitoring.pages import PagesListener
from pop3svc.operations.questions import Questions
from pop3svc.options import Options
from pop3svc.service import makeService

from .running import ROOT, freePort
from .support import Connection

_SERVED = ("--auth", "memory:karl:secret", "--maildrop", "memory:")


class StartTests(TestCase):
    """The start ends with one sentence, before anything listens."""

    def sentence(self, *words: str) -> str:
        """What is said of these words."""
        port = ("--pop3", f"tcp:{freePort()}:interface=127.0.0.1")
        options = Options()
        with self.assertRaises(SystemExit) as caught:
            options.parseOptions([*port, *_SERVED, *words])
            makeService(options)
        return str(caught.exception.code)

    def test_public(self) -> None:
        sentence = self.sentence("--http", "tcp:0:interface=0.0.0.0")
        self.assertIn("add --http-token FILE", sentence)

    def test_noEndpoint(self) -> None:
        self.assertIn("is no server endpoint", self.sentence("--http", "8110"))

    def test_tokenAlone(self) -> None:
        self.assertIn("add --http tcp:8110", self.sentence("--http-token", "token"))

    def test_badToken(self) -> None:
        path = Path(self.mktemp())
        path.write_text("short")
        sentence = self.sentence("--http", "tcp:0", "--http-token", str(path.absolute()))
        self.assertIn("a token has 16 characters at least", sentence)

    def test_noLibrary(self) -> None:
        name = "pop3svc.monitoring.prometheus"
        with (
            patch.dict(sys.modules, prometheus_client=None),
            self.assertRaises(SettingError) as caught,
        ):
            del sys.modules[name]
            import_module(name)
        self.assertEqual(
            str(caught.exception),
            "--http needs the library prometheus_client; install pop3svc[http]",
        )


class ListenerTests(TestCase):
    def test_untilTheEnd(self) -> None:
        """It answers while the service drains, and not after that."""
        mail = Connection()
        watched = Watched(
            Questions(),
            mail.clock,
            limits=lambda: mail.factory.limits,
            draining=lambda: True,
            closed=list,
            expected=lambda: 1,
            fault=lambda failure: None,
        )
        pages = PagesListener("tcp:0", None, watched, mail.audit, daemon=False)
        pages.privilegedStartService()
        pages.startService()
        port: Any = pages._port
        self.assertEqual(port.getHost().host, "127.0.0.1")
        pages.stopService()
        self.assertTrue(port.connected)
        closed = pages.close()
        closed.addCallback(lambda _: self.assertFalse(port.connected))
        return closed  # type: ignore[return-value]  # trial waits for it


class ImportTests(TestCase):
    def test_onlyWithPages(self) -> None:
        """A service without them starts without what they take."""
        program = (
            "import sys, pop3svc.service\n"
            "print(*(each for each in sys.modules if each.startswith("
            "('twisted.web', 'prometheus_client', 'pop3svc.monitoring'))))"
        )
        ended = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True
        )
        self.assertEqual(ended.stdout.strip(), "")
