"""
The pages of C{--http} on the real service.
"""

from __future__ import annotations

import poplib
import re
import subprocess
import time

from tests.running import freePort

from .harness import LOOPBACK, PASSWORD, USER, LiveService, LiveTestCase
from .messages import Maildir
from .programs import findProgram

SECONDS = 20.0


class PagesCase(LiveTestCase):
    """@ivar web: the port of the pages."""

    def servePages(self, *arguments: str) -> LiveService:
        """A service with pages, and two mails for karl."""
        self.web = freePort()
        service = self.serve("--http", f"tcp:{self.web}", *arguments)
        maildir = Maildir(service.maildirs / USER)
        for number in range(2):
            maildir.deliver(b"Subject: %d\n\nHello\n" % number)
        return service

    def curl(self, path: str, *options: str) -> tuple[int, str]:
        """@return: the status, and the content."""
        command = [findProgram("curl"), "-sS", "-w", "\n%{http_code}", *options]
        url = f"http://{LOOPBACK}:{self.web}{path}"
        ended = subprocess.run([*command, url], capture_output=True, text=True, timeout=SECONDS)
        content, _, status = ended.stdout.rpartition("\n")
        return int(status), content

    def value(self, name: str) -> float:
        """The sum of a metric's samples."""
        _, text = self.curl("/metrics")
        found = re.findall(rf"^pop3svc_{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE)
        return sum(map(float, found))

    def until(self, status: int) -> str:
        """@return: what /healthz says, as soon as it has this status."""
        giveUp = time.monotonic() + SECONDS
        while True:
            found, content = self.curl("/healthz")
            if found == status:
                return content
            self.assertLess(time.monotonic(), giveUp, content)
            time.sleep(0.2)

    def session(self, service: LiveService) -> poplib.POP3:
        """karl's, logged in."""
        client = poplib.POP3(LOOPBACK, service.port(), SECONDS)
        client.user(USER)
        client.pass_(PASSWORD)
        return client
