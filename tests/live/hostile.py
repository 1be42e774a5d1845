"""
Octets that no mail program sends: seeded, so that a failure comes again.
"""

from __future__ import annotations

from random import Random

_COMMANDS = (
    *(b"NOOP", b"STAT", b"LIST", b"LIST 1", b"UIDL", b"UIDL 1", b"RETR 1", b"TOP 1 3"),
    *(b"DELE 1", b"RSET", b"CAPA", b"USER karl", b"PASS secret", b"PASS wrong", b"STLS"),
    *(b"APOP karl 0123456789abcdef0123456789abcdef", b"AUTH", b"AUTH PLAIN", b"AUTH LOGIN"),
    *(b"AUTH PLAIN AGthcmwAc2VjcmV0", b"UTF8", b"LANG *", b"QUIT", b"XTND XMIT", b"RPOP 1"),
)
_NUMBERS = (b"0", b"-1", b"+1", b"1_0", b"4294967297", b"18446744073709551617", b"1 2 3", b"a")
_PROTOCOLS = (
    b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
    b"EHLO example.org\r\nMAIL FROM:<>\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"* OK IMAP4rev1\r\na1 LOGIN karl secret\r\n",
)
_ENDS = (b"\r\n", b"\n", b"\r", b"\n\r", b"\r\n\r\n", b"\0\r\n", b" \r\n", b"")


def hostile(dice: Random, octets: int) -> bytes:
    """
    A mixture: noise, commands right and wrong, long lines, halves of lines,
    other protocols, NUL.

    @return: so many octets at the least.
    """
    made = bytearray()
    while len(made) < octets:
        kind = dice.randrange(6)
        if kind == 0:
            made += dice.randbytes(dice.choice((1, 10, 100, 10_000)))
        elif kind == 1:
            made += dice.choice(_COMMANDS).swapcase() + dice.choice(_ENDS)
        elif kind == 2:
            keyword = dice.choice(_COMMANDS).split()[0]
            made += keyword + b" " + dice.choice(_NUMBERS) + dice.choice(_ENDS)
        elif kind == 3:
            made += dice.choice((b"A", b" ", b"\0", b"\xff")) * dice.choice(
                (254, 1023, 9_000, 100_000)
            )
        elif kind == 4:
            made += dice.choice(_PROTOCOLS)
        else:
            command = dice.choice(_COMMANDS)
            made += command[: dice.randrange(len(command) + 1)] + dice.choice(_ENDS)
    return bytes(made)


def wrongLine(dice: Random) -> bytes:
    """
    One line without its end, to which the only right answer is one -ERR,
    whatever is said before it.
    """
    kind = dice.randrange(5)
    if kind == 0:
        return b"X" + dice.randbytes(dice.randrange(200)).translate(None, b"\r\n")
    if kind == 1:
        return dice.choice((b"RETR ", b"LIST ", b"DELE ", b"TOP ")) + dice.choice(_NUMBERS)
    if kind == 2:
        # Longer than a command may be, and not longer than is skipped.
        return b"NOOP " + b"x" * dice.randrange(1024, 8_000)
    if kind == 3:
        return dice.choice((b"NOOP", b"STAT", b"CAPA")) + dice.choice((b"\0", b"\xff", b" \0 1"))
    return dice.choice((b"", b" ", b"XTND", b"USER joe", b"PASS secret", b"STLS", b"RETR"))
