"""
What the kernel knows about a process that is being tested.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


class Process:
    """Another process, by its id."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._proc = Path(f"/proc/{pid}")

    def descriptors(self) -> int:
        """How many it has open."""
        return len(os.listdir(self._proc / "fd"))

    def residentKiB(self) -> int:
        """How much memory it holds."""
        found = re.search(r"VmRSS:\s+([0-9]+)", (self._proc / "status").read_text())
        assert found is not None
        return int(found.group(1))

    def cpuSeconds(self) -> float:
        """How much of a core it has used so far."""
        # Behind the name, which may hold spaces.
        fields = (self._proc / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS


def peersOf(port: int) -> set[tuple[str, int]]:
    """
    Whom a service on an IPv4 port of this machine still has a socket for; one that it
    has closed, and that only the kernel goes on with, is not among them.

    @return: the peers' addresses and ports.
    """
    peers = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, _, _, _, _, _, inode, *_ = line.split()
        host, hexPort = remote.split(":")
        if int(local.partition(":")[2], 16) == port and inode != "0" and hexPort != "0000":
            octets = bytes.fromhex(host)[::-1]
            peers.add((".".join(map(str, octets)), int(hexPort, 16)))
    return peers
