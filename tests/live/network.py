"""
A service and its clients on two hosts with a cable between them that can be cut: two
network namespaces of the kernel.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from .programs import findProgram, unavailable
from .unprivileged import needRoot

SERVER, CLIENT = "192.0.2.1", "192.0.2.2"

_CLONE_NEWNET = 0x40000000
_setns = ctypes.CDLL(None, use_errno=True).setns


class Cable:
    """Two hosts, one with L{SERVER}'s address, one with L{CLIENT}'s."""

    def __init__(self) -> None:
        """@raise SkipTest: this user, or this kernel, makes no namespaces."""
        needRoot()
        self._ip, self._iptables = findProgram("ip"), findProgram("iptables")
        self._server, self._client = (f"pop3svc-{os.getpid()}-{end}" for end in "sc")
        self._made: list[str] = []
        try:
            for name in (self._server, self._client):
                done = subprocess.run([self._ip, "netns", "add", name], capture_output=True)
                if done.returncode:
                    unavailable(f"no network namespace can be made: {done.stderr.decode()}")
                self._made.append(name)
                self._run(name, self._ip, "link", "set", "lo", "up")
                if name == self._client:
                    ends = (*("end", "type", "veth", "peer"), *("name", "end", "netns", name))
                    self._run(self._server, self._ip, "link", "add", *ends)
            for name, address in ((self._server, SERVER), (self._client, CLIENT)):
                self._run(name, self._ip, "address", "add", f"{address}/30", "dev", "end")
                self._run(name, self._ip, "link", "set", "end", "up")
        except BaseException:
            self.remove()
            raise

    @contextmanager
    def atServer(self) -> Iterator[None]:
        """What this thread starts, or connects, is on the service's host."""
        with self._inside(self._server):
            yield

    def connect(self, port: int, seconds: float = 20) -> socket.socket:
        """From the clients' host."""
        with self._inside(self._client):
            plain = socket.socket()
        # A small window, so that a message does not go into it.
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.settimeout(seconds)
        plain.connect((SERVER, port))
        return plain

    def cut(self, *chains: str) -> None:
        """
        Nothing arrives any more, and nobody hears of it.

        @param chains: C{INPUT} for what comes to the clients, C{OUTPUT} for what they
            send; both, if none is given.
        """
        for chain in chains or ("INPUT", "OUTPUT"):
            self._run(self._client, self._iptables, "-A", chain, "-j", "DROP")

    def mend(self) -> None:
        self._run(self._client, self._iptables, "-F")

    def timers(self) -> list[str]:
        """For each connection on the service's host, what the kernel waits for."""
        listing = self._run(self._server, findProgram("ss"), "-Htno", "dst", CLIENT)
        return [line.partition("timer:")[2] for line in listing.splitlines()]

    def remove(self) -> None:
        for name in self._made:
            subprocess.run([self._ip, "netns", "delete", name], check=True)

    def _run(self, name: str, *command: str) -> str:
        within = [self._ip, "netns", "exec", name, *command]
        done = subprocess.run(within, capture_output=True, text=True)
        if done.returncode:
            raise AssertionError(f"{' '.join(command)}: {done.stderr}")
        return done.stdout

    @contextmanager
    def _inside(self, name: str) -> Iterator[None]:
        """A namespace belongs to a thread; what it makes stays there."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        there = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._enter(there)
            yield
        finally:
            self._enter(home)
            os.close(home)
            os.close(there)

    def _enter(self, descriptor: int) -> None:
        if _setns(descriptor, _CLONE_NEWNET):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
