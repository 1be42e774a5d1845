"""
Certificate files -> the TLS that all listeners share.

TLS 1.2 and later, ECDHE with AEAD only, no compression and no renegotiation
(RFC 9325); ALPN C{pop3} alone, so that a browser that is led to this port gets
an alert instead of a conversation.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from .errors import SettingError

_CIPHERS = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    b"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    b"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
_ALPN = b"pop3"


class _NoCommonProtocol(Exception):
    """The client offers ALPN, and C{pop3} is not among it."""


@implementer(IOpenSSLServerConnectionCreator)
class ServerTLS:
    """
    The certificates of a service, chosen by the name a client asks for (SNI);
    the first pair serves everybody else.
    """

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        """
        @param pairs: paths of a PEM chain and of its PEM key, which may be one
            file.
        @raise SettingError: a file cannot be read, or key and certificate do
            not belong together.
        """
        contexts = [_makeContext(certificate, key) for certificate, key in pairs]
        self._default = contexts[0]
        # A fixed table: a client's name never adds to it.
        self._byName: dict[str, SSL.Context] = {}
        for context, (certificate, _) in zip(contexts, pairs, strict=True):
            for name in certificateNames(Path(certificate).read_bytes()):
                self._byName.setdefault(name.lower(), context)
        self._default.set_tlsext_servername_callback(self._choose)

    def serverConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """@see: L{IOpenSSLServerConnectionCreator}"""
        return SSL.Connection(self._default, None)

    def _choose(self, connection: SSL.Connection) -> None:
        name = (connection.get_servername() or b"").decode("ascii", "replace").lower()
        wildcard = "*." + name.partition(".")[2]
        context = self._byName.get(name) or self._byName.get(wildcard)
        if context is not None and context is not self._default:
            connection.set_context(context)


def certificateNames(pem: bytes) -> list[str]:
    """
    @param pem: a chain whose first certificate is the server's.
    @return: the DNS names it is good for.
    """
    from cryptography import x509

    certificate = x509.load_pem_x509_certificate(pem)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return names.value.get_values_for_type(x509.DNSName)


def _makeContext(certificate: str, key: str) -> SSL.Context:
    for path in (certificate, key):
        try:
            Path(path).read_bytes()
        except OSError as error:
            raise SettingError(f"cannot read {path}: {error.strerror}") from error
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(
        SSL.OP_NO_COMPRESSION
        | SSL.OP_NO_RENEGOTIATION
        | SSL.OP_CIPHER_SERVER_PREFERENCE
        | SSL.OP_SINGLE_ECDH_USE
    )
    # Half the memory of an idle connection.
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    context.set_cipher_list(_CIPHERS)
    context.set_session_id(b"pop3svc")
    context.set_alpn_select_callback(_selectProtocol)
    try:
        context.use_certificate_chain_file(certificate)
        context.use_privatekey_file(key)
    except SSL.Error as error:
        if "mismatch" in str(error):
            raise SettingError(f"the key in {key} is not that of {certificate}") from error
        raise SettingError(
            f"{certificate} with {key} is no PEM certificate with its private key"
        ) from error
    return context


def _selectProtocol(connection: SSL.Connection, offered: list[bytes]) -> bytes:
    if _ALPN not in offered:
        raise _NoCommonProtocol(f"ALPN {offered!r}")
    return _ALPN
