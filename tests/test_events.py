"""
L{pop3svc.operations.events}: what the documents, fail2ban and C{pop3svc explain} say of an
event is what L{pop3svc.operations.audit} writes.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from twisted.internet.task import Clock
from twisted.logger import ILogObserver, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

import pop3svc
from docs.events import page
from pop3svc.admission import Crowded
from pop3svc.auth.attempts import Why
from pop3svc.core.foreign import _TABLE
from pop3svc.core.replies import Refusal
from pop3svc.explaining.records import Record
from pop3svc.explaining.stories import sentence
from pop3svc.operations.audit import Audit, Subject
from pop3svc.operations.auditfile import AuditFile
from pop3svc.operations.events import EVENTS
from pop3svc.operations.floods import LeftOut
from pop3svc.operations.reasons import CROWDS, DELAYS, ENDS, OPERATIONS, REFUSALS
from pop3svc.operations.schema import Event

from .support import Connection

HOUSE = Path(pop3svc.__file__).parent
ROOT = HOUSE.parent

# Of no event: what an audit log is told about itself.
NO_EVENTS = {"useLimits"}


def methods() -> list[str]:
    """The names of the methods that write events."""
    own = [name for name, _ in inspect.getmembers(Audit, inspect.isfunction)]
    return [each for each in own if not each.startswith("_") and each not in NO_EVENTS]


class Recorded(Audit):
    """@ivar lines: as JSON, with the level."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__("json", Clock(), AuditFile(str(path), Clock()))

    def records(self) -> list[dict[str, Any]]:
        assert self._file is not None
        self._file.flush()
        return [json.loads(each) for each in self.path.read_text().splitlines()]


class SchemaTests(SynchronousTestCase):
    def written(self) -> Iterator[dict[str, Any]]:
        """Records of each method, with all that is optional, and with nothing of it."""
        for name in methods():
            for full in (True, False):
                # Each in a log of its own: no flood is cut.
                audit = Recorded(Path(self.mktemp()))
                subject = Subject("9f86d081884c", "192.0.2.7", "none", b"karl", "USER")
                if full:
                    subject.credential = "phone"
                    audit.holders[b"karl"] = "60303ae22b99"
                method = getattr(audit, name)
                method(*self.arguments(name, method, subject, full))
                yield from audit.records()
        audit = Recorded(Path(self.mktemp()))
        audit._leftOut(LeftOut("abuse/http", "192.0.2.7", 3))
        yield from audit.records()
        self.flushLoggedErrors(ZeroDivisionError)

    def arguments(self, name: str, method: Any, subject: Subject, full: bool) -> Iterator[object]:
        words = {"loginRefused": "in-use", "logout": "taken-over"}
        for each in inspect.signature(method).parameters.values():
            if each.name == "reason":
                yield words.get(name, "quit") if full else "quit"
            else:
                yield {
                    "Subject": subject,
                    "str": "text" if full else "",
                    "int": 1 if full else -1,
                    "float": 1.5,
                    "bool": full,
                    "Failure | None": Failure(ZeroDivisionError()),
                }[each.annotation]

    def test_recordsAreAsDocumented(self) -> None:
        """Each event, each field and each level is written, in that order, and no other."""
        seen: dict[str, tuple[set[str], set[str], set[str]]] = {}
        for record in self.written():
            del record["time"]
            level, name = record.pop("level"), record.pop("event")
            self.assertIn(
                name,
                EVENTS,
                f"the event {name} is not documented: add it to SESSION_EVENTS of"
                " pop3svc/operations/sessionevents.py or SERVICE_EVENTS of serviceevents.py, and"
                " run: python -m docs.events > docs/events.rst",
            )
            event = EVENTS[name]
            kinds = {each.name: each.kind for each in event.fields}
            self.assertEqual(list(record), [each for each in kinds if each in record], name)
            for field, value in record.items():
                self.assertIsInstance(value, kinds[field], f"{name} {field}")
            always, ever, levels = seen.setdefault(name, (set(record), set(), set()))
            always.intersection_update(record)
            ever.update(record)
            levels.add(level)
        for name, (always, ever, levels) in seen.items():
            event = EVENTS[name]
            self.assertEqual(ever, {each.name for each in event.fields}, name)
            self.assertEqual(
                always, {each.name for each in event.fields if not each.optional}, name
            )
            self.assertEqual(levels, set(event.levels), name)
        self.assertEqual(
            set(EVENTS) - set(seen), set(), "no method of Audit in pop3svc/operations writes these"
        )

    def test_eachMethodIsCalled(self) -> None:
        """An event that nothing causes would be a promise without a keeper."""
        sources = "".join(
            path.read_text() for path in HOUSE.rglob("*.py") if not path.name.endswith("audit.py")
        )
        idle = [each for each in methods() if not re.search(rf"audit\.{each}\(", sources)]
        self.assertEqual(idle, [])

    def test_examples(self) -> None:
        """Each is a record that could be, and is told in words."""
        for event in EVENTS.values():
            kinds = {each.name: each.kind for each in event.fields}
            needed = {each.name for each in event.fields if not each.optional}
            self.assertEqual(needed - set(event.example), set(), event.name)
            self.assertEqual(list(event.example), [each for each in kinds if each in event.example])
            for name, value in event.example.items():
                self.assertIsInstance(value, kinds[name], f"{event.name} {name}")
            if event.reasons:
                self.assertIn(event.example[event.reasonField], event.reasons, event.name)
            text = sentence(Record("", event.name, event.example))
            self.assertNotIn("{", text)
            self.assertNotIn("?", text)

    def test_page(self) -> None:
        self.assertEqual(
            (ROOT / "docs/events.rst").read_text(),
            page(),
            "run: python -m docs.events > docs/events.rst",
        )


class ReasonTests(SynchronousTestCase):
    """The words of a reason are those that the code has, and no others."""

    def literals(self, *calls: str) -> set[str]:
        """The words that are the first argument of such calls, anywhere."""
        found = set()
        for path in HOUSE.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if not isinstance(node, ast.Call) or not node.args:
                    continue
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                first = node.args[0]
                if name in calls and isinstance(first, ast.Constant):
                    found.add(first.value)
        return {each for each in found if isinstance(each, str) and " " not in each}

    def test_ends(self) -> None:
        words = self.literals("_end", "endNow", "endConnections", "_refuse")
        # The deadlines of a connection are known by their word.
        words |= {each for each in self.literals("start") if each.endswith("-deadline")}
        words |= {foreign.reason for _, foreign in _TABLE}
        # In connection.py, and of session.dispossessed.
        words |= {"connection-lost", "handshake-failed", "taken-over", "store-failed"}
        # In proxied.py, the argument of a timer.
        words.add("proxy-deadline")
        self.assertEqual(words, set(ENDS))
        source = (HOUSE / "core/session.py").read_text()
        self.assertIn('"taken-over" if why is Refusal.IN_USE else "store-failed"', source)

    def test_refusals(self) -> None:
        self.assertEqual({each.name.lower().replace("_", "-") for each in Refusal}, set(REFUSALS))

    def test_delays(self) -> None:
        self.assertEqual(set(Why.__args__), set(DELAYS))  # type: ignore[attr-defined]

    def test_crowds(self) -> None:
        self.assertEqual({each.value[0] for each in Crowded} | {"crowded-out"}, set(CROWDS))

    def test_operations(self) -> None:
        words = self.literals("_storeFault") | {"open"}
        self.assertEqual(words, set(OPERATIONS))


class Fail2banTests(SynchronousTestCase):
    def test_jails(self) -> None:
        """The filter counts the reasons that are said to be counted."""
        text = (ROOT / "etc/fail2ban/filter.d/pop3svc.conf").read_text()

        def alternatives(name: str) -> set[str]:
            found = re.search(rf"^{name} = \(\?:(.*)\)$", text, re.MULTILINE)
            assert found is not None
            return set(found[1].split("|"))

        def counted(event: Event, jail: str) -> set[str]:
            return {name for name, each in event.reasons.items() if each.jail == jail}

        self.assertEqual(alternatives("_abuse"), counted(EVENTS["abuse"], "pop3svc-abuse"))
        self.assertEqual(alternatives("_unchecked"), counted(EVENTS["throttled"], "pop3svc"))
        self.assertEqual(counted(EVENTS["login-refused"], "pop3svc"), {"wrong"})
        matched = set(re.findall(r"event=([a-z-]+) %", text))
        said = {
            each.name
            for each in EVENTS.values()
            if each.jail or (each.name != "logout" and any(r.jail for r in each.reasons.values()))
        }
        self.assertEqual(matched, said)


class FieldTests(SynchronousTestCase):
    """What tells one session of another."""

    def setUp(self) -> None:
        self.lines: list[str] = []
        observer = cast(ILogObserver, lambda event: self.lines.append(event.get("line", "")))
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.audit = Audit()
        self.first = Subject("a" * 12, "192.0.2.1", user=b"karl")
        self.second = Subject("b" * 12, "192.0.2.2", user=b"karl")

    def test_holder(self) -> None:
        """Who has the maildrop is named to whoever finds it in use, while it has it."""
        self.audit.login(self.first, 1, 2)
        self.audit.loginRefused(self.second, "in-use")
        self.assertTrue(self.lines[-1].endswith(" reason=in-use holder=aaaaaaaaaaaa"))
        self.audit.loginRefused(self.second, "wrong")
        self.assertTrue(self.lines[-1].endswith(" reason=wrong"))
        self.audit.logout(self.first, "quit", 0, 0, 0, 1, 1.0)
        self.assertEqual(self.audit.holders, {})
        self.audit.sieve.tellLeftOut(all=True)
        self.audit.loginRefused(self.second, "in-use")
        self.assertTrue(self.lines[-1].endswith(" reason=in-use"))

    def test_takenOver(self) -> None:
        """By whom is told; and the end of the first does not make the second forgotten."""
        self.audit.login(self.first, 1, 2)
        self.audit.login(self.second, 1, 2)
        self.audit.logout(self.first, "taken-over", 0, 0, 0, 1, 1.0)
        self.assertTrue(self.lines[-1].endswith(" seconds=1.0 by=bbbbbbbbbbbb"))
        self.assertEqual(self.audit.holders, {b"karl": "b" * 12})


class EndedTests(SynchronousTestCase):
    """A connection without a login leaves a line, unless it said nothing."""

    def ended(self, octets: bytes, lost: bool = True, **settings: Any) -> list[dict[str, Any]]:
        connection = Connection(**settings)
        connection.clock.advance(2)
        connection.send(octets)
        if lost:
            connection.lose()
        return connection.audit.events("ended")

    def test_told(self) -> None:
        for octets, reason, withheld in (
            (b"QUIT\r\n", "quit", ""),
            (b"CAPA\r\nQUIT\r\n", "quit", ""),
            (b"USER karl\r\nPASS wrong\r\n", "connection-lost", ""),
            (b"APOP karl " + b"0" * 32 + b"\r\n", "connection-lost", "APOP"),
            (b"AUTH CRAM-MD5\r\n", "connection-lost", "CRAM-MD5"),
            # No word of a client's own gets into the log.
            (b"AUTH secret\r\n", "connection-lost", "AUTH"),
        ):
            (record,) = self.ended(octets)
            self.assertEqual(
                (record["reason"], record["seconds"], record.get("withheld", "")),
                (reason, 2.0, withheld),
            )

    def test_clearText(self) -> None:
        """What an administrator wonders about most: it never even tried."""
        (record,) = self.ended(b"CAPA\r\nUSER karl\r\nQUIT\r\n", clearTextLogins="never")
        self.assertEqual((record["reason"], record["withheld"]), ("quit", "USER"))
        self.assertNotIn("user", record)

    def test_notTold(self) -> None:
        """Monitors that say nothing; abuse, which is told; and whoever logged in."""
        for octets in (b"", b"CAPA\r\n", b"GET / HTTP/1.1\r\n", b"USER karl\r\nPASS secret\r\n"):
            self.assertEqual(self.ended(octets), [])

    def test_once(self) -> None:
        self.assertEqual(self.ended(b"QUIT\r\n", lost=False), [])
