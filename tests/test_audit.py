"""L{pop3svc.operations.audit}: one event, one line, nothing secret or forged."""

import json
import re
from pathlib import Path
from typing import Any, cast

from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogLevel, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from pop3svc.limits import Limits
from pop3svc.operations.audit import Audit, Subject
from pop3svc.operations.auditfile import AuditFile
from pop3svc.operations.formats import Format


class FloodTests(TestCase):
    """What the log gets of a flood, by L{test_floods}' rules."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.audit = Audit(clock=self.clock)
        self.lines: list[str] = []
        observer = cast(ILogObserver, lambda event: self.lines.append(event.get("line", "")))
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def taken(self) -> list[str]:
        lines, self.lines = self.lines, []
        return lines

    def test_oneLineASecond(self) -> None:
        """By network, and by reason; the rest is told when the second is over."""
        for host in ("192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"):
            for _ in range(1000):
                self.audit.connectionRefused(host, "connections-per-network")
                self.audit.connectionRefused(host, "logging-in-per-network")
        line = "event=connection-refused peer={} reason={}-per-network"
        networks = ("192.0.2.1", "192.0.2.2", "2001:db8::1")
        self.assertEqual(
            self.taken(),
            [line.format(each, why) for each in networks for why in ("connections", "logging-in")],
        )
        self.clock.advance(0.75)
        self.assertEqual(self.taken(), [])
        self.clock.advance(0.25)
        counts = (("192.0.2.1", 999), ("192.0.2.2", 999), ("2001:db8::/64", 1999))
        self.assertEqual(
            self.taken(),
            [
                f"event=left-out class=connection-refused/{why}-per-network of={who} count={count}"
                for why in ("connections", "logging-in")
                for who, count in counts
            ],
        )
        # The flood is over, and nothing is left running.
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(
            self.audit.sieve.counts["connection-refused/connections-per-network"], 4000
        )
        self.assertEqual(self.audit.sieve.guard.leftOut, 2 * 3997)

    def test_longFlood(self) -> None:
        """Ten seconds of it: two lines each, and the sum is right."""
        for _ in range(1000):
            self.audit.strangerRefused("192.0.2.1")
            self.clock.advance(1 / 64)
        self.clock.advance(2)
        lines = self.taken()
        told = [each for each in lines if each == "event=stranger-refused peer=192.0.2.1"]
        left = [int(each.rpartition("=")[2]) for each in lines if "event=left-out" in each]
        self.assertEqual((len(told), len(left)), (16, 16))
        self.assertEqual(len(told) + sum(left), 1000)

    def test_bounded(self) -> None:
        """Whatever the number of networks, so many lines have a class and a second."""
        self.audit.useLimits(Limits(logNetworks=10))
        for number in range(5000):
            self.audit.strangerRefused(f"10.0.{number >> 8}.{number & 255}")
        self.clock.advance(1)
        self.assertEqual(
            self.taken()[10:], ["event=left-out class=stranger-refused of=* count=4990"]
        )

    def test_everybodys(self) -> None:
        """When the whole service is full, whoever they are is one line a second."""
        for number in range(100):
            for why in ("connections", "descriptors", "crowded-out"):
                self.audit.connectionRefused(f"192.0.2.{number}", why)
        self.assertEqual(len(self.taken()), 3)
        self.clock.advance(1)
        self.assertEqual(
            self.taken()[0], "event=left-out class=connection-refused/connections of=* count=99"
        )

    def test_withoutANetwork(self) -> None:
        """A UNIX socket, a listener, and nobody at all are somebody, too."""
        for _ in range(3):
            self.audit.strangerRefused("unix")
            self.audit.acceptFailed("tcp:110", "x")
            self.audit.abuse(Subject("-", "-"), "x")
        self.clock.advance(1)
        self.assertEqual(
            self.taken()[3:],
            [
                "event=left-out class=stranger-refused of=unix count=2",
                "event=left-out class=accept-failed of=tcp:110 count=2",
                "event=left-out class=abuse/x of=- count=2",
            ],
        )

    def test_users(self) -> None:
        """Those behind one address do not hide each other's refusals."""
        for _ in range(5):
            for user in (b"karl", b"joe"):
                self.audit.loginRefused(Subject("s", "192.0.2.1", user=user), "wrong")
        self.clock.advance(1)
        self.assertEqual(
            [re.sub(" session.*(user=[a-z]+).*", r" \1", each) for each in self.taken()],
            [
                "event=login-refused user=karl",
                "event=login-refused user=joe",
                'event=left-out class=login-refused/wrong of="192.0.2.1 karl" count=4',
                'event=left-out class=login-refused/wrong of="192.0.2.1 joe" count=4',
            ],
        )

    def test_sessions(self) -> None:
        """
        Nor do sessions the faults of each other's maildrops; of one session each mail is
        told, but once.
        """
        for session in ("a", "b"):
            for number in (0, 1, 1, 1, 0):
                self.audit.storeFault(Subject(session, "192.0.2.1"), "retrieve", f"mail {number}")
        self.clock.advance(1)
        line = 'event=store-fault session={} user="" operation=retrieve text="mail {}"'
        left = 'event=left-out class=store-fault/retrieve of="{} mail {}" count={}'
        told = [(session, number) for session in ("a", "b") for number in (0, 1)]
        self.assertEqual(
            self.taken(),
            [
                *(line.format(*each) for each in told),
                *(left.format(*each, each[1] + 1) for each in told),
            ],
        )

    def test_neverLeftOut(self) -> None:
        """The books are complete."""
        subject = Subject("s", "192.0.2.1", user=b"karl")
        for _ in range(20):
            self.audit.login(subject, 1, 2)
            self.audit.logout(subject, "quit", 0, 0, 0, 1, 1.0)
            self.audit.reloaded()
            self.audit.reloadFailed("no")
            self.audit.certificateEnds("c", 1)
            self.audit.listening("tcp:110", "none")
            self.audit.descriptorsShort("few")
        self.assertEqual(len(self.taken()), 7 * 20)
        self.assertEqual(self.audit.sieve.guard.leftOut, 0)

    def test_faults(self) -> None:
        """One traceback of each kind; nothing else keeps a fault from being told."""
        for _ in range(100):
            for error in (KeyError, ZeroDivisionError):
                self.audit.fault(Subject("s", "192.0.2.1"), "testing", Failure(error()))
        self.assertEqual(len(self.flushLoggedErrors(KeyError, ZeroDivisionError)), 2)
        self.assertEqual(self.audit.sieve.counts["fault/testing"], 200)

    def test_withoutClock(self) -> None:
        """The end of a flood is told with the next event, or at the end of all."""
        self.audit = Audit()
        for _ in range(3):
            self.audit.strangerRefused("192.0.2.1")
        self.audit.sieve.tellLeftOut(all=True)
        self.assertEqual(
            self.taken()[1:], ["event=left-out class=stranger-refused of=192.0.2.1 count=2"]
        )


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
            b"a\x7fb",
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

    def test_ownFile(self) -> None:
        """Lines in a file of their own have a time and a level in front."""
        subject = Subject("ab12", "::1", user=b"a b")
        path, clock = Path(self.mktemp()), Clock()
        file = AuditFile(str(path), clock, lambda: 1_800_000_000.5)
        formats: tuple[Format, ...] = ("text", "json")
        for logFormat in formats:
            Audit(logFormat, clock, file).strangerRefused(subject.peer)
        file.close()
        text, record = path.read_text().splitlines()
        self.assertEqual(
            text, "2027-01-15T08:00:00.500Z level=warn event=stranger-refused peer=::1"
        )
        self.assertEqual(
            list(json.loads(record).items()),
            [
                ("time", "2027-01-15T08:00:00.500Z"),
                *(("level", "warn"), ("event", "stranger-refused"), ("peer", "::1")),
            ],
        )
        self.assertEqual(self.events, [])

    def test_faultInBoth(self) -> None:
        """The traceback stays in twistd's log, and the line stands in both."""
        path, clock = Path(self.mktemp()), Clock()
        file = AuditFile(str(path), clock)
        Audit("text", clock, file).fault(Subject("s", "p"), "testing", Failure(KeyError()))
        file.close()
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        self.assertTrue(
            path.read_text().endswith(
                " level=critical event=fault session=s peer=p tls=none during=testing\n"
            )
        )

    def test_fault(self) -> None:
        try:
            raise ZeroDivisionError
        except ZeroDivisionError:
            Audit().fault(Subject("s", "p"), "testing")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(
            self.events[-1]["line"], "event=fault session=s peer=p tls=none during=testing"
        )
