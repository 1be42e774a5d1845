"""L{pop3svc.checking.pages}: where the status page would be, and who may see it."""

import os
import sys
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import TestCase

from pop3svc.checking.findings import Section
from pop3svc.checking.pages import checkPages
from pop3svc.checking.ports import Port

from .checks import errors, facts
from .running import freePort

MODULE = "pop3svc.monitoring.prometheus"


class PagesTests(TestCase):
    def check(
        self, endpoint: str | None, token: str | None = None, ports: list[Port] | None = None
    ) -> Section:
        section = Section("Listeners")
        checkPages(section, endpoint, token, ports or [])
        return section

    def test_none(self) -> None:
        self.assertEqual(self.check(None).findings, [])
        self.assertEqual(
            errors(self.check(None, "/token")),
            ["--http-token is for the pages of --http; add --http tcp:8110"],
        )

    def test_loopback(self) -> None:
        port = freePort()
        endpoint = f"tcp:{port}:interface=127.0.0.1"
        self.assertEqual(
            facts(self.check(f"tcp:{port}")),
            [
                f"{endpoint}: metrics, health and a status page, for whoever connects",
                "the port is free",
            ],
        )
        [sentence] = errors(self.check(f"tcp:{port}", ports=[Port(port, "")]))
        self.assertIn(f"another listener above has port {port} already", sentence)

    def test_library(self) -> None:
        kept = {each: at for each, at in sys.modules.items() if each != MODULE}
        with mock.patch.dict(sys.modules, kept | {"prometheus_client": None}, clear=True):
            [sentence] = errors(self.check(f"tcp:{freePort()}"))
        self.assertIn("--http needs the library prometheus_client", sentence)

    def test_token(self) -> None:
        path = os.path.abspath(self.mktemp())
        endpoint = f"tcp:{freePort()}:interface=0.0.0.0"
        self.assertIn("can be reached from elsewhere", errors(self.check(endpoint))[0])
        self.assertIn("cannot read", errors(self.check(endpoint, path))[0])
        Path(path).write_text("0123456789abcdef\n")
        section = self.check(endpoint, path)
        self.assertEqual(errors(section), [])
        self.assertIn("for whoever has the token", facts(section)[0])
