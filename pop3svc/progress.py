"""
Whether a peer still takes what we send.

A transport tells when its buffer is empty, not that it shrinks. The kernel
counts the octets that the peer's machine has acknowledged, so that a slow
reader is told from one that has stopped.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
from typing import Any

from twisted.protocols.policies import ProtocolWrapper

# struct tcp_info of Linux: 8 octets, 24 words, two rates, then the count.
_BYTES_ACKED = struct.Struct("=120xQ")
_INT = struct.Struct("=i")


def octetsAcknowledged(transport: object) -> int | None:
    """
    @param transport: a TCP connection, bare or inside TLS.
    @return: a number that grows with each octet the peer has acknowledged, or
        C{None} where the kernel does not count, as on a UNIX socket.
    """
    connection = getattr(transport, "socket", None)
    if not isinstance(connection, socket.socket):
        return None
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED.size)
    except OSError:
        return None
    if len(info) < _BYTES_ACKED.size:
        return None
    count: int = _BYTES_ACKED.unpack(info)[0]
    return count


def octetsOutstanding(transport: object) -> int:
    """
    @param transport: a connection, bare or inside TLS.
    @return: how many octets the kernel still has, because the peer's machine
        has not acknowledged them; none where that cannot be told.
    """
    connection = getattr(transport, "socket", None)
    if not isinstance(connection, socket.socket) or connection.fileno() < 0:
        return 0
    # SIOCOUTQ of Linux has the number of the terminals' TIOCOUTQ.
    answer = fcntl.ioctl(connection, termios.TIOCOUTQ, _INT.pack(0))
    count: int = _INT.unpack(answer)[0]
    return count


def isClosing(transport: Any) -> bool:
    """
    @param transport: a connection, bare or inside TLS, that we do not close ourselves.
    @return: whether nothing more gets through: the peer has said TLS's goodbye.
    """
    while isinstance(transport, ProtocolWrapper):
        transport = transport.transport
    return bool(getattr(transport, "disconnecting", False))
