"""
What stands in the file of C{--auth oauth2:FILE}.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from OpenSSL import crypto
from twisted.internet.ssl import Certificate, trustRootFromCertificates

from ..errors import SettingError
from .oauth2claims import ClaimRules
from .settingsfile import SettingsFile

_KEYS = (
    "introspect",
    "client-id",
    "client-secret-file",
    "jwks",
    "issuer",
    "audience",
    "scope",
    "user-claim",
    "ca-file",
)
_PEM_END = b"-----END CERTIFICATE-----\n"


@dataclass(frozen=True)
class OAuth2Settings:
    """
    @ivar introspect: the URL to ask, or nothing.
    @ivar client: id and secret for that.
    @ivar jwks: the URL or the path of the keys, or nothing.
    @ivar trustRoot: the authorities of C{ca-file}; C{None} for the system's.
    """

    rules: ClaimRules
    issuer: str
    audiences: tuple[str, ...]
    introspect: str
    client: tuple[str, bytes]
    jwks: str
    trustRoot: Any


def readSettings(path: str) -> OAuth2Settings:
    """@raise SettingError: with a sentence that names the file and the key."""
    file = SettingsFile(path, _KEYS)
    if ("introspect" in file) == ("jwks" in file):
        raise SettingError(
            f"{file.path}: write either introspect, the URL where the server is asked for a"
            " token, or jwks, the URL or the file of its keys"
        )
    scopes = tuple(one for each in file.texts("scope") for one in each.split())
    audiences = file.texts("audience")
    introspect, client, jwks = "", ("", b""), ""
    if "introspect" in file:
        introspect = _url(file, "introspect", file.text("introspect"))
        client = file.text("client-id"), file.secret("client-secret-file")
        if not audiences and not scopes:
            raise file.wrong(
                "audience",
                "or scope is missing; without either, a token that any other program of the"
                " same server was given would open its user's maildrop",
            )
    else:
        jwks = file.text("jwks")
        jwks = _url(file, "jwks", jwks) if "://" in jwks else file.location("jwks")
        if not audiences:
            raise file.wrong("audience", "is missing; write for whom the tokens are")
        file.text("issuer")
    return OAuth2Settings(
        ClaimRules(file.text("user-claim", "email"), scopes),
        file.text("issuer") if "issuer" in file else "",
        audiences,
        introspect,
        client,
        jwks,
        _trustRoot(file) if "ca-file" in file else None,
    )


def _url(file: SettingsFile, key: str, url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise file.wrong(key, f"is no URL: {error}") from error
    if not host or not url.isascii() or not url.isprintable() or " " in url:
        raise file.wrong(key, "is no URL; write https://HOST/PATH")
    if "@" in parts.netloc:
        raise file.wrong(key, "has a user in it; write client-id and client-secret-file")
    if parts.scheme != "https" and not (parts.scheme == "http" and _isLoopback(host)):
        raise file.wrong(key, "begins with https://, or with http:// on this machine only")
    return url


def _isLoopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _trustRoot(file: SettingsFile) -> Any:
    pems = [each + _PEM_END for each in file.octets("ca-file").split(_PEM_END)[:-1]]
    try:
        if not pems:
            raise ValueError("no certificate in PEM")
        return trustRootFromCertificates([Certificate.loadPEM(each) for each in pems])
    except (crypto.Error, ValueError) as error:
        raise file.wrong("ca-file", "has no certificates in PEM in it") from error
