"""
Whether a listener's port can be had, found out without listening.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twisted.internet.protocol import ServerFactory

from ..errors import SettingError
from ..listeners import ListenerSettings, makeEndpoint
from .findings import Section

_PROXIED = "haproxy:"
_LISTENING = "0A"
# What fits into struct sockaddr_un of Linux.
SOCKET_PATH_OCTETS = 107


@dataclass(frozen=True)
class Port:
    """A TCP port as an endpoint asks for it."""

    number: int
    interface: str

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self.interface else socket.AF_INET

    def meets(self, other: Port) -> bool:
        """Whether the two cannot be had at once."""
        if self.number != other.number or 0 in (self.number, other.number):
            return False
        mine, others = self.interface or "0.0.0.0", other.interface or "0.0.0.0"
        if mine == others or (self.family == other.family and {mine, others} & {"0.0.0.0", "::"}):
            return True
        return "::" in (mine, others) and not _separate()


class _Asked:
    """Stands in for a reactor, to learn what an endpoint would ask of it."""

    def __init__(self) -> None:
        self.ports: list[Port] = []
        self.paths: list[str] = []

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> None:
        self.ports.append(Port(port, interface))

    def listenUNIX(self, address: str, factory: Any, **settings: Any) -> None:
        self.paths.append(os.fsdecode(address))


def checkPort(section: Section, settings: ListenerSettings, before: list[Port]) -> None:
    """
    @param before: the ports of the listeners before this one; its own is added.
    @raise SettingError: the endpoint is none.
    """
    kind = settings.endpoint.removeprefix(_PROXIED).partition(":")[0]
    if kind == "systemd":
        _checkHandedOver(settings.endpoint)
        section.tell("systemd hands the port over; whether it does shows at the start", 1)
        return
    asked = _Asked()
    endpoint = makeEndpoint(asked, settings.endpoint)
    if kind not in ("tcp", "tcp6", "unix"):
        section.tell("whether it can be listened on shows at the start", 1)
        return
    endpoint.listen(ServerFactory())
    for path in asked.paths:
        _checkPath(section, path)
    for port in asked.ports:
        if any(port.meets(other) for other in before):
            section.error(
                f"another listener above has port {port.number} already (on Linux tcp6: takes"
                " IPv4 connections, too); remove one, or give each an interface=",
                1,
            )
        else:
            _checkTCP(section, port)
        before.append(port)


def _checkHandedOver(endpoint: str) -> None:
    """
    @raise SettingError: it would be wrong under systemd, too, which alone has what it names.
    """
    try:
        makeEndpoint(None, endpoint)
    except SettingError as error:
        if not isinstance(error.__cause__, LookupError):
            raise


def _checkTCP(section: Section, port: Port) -> None:
    """
    A socket is bound and closed, as the service would bind it; it never listens, so
    that nobody is connected to it. Where another listens already, that fails.
    """
    try:
        with socket.socket(port.family, socket.SOCK_STREAM) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(_address(port))
    except OverflowError:
        section.error(f"there is no port {port.number}; name one from 1 to 65535", 1)
    except OSError as error:
        _tellWhy(section, port, error)
    else:
        section.tell("the port is free", 1)


def _address(port: Port) -> Any:
    """As Twisted takes it: a zone, as in fe80::1%eth0, is a number of the kernel's."""
    if "%" not in port.interface:
        return port.interface, port.number
    flags = socket.AI_NUMERICHOST
    [found, *_] = socket.getaddrinfo(port.interface, port.number, port.family, flags=flags)
    return found[4]


def _tellWhy(section: Section, port: Port, error: OSError) -> None:
    if error.errno == errno.EADDRINUSE:
        holders = sorted(_holders(port.number))
        ours = [name for name, isOurs in holders if isOurs]
        if ours:
            section.tell(f"the port is in use by {ours[0]}, which runs already", 1)
        elif holders:
            section.error(
                f"the port is in use by {holders[0][0]}; stop that, or take another port", 1
            )
        else:
            section.warn(
                "the port is in use; if it is not by this service, stop whoever has it"
                f" (ss -ltnp sport = :{port.number} tells root)",
                1,
            )
    elif error.errno in (errno.EACCES, errno.EPERM):
        section.warn(
            "ports below 1024 need a privilege that you do not have; start it as root with twistd"
            " --uid USER, or by the units in etc/systemd",
            1,
        )
    elif error.errno == errno.EADDRNOTAVAIL:
        section.error(
            f"{port.interface} is no address of this machine; write one that is (ip addr shows"
            " them), or leave interface= out",
            1,
        )
    elif error.errno == errno.EAFNOSUPPORT:
        section.error("this machine has no IPv6; write tcp: in place of tcp6:", 1)
    else:
        section.error(f"the port cannot be had ({error.strerror}); correct the endpoint", 1)


def _checkPath(section: Section, path: str) -> None:
    folder = os.path.dirname(os.path.abspath(path))
    if not 0 < len(os.fsencode(path)) <= SOCKET_PATH_OCTETS:
        section.error(
            f"the path of a socket has 1 to {SOCKET_PATH_OCTETS} octets; name another one", 1
        )
        return
    if not os.path.isdir(folder):
        section.error(f"the directory {folder} is not there; make it", 1)
        return
    try:
        # Twisted's lock beside a socket: a link that names its process.
        os.kill(int(os.readlink(path + ".lock")), 0)
    except PermissionError:
        section.tell("the socket is in use by a process of another user", 1)
    except (OSError, ValueError):
        # Twisted removes a socket if its lock is that of a process which is no more.
        isThere, isLocked = os.path.lexists(path), os.path.lexists(path + ".lock")
        if isThere and not (isLocked and stat.S_ISSOCK(os.lstat(path).st_mode)):
            section.error(f"{path} is there already; remove it, or name another one", 1)
        elif os.access(folder, os.W_OK | os.X_OK):
            section.tell("the socket can be made", 1)
        else:
            section.error(
                f"the socket cannot be made in {folder}; give that directory to the service's"
                " user, or name another one",
                1,
            )
    else:
        section.tell("the socket is in use by a service that runs already", 1)


def _holders(port: int) -> Iterator[tuple[str, bool]]:
    """
    Who listens on a port, as far as we may know.

    @return: a name with its process id, and whether it is a pop3svc.
    """
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = Path(table).read_text("ascii").splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            columns = row.split()
            if columns[3] == _LISTENING and int(columns[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{columns[9]}]")
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if inodes.isdisjoint(os.readlink(each) for each in (process / "fd").iterdir()):
                continue
            words = (process / "cmdline").read_bytes().split(b"\0")
            name = (process / "comm").read_text("utf-8", "replace").strip()
        except OSError:
            # It has ended, or is not ours to look at.
            continue
        isOurs = any(os.path.basename(each) == b"pop3svc" for each in words)
        yield f"{'pop3svc' if isOurs else name} (process {process.name})", isOurs


def _separate() -> bool:
    """Whether a port of IPv6 leaves that of IPv4 alone on this machine."""
    try:
        return Path("/proc/sys/net/ipv6/bindv6only").read_text("ascii").strip() == "1"
    except OSError:
        return False
