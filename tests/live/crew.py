"""
Looking at the workers of a live service from outside.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path

from .harness import LiveService
from .wire import Wire

_SECONDS = 20.0


class Workers:
    """Of one service, which has begun."""

    def __init__(self, service: LiveService, count: int = 2) -> None:
        self.service = service
        self.count = count
        service.awaitEvents("worker-started", count)

    def pids(self) -> list[int]:
        """Those that serve by what the log says, by their numbers."""
        last = {each["worker"]: int(each["pid"]) for each in self.service.events("worker-started")}
        return [last[str(number)] for number in range(1, self.count + 1)]

    def of(self, wire: Wire) -> int:
        """@return: the pid of whoever has the other end of a connection."""
        port = wire.socket.getsockname()[1]
        inode = _inodeBetween(wire.socket.getpeername()[1], port)
        for pid in self.pids():
            # It may end meanwhile, and so may descriptors.
            with suppress(FileNotFoundError):
                for each in Path(f"/proc/{pid}/fd").iterdir():
                    with suppress(FileNotFoundError):
                        if os.readlink(each) == f"socket:[{inode}]":
                            return pid
        raise AssertionError(f"no worker has the connection from port {port}")

    def oneEach(self) -> list[Wire]:
        """Connections to all workers, one each, by their numbers."""
        found: dict[int, Wire] = {}
        pids = self.pids()
        giveUp = time.monotonic() + _SECONDS
        while len(found) < len(pids):
            if time.monotonic() > giveUp:
                raise AssertionError(f"only {list(found)} of {pids} serve")
            wire = Wire(self.service)
            pid = self.of(wire)
            if pid in found:
                wire.quit()
            else:
                found[pid] = wire
        return [found[each] for each in pids]

    def kill(self, wire: Wire) -> int:
        """@return: the pid of the worker that had this connection."""
        pid = self.of(wire)
        os.kill(pid, signal.SIGKILL)
        return pid


def ended(pid: int) -> bool:
    """A process is gone, soon; one that nobody has waited for counts as gone."""
    giveUp = time.monotonic() + _SECONDS
    while time.monotonic() < giveUp:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def listens(port: int) -> bool:
    """Somebody does, on loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _inodeBetween(port: int, peer: int) -> str:
    """@return: of the established socket that has the one port, and its peer the other."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        ports = [int(each.rpartition(":")[2], 16) for each in words[1:3]]
        if ports == [port, peer] and words[3] == "01":
            return words[9]
    raise AssertionError(f"nobody at port {port} talks to port {peer}")
