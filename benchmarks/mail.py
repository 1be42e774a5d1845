"""
The same mail for everybody: made from a seed, and linked into each server's maildrops.

Names are as Postfix writes them, without sizes, and the messages lie in C{cur} since
they have been seen before. All servers share one copy of each file, so that none has
the disk's cache to itself; the directories are each server's own.
"""

from __future__ import annotations

import base64
import hashlib
import os
import random
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from .load import PASSWORD

_SEED = 1939
_EPOCH = 1_790_000_000
# More, and Courier takes none of them.
_SALT_OCTETS = 4
_WORDS = (
    *("the", "mail", "that", "was", "sent", "to", "all", "of", "us", "this", "morning"),
    *("has", "a", "list", "with", "numbers", "and", "names", "which", "somebody", "may"),
    *("want", "to", "see", "before", "the", "next", "meeting", ".", ".."),
)


@dataclass
class Maildrop:
    """
    The mail of a kind of user.

    @ivar name: users are this with a number behind it.
    @ivar users: how many.
    @ivar count: messages in each maildrop.
    @ivar median: octets of a message, as stored; they are spread around it.
    @ivar content: the XOR of the SHA-256 of the messages as they go over the wire.
    """

    name: str
    users: int
    count: int
    median: int
    spread: float = 0.0
    content: str = ""
    sizes: list[int] = field(default_factory=list)

    def file(self, number: int) -> str:
        """The name of a message in C{cur}."""
        return f"{_EPOCH + number}.V801I{number:x}M{number % 1_000_000}.mail.example.org:2,S"


def makeMaildrops(directory: Path, maildrops: Iterable[Maildrop]) -> None:
    """
    Write each message once, and learn what it is over the wire.

    @param directory: the messages of a kind lie below it, under its name.
    """
    for maildrop in maildrops:
        generator = random.Random(f"{_SEED} {maildrop.name}")
        stock = _text(generator, 1 << 20)
        folder = directory / maildrop.name
        folder.mkdir(parents=True)
        total = 0
        for number in range(1, maildrop.count + 1):
            message = _message(generator, maildrop, number, stock)
            path = folder / maildrop.file(number)
            path.write_bytes(message)
            os.utime(path, (_EPOCH + number, _EPOCH + number))
            canonical = message.replace(b"\n", b"\r\n")
            maildrop.sizes.append(len(canonical))
            total ^= int.from_bytes(hashlib.sha256(canonical).digest(), "big")
        maildrop.content = f"{total:064x}"


def fill(source: Path, mail: Path, maildrop: Maildrop) -> None:
    """
    Make the Maildirs of a kind of user anew.

    @param source: where L{makeMaildrops} has put the messages.
    @param mail: the Maildirs are below it, under the users' names.
    """
    names = os.listdir(source / maildrop.name)
    for number in range(maildrop.users):
        maildir = mail / f"{maildrop.name}{number}"
        shutil.rmtree(maildir, ignore_errors=True)
        for folder in ("cur", "new", "tmp"):
            (maildir / folder).mkdir(parents=True)
        for name in names:
            os.link(source / maildrop.name / name, maildir / "cur" / name)
        _own(maildir)


def deliver(maildir: Path, number: int) -> None:
    """A delivery as an MTA makes it: written to C{tmp}, then renamed into C{new}."""
    name = f"{_EPOCH + 10_000_000 + number}.V801I{number:x}M1.mail.example.org"
    (maildir / "tmp" / name).write_bytes(b"Subject: one more\n\nIt has just come.\n")
    _own(maildir / "tmp" / name)
    os.rename(maildir / "tmp" / name, maildir / "new" / name)


def writeAnswers(directory: Path, source: Path, maildrop: Maildrop, bodies: bool) -> None:
    """
    What a canned server answers, octet for octet, in a file an answer.

    @param bodies: the messages too.
    """
    folder = directory / maildrop.name
    folder.mkdir(parents=True)
    sizes = maildrop.sizes
    listing = b"".join(b"%d %d\r\n" % row for row in enumerate(sizes, 1))
    uniqueIds = b"".join(b"%d %s\r\n" % (row, _uniqueId(row)) for row in range(1, len(sizes) + 1))
    (folder / "stat").write_bytes(b"+OK %d %d\r\n" % (len(sizes), sum(sizes)))
    (folder / "list").write_bytes(b"+OK\r\n" + listing + b".\r\n")
    (folder / "uidl").write_bytes(b"+OK\r\n" + uniqueIds + b".\r\n")
    for number in range(1, len(sizes) + 1) if bodies else ():
        message = (source / maildrop.name / maildrop.file(number)).read_bytes()
        stuffed = (b"\n" + message).replace(b"\n.", b"\n..")[1:].replace(b"\n", b"\r\n")
        (folder / str(number)).write_bytes(b"+OK\r\n" + stuffed + b".\r\n")


def writePasswords(path: Path, maildrops: Iterable[Maildrop]) -> None:
    """
    A password file that pop3svc and Dovecot read alike. C{{SSHA}} is salted, known
    to Courier too, and so cheap that no server gains by not computing it.
    """
    lines = [
        f"{maildrop.name}{number}:{hashed(maildrop.name, number)}\n"
        for maildrop in maildrops
        for number in range(maildrop.users)
    ]
    path.write_text("".join(lines), "ascii")


def hashed(name: str, number: int) -> str:
    """The password of a user, as C{{SSHA}}."""
    salt = hashlib.sha256(f"{_SEED} {name} {number}".encode()).digest()[:_SALT_OCTETS]
    digest = hashlib.sha1(PASSWORD.encode() + salt).digest()
    return "{SSHA}" + base64.b64encode(digest + salt).decode()


def _uniqueId(number: int) -> bytes:
    return b"%08x%08x" % (number, _EPOCH)


def _own(path: Path) -> None:
    """Dovecot and Courier refuse to serve mail as root."""
    for each in (path, *path.rglob("*")):
        shutil.chown(each, "mail", "mail")


def _text(generator: random.Random, octets: int) -> bytes:
    lines, size = [], 0
    while size < octets:
        line = " ".join(generator.choices(_WORDS, k=generator.randint(0, 13))) + "\n"
        lines.append(line)
        size += len(line)
    return "".join(lines).encode()


def _message(generator: random.Random, maildrop: Maildrop, number: int, stock: bytes) -> bytes:
    """One in three of the larger ones is mostly an attachment in base64."""
    head = (
        f"Return-Path: <walter@example.org>\nFrom: Walter <walter@example.org>\n"
        f"To: {maildrop.name}@example.org\nSubject: message {number}\n"
        f"Message-ID: <{number}.{maildrop.name}@example.org>\nMIME-Version: 1.0\n\n"
    ).encode()
    size = round(maildrop.median * generator.lognormvariate(0, maildrop.spread))
    left = max(size - len(head), 80)
    start = generator.randrange(len(stock) // 2)
    text = stock[start : start + min(left, 4096 if left > 16384 and number % 3 == 0 else left)]
    while len(text) < left and (number % 3 or left <= 16384):
        text += stock[: left - len(text)]
    attachment = base64.encodebytes(generator.randbytes(max(0, left - len(text)) * 3 // 4))
    return head + text.rstrip(b"\n") + b"\n" + attachment
