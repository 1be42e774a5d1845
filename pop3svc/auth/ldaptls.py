"""
TLS to a directory, apart from libldap: its own handshake knows no deadline. With
a server that takes the connection and says nothing it waits for ever or, with
GnuTLS, turns in circles, and nobody can get at the socket.

So Python's ssl makes the connection, and libldap speaks through a pair of
sockets. Everything here blocks, and is called from threads.
"""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Callable
from contextlib import closing
from threading import Thread
from urllib.parse import urlsplit

from ..errors import SettingError
from ..startfiles import readFile
from .ldapsettings import LdapSettings

# The extended request StartTLS (RFC 4511 section 4.14.1) as message 1.
_START_TLS = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"
_EXTENDED_RESPONSE = 0x78

_BLOCK = 64 * 1024


def makeContext(settings: LdapSettings) -> ssl.SSLContext:
    """
    @return: TLS 1.2 at the least; verifies certificate and name unless told not to.
    @raise SettingError: the file of authorities holds none.
    """
    authorities = None
    if settings.authorities is not None:
        # As all that is read at the start; a remark between certificates is in any language.
        authorities = readFile(settings.authorities).decode("ascii", "ignore") or "\n"
    try:
        context = ssl.create_default_context(cadata=authorities)
    except ssl.SSLError as error:
        raise SettingError(
            f"{settings.authorities} has no certificate; name a PEM file of authorities"
        ) from error
    if settings.tls == "unverified":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def connect(
    settings: LdapSettings, context: ssl.SSLContext, left: Callable[[], float]
) -> socket.socket:
    """
    @param left: how many seconds there still are; raises C{TimeoutError} when
        there are none.
    @return: a socket on which LDAP is spoken in the clear, and leaves by TLS.
    @raise OSError: there is no connection, or no TLS with whom it should be.
    """
    parts = urlsplit(settings.server)
    assert parts.hostname is not None
    port = parts.port or (389 if settings.startTLS else 636)
    plain = socket.create_connection((parts.hostname, port), left())
    try:
        if settings.startTLS:
            _startTLS(plain, left)
        plain.settimeout(left())
        tls = context.wrap_socket(plain, server_hostname=parts.hostname)
    except BaseException:
        plain.close()
        raise
    ours, libldaps = socket.socketpair()
    # It ends when either side does, and is not waited for when the process ends.
    Thread(target=_relay, args=(ours, tls), name="LDAP over TLS", daemon=True).start()
    return libldaps


def _startTLS(plain: socket.socket, left: Callable[[], float]) -> None:
    plain.settimeout(left())
    plain.sendall(_START_TLS)
    answer = b""
    while (whole := _element(answer)) is None:
        plain.settimeout(left())
        block = plain.recv(4096 - len(answer))
        if not block:
            raise ConnectionError("the directory ends the connection at StartTLS")
        answer += block
    _, message, rest = whole
    if rest:
        # What somebody in between has put there would count as said in TLS.
        raise ConnectionError("the directory says more than its answer to StartTLS")
    _, _, operation = _element(message) or (0, b"", b"")
    tag, response, _ = _element(operation) or (0, b"", b"")
    _, code, _ = _element(response) or (0, b"", b"")
    if tag != _EXTENDED_RESPONSE or code != b"\0":
        raise ConnectionError("the directory refuses StartTLS; use ldaps://, or set it up there")


def _element(data: bytes) -> tuple[int, bytes, bytes] | None:
    """@return: tag, value and what is behind, of a BER element; C{None} if it is not all there."""
    if len(data) < 2:
        return None
    size, start = data[1], 2
    if size & 0x80:
        start += size & 0x7F
        size = int.from_bytes(data[2:start], "big")
    if len(data) < start + size:
        return None
    return data[0], data[start : start + size], data[start + size :]


def _relay(plain: socket.socket, tls: ssl.SSLSocket) -> None:
    """Both ways, until one of them ends."""
    with closing(plain), closing(tls):
        tls.setblocking(False)
        while True:
            # What is inside of the TLS object already makes nothing readable.
            readable = [tls] if tls.pending() else select.select([plain, tls], [], [])[0]
            try:
                if tls in readable and not _forward(tls, plain):
                    return
                if plain in readable and not _forward(plain, tls):
                    return
            except OSError:
                return


def _forward(source: socket.socket, sink: socket.socket) -> bool:
    """@return: whether there may be more."""
    try:
        data = source.recv(_BLOCK)
    except ssl.SSLWantReadError:  # a part of a record, or one that is not for us
        return True
    while data:
        try:
            data = data[sink.send(data) :]
        except ssl.SSLWantWriteError:
            select.select([], [sink], [])
        else:
            if not data:
                return True
    return False
