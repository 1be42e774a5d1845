"""
Certificates -> the TLS of a listener.

TLS 1.2 and later, ECDHE with AEAD only, no compression and no renegotiation
(RFC 9325); ALPN C{pop3} alone, so that a browser that is led to this port gets
an alert instead of a conversation. Sessions resume by tickets, so that a
poller pays for one full handshake; the tickets' keys last as long as the
contexts, which are made anew at least once a day.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from .certificates import Pair, fileStamps, now, readPair
from .errors import SettingError

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
    same names serve together, ECDSA first.

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
        self._use(self._read())

    def reload(self) -> None:
        """
        Read all files again, for new connections.

        @raise SettingError: something is wrong with them; the old ones stay.
        """
        pairs = self._read()
        at = now()
        for pair in pairs:
            if pair.expired(at) and not all(old.expired(at) for old in self.pairs):
                raise SettingError(f"{pair.certificate} expired on {pair.expires:%Y-%m-%d}")
        self._use(pairs)

    def changed(self) -> bool:
        """A file is not what it was when it was last read."""
        return self._stamps != fileStamps(self._files())

    def serverConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """@see: L{IOpenSSLServerConnectionCreator}"""
        return SSL.Connection(self._default, None)

    def _files(self) -> list[str]:
        files = [path for each in self._paths for path in each]
        return files if self._clientCA is None else [*files, self._clientCA]

    def _read(self) -> list[Pair]:
        # First the stamps: what changes while it is read is read again.
        self._stamps = fileStamps(self._files())
        return [readPair(*each) for each in self._paths]

    def _use(self, pairs: list[Pair]) -> None:
        groups: dict[frozenset[str], list[Pair]] = {}
        for pair in pairs:
            groups.setdefault(frozenset(pair.names), []).append(pair)
        contexts = {names: self._makeContext(group) for names, group in groups.items()}
        # A fixed table: a name that a client asks for never adds to it.
        byName: dict[str, SSL.Context] = {}
        for names, context in contexts.items():
            for name in names:
                byName.setdefault(name, context)
        default = contexts[frozenset(pairs[0].names)]

        def choose(connection: SSL.Connection) -> None:
            name = (connection.get_servername() or b"").decode("ascii", "replace").lower()
            context = byName.get(name) or byName.get("*." + name.partition(".")[2])
            if context is not None and context is not default:
                connection.set_context(context)

        default.set_tlsext_servername_callback(choose)
        self.pairs, self._default = pairs, default

    def _makeContext(self, group: list[Pair]) -> SSL.Context:
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
        if self._clientCA is not None:
            _askForCertificates(context, self._clientCA)
        return context


def _usePair(context: SSL.Context, pair: Pair) -> None:
    try:
        context.use_certificate_chain_file(pair.certificate)
        context.use_privatekey_file(pair.key)
    except SSL.Error as error:
        if "mismatch" in str(error):
            raise SettingError(
                f"the key in {pair.key} is not that of {pair.certificate}"
            ) from error
        raise SettingError(
            f"{pair.certificate} with {pair.key} is no PEM certificate with its private key"
        ) from error


def _askForCertificates(context: SSL.Context, authorities: str) -> None:
    try:
        context.load_verify_locations(authorities)
        context.load_client_ca(authorities.encode())
    except SSL.Error as error:
        raise SettingError(f"{authorities} holds no PEM certificates of authorities") from error
    # Whoever has a certificate must have a good one; nobody must have one.
    context.set_verify(
        SSL.VERIFY_PEER, lambda connection, certificate, code, depth, good: bool(good)
    )


def _selectProtocol(connection: SSL.Connection, offered: list[bytes]) -> bytes:
    if _ALPN not in offered:
        # Twisted wants OpenSSL's own shape of an error: library, function, reason.
        raise _NoCommonProtocol([("SSL routines", "", "no application protocol")])
    return _ALPN
