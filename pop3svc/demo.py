"""
The embedded default, C{--demo}: two classroom maildrops on loopback.

The directory is made once and kept: real Maildirs, a file of hashed passwords
and a self-signed certificate.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from .auth.hashing import hashPassword
from .canonical import canonicalOctets
from .errors import SettingError
from .options import Options

_PORT, _TLS_PORT = 1100, 1995
_USERS = {"karl": "secret", "joebloggs": "iluvjane"}

_FIRST = """\
From: Walter <walter@example.org>
To: karl@example.org
Subject: lunch

Are you hungry?

"""
_SECOND = """\
From: Walter <walter@example.org>
To: karl@example.org
Subject: Re: lunch

Never mind, I have eaten.
.
A line of one dot is in here on purpose, to see that it survives.

"""
_LETTER = """\
From: jinx@foo.com
To: joe@bloggs.com
Subject: a letter to practise on
Message-ID: <letter@foo.com>
Date: Mon, 02 Nov 2026 09:00:00 +0000
MIME-Version: 1.0
Content-Type: text/plain; charset=us-ascii

Dear Joe,

"""
_PARAGRAPH = """\
this letter is long so that a mail program has something to show. TOP 1 0
brings its header, TOP 1 5 the first lines of it, RETR 1 the whole.

"""

_MESSAGES = {
    "karl": ((_FIRST, "", 120), (_SECOND, "", 200)),
    "joebloggs": ((_LETTER, _PARAGRAPH, 4578),),
}


def prepareDemo(options: Options) -> None:
    """
    Make the directory if it is not there, and set the options that were not
    given otherwise.

    @raise SettingError: the directory cannot be made.
    """
    directory = Path(options["demo-directory"]).absolute()
    try:
        if not demoIsThere(options):
            _makeDirectory(directory)
    except OSError as error:
        raise SettingError(
            f"cannot make {error.filename or directory}: {error.strerror};"
            " choose another place with --demo-directory"
        ) from error
    isDefault = useDemo(options)
    how = _howToTalk(str(directory / "certificate.pem")) if isDefault else _whereToTalk(options)
    print(_greeting(directory, how), flush=True)


def demoIsThere(options: Options) -> bool:
    """Whether its directory has been made."""
    return (Path(options["demo-directory"]).absolute() / "passwd").exists()


def useDemo(options: Options) -> bool:
    """
    Set the options that were not given otherwise.

    @return: its own ports are listened on.
    """
    directory = Path(options["demo-directory"]).absolute()
    certificate = str(directory / "certificate.pem")
    given = options.given
    isDefault = not (given["pop3"] or given["pop3s"] or options.listeners)
    if isDefault:
        given["pop3"] = [f"tcp:{_PORT}:interface=127.0.0.1"]
        given["pop3s"] = [f"tcp:{_TLS_PORT}:interface=127.0.0.1"]
    if not given["certificate"]:
        given["certificate"], given["private-key"] = [certificate], []
    if not given["auth"]:
        given["auth"] = [f"passwd:{directory / 'passwd'}"]
    if not given["maildrop"]:
        given["maildrop"] = [f"maildir:{directory}/maildrops/{{user}}/Maildir"]
    return isDefault


def _greeting(directory: Path, how: str) -> str:
    return f"""\
Two maildrops are served: karl (password secret) and joebloggs (password iluvjane).

{how}
To fill the maildrops again, stop the service, remove {directory}, and start it again.
"""


def _whereToTalk(options: Options) -> str:
    given = options.given
    endpoints = [
        *given["pop3"],
        *(f"{each} (TLS)" for each in given["pop3s"]),
        *(
            f"{each.endpoint} (TLS)" if each.tls == "implicit" else each.endpoint
            for each in options.listeners
        ),
    ]
    return "".join(f"  {each}\n" for each in endpoints)


def _howToTalk(certificate: str) -> str:
    return f"""\
  curl -u karl:secret pop3://127.0.0.1:{_PORT}/
  openssl s_client -quiet -crlf -CAfile {certificate} -connect 127.0.0.1:{_TLS_PORT}
  python3 -c 'import poplib; p = poplib.POP3("127.0.0.1", {_PORT}); p.user("joebloggs"); \
p.pass_("iluvjane"); print(p.stat(), p.retr(1)[1][:3], p.quit())'
"""


def _makeDirectory(directory: Path) -> None:
    """The file of passwords comes last: its presence says that all is there."""
    for user, messages in _MESSAGES.items():
        maildir = directory / "maildrops" / user / "Maildir"
        for folder in ("tmp", "new", "cur"):
            (maildir / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        for number, (head, paragraph, octets) in enumerate(messages, 1):
            name = f"{1_793_600_000 + number}.M{number}P1.demo"
            (maildir / "new" / name).write_bytes(sizedMessage(head, paragraph, octets))
    _writePrivately(directory / "certificate.pem", makeCertificate("localhost"))
    lines = [f"{user}:{hashPassword(password)}\n" for user, password in _USERS.items()]
    _writePrivately(directory / "passwd", "".join(lines).encode())


def _writePrivately(path: Path, data: bytes) -> None:
    """Write a file that nobody else may read."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)


def sizedMessage(head: str, paragraph: str, octets: int) -> bytes:
    """
    A message of an exact size, with LF as Maildirs keep it.

    @param head: how it begins.
    @param paragraph: what is repeated as often as it fits.
    @param octets: the size of its canonical form.
    """
    text = head.encode()
    while canonicalOctets([text + paragraph.encode()]) <= octets - 80 and paragraph:
        text += paragraph.encode()
    rest = octets - canonicalOctets([text]) - len("\r\n")
    while rest > 72:
        text += b"-" * 70 + b"\n"
        rest -= 72
    return text + b"-" * rest + b"\n"


def makeCertificate(host: str) -> bytes:
    """
    A self-signed certificate for this machine, good for ten years.

    @return: the certificate and its ECDSA key, as PEM.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    names: list[x509.GeneralName] = [
        x509.DNSName(host),
        *(x509.IPAddress(ip_address(each)) for each in ("127.0.0.1", "::1")),
    ]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + certificate.public_bytes(serialization.Encoding.PEM)
