"""
C{pop3svc trace} and C{pop3svc explain}, as an administrator runs them beside the service.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from hashlib import md5, sha256
from hmac import digest
from pathlib import Path

from .harness import IMPLICIT, STLS, USER, LiveService, LiveTestCase, environment
from .messages import Maildir
from .wire import Wire

_PASSWORD = "Rosebud-1941"
_BODY = b"the-body-is-nobody's-business"
_STORED = b"From: walter@example.org\nSubject: private-subject\n\n" + _BODY + b"\n"
_SECONDS = 20.0
_COMMAND = [sys.executable, "-c", "import sys; from pop3svc.cli import main; sys.exit(main())"]


class LogTestCase(LiveTestCase):
    """A service with a control socket and an audit log of its own."""

    def start(self, *arguments: str) -> LiveService:
        # The path of a socket may have some hundred octets only.
        run = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, run)
        self.control = run / "control"
        self.audit = self.directory / "audit.log"
        passwd = self.directory / "passwd"
        passwd.write_text(f"{USER}:{{PLAIN}}{_PASSWORD}\n", "ascii")
        service = self.serve(
            *("--auth", f"passwd:{passwd}", "--control", str(self.control)),
            *("--audit-log", str(self.audit), *arguments),
        )
        self.maildir = Maildir(service.maildirs / USER)
        self.maildir.deliver(_STORED, _STORED)
        return service

    def records(self) -> list[dict[str, str]]:
        """What the audit log has, as JSON."""
        written, _, _ = self.audit.read_text().rpartition("\n")
        return [json.loads(each) for each in written.splitlines()]

    def awaitRecord(self, event: str, reason: str = "") -> dict[str, str]:
        """@return: the last one, as soon as there is one."""
        giveUp = time.monotonic() + _SECONDS
        while time.monotonic() < giveUp:
            for each in reversed(self.records()):
                if each["event"] == event and (not reason or each.get("reason") == reason):
                    return each
            time.sleep(0.02)
        raise AssertionError(f"no {event} {reason} in {self.audit.read_text()}")

    def trace(self, *words: str) -> subprocess.Popen[bytes]:
        """@return: C{pop3svc trace}, once the service knows of it."""
        process = subprocess.Popen(
            [*_COMMAND, "trace", "--control", str(self.control), *words],
            stdin=subprocess.DEVNULL,
            stdout=(self.directory / "out").open("wb"),
            stderr=subprocess.PIPE,
            env=environment(self.directory),
            cwd=Path(__file__).parent.parent.parent,
        )
        self.addCleanup(process.wait, _SECONDS)
        self.addCleanup(process.kill)
        assert process.stderr is not None
        self.addCleanup(process.stderr.close)
        self.assertIn(b" is traced ", process.stderr.readline())
        return process

    def stop(self, process: subprocess.Popen[bytes]) -> str:
        """
        Ctrl-C.

        @return: what it has shown.
        """
        time.sleep(1.2)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(_SECONDS), 0)
        self.awaitRecord("trace-ended", "stopped")
        return self.shown()

    def shown(self) -> str:
        return (self.directory / "out").read_text()


class TraceTests(LogTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.service = self.start("--log-format", "json", "--limit", "penalty-seconds-most=0")

    def sayEverything(self) -> None:
        """All ways to log in, right and wrong, and what people type."""
        secret, name = _PASSWORD.encode(), USER.encode()
        for way in (STLS, IMPLICIT):
            wire = Wire(self.service, way)
            wire.expect(b"CAPA", b"+OK")
            wire.rest()
            wire.login(USER, _PASSWORD)
            wire.retrieve(1)
            wire.expect(b"TOP 2 1", b"+OK")
            wire.rest()
            wire.expect(b"UIDL", b"+OK")
            wire.rest()
            wire.expect(secret, b"-ERR")
            wire.expect(b"PASS " + secret, b"-ERR")
            wire.quit()
        wire = Wire(self.service)
        wire.expect(b"USER " + name, b"+OK")
        wire.expect(b"PASS x" + secret, b"-ERR [AUTH]")
        wire.expect(b"USER " + name + b" " + secret, b"+OK")
        wire.expect(b"PAS " + secret, b"-ERR")
        wire.expect(b"AUTH " + secret, b"-ERR")
        wire.authenticate(
            "CRAM-MD5",
            [lambda challenge: name + b" " + digest(secret, challenge, md5).hex().encode()],
        )
        wire.quit()
        wire = Wire(self.service)
        plain = b64encode(b"\0" + name + b"\0" + secret)
        wire.expect(b"AUTH PLAIN x" + plain, b"-ERR")
        wire.expect(b"AUTH PLAIN " + plain, b"+OK")
        wire.quit()
        wire = Wire(self.service)
        wire.authenticate("LOGIN", [lambda _: name, lambda _: secret])
        wire.quit()

    def assertNothingSecret(self, octets: bytes) -> None:
        """No octets of the password in any form, none of a message, none of a proof."""
        secret, name = _PASSWORD.encode(), USER.encode()
        forms = [secret, secret[:6], secret[-6:], secret.hex().encode(), sha256(secret).digest()]
        # Base64 is cut into threes from its beginning, wherever the secret stands.
        befores = (b"", b"x", b"xx", b"\0" + name + b"\0")
        forms += [b64encode(each + secret)[4 * ((len(each) + 2) // 3) :][:8] for each in befores]
        for form in [*forms, _BODY, b"private-subject", b64encode(name + b" ")[:6]]:
            self.assertNotIn(form.lower(), octets.lower())

    def test_user(self) -> None:
        process = self.trace("--user", USER)
        self.sayEverything()
        text = self.stop(process)
        self.assertNothingSecret(text.encode())
        for line in (
            "S: +OK pop3svc ready",
            "C: STLS",
            "S: +OK begin TLS",
            f"C: USER {USER}",
            "C: PASS (hidden, 12 octets)",
            "S: -ERR [AUTH] user name or password is wrong",
            "C: USER (hidden, 17 octets)",
            "C: AUTH (hidden, 12 octets)",
            "C: AUTH CRAM-MD5",
            "C: (hidden, 52 octets)",
            "C: AUTH PLAIN (hidden, 24 octets)",
            "S: +OK maildrop has 2 messages",
            "C: RETR 1",
            "C: QUIT",
            "*: the session ends: quit",
        ):
            self.assertIn(line, text)
        self.assertEqual(self.control.stat().st_mode & 0o777, 0o600)

    def test_toLog(self) -> None:
        process = self.trace("--network", "127.0.0.0/8", "--to-log")
        self.sayEverything()
        self.assertEqual(self.stop(process), "")
        self.assertNothingSecret(self.audit.read_bytes())
        ended = self.awaitRecord("trace-ended")
        lines = [each for each in self.records() if each["event"] == "trace"]
        self.assertEqual(ended["lines"], len(lines))
        self.assertGreater(len(lines), 100)
        session = lines[0]["session"]
        explained = subprocess.run(
            [*_COMMAND, "explain", session, "--log", str(self.audit)],
            capture_output=True,
            check=True,
            cwd=Path(__file__).parent.parent.parent,
        )
        self.assertIn(b"C: PASS (hidden, 12 octets)", explained.stdout)

    def test_noOtherUser(self) -> None:
        """And the time that was asked for, and no longer."""
        process = self.trace("--user", "joe", "--minutes", "0.03")
        self.sayEverything()
        self.assertEqual(process.wait(_SECONDS), 0)
        self.assertEqual(self.shown(), "")
        self.awaitRecord("trace-ended", "over")

    def test_session(self) -> None:
        """One that is there already."""
        wire = Wire(self.service, IMPLICIT)
        wire.login(USER, _PASSWORD)
        session = self.awaitRecord("login")["session"]
        process = self.trace("--session", session)
        wire.expect(b"NOOP", b"+OK")
        wire.quit()
        shown = [each.split(" ", 2)[1:] for each in self.stop(process).splitlines()]
        self.assertEqual(
            shown,
            [
                [session, "C: NOOP"],
                [session, "S: +OK still here"],
                [session, "C: QUIT"],
                [session, "*: messages to be removed: 0"],
                [session, "S: +OK pop3svc signing off (2 messages left)"],
                [session, "*: the session ends: quit"],
            ],
        )

    def test_theServiceEnds(self) -> None:
        process = self.trace("--user", USER)
        self.service.terminate()
        self.assertEqual(process.wait(_SECONDS), 1)
        assert process.stderr is not None
        self.assertEqual(
            process.stderr.read(), b"pop3svc: the service ended, and the trace with it\n"
        )
        self.assertEqual(self.service.wait(), 0)
        self.assertFalse(self.control.exists())

    def test_killed(self) -> None:
        """The next start replaces the socket; while one answers, a second does not start."""
        self.service.kill()
        self.assertTrue(self.control.exists())
        self.service.start()
        self.stop(self.trace("--user", USER))


class ExplainTests(LogTestCase):
    """Real sessions, and what is told of them."""

    def explain(self, *words: str, status: int = 0) -> str:
        """@return: what is told, on one line."""
        done = subprocess.run(
            [*_COMMAND, "explain", "--log", str(self.audit), *words],
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(__file__).parent.parent.parent,
        )
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertLessEqual(max(map(len, done.stdout.splitlines()), default=0), 80)
        return " ".join(done.stdout.split())

    def test_stories(self) -> None:
        service = self.start("--log-format", "json", "--limit", "idle-seconds=1")
        good = Wire(service, IMPLICIT)
        good.login(USER, _PASSWORD)
        good.retrieve(1)
        good.expect(b"DELE 1", b"+OK")
        good.quit()
        text = self.explain(self.awaitRecord("logout", "quit")["session"])
        self.assertIn(", from 127.0.0.1, TLSv1.3, 20", text)
        self.assertIn(f"{USER} logged in by USER: 2 messages, ", text)
        self.assertIn("the client said QUIT. Retrieved: 1 message (", text)
        self.assertTrue(text.endswith("; deleted: 1; left: 1."), text)

        # What this network owes is waited for by whoever comes from it.
        wrong = Wire(service)
        wrong.expect(b"USER joe", b"+OK")
        wrong.expect(b"PASS wrong", b"-ERR [AUTH]")
        wrong.expect(b"USER joe", b"+OK")
        wrong.expect(b"PASS wrong again", b"-ERR [AUTH]")
        wrong.quit()
        text = self.explain("--user", "joe")
        self.assertIn("A login as joe by USER was refused: the name or the password is", text)
        self.assertIn("A login as joe by USER had to wait for ", text)
        self.assertIn(" s: its network has sent wrong passwords.", text)
        self.assertIn("-> Somebody guesses, or a mail program has an old password;", text)
        self.assertIn("without a login: the client said QUIT.", text)

        holder, second = Wire(service, IMPLICIT), Wire(service, IMPLICIT)
        holder.login(USER, _PASSWORD)
        second.expect(b"USER " + USER.encode(), b"+OK")
        second.expect(b"PASS " + _PASSWORD.encode(), b"-ERR [IN-USE]")
        second.close()
        refused = self.awaitRecord("login-refused", "in-use")
        text = self.explain(refused["session"])
        self.assertIn(
            f"another session has the maildrop open. It is session {refused['holder']} that has"
            " it.",
            text,
        )
        self.assertTrue(holder.ended())
        self.awaitRecord("logout", "idle")
        text = self.explain(refused["holder"])
        self.assertIn("the client said nothing for idle-seconds, so that nothing was", text)
        self.assertIn("A client that needs longer pauses needs a larger limit", text)
        text = self.explain("--peer", "127.0.0.1", "--last", "4")
        self.assertEqual(text.count("Session "), 4)
        self.assertEqual(self.explain("--user", "nobody", status=1), "")

    def test_drained(self) -> None:
        """In text, from a log that was rotated meanwhile."""
        service = self.start("--limit", "drain-seconds=1", "--clear-text-logins", "never")
        wire = Wire(service, IMPLICIT)
        wire.login(USER, _PASSWORD)
        clear = Wire(service)
        clear.expect(b"USER karl", b"-ERR [AUTH]")
        clear.quit()
        time.sleep(0.3)
        self.audit.rename(self.audit.with_name("audit.log.1"))
        service.reload()
        giveUp = time.monotonic() + _SECONDS
        while not self.audit.exists() and time.monotonic() < giveUp:
            time.sleep(0.02)
        service.terminate()
        self.assertEqual(service.wait(), 0)
        text = self.explain("--user", USER)
        self.assertIn(f"{USER} logged in by USER: 2 messages", text)
        self.assertIn("the service was being stopped, and had waited for drain-seconds", text)
        text = self.explain("--peer", "127.0.0.1", "--last", "2")
        self.assertIn("It had asked for USER, which was not offered there: passwords need", text)


class WorkersTests(LogTestCase):
    def test_trace(self) -> None:
        """A trace is of all workers, also of one that took another's place meanwhile."""
        service = self.start("--log-format", "json", "--workers", "2")
        self.awaitWorkers(2)
        process = self.trace("--user", USER)
        sessions = self.sessions(service)
        # The parent asks twice a second; what a worker has not told yet is lost with it.
        time.sleep(1.2)
        killed = self.awaitRecord("worker-started")
        os.kill(int(killed["pid"]), signal.SIGKILL)
        self.awaitWorkers(3)
        # It takes part as soon as it was asked.
        time.sleep(1.2)
        sessions |= self.sessions(service)
        shown = [each.split(" ", 2) for each in self.stop(process).splitlines()]
        self.assertEqual(
            {session for _, session, text in shown if text == "C: PASS (hidden, 12 octets)"},
            sessions,
        )

    def awaitWorkers(self, count: int) -> None:
        """So many were started, in all."""
        giveUp = time.monotonic() + _SECONDS
        while [each["event"] for each in self.records()].count("worker-started") < count:
            self.assertLess(time.monotonic(), giveUp)
            time.sleep(0.05)

    def sessions(self, service: LiveService) -> set[str]:
        """@return: of eight sessions, the ids."""
        before = {each["session"] for each in self.records() if each["event"] == "logout"}
        for _ in range(8):
            wire = Wire(service)
            wire.login(USER, _PASSWORD)
            wire.quit()
        giveUp = time.monotonic() + _SECONDS
        while True:
            after = {each["session"] for each in self.records() if each["event"] == "logout"}
            if len(after - before) == 8:
                return after - before
            self.assertLess(time.monotonic(), giveUp)
            time.sleep(0.05)
