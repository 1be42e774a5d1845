"""
Who is at the other end of a transport, and whether it is still there.
"""

from __future__ import annotations

import socket
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address

from twisted.internet.address import IPv4Address as TCP4Address
from twisted.internet.address import IPv6Address as TCP6Address
from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import IAddress

# Addresses that are taken apart only once.
_REMEMBERED = 1024
# A dead peer is found within two minutes: 60 + 4 * 15 seconds.
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))


def peerName(address: IAddress | None) -> str:
    """An address for the log, without the port: C{192.0.2.7}, C{2001:db8::1}, C{unix}."""
    if isinstance(address, UNIXAddress):
        return "unix"
    if not isinstance(address, TCP4Address | TCP6Address):
        return "unknown"
    return _canonical(address.host)


# Clients come again and again, and taking an address apart is slow.
@lru_cache(_REMEMBERED)
def _canonical(host: str) -> str:
    address = ip_address(host.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)


@lru_cache(_REMEMBERED)
def networkOf(name: str) -> str:
    """
    Whom a peer's address stands for, where peers are counted: an IPv4 address for
    itself, an IPv6 address for the /64 that one customer has.

    @param name: as L{peerName} gives it.
    @return: C{192.0.2.7}, C{2001:db8::/64}; empty for what has no network.
    """
    try:
        host = ip_address(name)
    except ValueError:
        return ""
    if isinstance(host, IPv6Address):
        return str(IPv6Network((int(host) >> 64 << 64, 64)))
    return name


def isLocal(address: IAddress) -> bool:
    """The peer is on this machine: a loopback address or a UNIX socket."""
    return _isLocal(peerName(address))


@lru_cache(_REMEMBERED)
def _isLocal(name: str) -> bool:
    return name == "unix" or (name != "unknown" and ip_address(name).is_loopback)


def tuneConnection(transport: object) -> None:
    """
    As L{tuneSocket}, for a connection that was not accepted from a socket so tuned.

    @param transport: bare or inside TLS.
    """
    connection = getattr(transport, "socket", None)
    if isinstance(connection, socket.socket) and not getattr(transport, "tuned", False):
        tuneSocket(connection)


def tuneSocket(connection: socket.socket) -> None:
    """
    Send answers at once, and let the kernel look for dead peers.

    Without TCP_NODELAY Nagle's algorithm and delayed acknowledgement together
    cost a client some 40 ms an answer.

    @param connection: or a socket that listens: what is accepted from it has its
        options.
    """
    if connection.family not in (socket.AF_INET, socket.AF_INET6):
        return
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE:
        connection.setsockopt(socket.IPPROTO_TCP, option, value)
