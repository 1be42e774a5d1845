"""L{pop3svc.checking.whole}: what is looked at as whom."""

import os
import pwd
from pathlib import Path
from typing import Any

from twisted.trial.unittest import TestCase

from pop3svc.checking import whole
from pop3svc.checking.findings import Findings
from pop3svc.checking.whole import check
from pop3svc.workers import parent

from .checks import errors, facts, optionsOf, warnings

NOBODY = pwd.getpwnam("nobody")


class WholeTests(TestCase):
    def setUp(self) -> None:
        self.order: list[str] = []
        self.progress: list[tuple[int, int]] = []

    def check(self, *words: str, become: pwd.struct_passwd | None = None) -> Findings:
        findings = Findings()
        check(
            findings,
            optionsOf(*words),
            None,
            become,
            lambda done, of: self.progress.append((done, of)),
            lambda: self.order.append("change"),
        )
        return findings

    def recorded(self, name: str) -> None:
        real = getattr(whole, name)

        def record(*arguments: Any) -> Any:
            self.order.append(name)
            return real(*arguments)

        self.patch(whole, name, record)

    def test_order(self) -> None:
        """Ports and keys as whoever starts it, and mail as whoever it becomes."""
        for name in (
            *("checkCertificates", "checkListeners", "checkFirstFiles", "checkLaterFiles"),
            "checkMaildrops",
        ):
            self.recorded(name)
        self.check("--maildrop", "memory:", become=NOBODY)
        self.assertEqual(
            self.order,
            [
                *("checkCertificates", "checkListeners", "checkFirstFiles", "change"),
                *("checkLaterFiles", "checkMaildrops"),
            ],
        )
        self.order.clear()
        self.check("--maildrop", "memory:")
        self.assertNotIn("change", self.order)

    def test_progress(self) -> None:
        """Step by step, to the end."""
        self.check()
        of = self.progress[0][1]
        self.assertEqual(self.progress, [*((n, of) for n in range(1, of + 1)), (of, of)])

    def test_becomes(self) -> None:
        secret = os.path.abspath(self.mktemp())
        Path(secret).write_text("x")
        os.chmod(secret, 0o600)
        findings = self.check("--client-ca", secret, become=NOBODY)
        section = findings.sections[1]
        self.assertIn("then it is nobody (uid", facts(section)[0])
        self.assertIn(f"{secret} cannot be read again under --uid", warnings(section)[0])

    def test_becomesRoot(self) -> None:
        self.patch(os, "getresuid", lambda: (0, 0, 0))
        findings = self.check(become=pwd.getpwnam("root"))
        self.assertIn("this would serve as root", errors(findings.sections[1])[0])

    def test_workers(self) -> None:
        """What the start would refuse."""
        words = ("--workers", "2", "--maildrop", "memory:")
        section = self.check(*words).sections[5]
        self.assertIn("--maildrop memory: is of one process", errors(section)[0])
        self.patch(parent, "outOfReach", lambda uid, gid, paths: "/root/bin/python3")
        section = self.check(*words, become=NOBODY).sections[5]
        self.assertIn("--workers runs /root/bin/python3 again under --uid", errors(section)[1])
        self.assertEqual(errors(self.check("--maildrop", "memory:").sections[5]), [])
