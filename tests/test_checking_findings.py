"""L{pop3svc.checking.findings}: what is told, counted and laid out."""

import json

from twisted.trial.unittest import TestCase

from pop3svc.checking.findings import Findings, counted
from pop3svc.errors import SettingError


class FindingsTests(TestCase):
    def test_text(self) -> None:
        findings = Findings()
        findings.section("Nothing")
        section = findings.section("Certificates")
        section.tell("/etc/pop3svc/chain.pem")
        section.tell("for pop.example.org", 1)
        section.warn("it ends soon, and " + "so on " * 12 + "to the end", 1)
        with section.trying(1):
            raise SettingError("the key is not that of the certificate")
        self.assertEqual(
            findings.text(),
            "Certificates\n"
            "  /etc/pop3svc/chain.pem\n"
            "    for pop.example.org\n"
            "    warning: it ends soon, and so on so on so on so on so on so on so on so on\n"
            "      so on so on so on so on to the end\n"
            "    error: the key is not that of the certificate\n"
            "\n"
            "1 error, 1 warning: it would not work as it is.",
        )

    def test_longWords(self) -> None:
        """What is copied is not cut."""
        findings = Findings()
        path = "/" + "very-long-" * 12
        findings.section("Files").tell(f"it is in {path}")
        self.assertIn(f"    {path}\n", findings.text())

    def test_terminal(self) -> None:
        """Nobody who names a process or a file speaks to the terminal of root."""
        findings = Findings()
        findings.section("Listeners").error("in use by \x1b]0;k\x07\udcff")
        self.assertIn("  error: in use by \\x1b]0;k\\x07\\udcff\n", findings.text())

    def test_summary(self) -> None:
        findings = Findings()
        section = findings.section("Anything")
        self.assertEqual(findings.text(), "All is well.")
        section.warn("hm")
        self.assertTrue(findings.text().endswith("\n0 errors, 1 warning: it would work."))

    def test_json(self) -> None:
        findings = Findings()
        section = findings.section("Listeners")
        section.tell("tcp:110")
        section.error("in use", 1)
        self.assertEqual(
            json.loads(findings.json()),
            {
                "errors": 1,
                "warnings": 0,
                "sections": [
                    {
                        "title": "Listeners",
                        "findings": [
                            {"kind": "fact", "text": "tcp:110"},
                            {"kind": "error", "text": "in use"},
                        ],
                    }
                ],
            },
        )

    def test_counted(self) -> None:
        self.assertEqual(counted(1, "message"), "1 message")
        self.assertEqual(counted(1000, "message"), "1,000 messages")
