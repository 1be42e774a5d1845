"""
A server beside others: on loopback, with all of its own in one directory.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.running import freePorts

from .kernel import Account

_START_SECONDS = 30
_STOP_SECONDS = 20


@dataclass(frozen=True)
class Surroundings:
    """
    What all servers are given.

    @ivar root: a directory for this run; a server's own is below it.
    @ivar programs: where C{pop3load} and C{floor} are.
    @ivar source: the messages, each written once.
    @ivar answers: for canned servers.
    @ivar passwords: a file that pop3svc and Dovecot read.
    @ivar certificate: PEM, with its key: ECDSA P-256.
    @ivar cores: where servers run.
    @ivar loadCores: where the load comes from.
    """

    root: Path
    programs: Path
    source: Path
    answers: Path
    passwords: Path
    certificate: Path
    cores: tuple[int, ...]
    loadCores: tuple[int, ...]

    @classmethod
    def within(cls, root: Path, cores: tuple[int, ...], loadCores: tuple[int, ...]) -> Surroundings:
        """@param root: empty; servers that give up root must be able to read there."""
        root.chmod(0o755)
        return cls(
            root=root,
            programs=Path(__file__).parent.parent / "build" / "benchmarks",
            source=root / "source",
            answers=root / "answers",
            passwords=root / "passwd",
            certificate=root / "certificate.pem",
            cores=cores,
            loadCores=loadCores,
        )


class Server:
    """
    A server that runs, within C{with}.

    @ivar name: in tables.
    @ivar mail: its Maildirs, below it by the users' names.
    @ivar directory: all else of its own.
    """

    def __init__(self, name: str, surroundings: Surroundings) -> None:
        self.name = name
        self.around = surroundings
        self.directory = surroundings.root / name
        self.mail = self.directory / "mail"
        self.port, self.tlsPort = freePorts(2)
        self.account = Account(name)
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> Sequence[str]:
        """What to run, in front; its settings have been written by L{prepare}."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Write settings; called once, when C{directory} is there."""

    def forget(self, user: str) -> None:
        """
        Take away all that is remembered of a maildrop, on the disk; called while
        the server does not run.
        """
        for each in (self.mail / user).iterdir():
            if each.name not in ("cur", "new", "tmp"):
                each.unlink()

    def start(self) -> None:
        """@raise RuntimeError: it does not come up; with its log."""
        log = self.directory / "output.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                self.command(),
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=self.account.entering(self.around.cores),
            )
        self.account.follow(self._process.pid)
        giveUp = time.monotonic() + _START_SECONDS
        while not (_listens(self.port) and _listens(self.tlsPort)):
            if self._process.poll() is not None or time.monotonic() > giveUp:
                raise RuntimeError(f"{self.name} does not start:\n{log.read_text()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """SIGTERM; what does not heed it is killed."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.account.clear()
        self._process = None

    def __enter__(self) -> Server:
        self.mail.mkdir(parents=True)
        self.prepare()
        self.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.stop()
        self.account.end()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
