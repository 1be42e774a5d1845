"""
The real service as its own process, for tests that come to it from outside.

A test that is over has also shown that the service ends by SIGTERM with exit
status 0, and that nothing in its log was a surprise to it.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from twisted.trial.unittest import SynchronousTestCase

from tests.pki import Authority
from tests.process import Process
from tests.running import POP3SVC, freePorts

USER, PASSWORD = "karl", "secret"
# The certificate is for this name; clients check that it is.
HOST = "localhost"
LOOPBACK = "127.0.0.1"

_START_SECONDS = 30.0
_STOP_SECONDS = 15.0
_EVENT_SECONDS = 10.0
_SURPRISES = ("Traceback", "Unhandled")


@dataclass(frozen=True)
class Way:
    """
    How a client comes to the service; each client is tried on all it knows.

    @ivar name: for people, and for programs of tests.
    @ivar stls: TLS begins after STLS.
    @ivar implicit: TLS begins with the first octet, on a port of its own.
    """

    name: str
    stls: bool = False
    implicit: bool = False

    @property
    def tls(self) -> bool:
        """The password goes through TLS."""
        return self.stls or self.implicit


PLAIN = Way("plain")
STLS = Way("STLS", stls=True)
IMPLICIT = Way("implicit", implicit=True)


class Served(Protocol):
    """
    A service that mail programs come to, ours or another.

    @ivar authority: a PEM file; who trusts it trusts the service.
    """

    authority: Path

    def port(self, way: Way = PLAIN) -> int:
        """Where clients that come this way connect to."""


class LiveService:
    """
    C{twistd pop3svc} in a directory of its own. It can be started again after
    it has stopped or was killed; ports and maildrops stay the same.

    @ivar maildirs: below it, each user's Maildir.
    @ivar certificate: a PEM file, with its key.
    @ivar issuer: signs it, and may sign another.
    @ivar authority: the issuer's own, a PEM file; who trusts it trusts the service.
    """

    def __init__(self, directory: Path, arguments: tuple[str, ...] = ()) -> None:
        """
        @param directory: absolute, and made by somebody else.
        @param arguments: further options of C{pop3svc}.
        """
        self.directory = directory
        self.maildirs = directory / "maildirs"
        self.certificate = directory / "server.pem"
        self.authority = directory / "authority.pem"
        self._ports = dict(zip((False, True), freePorts(2), strict=True))
        self._log = directory / "twistd.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.maildirs.mkdir()
        self.issuer = Authority()
        self.issuer.issue(str(self.certificate), HOST)
        self.issuer.save(str(self.authority))
        (directory / "passwd").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n", "ascii")
        plain, tls = (f"tcp:{self._ports[each]}:interface={LOOPBACK}" for each in (False, True))
        self._command = (
            *(sys.executable, str(Path(sys.executable).with_name("twistd"))),
            *("-n", "--pidfile=", *POP3SVC, "--pop3", plain, "--pop3s", tls),
            *("--certificate", str(self.certificate)),
            *arguments,
        )

    def port(self, way: Way = PLAIN) -> int:
        """Where clients that come this way connect to."""
        return self._ports[way.implicit]

    def start(self) -> None:
        """
        Start it, and wait until both ports answer.

        @raise AssertionError: it does not come up; with its log.
        """
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        giveUp = time.monotonic() + _START_SECONDS
        while not all(self._listens(port) for port in self._ports.values()):
            if self._process.poll() is not None or time.monotonic() > giveUp:
                self.kill()
                raise AssertionError(f"the service does not start:\n{self.log()}")
            time.sleep(0.02)

    def terminate(self) -> None:
        """SIGTERM: the service drains."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    def reload(self) -> None:
        """SIGHUP: the service reads its files again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def wait(self) -> int:
        """@return: its exit status, once it has ended."""
        assert self._process is not None
        status = self._process.wait(_STOP_SECONDS)
        self._process = None
        return status

    def kill(self) -> None:
        """SIGKILL, if it runs: no handler, no last word."""
        if self._process is not None:
            self._process.kill()
            self.wait()

    @property
    def process(self) -> Process:
        """What the kernel knows about it, while it runs."""
        assert self._process is not None
        return Process(self._process.pid)

    def log(self) -> str:
        """All that it has printed, over all its starts."""
        return self._log.read_text("utf-8", "replace")

    def events(self, name: str) -> list[dict[str, str]]:
        """
        What the audit log has of one kind, in its order.

        @param name: as it stands behind C{event=}.
        """
        found = re.findall(rf"\bevent={name}(?:| .*)$", self.log(), re.MULTILINE)
        records = (shlex.split(each) for each in found)
        return [dict(each.split("=", 1) for each in record) for record in records]

    def awaitEvents(self, name: str, count: int) -> list[dict[str, str]]:
        """
        @return: the events, as soon as there are so many.
        @raise AssertionError: there are not.
        """
        giveUp = time.monotonic() + _EVENT_SECONDS
        while len(events := self.events(name)) < count:
            if time.monotonic() > giveUp:
                raise AssertionError(f"{len(events)} times event={name}, not {count}")
            time.sleep(0.02)
        return events

    @property
    def running(self) -> bool:
        return self._process is not None

    def surprises(self) -> str:
        """The log, if anything in it was not foreseen; else nothing."""
        log = self.log()
        return log if any(each in log for each in _SURPRISES) else ""

    @staticmethod
    def _listens(port: int) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((LOOPBACK, port)) == 0


class LiveTestCase(SynchronousTestCase):
    """A test with a private directory and services that it need not stop."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()

    def serve(self, *arguments: str) -> LiveService:
        """
        Start a service with one user, L{USER}, and a Maildir for everybody,
        unless the arguments say otherwise.

        @param arguments: further options of C{pop3svc}.
        """
        directory = self.directory / "service"
        directory.mkdir()
        if "--demo" not in arguments:
            arguments = ("--maildrop", f"maildir:{directory}/maildirs/{{user}}", *arguments)
            if not any(each.startswith("passwd:") for each in arguments):
                arguments = ("--auth", f"passwd:{directory}/passwd", *arguments)
        service = LiveService(directory, arguments)
        service.start()
        self.addCleanup(self._stopService, service)
        return service

    def _stopService(self, service: LiveService) -> None:
        try:
            if service.running:
                service.terminate()
                self.assertEqual(service.wait(), 0)
        finally:
            service.kill()
        if surprises := service.surprises():
            self.fail(f"the service was surprised:\n{surprises}")


def environment(home: Path) -> dict[str, str]:
    """
    What programs find around them: a home of their own, and nothing of whoever
    runs the tests, such as another file of certificate authorities.

    @param home: where they keep their settings.
    """
    return {
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        # Debian keeps daemons where only root looks.
        "PATH": os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin",
    }
