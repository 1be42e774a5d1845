"""L{pop3svc.checking.files}: the service's own files; none of them is made."""

import os
import socket
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import TestCase

from pop3svc.checking.files import checkFirstFiles, checkLaterFiles
from pop3svc.checking.findings import Section

from .checks import errors, facts, optionsOf, warnings


class FilesTests(TestCase):
    def setUp(self) -> None:
        self.folder = os.path.abspath(self.mktemp())
        os.mkdir(self.folder)
        self.path = f"{self.folder}/file"

    def check(self, name: str, path: str, changed: bool = False) -> Section:
        section = Section("Its own files")
        options = optionsOf(f"--{name}", path)
        checkFirstFiles(section, options)
        if name != "audit-log":
            # What is said of the log.
            section.findings.pop(0)
        checkLaterFiles(section, options, changed)
        return section

    def test_made(self) -> None:
        for name in ("audit-log", "secret", "throttle-state", "control"):
            self.assertEqual(
                facts(self.check(name, self.path)), [f"--{name} {self.path} would be made"]
            )
            self.assertEqual(
                errors(self.check(name, "/nowhere/file")),
                [
                    f"--{name}: there is no directory /nowhere, or it may not be entered; make it"
                    " for the service's user"
                ],
            )
        self.assertEqual(os.listdir(self.folder), [])

    def test_there(self) -> None:
        Path(self.path).write_bytes(b"x" * 32)
        for name, text in (
            ("audit-log", "can be written to"),
            ("secret", "is in order"),
            ("throttle-state", "can be written to"),
        ):
            self.assertEqual(facts(self.check(name, self.path)), [f"--{name} {self.path} {text}"])
        self.assertEqual(
            errors(self.check("control", self.path)),
            [f"--control: {self.path} is there, and of another kind; name another one"],
        )

    def test_notWritable(self) -> None:
        Path(self.path).write_bytes(b"x" * 32)
        with mock.patch("os.access", lambda path, mode: False):
            self.assertIn("may not be written to", errors(self.check("audit-log", self.path))[0])
            self.assertIn(
                "no file may be made in", errors(self.check("throttle-state", self.path))[0]
            )
            self.assertIn(
                "no file may be made in", errors(self.check("secret", self.path + "2"))[0]
            )

    def test_afterRotation(self) -> None:
        """Root makes the file; nobody but its own user will."""
        Path(self.path).touch()
        self.assertEqual(warnings(self.check("audit-log", self.path, changed=True)), [])
        with mock.patch("os.access", lambda path, mode: path == self.path):
            self.assertEqual(warnings(self.check("audit-log", self.path)), [])
            [sentence] = warnings(self.check("audit-log", self.path, changed=True))
        self.assertIn("after logs were rotated the service's user cannot", sentence)

    def test_log(self) -> None:
        section = Section("Its own files")
        checkFirstFiles(section, optionsOf())
        checkFirstFiles(section, optionsOf("--audit-log", "-"))
        self.assertEqual(
            facts(section),
            ["audit lines go to twistd's log", "audit lines go to standard output"],
        )

    def test_secret(self) -> None:
        Path(self.path).write_bytes(b"x" * 31)
        self.assertEqual(
            errors(self.check("secret", self.path)),
            [
                f"--secret: {self.path} has 31 octets, 32 are the least; remove it, and a good one"
                " is made"
            ],
        )
        self.assertIn("Is a directory", errors(self.check("secret", self.folder))[0])
        os.mkfifo(f"{self.folder}/fifo")
        self.assertIn("no regular file", errors(self.check("secret", f"{self.folder}/fifo"))[0])

    def test_controlTooLong(self) -> None:
        self.assertEqual(
            errors(self.check("control", "/" + "x" * 107)),
            ["--control: the path of a socket has 107 octets at the most; name another one"],
        )

    def test_controlOfAService(self) -> None:
        path = os.path.relpath(self.path)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path)
        self.assertEqual(
            facts(self.check("control", self.path)),
            [f"--control {self.path} is there: of a service that runs, or left by one"],
        )

    def test_controlLeftBehind(self) -> None:
        """In a directory in which it cannot be replaced."""
        path = os.path.relpath(self.path)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path)
        with mock.patch("os.access", lambda path, mode: False):
            self.assertIn("no file may be made in", errors(self.check("control", self.path))[0])

    def test_device(self) -> None:
        for path in ("/dev/null", self.path):
            if path == self.path:
                os.mkfifo(path)
            self.assertEqual(
                facts(self.check("audit-log", path)),
                [f"--audit-log {path}: whether it takes lines shows at the start"],
            )

    def test_secondName(self) -> None:
        """Such a file root does not hand over: it may be one of its own."""
        Path(self.path).touch()
        os.link(self.path, self.path + "2")
        self.assertEqual(errors(self.check("audit-log", self.path)), [])
        [sentence] = errors(self.check("audit-log", self.path, changed=True))
        self.assertIn(f"{self.path} is a hard link, and will not be given to", sentence)
