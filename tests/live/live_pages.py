"""
C{--http} on the real service: promtool, curl, health, tokens, and workers that die.
"""

from __future__ import annotations

import contextlib
import json
import os
import poplib
import signal
import subprocess
import time
from pathlib import Path

from tests.running import ROOT, freePort

from .pages import SECONDS, PagesCase
from .programs import findProgram


class PagesTests(PagesCase):
    def promtool(self, *words: str, input: str = "") -> str:
        """@return: what it says of something that it finds good."""
        checked = subprocess.run(
            [findProgram("promtool"), "check", *words],
            input=input,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        self.assertEqual(checked.returncode, 0, checked.stderr)
        return checked.stdout + checked.stderr

    def test_promtool(self) -> None:
        """Debian's own has no complaint; and what was served is what is counted."""
        service = self.servePages()
        for _ in range(5):
            client = self.session(service)
            client.retr(1)
            client.quit()
        with contextlib.suppress(poplib.error_proto):
            self.session(service).pass_("wrong")
        _, text = self.curl("/metrics")
        self.assertEqual(self.promtool("metrics", input=text), "")
        self.assertEqual(self.value("logins_total"), 6)
        self.assertEqual(self.value("retrieved_messages_total"), 5)
        self.assertEqual(self.value("certificate_expiry_timestamp_seconds") > time.time(), True)
        self.assertEqual(self.curl("/healthz"), (200, '{"status": "well", "why": []}\n'))

    def test_dashboardAndAlarms(self) -> None:
        """promtool can read each expression of the dashboard, and the alarms of the document."""
        dashboard = json.loads((ROOT / "etc/grafana/pop3svc.json").read_text())
        expressions = [
            target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".*")
            for panel in dashboard["panels"]
            for target in panel.get("targets", [])
        ]
        rules = [{"record": f"r{n}", "expr": each} for n, each in enumerate(expressions)]
        file = self.directory / "rules.yml"
        file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
        document = (ROOT / "docs/monitoring.rst").read_text()
        alarms = document[document.index("    groups:\n") :].partition("\nGuessing")[0]
        other = self.directory / "alarms.yml"
        other.write_text(alarms)
        for each, count in ((file, len(rules)), (other, alarms.count("- alert:"))):
            self.assertIn(f"{count} rules found", self.promtool("rules", str(each)))

    def test_storeFails(self) -> None:
        """Where maildrops cannot be opened the service is not well, until they can."""
        service = self.servePages("--limit", "login-attempts=9")
        self.session(service).quit()
        self.until(200)
        hidden = service.maildirs.rename(service.directory / "unmounted")
        for _ in range(3):
            with self.assertRaises(poplib.error_proto):
                self.session(service)
        # One login in the last minute is a success.
        self.assertEqual(self.curl("/healthz")[0], 200)
        hidden.rename(service.maildirs)

    def test_storeNeverWorked(self) -> None:
        service = self.servePages()
        hidden = service.maildirs.rename(service.directory / "unmounted")
        for _ in range(3):
            with self.assertRaises(poplib.error_proto):
                self.session(service)
        self.assertIn("maildrops cannot be opened: 3 faults in the last minute", self.until(503))
        hidden.rename(service.maildirs)
        self.session(service).quit()
        self.until(200)

    def test_drain(self) -> None:
        """A load balancer hears of it while the last session goes on."""
        service = self.servePages()
        client = self.session(service)
        service.terminate()
        self.assertIn("draining", self.until(503))
        client.quit()
        self.assertEqual(service.wait(), 0)

    def test_token(self) -> None:
        """On all interfaces, for whoever has it: as curl, as a browser, or not at all."""
        token = self.directory / "token"
        token.write_text("0123456789abcdef0123456789abcdef\n")
        self.web = freePort()
        endpoint = f"tcp:{self.web}:interface=0.0.0.0"
        service = self.serve("--http", endpoint, "--http-token", str(token))
        self.assertEqual(self.curl("/")[0], 401)
        self.assertEqual(self.curl("/", "-u", "me:" + "x" * 32)[0], 401)
        good = token.read_text().strip()
        self.assertEqual(self.curl("/", "-u", f"me:{good}")[0], 200)
        self.assertEqual(self.curl("/metrics", "--oauth2-bearer", good)[0], 200)
        token.write_text("f" * 32)
        service.reload()
        service.awaitEvents("reloaded", 1)
        self.assertEqual(self.curl("/metrics", "--oauth2-bearer", good)[0], 401)
        self.assertEqual(self.curl("/metrics", "--oauth2-bearer", "f" * 32)[0], 200)

    def test_workers(self) -> None:
        """One of two is killed: nothing goes back, and the service is well again soon."""
        service = self.servePages("--workers", "2")
        self.until(200)
        for _ in range(20):
            self.session(service).quit()
        self.assertEqual((self.value("logins_total"), self.value("workers")), (20, 2))
        # What is asked for is what was last heard of it.
        children = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children")
        victim = int(children.read_text().split()[0])
        os.kill(victim, signal.SIGKILL)
        self.until(200)
        giveUp = time.monotonic() + SECONDS
        while self.value("workers") != 2:
            self.assertLess(time.monotonic(), giveUp)
            time.sleep(0.2)
        self.assertEqual(self.value("logins_total"), 20)
        for _ in range(5):
            self.session(service).quit()
        self.assertEqual(self.value("logins_total"), 25)
