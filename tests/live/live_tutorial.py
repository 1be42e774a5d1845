"""
docs/tutorial.rst, followed word for word in an empty directory: a shell at a terminal gets
what stands on the page, and in the end the mail has come, over TLS.

Only where pip finds us, and the ports, are others than on the page.
"""

from __future__ import annotations

import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import textwrap
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.running import ROOT, freePorts

from .harness import environment
from .programs import findProgram, unavailable

_PAGE = ROOT / "docs" / "tutorial.rst"
_PASSWORD = "correct horse"
_ASKS = re.compile(rb"(?:[Pp]assword[^\r\n]*: ?|Again: )\Z")
# The page's own ports, which somebody else may have: the demo's cannot be chosen.
_DEMO = 1100
_SECONDS = 120.0
_NOT_SOURCES = (".*", "_*temp*", "build", "tests", "__pycache__", "dist", "*.egg-info")


class TutorialTests(SynchronousTestCase):
    def setUp(self) -> None:
        for each in ("curl", "openssl"):
            findProgram(each)
        for port in (_DEMO, 1995):
            with socket.socket() as trial:
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    trial.bind(("127.0.0.1", port))
                except OSError:
                    unavailable(f"somebody listens on port {port}, which --demo needs")
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.services: list[subprocess.Popen[bytes]] = []
        self.addCleanup(self.endAll)

    def test_wordForWord(self) -> None:
        clear, tls = freePorts(2)
        page = _PAGE.read_text()
        [dialogue] = blocks(page, "text")
        [settings] = blocks(page, "toml")
        for old, new in (("tcp:1110:", f"tcp:{clear}:"), ("tcp:1995:", f"tcp:{tls}:")):
            self.assertIn(old, settings)
            settings = settings.replace(old, new)
        install, user, mail, certificate, check, start, fetch = blocks(page, "sh")
        *first, demo = install.splitlines(keepends=True)
        ours = "'pop3svc[passwd]'"
        self.assertEqual("".join(first).count(ours), 1)
        # pip leaves things beside what it builds.
        sources = Path(self.mktemp()).absolute()
        shutil.copytree(ROOT, sources, ignore=shutil.ignore_patterns(*_NOT_SOURCES))
        self.type("".join(first).replace(ours, f"'{sources}[passwd]'"))
        service = self.start(demo, _DEMO)
        self.speak(dialogue)
        self.end(service)

        for each in (user, mail, certificate):
            self.type(each)
        (self.directory / "pop3svc.toml").write_text(settings)
        # A test may be root; who reads the page is told not to be.
        allowed = " --allow-root" if os.geteuid() == 0 else ""
        self.assertIn("a Maildir with 1 message", self.type(check.rstrip() + allowed))
        service = self.start(start.rstrip() + allowed, tls)
        self.assertEqual(fetch.count(":1995/"), 2)
        shown = self.type(fetch.replace(":1995/", f":{tls}/"))
        self.assertRegex(shown, r"\n1 40\n")
        self.assertIn("\nSubject: the first\n\nHello.\n", shown)
        self.end(service)

    def type(self, commands: str) -> str:
        """
        At a terminal, until a command fails.

        @return: what the terminal shows.
        """
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(self.directory)
            os.execvpe("bash", ["bash", "-exc", commands], environment(self.directory))
        shown, answered = b"", 0
        alarm = time.monotonic() + _SECONDS
        try:
            while octets := _read(terminal):
                shown += octets
                if _ASKS.search(shown, answered):
                    answered = len(shown)
                    # What is typed before a program asks, it throws away.
                    time.sleep(0.2)
                    os.write(terminal, _PASSWORD.encode() + b"\n")
                if time.monotonic() > alarm:
                    os.kill(child, signal.SIGKILL)
            # Before the terminal goes: a shell that is about to end would be told so by SIGHUP.
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        finally:
            os.close(terminal)
        # POP3's line ends, and those that a terminal makes of them.
        text = re.sub("\r+\n", "\n", shown.decode("utf-8", "replace"))
        self.assertEqual(status, 0, text)
        return text

    def start(self, command: str, port: int) -> subprocess.Popen[bytes]:
        """What the page runs in the first terminal, once it can be reached."""
        log = self.directory / f"{port}.log"
        with log.open("wb") as output:
            service = subprocess.Popen(
                ["bash", "-c", f"exec {command}"],
                cwd=self.directory,
                env=environment(self.directory),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.services.append(service)
        giveUp = time.monotonic() + 20
        while time.monotonic() < giveUp and service.poll() is None:
            with socket.socket() as trial:
                if trial.connect_ex(("127.0.0.1", port)) == 0:
                    return service
            time.sleep(0.05)
        raise AssertionError(f"the service does not start:\n{log.read_text()}")

    def speak(self, dialogue: str) -> None:
        """What the page's C: says is answered as its S: tell."""
        with socket.create_connection(("127.0.0.1", _DEMO), timeout=20) as peer:
            answers = peer.makefile("r", newline="\r\n")
            lines = [line for line in dialogue.splitlines() if line[:3] in ("C: ", "S: ")]
            for number, line in enumerate(lines):
                who, text = line[:2], line[3:]
                if who == "C:":
                    peer.sendall(text.encode() + b"\r\n")
                elif text == "...":
                    self.assertEqual(lines[number + 1], "S: .")
                elif text == ".":
                    while answers.readline() not in (".\r\n", ""):
                        pass
                else:
                    self.assertEqual(answers.readline(), f"{text}\r\n")
            self.assertEqual(answers.read(), "")

    def end(self, service: subprocess.Popen[bytes]) -> None:
        """Ctrl-C."""
        service.send_signal(signal.SIGINT)
        self.assertEqual(service.wait(20), 0)

    def endAll(self) -> None:
        for each in self.services:
            if each.poll() is None:
                each.kill()
                each.wait()


def blocks(page: str, language: str) -> list[str]:
    """@return: all of a page that are in a language, in their order."""
    start = rf"^\.\. code-block:: {language}\n\n((?:(?:    .*)?\n)+)"
    return [textwrap.dedent(each).strip() + "\n" for each in re.findall(start, page, re.MULTILINE)]


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:
        # So ends a terminal that nobody has open any more.
        return b""
