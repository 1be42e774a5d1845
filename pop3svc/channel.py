"""
What a TLS handshake has told about the peer and the channel.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID
from OpenSSL import SSL


@dataclass(frozen=True)
class Channel:
    """
    @ivar names: those of the client's certificate: its mail addresses and DNS
        names, and its common names behind them.
    @ivar bindings: kinds of channel binding with what they say of this channel.
    """

    names: tuple[bytes, ...] = ()
    bindings: dict[str, bytes] = field(default_factory=dict, repr=False)


def channelOf(connection: SSL.Connection) -> Channel:
    """@param connection: its handshake is complete."""
    return Channel(_verifiedNames(connection), _bindings(connection))


def _verifiedNames(connection: SSL.Connection) -> tuple[bytes, ...]:
    """
    Where the context verifies peers, OpenSSL ends the handshake of whoever shows
    a certificate that is not good; where it does not, none is believed.
    """
    certificate = connection.get_peer_certificate(as_cryptography=True)
    if certificate is None or not connection.get_verify_mode() & SSL.VERIFY_PEER:
        return ()
    names: list[str] = []
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            names += extension.value.get_values_for_type(x509.RFC822Name)
            names += extension.value.get_values_for_type(x509.DNSName)
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    names += [str(each.value) for each in common]
    # A NUL or a line end in a name is somebody's trick.
    return tuple(each.encode() for each in dict.fromkeys(names) if each and each.isprintable())


def _bindings(connection: SSL.Connection) -> dict[str, bytes]:
    bindings: dict[str, bytes] = {}
    if connection.get_protocol_version() >= SSL.TLS1_3_VERSION:
        # RFC 9266 section 2
        bindings["tls-exporter"] = connection.export_keying_material(
            b"EXPORTER-Channel-Binding", 32, b""
        )
    else:
        # RFC 5929 section 3.1: the first Finished message, which is the client's
        # in a full handshake. In a resumed one it is ours; that one is left out
        # on purpose, because without an extended master secret a server in
        # between can make it the same on both sides (RFC 7627 section 1).
        finished = connection.get_peer_finished()
        if finished:
            bindings["tls-unique"] = finished
    ours = connection.get_certificate(as_cryptography=True)
    if ours is not None:
        algorithm = ours.signature_hash_algorithm
        if isinstance(algorithm, hashes.MD5 | hashes.SHA1):
            # RFC 5929 section 4.1
            algorithm = hashes.SHA256()
        # For Ed25519, which names no hash, nobody has said what it would be.
        if algorithm is not None:
            bindings["tls-server-end-point"] = ours.fingerprint(algorithm)
    return bindings
