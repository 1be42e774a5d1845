"""
Who is at the other end of a transport, and whether it is still there.
"""

from __future__ import annotations

import socket
from ipaddress import IPv6Address, ip_address

from twisted.internet.address import IPv4Address as TCP4Address
from twisted.internet.address import IPv6Address as TCP6Address
from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import IAddress

# A dead peer is found within two minutes: 60 + 4 * 15 seconds.
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))


def peerName(address: IAddress) -> str:
    """An address for the log, without the port: C{192.0.2.7}, C{2001:db8::1}, C{unix}."""
    if isinstance(address, UNIXAddress):
        return "unix"
    if not isinstance(address, TCP4Address | TCP6Address):
        return "unknown"
    host = ip_address(address.host.partition("%")[0])
    if isinstance(host, IPv6Address) and host.ipv4_mapped is not None:
        return str(host.ipv4_mapped)
    return str(host)


def isLocal(address: IAddress) -> bool:
    """The peer is on this machine: a loopback address or a UNIX socket."""
    name = peerName(address)
    return name == "unix" or (name != "unknown" and ip_address(name).is_loopback)


def tuneConnection(transport: object) -> None:
    """
    Send answers at once, and let the kernel look for dead peers.

    Without TCP_NODELAY Nagle's algorithm and delayed acknowledgement together
    cost a client some 40 ms an answer.
    """
    connection = getattr(transport, "socket", None)
    if not isinstance(connection, socket.socket):
        return
    if connection.family not in (socket.AF_INET, socket.AF_INET6):
        return
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE:
        connection.setsockopt(socket.IPPROTO_TCP, option, value)
