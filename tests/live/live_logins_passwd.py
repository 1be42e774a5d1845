"""
Application passwords, set by the administrator's command.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from .curl import LOGIN_DENIED, Curl
from .harness import IMPLICIT, LOOPBACK, USER, LiveTestCase
from .messages import Maildir
from .programs import run
from .wire import Wire

_ELSEWHERE = "127.0.0.2"
_SECONDS = 10.0


class ApplicationPasswordTests(LiveTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.passwd = self.directory / "passwd"
        self.curl = Curl(self.directory)
        self._set("main password")

    def test_uses(self) -> None:
        """Each is good for what it was given for, and the log says which one it was."""
        self._set("of the program", "--name", "program", "--scheme", "scram-sha-256")
        self._set("of the printer", "--name", "printer", "--networks", f"{_ELSEWHERE}/32")
        self._set("of the archive", "--name", "archive", "--read-only")
        self._serve()
        self._ask("main password")
        self._ask("of the program")
        self._ask("of the printer", "--interface", _ELSEWHERE)
        self._ask("of the printer", statuses=(LOGIN_DENIED,))
        wire = Wire(self.service, IMPLICIT)
        wire.login(password="of the archive")
        wire.retrieve(1)
        wire.expect(b"DELE 1", b"-ERR")
        wire.quit()

        logins = [
            (each["user"], each.get("credential"), each["peer"])
            for each in self.service.events("login")
        ]
        self.assertEqual(
            logins,
            [
                (USER, None, LOOPBACK),
                (USER, "program", LOOPBACK),
                (USER, "printer", _ELSEWHERE),
                (USER, "archive", LOOPBACK),
            ],
        )
        (refused,) = self.service.events("login-refused")
        self.assertEqual((refused["reason"], refused["peer"]), ("wrong", LOOPBACK))

    def test_changes(self) -> None:
        """One that has ended is given more time, then lost and deleted, all at run time."""
        self._set("of the guest", "--name", "guest", "--expires", "2025-12-31")
        self._serve()
        self._ask("of the guest", statuses=(LOGIN_DENIED,))
        self._set("of the guest", "--name", "guest", "--expires", "never")
        self._await("of the guest", b"+OK")
        self._command("delete", "--name", "guest")
        self._await("of the guest", b"-ERR")
        self._ask("main password")

    def _serve(self) -> None:
        self.service = self.serve("--auth", f"passwd:{self.passwd}")
        Maildir(self.service.maildirs / USER).deliver(b"Subject: one\n\n")

    def _set(self, password: str, *options: str) -> None:
        self._command("set", "--stdin", *options, stdin=password.encode() + b"\n")

    def _command(self, command: str, *options: str, stdin: bytes = b"") -> None:
        program = str(Path(sys.executable).with_name("pop3svc"))
        words = [program, "passwd", command, *options, str(self.passwd), USER]
        run(words, self.directory, stdin=stdin)

    def _ask(self, password: str, *options: str, statuses: tuple[int, ...] = (0,)) -> None:
        self.curl.ask(self.service, IMPLICIT, *options, password=password, statuses=statuses)

    def _await(self, password: str, begin: bytes) -> None:
        """Log in until the answer begins so: the file is not read at each login."""
        giveUp = time.monotonic() + _SECONDS
        while time.monotonic() < giveUp:
            wire = Wire(self.service, IMPLICIT)
            wire.expect(b"USER " + USER.encode(), b"+OK")
            answer = wire.ask(b"PASS " + password.encode())
            wire.quit()
            if answer.startswith(begin):
                return
            time.sleep(0.1)
        raise AssertionError(f"the answer is still {answer!r}")
