"""
Whether a peer still takes what we send.

A transport tells when its buffer is empty, not that it shrinks. The kernel
counts the octets that the peer's machine has acknowledged, so that a slow
reader is told from one that has stopped.
"""

from __future__ import annotations

import socket
import struct

# struct tcp_info of Linux: 8 octets, 24 words, two rates, then the count.
_BYTES_ACKED = struct.Struct("=120xQ")


def octetsAcknowledged(transport: object) -> int | None:
    """
    @param transport: a TCP connection, bare or inside TLS.
    @return: a number that grows with each octet the peer has acknowledged, or
        C{None} where the kernel does not count, as on a UNIX socket.
    """
    connection = getattr(transport, "socket", None)
    if not isinstance(connection, socket.socket):
        return None
    if connection.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED.size)
    except OSError:
        return None
    if len(info) < _BYTES_ACKED.size:
        return None
    count: int = _BYTES_ACKED.unpack(info)[0]
    return count
