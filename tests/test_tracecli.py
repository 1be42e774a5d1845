"""
C{pop3svc trace}, before a service that says what a test tells it.
"""

from __future__ import annotations

import json
import os
import socket
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from threading import Thread
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pop3svc import cli

BEGAN = {"began": "ab", "of": "user karl", "seconds": 90}
LINES = [["t1", "cd", "C", "STAT"], ["t2", "cd", "S", "+OK 0 0"]]
ENDED = {"ended": "over", "lines": 2, "lost": 7}


class TraceCommandTests(SynchronousTestCase):
    def setUp(self) -> None:
        # The path of a socket may have some hundred octets only.
        self.path = os.path.relpath(self.mktemp())
        self.asked: list[dict[str, Any]] = []

    def serve(self, *answers: dict[str, Any]) -> None:
        """Answer the next who asks, and hang up."""
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.path)
        listener.listen()

        def answer() -> None:
            connection, _ = listener.accept()
            with listener, connection, connection.makefile("rwb") as file:
                self.asked.append(json.loads(file.readline()))
                for each in answers:
                    file.write(json.dumps(each).encode() + b"\n")

        thread = Thread(target=answer)
        thread.start()
        self.addCleanup(thread.join)

    def trace(self, *words: str) -> tuple[int, str, str]:
        out, err = StringIO(), StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            status = cli.main(["trace", *words])
        return status, out.getvalue(), err.getvalue()

    def test_trace(self) -> None:
        self.serve(BEGAN, {"lines": LINES, "lost": 7}, ENDED)
        status, out, err = self.trace("--control", self.path, "--user", "karl", "--minutes", "1.5")
        self.assertEqual((status, out), (0, "t1 cd C: STAT\nt2 cd S: +OK 0 0\n"))
        self.assertEqual(
            err,
            "pop3svc: the user karl is traced here for 1.5 minutes; end it with Ctrl-C\n"
            "pop3svc: 7 lines came too fast, and are lost\n"
            "pop3svc: the trace is over, with 2 lines\n",
        )
        question = {"do": "trace", "user": "karl", "network": None, "session": None}
        self.assertEqual(self.asked, [{**question, "seconds": 90, "toLog": False}])

    def test_terminal(self) -> None:
        """Whoever broke into the service does not speak to root's terminal."""
        self.serve(BEGAN, {"lines": [["t", "ab", "S", "+OK \x1b[2J"]], "lost": 0}, ENDED)
        self.assertEqual(
            self.trace("--control", self.path, "--user", "karl")[1], "t ab S: +OK \\x1b[2J\n"
        )

    def test_toLog(self) -> None:
        self.serve(BEGAN, ENDED)
        words = ("--control", self.path, "--network", "192.0.2.0/24", "--to-log")
        status, out, err = self.trace(*words)
        self.assertEqual((status, out), (0, ""))
        self.assertIn(" is traced into the audit log for 1.5 minutes;", err)
        self.assertEqual(self.asked[0]["toLog"], True)
        self.assertEqual(self.asked[0]["network"], "192.0.2.0/24")
        self.assertEqual(self.asked[0]["seconds"], 600)

    def test_refused(self) -> None:
        self.serve({"refused": "there are 4 traces already"})
        self.assertEqual(
            self.trace("--control", self.path, "--session", "ab"),
            (1, "", "pop3svc: there are 4 traces already\n"),
        )

    def test_minutes(self) -> None:
        for minutes in ("inf", "nan", "0", "-5", "1e308"):
            status, _, err = self.trace("--control", self.path, "--user", "a", "--minutes", minutes)
            self.assertEqual(status, 1)
            self.assertIn("--minutes is a number above 0, such as 10 or 0.5, not", err)

    def test_hungUp(self) -> None:
        """A service that has as many such connections as it may closes at once."""
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.path)
            listener.listen()
            thread = Thread(target=lambda: listener.accept()[0].close())
            thread.start()
            self.addCleanup(thread.join)
            status, _, err = self.trace("--control", self.path, "--user", "karl")
        self.assertEqual(status, 1)
        self.assertIn(f"the service at {self.path} hung up without an answer; it ends, or", err)

    def test_serviceEnds(self) -> None:
        self.serve(BEGAN)
        status, _, err = self.trace("--control", self.path, "--user", "karl")
        self.assertEqual(status, 1)
        self.assertTrue(err.endswith("pop3svc: the service ended, and the trace with it\n"))

    def test_config(self) -> None:
        """Which socket it is may stand in the service's own configuration."""
        config = Path(self.mktemp())
        config.write_text(f'control = "{os.path.abspath(self.path)}"\n')
        status, _, err = self.trace("--config", str(config), "--user", "karl")
        self.assertEqual(
            (status, err),
            (
                1,
                f"pop3svc: no service answers at {os.path.abspath(self.path)} (No such file or"
                " directory); it must run, with --control, and only root and its own user may ask"
                " it\n",
            ),
        )
        config.write_text("")
        status, _, err = self.trace("--config", str(config), "--user", "karl")
        self.assertEqual(status, 1)
        self.assertEqual(
            err,
            f'pop3svc: {config} has no control socket; write control = "/run/pop3svc/control"'
            " into it\n",
        )

    def test_wrong(self) -> None:
        for words in ((), ("--user", "karl", "--session", "ab"), ("--user", "a", "--minutes", "x")):
            self.assertEqual(self.trace("--control", self.path, *words)[0], 1)
