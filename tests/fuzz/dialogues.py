"""
What a fuzzer of streams begins with: whole conversations, and words.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from .case import corpus

_FOLDER = Path(__file__).parent.parent / "dialogues"

# Words worth putting anywhere.
DICTIONARY = [
    *(each.encode() + b"\r\n" for each in ("QUIT", "STAT", "NOOP", "RSET", "CAPA", "UTF8", "STLS")),
    *(b"LIST\r\n", b"LIST 1\r\n", b"UIDL\r\n", b"UIDL 2\r\n", b"RETR 1\r\n", b"RETR 2\r\n"),
    *(b"TOP 1 0\r\n", b"TOP 2 1\r\n", b"TOP 1 99999999\r\n", b"DELE 1\r\n", b"DELE 2\r\n"),
    *(b"LANG\r\n", b"LANG *\r\n", b"LANG xx\r\n", b"XTND XMIT\r\n", b"RPOP karl\r\n", b"LAST\r\n"),
    *(b"USER karl\r\n", b"PASS secret\r\n", b"PASS wrong\r\n", b"USER joe\r\nPASS a b \r\n"),
    *(
        b"APOP karl 0123456789abcdef0123456789ABCDEF\r\n",
        b"AUTH\r\n",
        b"AUTH \r\n",
        b"AUTH PLAIN\r\n",
    ),
    *(b"AUTH LOGIN\r\n", b"AUTH CRAM-MD5\r\n", b"AUTH SCRAM-SHA-1\r\n", b"AUTH OAUTHBEARER\r\n"),
    *(b"AUTH EXTERNAL\r\n", b"AUTH XOAUTH2\r\n", b"AUTH PLAIN AGthcmwAc2VjcmV0\r\n", b"*\r\n"),
    *(b"=\r\n", b"AGthcmwAc2VjcmV0\r\n", b"a2FybA==\r\n", b"c2VjcmV0\r\n", b"AAAA\r\n"),
    *(
        b"GET / HTTP/1.1\r\nHost: mx\r\n\r\n",
        b"POST / HTTP/1.1\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc",
    ),
    *(b"EHLO mx\r\n", b"a1 LOGIN karl secret\r\n", b"SSH-2.0-x\r\n", b"\r\n", b"\n", b"A" * 1100),
]


# What can be said after login, so that a session goes on.
ORDERS = [
    *(b"STAT\r\n", b"LIST\r\n", b"UIDL\r\n", b"RSET\r\n", b"NOOP\r\n", b"CAPA\r\n"),
    *(b"%s %d\r\n" % (k, n) for k in (b"DELE", b"DELE", b"LIST", b"RETR") for n in range(1, 4)),
    *(b"TOP %d %d\r\n" % (n, lines) for n in range(1, 4) for lines in range(2)),
]


@cache
def dialogues() -> list[bytes]:
    """All that clients say in the files of C{tests/dialogues}, and the corpus."""
    found = []
    for path in sorted(_FOLDER.glob("*.txt")):
        lines = [each[3:] for each in path.read_text().splitlines() if each.startswith("C:")]
        found.append("".join(each + "\r\n" for each in lines).encode())
    return found + [each.data for each in corpus("stream")]
