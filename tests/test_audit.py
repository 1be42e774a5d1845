"""L{pop3svc.operations.audit}: one event, one line, nothing secret or forged."""

import json
from typing import Any, cast

from twisted.logger import ILogObserver, LogLevel, globalLogPublisher
from twisted.trial.unittest import TestCase

from pop3svc.operations.audit import Audit, Format, Subject


class AuditTests(TestCase):
    def setUp(self) -> None:
        self.events: list[Any] = []
        observer = cast(ILogObserver, self.events.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def line(self, logFormat: Format, subject: Subject) -> str:
        Audit(logFormat).loginRefused(subject, "wrong")
        return self.events[-1]["line"]

    def test_text(self) -> None:
        self.assertEqual(
            self.line("text", Subject("ab12", "192.0.2.7", "TLSv1.3", b"karl", "PLAIN")),
            "event=login-refused session=ab12 peer=192.0.2.7 tls=TLSv1.3 user=karl"
            " mechanism=PLAIN reason=wrong",
        )
        self.assertIs(self.events[-1]["log_level"], LogLevel.info)

    def test_detail(self) -> None:
        """The administrator sees which it was; the client does not."""
        Audit().loginRefused(Subject("s", "p"), "wrong", "x" * 1000)
        self.assertTrue(self.events[-1]["line"].endswith(" reason=wrong detail=" + "x" * 200))

    def test_credential(self) -> None:
        """The name of an application password stands only where there is one."""
        subject = Subject("ab12", "192.0.2.7", "TLSv1.3", b"karl", "PLAIN", "phone")
        Audit().login(subject, 2, 320)
        self.assertEqual(
            self.events[-1]["line"],
            "event=login session=ab12 peer=192.0.2.7 tls=TLSv1.3 user=karl mechanism=PLAIN"
            " credential=phone messages=2 octets=320",
        )
        Audit().logout(subject, "quit", 1, 120, 0, 2, 0.5)
        self.assertIn(" mechanism=PLAIN credential=phone reason=quit ", self.events[-1]["line"])

    def test_json(self) -> None:
        self.assertEqual(
            json.loads(self.line("json", Subject("ab12", "::1", user=b"a b"))),
            {
                "event": "login-refused",
                "session": "ab12",
                "peer": "::1",
                "tls": "none",
                "user": "a b",
                "mechanism": "",
                "reason": "wrong",
            },
        )

    def test_noForgedLines(self) -> None:
        """A name cannot end the line, add a field, colour a terminal or break JSON."""
        for name in (
            b'a\nevent="login"',
            b"a user=root",
            b"\x1b[31m",
            b"\xff\xfe",
            b'"',
            b"\\",
            b"",
        ):
            text = self.line("text", Subject("s", "p", user=name))
            self.assertRegex(text, r"^[\x20-\x7e]+\Z")
            self.assertEqual(text.replace('\\"', "").count("="), 7 + name.count(b"="))
            record = json.loads(self.line("json", Subject("s", "p", user=name)))
            self.assertEqual(record["user"], name.decode("utf-8", "backslashreplace"))

    def test_fault(self) -> None:
        try:
            raise ZeroDivisionError
        except ZeroDivisionError:
            Audit().fault(Subject("s", "p"), "testing")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(
            self.events[-1]["line"], "event=fault session=s peer=p tls=none during=testing"
        )
