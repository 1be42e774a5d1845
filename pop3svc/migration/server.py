"""
The old server, asked over POP3.
"""

from __future__ import annotations

import os
import poplib
import re
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from ..errors import SettingError

# The standard library gives up on lines of more than 2048 octets, which real mail
# has; getmail raises this number as well.
vars(poplib)["_MAXLINE"] = 16 * 1024 * 1024

_PORTS = {False: 110, True: 995}
_SECONDS = 120.0
_ADDRESS = re.compile(
    r"(pop3s?)://(?:(?P<user>.+)@)?(?P<host>\[[^\]]+\]|[^@:/\[\]]+)(?::(\d+))?/?\Z"
)

T = TypeVar("T")


def isAddress(text: str) -> bool:
    """Whether somebody means a POP3 server."""
    return text.startswith(("pop3://", "pop3s://"))


@dataclass(frozen=True)
class Address:
    """
    Who, and where: C{pop3s://USER@HOST:PORT}.

    @ivar tls: from the first octet.
    """

    tls: bool
    user: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str, user: str | None = None) -> Address:
        """
        @param text: what stands before the last C{@} is the user, who may have one.
        @param user: if C{text} names none.
        @raise SettingError: it is no such thing, or there is a password in it.
        """
        found = _ADDRESS.match(text)
        if found is None:
            raise SettingError(f"{text!r} is no pop3://USER@HOST:PORT or pop3s://USER@HOST:PORT")
        name = found["user"] or user
        if name is None:
            raise SettingError(f"say whose maildrop: {found[1]}://USER@{found['host']}")
        if ":" in name:
            raise SettingError(
                "a password does not belong on the command line, where everybody reads it; use"
                " --password-file, --password-env or the prompt"
            )
        if not name.isprintable():
            raise SettingError(f"{name!r} is no user name")
        tls = found[1] == "pop3s"
        port = int(found[4] or _PORTS[tls])
        if not 0 < port < 65536:
            raise SettingError(f"{port} is no port")
        return cls(tls, name, found["host"].strip("[]"), port)

    def __str__(self) -> str:
        return f"{self.user} at {self.host}"


@dataclass(frozen=True)
class Trust:
    """
    Whom a password is told to.

    @ivar context: says which certificates are right.
    @ivar clear: a password may go out without TLS.
    """

    context: ssl.SSLContext
    clear: bool

    @classmethod
    def of(cls, authorities: str | None, verified: bool, clear: bool) -> Trust:
        """
        @param authorities: a PEM file, in place of the system's.
        @param verified: only certificates that are right are.
        @raise SettingError: there are no such authorities.
        """
        try:
            context = ssl.create_default_context(cafile=authorities)
        except OSError as error:
            raise SettingError(
                f"{authorities} has no certificates of authorities ({error.strerror})"
            ) from error
        if not verified:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return cls(context, clear)


class OldServer:
    """
    A session with it; a context manager that ends it. Nothing is removed there.

    @ivar octets: the sizes of all messages.
    @ivar uniqueIds: as the server gives them, whatever they are.
    """

    octets: Sequence[int]
    uniqueIds: Sequence[bytes]

    def __init__(self, address: Address, password: str, trust: Trust) -> None:
        """
        @raise SettingError: it cannot be reached, or does not let us in.
        """
        self._address = address
        self._server = self._try("connect", lambda: self._connect(trust))
        try:
            self._try("log in", lambda: self._login(password))
            sizes = self._try("LIST", lambda: _numbered(self._server.list()[1]))
            ids = self._try("UIDL", lambda: _numbered(self._server.uidl()[1]))
            if list(sizes) != list(ids):
                raise SettingError(f"{address}: LIST and UIDL do not list the same messages")
            self._numbers = list(sizes)
            self.octets = self._try(
                "LIST", lambda: [int(each.split()[0]) for each in sizes.values()]
            )
            self.uniqueIds = list(ids.values())
        except BaseException:
            _close(self._server)
            raise

    def header(self, index: int) -> list[bytes]:
        """
        @param index: from 0.
        @return: the lines of its header; of all of it from a server without TOP.
        """
        number = self._numbers[index]
        with suppress(poplib.error_proto):
            return self._try("TOP", lambda: self._server.top(number, 0)[1], (poplib.error_proto,))
        return self.message(index)

    def message(self, index: int) -> list[bytes]:
        """As L{header}, all lines."""
        number = self._numbers[index]
        return self._try("RETR", lambda: self._server.retr(number)[1])

    def __enter__(self) -> OldServer:
        return self

    def __exit__(self, *raised: object) -> None:
        with suppress(OSError, poplib.error_proto):
            self._server.quit()
        _close(self._server)

    def _connect(self, trust: Trust) -> poplib.POP3:
        where = self._address
        if where.tls:
            return poplib.POP3_SSL(where.host, where.port, timeout=_SECONDS, context=trust.context)
        server = poplib.POP3(where.host, where.port, timeout=_SECONDS)
        try:
            capabilities: dict[str, list[str]] = {}
            # Old servers have no CAPA.
            with suppress(poplib.error_proto):
                capabilities = server.capa()
            if "STLS" in capabilities:
                server.stls(trust.context)
            elif not trust.clear:
                raise SettingError(
                    f"{where.host} has no TLS at port {where.port}, and the password would go out"
                    " in the clear; use pop3s://, or --clear-text if nobody can listen"
                )
        except BaseException:
            _close(server)
            raise
        return server

    def _login(self, password: str) -> None:
        self._server.user(self._address.user)
        self._server.pass_(password)

    def _try(
        self, what: str, call: Callable[[], T], passing: tuple[type[Exception], ...] = ()
    ) -> T:
        try:
            return call()
        except passing:
            raise
        except ssl.SSLCertVerificationError as error:
            raise SettingError(
                f"the certificate of {self._address.host} is not verified"
                f" ({error.verify_message}); name its authority with --ca-file"
            ) from error
        except (poplib.error_proto, OSError, EOFError, ValueError, IndexError) as error:
            if isinstance(error, SettingError):
                raise
            reason = _reason(error)
            raise SettingError(f"{self._address}: {what} failed ({reason})") from error


def _close(server: poplib.POP3) -> None:
    """After a failure, its socket may be gone already."""
    with suppress(OSError):
        server.close()


def _numbered(lines: Sequence[bytes]) -> dict[int, bytes]:
    """Listings by message-number."""
    pairs = (line.split(None, 1) for line in lines)
    return {int(pair[0]): pair[1] for pair in pairs}


def _reason(error: Exception) -> str:
    """What a stranger's server says, on one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    said = error.args[0] if error.args else type(error).__name__
    text = os.fsdecode(said) if isinstance(said, bytes) else str(said)
    return text.encode("ascii", "backslashreplace").decode()[:200].replace("\n", " ")
