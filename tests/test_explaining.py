"""
L{pop3svc.explaining} and C{pop3svc explain}: a session of the log, in words.
"""

from __future__ import annotations

import gzip
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from textwrap import indent
from typing import Any
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pop3svc import cli
from pop3svc.explaining.finding import Finder, bySession, byUser
from pop3svc.explaining.logs import filesOf
from pop3svc.explaining.records import Record, parse
from pop3svc.explaining.stories import sentence, story
from pop3svc.operations.events import EVENTS
from pop3svc.operations.formats import Format, asLine
from pop3svc.operations.schema import Value

FORMATS: tuple[Format, ...] = ("text", "json")
A, B, C = "a" * 12, "b" * 12, "c" * 12
STAMP: dict[str, Value] = {"time": "2027-01-15T08:00:00.500Z", "level": "info"}
# What twistd, syslog, the journal and supervisor put in front.
FRONTS = (
    "2027-01-15T08:00:00+0000 [pop3svc.audit#info] ",
    "2027-01-15T08:00:00+0000 [-] ",
    "Jan 15 08:00:00 mail twistd[4711]: [pop3svc.audit#warn] ",
    "2027-01-15T08:00:00.123456+00:00 mail pop3svc[1]: 2027-01-15T08:00:01+0000 [-] ",
)


def line(
    event: str, session: str = A, second: int = 0, form: Format = "text", **more: Value
) -> str:
    """A line of an event's example, changed."""
    record = {**EVENTS[event].example, **more}
    if "session" in record:
        record["session"] = session
    stamp: dict[str, Value] = {"time": f"2027-01-15T08:00:{second:02}.500Z", "level": "info"}
    return asLine(form, event, record, stamp)


class RecordTests(SynchronousTestCase):
    def test_everyForm(self) -> None:
        """What is written comes back, each event in each form and place."""
        for event in EVENTS.values():
            wanted = Record("2027-01-15T08:00:00.500Z", event.name, event.example)
            for form in FORMATS:
                own = asLine(form, event.name, event.example, STAMP)
                self.assertEqual(parse(own.encode() + b"\r\n"), wanted)
                for front in FRONTS:
                    other = parse((front + asLine(form, event.name, event.example)).encode())
                    assert other is not None
                    self.assertEqual((other.event, other.values), (event.name, event.example))
                    self.assertIn("08:00:0", other.time)

    def test_behindTheJournal(self) -> None:
        """What --audit-log - writes to standard output."""
        wanted = Record("2027-01-15T08:00:00.500Z", "login", EVENTS["login"].example)
        for front in ("Jan 15 08:00:01 mail pop3svc[7]: ", "2027-01-15T08:00:01.1+00:00 m x[7]: "):
            for form in FORMATS:
                own = asLine(form, "login", EVENTS["login"].example, STAMP)
                self.assertEqual(parse((front + own).encode()), wanted)

    def test_others(self) -> None:
        """Lines that are no event's, also where somebody would have them look so."""
        for octets in (
            b"",
            b"\n",
            b"event=login session=" + A.encode(),
            b"2027-01-15T08:00:00+0000 [-] POP3Factory starting on 110",
            b"2027-01-15T08:00:00+0000 [stdout#info] event=login session=" + A.encode(),
            b"2027-01-15T08:00:00+0000 [-] x event=login session=" + A.encode(),
            b'2027-01-15T08:00:00.500Z level=info event=login user="karl',
            b'{"time": "2027-01-15T08:00:00.500Z", "level": "info", "event": "lo',
            b'{"time"[]}',
            b"[" * 3000,
            b"\xff\xfe",
        ):
            self.assertIsNone(parse(octets), octets)

    @settings(max_examples=200, deadline=None, database=None)
    @given(st.text(max_size=40), st.sampled_from(FORMATS))
    def test_anyName(self, name: str, form: Format) -> None:
        """No name of a client makes another record of its line."""
        name = name.encode("utf-8", "backslashreplace").decode()
        example = {**EVENTS["login-refused"].example, "user": name}
        found = parse(asLine(form, "login-refused", example, STAMP).encode())
        assert found is not None
        self.assertEqual((found.text("user"), found.text("session")), (name, "9f86d081884c"))


class StoryTests(SynchronousTestCase):
    def told(self, *lines: str) -> str:
        finder = Finder(bySession(A), 1)
        finder.read(each.encode() + b"\n" for each in lines)
        ((session, found),) = finder.last()
        self.assertEqual(session, A)
        return story(A, found)

    def test_good(self) -> None:
        self.assertEqual(
            self.told(line("login"), line("login", B), line("logout", second=1)),
            f"""\
Session {A}, from 192.0.2.7, TLSv1.3, 2027-01-15 UTC

08:00:00.500  karl logged in by PLAIN: 12 messages, 34567 octets. It was the
              application password phone.
08:00:01.500  The session ended after 0.25 s: the client said QUIT. Retrieved: 3
              messages (4711 octets); deleted: 3; left: 9.
""",
        )

    def test_refused(self) -> None:
        """Advice is given once."""
        wrong: dict[str, Any] = {"reason": "wrong", "detail": "the password is wrong"}
        text = self.told(
            line("throttled", tls="none"),
            line("login-refused", tls="none", **wrong),
            line("login-refused", second=1, tls="none", **wrong),
            line("abuse", second=2, tls="none", reason="login-attempts"),
        )
        self.assertIn(f"Session {A}, from 192.0.2.7, without TLS, 2027-01-15 UTC\n", text)
        self.assertLessEqual(max(map(len, text.splitlines())), 80)
        self.assertIn(f"Session {A}, from 192.0.2.7, without TLS, 2027-01-15 UTC\n", text)
        text = " ".join(text.split())
        self.assertEqual(text.count("The checker said: the password is wrong."), 2)
        self.assertEqual(text.count("-> The detail says which, where the checker tells."), 1)
        self.assertIn("A login as karl by PLAIN had to wait for 4.0 s: its network has sent", text)
        self.assertNotIn("The log has no end", text)

    def test_noEnd(self) -> None:
        text = self.told(line("login"))
        self.assertIn("\n\nThe log has no end of it: the session goes on, or", text)

    def test_long(self) -> None:
        """What is kept is bounded; its beginning and its end are told."""
        some = [line("store-fault", text=f"message {number}") for number in range(1000)]
        text = " ".join(self.told(line("login"), *some, line("logout", second=1)).split())
        for shown in (
            "(message 0)",
            "(message 398)",
            "... and 502 more events ...",
            "message 999)",
        ):
            self.assertIn(shown, text)
        self.assertNotIn("(message 399)", text)
        self.assertTrue(text.endswith("left: 9."))

    def test_everyEvent(self) -> None:
        """Each reason is told in words."""
        for event in EVENTS.values():
            for name, each in event.reasons.items():
                record = Record("", event.name, {**event.example, event.reasonField: name})
                self.assertIn(each.means, sentence(record))

    def test_otherVersion(self) -> None:
        """Events, reasons and fields that are not known here."""
        self.assertEqual(sentence(Record("", "weather", {"is": "fine"})), "weather: is=fine")
        record = Record("", "abuse", {"session": A, "reason": "moon"})
        self.assertEqual(sentence(record), "The service ended the connection: moon.")
        self.assertEqual(
            sentence(Record("", "login", {"user": "karl"})),
            "karl logged in by ?: ? messages, ? octets.",
        )

    def test_one(self) -> None:
        record = Record("", "login", {**EVENTS["login"].example, "messages": 1, "octets": 1})
        self.assertIn(": 1 message, 1 octet.", sentence(record))
        record = Record("", "login", {**EVENTS["login"].example, "messages": 11, "octets": 21})
        self.assertIn(": 11 messages, 21 octets.", sentence(record))

    def test_terminal(self) -> None:
        """A client that chose its name cannot speak to the terminal; people's names stay."""
        text = self.told(line("login-refused", user="\x1b]0;k\x9b\u202e\u00e9{reason}"))
        self.assertIn("\\x1b]0;k\\x9b\\u202e\u00e9{reason}", text)

    def test_terminalOfAForger(self) -> None:
        """Nor can who writes into the log of the system."""
        found = Finder(byUser("karl"), 1)
        wrong = {**EVENTS["login"].example, "session": "\x1b[2J", "tls": "\x1b[3J", "user": "karl"}
        stamp: dict[str, Value] = {"time": "2027-01-15T08:00:00Z\x1b[4J", "level": "info"}
        found.read([asLine("json", "login", wrong, stamp).encode()])
        text = story(*found.last()[0])
        for each in ("[2J", "[3J", "[4J"):
            self.assertIn(f"\\x1b{each}", text)
        self.assertNotIn("\x1b", text)
        stamp["time"] = "\x1b[5J"
        found.read([asLine("json", "login", wrong, stamp).encode()])
        self.assertNotIn("\x1b", story(*found.last()[0]))


class CommandTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.log = self.directory / "audit.log"

    def run_(self, *words: str, log: bool = True) -> tuple[int, str, str]:
        out, err = StringIO(), StringIO()
        where = ["--log", str(self.log)] if log else []
        with redirect_stdout(out), redirect_stderr(err):
            status = cli.main(["explain", *words, *where])
        return status, out.getvalue(), err.getvalue()

    def sessions(self, *words: str) -> list[str]:
        """@return: which sessions are told of, by their first letters."""
        status, out, _ = self.run_(*words)
        found = [each[8] for each in out.splitlines() if each.startswith("Session ")]
        self.assertEqual(status, 0 if out else 1)
        return found

    def write(self, *lines: str, path: Path | None = None) -> None:
        (path or self.log).write_text("".join(each + "\n" for each in lines))

    def test_which(self) -> None:
        for form in FORMATS:
            self.write(
                line("login", A, 0, form),
                line("login", B, 1, form, user="joe", peer="2001:db8::7"),
                line("login-refused", C, 2, form, peer="192.0.2.8"),
                line("logout", A, 3, form),
                line("ended", C, 4, form, peer="192.0.2.8"),
                "nothing",
            )
            self.assertEqual(self.sessions(A), ["a"])
            self.assertEqual(self.sessions("--user", "karl"), ["c"])
            self.assertEqual(self.sessions("--user", "karl", "--last", "5"), ["a", "c"])
            self.assertEqual(self.sessions("--user", "kar", "--last", "5"), [])
            self.assertEqual(self.sessions("--peer", "192.0.2.7"), ["a"])
            self.assertEqual(self.sessions("--peer", "192.0.2.0/24", "--last", "2"), ["a", "c"])
            self.assertEqual(self.sessions("--peer", "2001:db8::/32"), ["b"])
            self.assertIn("The connection ended", self.run_(C)[1])

    def test_bounded(self) -> None:
        """However many sessions fit, the last are held, and some that may still go on."""
        finder = Finder(byUser("karl"), 2)
        sessions = [f"{number:012x}" for number in range(300)]
        finder.read(line("login", each).encode() for each in sessions)
        finder.read([line("logout", sessions[200]).encode()])
        self.assertEqual([each for each, _ in finder.last()], sessions[-2:])
        self.assertEqual(len(finder._sessions), 102)

    def test_oddNames(self) -> None:
        """As the log quotes them."""
        for name in ('a "b" c', "k\u00e4rl", "x session=" + B, "\\", "007", "1.50", "-0"):
            for form in FORMATS:
                self.write(line("login-refused", A, 0, form, user=name))
                self.assertEqual(self.sessions("--user", name), ["a"])
                self.assertEqual(self.sessions(B), [])

    def test_numbers(self) -> None:
        """An id, and a name of any length, may be digits alone."""
        session, name = "000000000123", "9" * 6000
        for form in FORMATS:
            self.write(line("login-refused", session, 0, form, user=name))
            for words in ((session,), ("--user", name)):
                status, out, _ = self.run_(*words)
                self.assertEqual((status, out.split(",")[0]), (0, f"Session {session}"))

    def test_withoutSession(self) -> None:
        """Who was not even served; and what of a flood was not told."""
        self.write(
            line("connection-refused"),
            line("left-out"),
            line("left-out", of="198.51.100.1 joe"),
        )
        status, out, _ = self.run_("--peer", "192.0.2.7", "--last", "9")
        self.assertEqual(status, 0)
        self.assertIn("Besides, without a session:\n\n08:00:00.500  A connection from", out)
        self.assertIn("41 more events of the kind login-refused/wrong were left", out)
        self.assertEqual(out.count("more events"), 1)
        self.assertIn("more events", self.run_("--user", "karl")[1])
        self.assertEqual(self.run_("--user", "arl")[0], 1)

    def test_rotated(self) -> None:
        """The oldest first, also what is packed; nothing else of the directory."""
        parts = {
            "audit.log.2.gz": [line("login", A)],
            "audit.log.1": [line("logout", A, 1), line("login", B, 2)],
            "audit.log": [line("logout", B, 3)],
            "audit.log-20270101": [line("login", C)],
            "audit.log.bak": [line("abuse", C)],
            "audit.logger": [line("abuse", C)],
        }
        for age, (name, lines) in enumerate(parts.items()):
            path = self.directory / name
            self.write(*lines, path=path)
            if name.endswith(".gz"):
                path.write_bytes(gzip.compress(path.read_bytes()))
            os.utime(path, (10 + age, 10 + age))
        (self.directory / "audit.log.3").mkdir()
        self.assertEqual(
            [each.name for each in filesOf(str(self.log))],
            ["audit.log.2.gz", "audit.log.1", "audit.log-20270101", "audit.log"],
        )
        self.assertIn("The session ended", self.run_(A)[1])
        self.assertEqual(self.sessions("--user", "karl", "--last", "2"), ["b", "c"])
        self.assertNotIn("The service ended the connection", self.run_(C)[1])

    def test_broken(self) -> None:
        self.write()
        path = self.directory / "audit.log.1.gz"
        whole = gzip.compress(os.urandom(1000))
        for octets in (b"x", whole[:-20], whole[:20] + b"\0" * 50 + whole[70:]):
            path.write_bytes(octets)
            status, _, err = self.run_(A)
            self.assertEqual(status, 2)
            self.assertIn(f"{path} is no whole gzip file: ", err)

    def test_standardInput(self) -> None:
        stream = TextIOWrapper(BytesIO((line("login", A) + "\n").encode()))
        self.patch(sys, "stdin", stream)
        self.assertEqual(self.run_(A, "--log", "-", log=False)[0], 0)

    def test_config(self) -> None:
        self.write(line("login", A))
        config = self.directory / "pop3svc.toml"
        config.write_text(f'audit-log = "{self.log}"\n')
        self.assertEqual(self.run_(A, "--config", str(config), log=False)[0], 0)
        config.write_text('audit-log = "-"\n')
        status, _, err = self.run_(A, "--config", str(config), log=False)
        self.assertEqual(status, 2)
        self.assertIn(f"{config} names no file for audit-log; add --log FILE", err)

    def test_wrong(self) -> None:
        self.write()
        for words, sentence_ in (
            ((), "name one session, or one --user, or one --peer"),
            ((A, "--user", "karl"), "name one session, or one --user, or one --peer"),
            (("karl",), "a session's id is twelve digits, as the log has it behind session=,"),
            (("--peer", "karl"), "'karl' is no address, nor a network such as 192.0.2.0/24"),
            (("--user", "karl", "--last", "0"), "--last is 1 at the least, not 0"),
        ):
            status, out, err = self.run_(*words)
            self.assertEqual((status, out), (2, ""))
            self.assertTrue(err.startswith(f"pop3svc: {sentence_}"), err)
        self.assertEqual(
            self.run_(A, log=False)[2],
            "pop3svc: say where the log is: --log FILE, or --config FILE\n",
        )
        self.log.unlink()
        status, _, err = self.run_(A)
        self.assertEqual(status, 2)
        self.assertIn(f"there is no log {self.log}; name the file of --audit-log", err)

    def test_notFound(self) -> None:
        self.write(line("login", B))
        self.assertEqual(self.run_(A), (1, "", "pop3svc: the log has nothing of that\n"))

    def test_longLines(self) -> None:
        """A line without an end is read in pieces."""
        self.log.write_bytes(b"x" * 200_000 + b"\n" + line("login", A).encode() + b"\n")
        self.assertEqual(self.sessions(A), ["a"])

    def test_forgedByLength(self) -> None:
        """What stands where a piece of a long line begins is no line."""
        for octets in (64 * 1024 - 1, 64 * 1024, 128 * 1024):
            self.log.write_bytes(b"x" * octets + line("login", A).encode() + b"\n")
            self.assertEqual(self.run_(A)[0], 1)

    def test_interrupted(self) -> None:
        self.write(line("login", A))
        with mock.patch("pop3svc.explaincli.linesOf", side_effect=KeyboardInterrupt):
            self.assertEqual(self.run_(A), (2, "", "pop3svc: stopped before the end of the log\n"))


class PageTests(SynchronousTestCase):
    def test_example(self) -> None:
        """What F{docs/logs.rst} shows is what is told."""
        page = (Path(__file__).parent.parent / "docs/logs.rst").read_text()
        lines = [
            line("login-refused", "60303ae22b99", holder="9f86d081884c"),
            line("ended", "60303ae22b99", tls="TLSv1.3", seconds=0.2).replace(".500Z", ".600Z"),
        ]
        finder = Finder(bySession("60303ae22b99"), 1)
        finder.read(each.replace(" withheld=USER", "").encode() for each in lines)
        told = story(*finder.last()[0])
        self.assertIn(indent(told, "    "), page)
