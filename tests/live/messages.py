"""
Messages that mail programs and servers are known to get wrong, a Maildir to put
them in, and which of them which program cannot take.
"""

from __future__ import annotations

import base64
import os
import random
from itertools import count
from pathlib import Path

_HEAD = b"From: Walter <walter@example.org>\nTo: karl@example.org\nSubject: %s\n\n"
_ATTACHMENT_OCTETS = 5_000_000


def attachment(octets: int, seed: int = 1) -> bytes:
    """
    A message with an attachment of random octets.

    @param octets: about the size of the message.
    """
    # 57 octets make a line of 77.
    encoded = base64.encodebytes(random.Random(seed).randbytes(octets * 57 // 77))
    return b"".join(
        (
            _HEAD.rstrip(b"\n") % b"an attachment",
            b'\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="=-="\n\n',
            b"--=-=\nContent-Type: text/plain\n\nSee below.\n",
            b"--=-=\nContent-Type: application/octet-stream\n",
            b"Content-Transfer-Encoding: base64\n\n",
            encoded,
            b"--=-=--\n",
        )
    )


# As they lie in the Maildir.
SAMPLES = {
    "plain": _HEAD % b"plain" + b"Are you hungry?\n",
    "dot lines": _HEAD % b"dots" + b".one\n..two\n...three\n. four\n.\tfive\n",
    "lone dots": _HEAD % b"lone dots" + b".\n\n.\n..\n.\n",
    "no final newline": _HEAD % b"no final newline" + b"the end",
    "final dot": _HEAD % b"final dot" + b"and\n.",
    "CRLF": (_HEAD % b"CRLF" + b"stored\n.with\n.\nCRLF\n").replace(b"\n", b"\r\n"),
    "CRLF and LF": _HEAD % b"both" + b"one\r\ntwo\nthree\r\n.\nfour\r\n",
    "8-bit": _HEAD % b"8-bit" + "Grüße, 你好\n".encode() + bytes(range(0x80, 0x100)) + b"\n",
    "NUL": _HEAD % b"NUL" + b"before\0after\n\0\n.\0\n",
    "bare CR": _HEAD % b"bare CR" + b"over\rwritten\r\r.\rdots\n.\r.\n",
    "all line ends": _HEAD % b"all" + b"one\r\ntwo\nthree\rfour\r\r\n\n\r\n.\r\n",
    "CR at the end": _HEAD % b"CR at the end" + b"the end\r",
    "empty body": _HEAD % b"empty body",
    "no body": b"From: walter@example.org\nSubject: no body\n",
    "no header": b"\n.\nThis has a body alone.\n",
    "nothing": b"",
    "empty lines": _HEAD % b"empty lines" + b"\n" * 500,
    "full line": _HEAD % b"as long as RFC 5322 allows" + b"x" * 998 + b"\nshort\n",
    "long lines": _HEAD % b"long lines" + b"y" * 100_000 + b"\n" + b"." * 100_000 + b"\nshort\n",
    "attachment": attachment(_ATTACHMENT_OCTETS),
}

# What a program cannot take from any server. It is given everything else, and
# has to hand that out exact to the octet.
BEYOND = {
    # A line of more than 2,048 octets is an error to it.
    "poplib": {"long lines"},
    # To it the end of a message is CRLF.CRLF, also where nothing stands before it.
    "curl": {"nothing"},
    # It cuts long lines into pieces, ends a header that has no end, and writes a
    # header where there is none.
    "fetchmail": {"long lines", "no body", "no header", "nothing"},
    # Its Python takes a bare CR for a line end, and ends a header that has no end.
    "getmail": {"bare CR", "all line ends", "CR at the end", "no body", "nothing"},
    # A line of more than 16,384 octets is an error to its LineOnlyReceiver.
    "Twisted": {"long lines"},
}


def samplesFor(program: str) -> list[bytes]:
    """The samples, as they are stored, that this program can take."""
    return [data for name, data in SAMPLES.items() if name not in BEYOND.get(program, ())]


def canonical(stored: bytes) -> bytes:
    """
    What the service has to send for a message: said here once more, so that
    L{pop3svc.canonical} does not judge itself.
    """
    sent = stored.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return sent if sent.endswith(b"\r\n") or not sent else sent + b"\r\n"


class Maildir:
    """
    A Maildir as a delivery agent sees it.
    """

    _serial = count(1)

    def __init__(self, path: Path) -> None:
        """@param path: where it is, or shall be."""
        self.path = path
        for folder in ("tmp", "new", "cur"):
            (path / folder).mkdir(parents=True, exist_ok=True)

    def deliver(self, *messages: bytes) -> list[bytes]:
        """
        Each in a file of its own, in this order of arrival.

        @return: their unique-ids.
        """
        names = []
        for data in messages:
            name = f"1793600000.M{next(self._serial):06}P1.example"
            (self.path / "tmp" / name).write_bytes(data)
            os.rename(self.path / "tmp" / name, self.path / "new" / name)
            names.append(name.encode())
        return names

    def stored(self) -> list[bytes]:
        """The messages in it, in the order of their names."""
        files = [each for folder in ("new", "cur") for each in (self.path / folder).iterdir()]
        return [each.read_bytes() for each in sorted(files, key=lambda each: each.name)]
