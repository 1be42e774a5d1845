"""
A service manager that hands listening sockets to the service and is told how it is, as
systemd does, but with nothing in between that a test would have to wait for.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.pki import Authority
from tests.running import POP3SVC, TWISTD

from .harness import HOST, LOOPBACK, PLAIN, Way

_FIRST = 3
_SECONDS = 60.0

# Sockets begin at 3, and the process's own id stands beside them.
_HAND_OVER = f"""
import os, sys
for number, each in enumerate(sys.argv[1].split(",")):
    os.dup2(int(each), {_FIRST} + number)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""


class Manager:
    """
    One service, whose sockets stay open however often it is started.

    @ivar authority: a PEM file; who trusts it trusts the service.
    @ivar processes: all that were started, in their order.
    """

    def __init__(self, directory: Path, endpoints: tuple[str, str], *words: str) -> None:
        """
        @param endpoints: how the service names the socket without and with TLS.
        @param words: further options of C{pop3svc}.
        """
        self._directory = directory
        self.authority = directory / "authority.pem"
        certificate = directory / "server.pem"
        issuer = Authority()
        issuer.issue(str(certificate), HOST)
        issuer.save(str(self.authority))
        self._sockets = [socket.create_server((LOOPBACK, 0), backlog=1024) for _ in range(2)]
        self._told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        # Abstract, so that nothing is left of it.
        self._address = f"pop3svc-manager-{os.getpid()}-{id(self)}"
        self._told.bind(f"\0{self._address}")
        self._told.settimeout(_SECONDS)
        self._command = (
            *(*TWISTD, "-n", "--pidfile=", *POP3SVC, "--certificate", str(certificate)),
            *("--pop3", endpoints[0], "--pop3s", endpoints[1], *words),
        )
        self.processes: list[subprocess.Popen[bytes]] = []

    def port(self, way: Way = PLAIN) -> int:
        """Where clients that come this way connect to."""
        return int(self._sockets[way.implicit].getsockname()[1])

    def start(self) -> None:
        """One more process, whether another runs or not."""
        # Beyond those that they shall become.
        high = [fcntl.fcntl(each, fcntl.F_DUPFD, 50) for each in self._sockets]
        with self._log(len(self.processes)).open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", _HAND_OVER, ",".join(map(str, high)), *self._command],
                cwd=self._directory,
                env={
                    **os.environ,
                    "LISTEN_FDS": "2",
                    "LISTEN_FDNAMES": "pop3:pop3s",
                    "NOTIFY_SOCKET": f"@{self._address}",
                    "WATCHDOG_USEC": "1000000",
                },
                pass_fds=high,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        for each in high:
            os.close(each)
        self.processes.append(process)

    def awaitWord(self, word: str) -> list[str]:
        """
        @param word: what begins a line that the service tells.
        @return: all lines of the datagram that holds it.
        @raise TimeoutError: it does not.
        """
        while True:
            lines = self._told.recv(4096).decode().split("\n")
            if any(each.startswith(word) for each in lines):
                return lines

    def terminate(self) -> None:
        """The newest one."""
        self.processes[-1].send_signal(signal.SIGTERM)

    def hangUp(self) -> None:
        """The newest one."""
        self.processes[-1].send_signal(signal.SIGHUP)

    def wait(self, number: int) -> int:
        """@return: the exit status of the process."""
        return self.processes[number].wait(_SECONDS)

    def logs(self) -> str:
        """What all of them have printed."""
        logs = (self._log(number) for number in range(len(self.processes)))
        return "".join(each.read_text("utf-8", "replace") for each in logs)

    def end(self) -> None:
        """Whatever still runs ends at once."""
        for each in self.processes:
            if each.poll() is None:
                each.kill()
                each.wait()
        for held in (*self._sockets, self._told):
            held.close()

    def _log(self, number: int) -> Path:
        return self._directory / f"twistd-{number}.log"
