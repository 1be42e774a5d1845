"""
The real service as a process of its own, for tests.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).parent.parent
TWISTD = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()"]
# Tests run as root, too, in containers and in CI.
POP3SVC = ["pop3svc", "--allow-root"]
FOREGROUND = [*TWISTD, "-n", "--pidfile=", *POP3SVC]


def freePorts(count: int) -> list[int]:
    """So many TCP ports of loopback that nobody listens on now."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def freePort() -> int:
    """One of them."""
    return freePorts(1)[0]


def runService(*words: str, seconds: float = 30) -> subprocess.CompletedProcess[str]:
    """Run C{twistd -n pop3svc} to its end."""
    return subprocess.run(
        [*FOREGROUND, *words],
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

    def __init__(self, log: Path, *words: str, command: Sequence[str] = FOREGROUND) -> None:
        """@param command: what the words are for; it may become twistd only by exec."""
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [*command, *words],
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
