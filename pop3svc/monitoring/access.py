"""
Who may see the pages: this machine alone, or whoever has the token.

A page of somebody else's, open in a browser on this machine, may reach a port of
loopback; by a name of its own that resolves to 127.0.0.1 it could even read the answer
(DNS rebinding). The header C{Host} tells: without a token only loopback's own names do.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64decode
from binascii import Error
from ipaddress import ip_address

from ..errors import SettingError
from ..startfiles import readRegular

# Endpoints that listen on all interfaces where none is named, and what we name then.
_LOOPBACK = {"tcp": "127.0.0.1", "tcp6": r"\:\:1", "ssl": "127.0.0.1"}
_PIECE = re.compile(r"(?:\\.|[^:\\])+")
# 16 letters of a random password: nobody guesses that, at whatever speed.
_TOKEN_OCTETS = 16


def onLoopback(endpoint: str) -> str:
    """
    @param endpoint: a Twisted server endpoint, as text.
    @return: the same, on loopback if it names no interface.
    """
    default = _LOOPBACK.get(endpoint.partition(":")[0])
    if default is None or _interfaces(endpoint):
        return endpoint
    return f"{endpoint}:interface={default}"


def isPrivate(endpoint: str) -> bool:
    """Nobody but this machine can connect to it, as far as its text tells."""
    kind = endpoint.partition(":")[0]
    if kind == "unix":
        return True
    interfaces = _interfaces(endpoint)
    # Of two Twisted takes the last.
    if kind not in _LOOPBACK or len(interfaces) != 1:
        return False
    try:
        return ip_address(interfaces[0]).is_loopback
    except ValueError:
        return False


def _interfaces(endpoint: str) -> list[str]:
    """Those that it names; a backslash takes its meaning from any letter, also of a name."""
    pieces = [re.sub(r"\\(.)", r"\1", each) for each in _PIECE.findall(endpoint)]
    return [each.partition("=")[2] for each in pieces if each.startswith("interface=")]


def readToken(path: str) -> bytes:
    """@raise SettingError: the file cannot be read, or what is in it is no good token."""
    try:
        token = readRegular(path).strip()
    except OSError as error:
        raise SettingError(f"cannot read {path}: {error.strerror}") from error
    if len(token) < _TOKEN_OCTETS or not re.fullmatch(rb"[!-9;-~]+", token):
        raise SettingError(
            f"{path}: a token has {_TOKEN_OCTETS} characters at least, of printable ASCII"
            " without spaces and colons; write one: openssl rand -hex 32"
        )
    return token


class Access:
    """What a request must have."""

    def __init__(self, endpoint: str, tokenFile: str | None) -> None:
        """
        @param endpoint: as L{onLoopback} returns it.
        @raise SettingError: the token is missing, or no good; or nobody here would read
            what a proxy says first.
        """
        if endpoint.startswith("haproxy:"):
            raise SettingError(
                f"--http {endpoint}: the pages take no PROXY header; leave haproxy: out, and"
                " have the proxy send none"
            )
        self._tokenFile = tokenFile
        self._isUnix = endpoint.startswith("unix:")
        self._token = b""
        if tokenFile is not None:
            self.reload()
        elif not isPrivate(endpoint):
            raise SettingError(
                f"--http {endpoint} can be reached from elsewhere; add --http-token FILE, or"
                " let it listen on loopback: tcp:8110"
            )

    def reload(self) -> None:
        """@raise SettingError: the file holds no good token any more; the old one counts."""
        if self._tokenFile is not None:
            self._token = readToken(self._tokenFile)

    def refusal(self, authorization: bytes | None, host: bytes | None) -> int:
        """
        @param authorization: the header of that name.
        @param host: likewise.
        @return: the status to refuse a request with, or 0.
        """
        if self._token:
            return 0 if hmac.compare_digest(_given(authorization), self._token) else 401
        # A browser always sends it, and never to a UNIX socket.
        return 0 if self._isUnix or host is None or _isOurs(host) else 421


def _given(authorization: bytes | None) -> bytes:
    """The token, as Bearer or as the password of whomever."""
    scheme, _, value = (authorization or b"").partition(b" ")
    if scheme.lower() == b"bearer":
        return value.strip()
    if scheme.lower() == b"basic":
        try:
            return b64decode(value.strip(), validate=True).partition(b":")[2]
        except Error:
            # No token either.
            return b""
    return b""


def _isOurs(host: bytes) -> bool:
    name = re.sub(r":[0-9]*\Z", "", host.decode("latin-1")).removeprefix("[").removesuffix("]")
    try:
        return name.lower() == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False
