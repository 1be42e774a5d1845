"""
The real service as a process of its own, for tests.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).parent.parent
TWISTD = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()"]


def freePort() -> int:
    """A TCP port of loopback that nobody listens on now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def runService(*words: str, seconds: float = 30) -> subprocess.CompletedProcess[str]:
    """Run C{twistd -n pop3svc} to its end."""
    return subprocess.run(
        [*TWISTD, "-n", "--pidfile=", "pop3svc", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


class RunningService:
    """
    C{twistd -n pop3svc} while it runs.

    @ivar log: where its output goes.
    """

    def __init__(self, log: Path, *words: str) -> None:
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [*TWISTD, "-n", "--pidfile=", "pop3svc", *words],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def waitFor(self, text: str, seconds: float = 20) -> None:
        """Wait until the log holds a text."""
        end = time.monotonic() + seconds
        while text not in self.output():
            if time.monotonic() > end or self.process.poll() is not None:
                raise AssertionError(f"no {text!r} in the log: {self.output()}")
            time.sleep(0.02)

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def stop(self, seconds: float = 20) -> int:
        """
        SIGTERM.

        @return: the exit status.
        """
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)
