"""
Certificates -> the TLS of a listener.

TLS 1.2 and later, ECDHE with AEAD only, no compression and no renegotiation
(RFC 9325); ALPN C{pop3} alone, so that a browser that is led to this port gets
an alert instead of a conversation. Sessions resume by tickets, so that a
poller pays for one full handshake; the tickets' keys last as long as the
contexts, which are made anew at least once a day.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from tempfile import NamedTemporaryFile
from typing import Literal

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from .certificates import Pair, asStamp, changedSince, fileStamps, now, readFile, readPair
from .errors import SettingError
from .startfiles import Stamp

Version = Literal["1.0", "1.1", "1.2", "1.3"]

_VERSIONS = {
    "1.0": SSL.TLS1_VERSION,
    "1.1": SSL.TLS1_1_VERSION,
    "1.2": SSL.TLS1_2_VERSION,
    "1.3": SSL.TLS1_3_VERSION,
}
_CIPHERS = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    b"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    b"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
# For a printer behind its own fence: what TLS 1.0 has, after what is better.
_LEGACY_CIPHERS = _CIPHERS + (
    b":ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES256-SHA"
    b":AES128-SHA:AES256-SHA:@SECLEVEL=0"
)
_ALPN = b"pop3"


class _NoCommonProtocol(SSL.Error):
    """
    The client offers ALPN, and C{pop3} is not among it. Only as one of OpenSSL's
    errors does it end the handshake with an alert, and the log stays quiet.
    """


@implementer(IOpenSSLServerConnectionCreator)
class ServerTLS:
    """
    The certificates of a listener, chosen by the name a client asks for (SNI);
    the first serves everybody else. Certificates of different key types for the
    same names serve together, ECDSA first. Of two that could serve a name, the
    first does.

    @ivar pairs: the certificates that serve now.
    """

    def __init__(
        self,
        paths: Sequence[tuple[str, str]],
        clientCA: str | None = None,
        minimumTLS: Version = "1.2",
    ) -> None:
        """
        @param paths: the paths of PEM chains and of their PEM keys; the two may
            be one file.
        @param clientCA: the path of the authorities whose client certificates
            are asked for and verified; a client may have none.
        @raise SettingError: a file cannot be read, or key and certificate do
            not belong together.
        """
        self._paths = tuple(paths)
        self._clientCA = clientCA
        self._minimumTLS = minimumTLS
        self.clientCertificates = clientCA is not None
        self._use(*self._read())

    def reload(self) -> None:
        """
        Read all files again, for new connections.

        @raise SettingError: something is wrong with them; the old ones stay.
        """
        pairs, authorities = self._read()
        at = now()
        for pair in pairs:
            if pair.expired(at) and not all(old.expired(at) for old in self.pairs):
                raise SettingError(f"{pair.certificate} expired on {pair.expires:%Y-%m-%d}")
        self._use(pairs, authorities)

    def rotate(self) -> None:
        """
        New keys of session tickets, for the certificates that serve now. No file
        is read: it may be out of reach since privileges were given up.
        """
        self._use(self.pairs, self._authorities)

    def kept(self) -> dict[str, tuple[bytes, Stamp]]:
        """
        @return: the files, as they would have to be for what serves now, and their stamps
            when they were read last; for a process that may not read them, or should
            not, because they have become bad.
        """
        octets: dict[str, bytes] = {}
        for (chain, key), pair in zip(self._paths, self.pairs, strict=True):
            octets[chain] = pair.chain
            octets[key] = octets.get(key, b"") + pair.keyPEM()
        if self._clientCA is not None and self._authorities is not None:
            octets[self._clientCA] = self._authorities
        stamps = dict(zip(self._files(), self._stamps, strict=True))
        return {path: (each, asStamp(stamps[path])) for path, each in octets.items()}

    def changed(self) -> bool:
        """A file is not what it was when it was last read."""
        return changedSince(self._stamps, fileStamps(self._files()))

    def serverConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """@see: L{IOpenSSLServerConnectionCreator}"""
        return SSL.Connection(self._default, None)

    def _files(self) -> list[str]:
        files = [path for each in self._paths for path in each]
        return files if self._clientCA is None else [*files, self._clientCA]

    def _read(self) -> tuple[list[Pair], bytes | None]:
        # First the stamps: what changes while it is read is read again.
        self._stamps = fileStamps(self._files())
        authorities = None if self._clientCA is None else readFile(self._clientCA)
        return [readPair(*each) for each in self._paths], authorities

    def _use(self, pairs: list[Pair], authorities: bytes | None) -> None:
        # A fixed table: a name that a client asks for never adds to it.
        byName: dict[str, SSL.Context] = {}
        contexts = []
        for group in _groups(pairs):
            context = self._makeContext(group, authorities)
            contexts.append(context)
            for name in group[0].names:
                byName.setdefault(name, context)
        default = contexts[0]

        def choose(connection: SSL.Connection) -> None:
            name = (connection.get_servername() or b"").decode("ascii", "replace").lower()
            context = byName.get(name) or byName.get("*." + name.partition(".")[2])
            if context is not None and context is not default:
                connection.set_context(context)

        default.set_tlsext_servername_callback(choose)
        self.pairs, self._authorities, self._default = pairs, authorities, default

    def _makeContext(self, group: list[Pair], authorities: bytes | None) -> SSL.Context:
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_min_proto_version(_VERSIONS[self._minimumTLS])
        context.set_options(
            SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE
        )
        # Half the memory of an idle connection.
        context.set_mode(SSL.MODE_RELEASE_BUFFERS)
        legacy = self._minimumTLS in ("1.0", "1.1")
        context.set_cipher_list(_LEGACY_CIPHERS if legacy else _CIPHERS)
        # Tickets alone: a cache of sessions would be memory that strangers fill.
        context.set_session_id(b"pop3svc")
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_alpn_select_callback(_selectProtocol)
        for pair in group:
            _usePair(context, pair)
        if self._clientCA is not None and authorities is not None:
            _askForCertificates(context, self._clientCA, authorities)
        return context


def _groups(pairs: list[Pair]) -> list[list[Pair]]:
    """
    What serves together: the same names, and keys of different types, because a
    context has place for one of each type and would keep the last.
    """
    groups: list[list[Pair]] = []
    byNames: dict[frozenset[str], list[Pair]] = {}
    for pair in pairs:
        names = frozenset(pair.names)
        group = byNames.get(names, [])
        if group and pair.keyType not in [each.keyType for each in group]:
            group.append(pair)
            continue
        groups.append([pair])
        if names:
            byNames.setdefault(names, groups[-1])
    return groups


@contextmanager
def _onDisk(certificates: bytes) -> Iterator[str]:
    """
    OpenSSL takes a chain for each type of key, and a list of authorities, from
    files alone. Nothing secret is in them.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(NamedTemporaryFile(prefix="pop3svc-"))
            file.write(certificates)
            file.flush()
        except OSError as error:
            raise SettingError(f"cannot write a temporary file: {error.strerror}") from error
        yield file.name


def _usePair(context: SSL.Context, pair: Pair) -> None:
    try:
        with _onDisk(pair.chain) as path:
            context.use_certificate_chain_file(path)
        context.use_privatekey(pair.privateKey)  # type: ignore[arg-type]
    except (SSL.Error, TypeError) as error:
        raise SettingError(
            f"TLS cannot serve with {pair.certificate} and {pair.key};"
            " take an ECDSA or RSA key of at least 2048 bits"
        ) from error


def _askForCertificates(context: SSL.Context, path: str, authorities: bytes) -> None:
    try:
        with _onDisk(authorities) as copy:
            context.load_verify_locations(copy)
            context.load_client_ca(copy.encode())
    except SSL.Error as error:
        raise SettingError(f"{path} holds no PEM certificates of authorities") from error
    # Whoever has a certificate must have a good one; nobody must have one.
    context.set_verify(
        SSL.VERIFY_PEER, lambda connection, certificate, code, depth, good: bool(good)
    )


def _selectProtocol(connection: SSL.Connection, offered: list[bytes]) -> bytes:
    if _ALPN not in offered:
        # Twisted wants OpenSSL's own shape of an error: library, function, reason.
        raise _NoCommonProtocol([("SSL routines", "", "no application protocol")])
    return _ALPN
