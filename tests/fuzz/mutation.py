"""
Octets -> other octets, out of seeded dice: what attackers, broken programs and
broken networks make of what is right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

# Where arithmetic, tables and C strings end.
NUMBERS = (
    *(
        b"0",
        b"-1",
        b"+1",
        b"1_0",
        b"01",
        b"1.0",
        b"1e3",
        b"0x1",
        b"65535",
        b"65536",
        b"2147483648",
        b"4294967295",
    ),
    *(b"4294967297", b"9999999999", b"10000000000", b"18446744073709551617", b"9" * 400),
    *(b"\xd9\xa1", b"\xef\xbc\x91", b" 1", b"1 ", b"1\t", b"1,2", b"1:*", b"*", b"%d", b"$1"),
)
_ODD = (
    *(b"\0", b"\r", b"\n", b"\r\n", b"\n\r", b"\r\r\n", b"\r\n\r\n", b" ", b"\t", b"\x1b[31m"),
    *(b"\x7f", b"\x80", b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xe2\x80\xa8", b"=", b"==", b"*"),
    *(b"%n%s", b"${jndi:x}", b"../", b"'", b'"', b"{user}", b"\x01", b"\x01\x01", b",", b".\r\n"),
)
_SIZES = (2, 3, 10, 60, 255, 256, 512, 1000, 1023, 1024, 1025, 8191, 8192, 9216, 20_000, 100_000)


def mutate(dice: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """
    One change.

    @param others: to take pieces of.
    """
    return dice.choice(_CHANGES)(dice, data, others)


def cut(dice: Random, data: bytes) -> list[bytes]:
    """In segments, as TCP may cut it."""
    kind = dice.randrange(8)
    if kind < 3:
        return [data]
    if kind == 3:
        return data.splitlines(True)
    if kind == 4 and len(data) < 200:
        return [data[at : at + 1] for at in range(len(data))]
    places = sorted(dice.randrange(len(data) + 1) for _ in range(dice.randrange(1, 12)))
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


def lines(data: bytes) -> list[bytes]:
    """With their ends."""
    return data.splitlines(True)


def _place(dice: Random, data: bytes) -> int:
    return dice.randrange(len(data) + 1)


def _stretch(dice: Random, data: bytes) -> tuple[int, int]:
    start = _place(dice, data)
    return start, min(len(data), start + dice.choice((1, 1, 2, 4, 16, 100)))


def _flip(dice: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    if not data:
        return b"\0"
    at = dice.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :]


def _delete(dice: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    start, end = _stretch(dice, data)
    return data[:start] + data[end:]


def _insert(dice: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    at = _place(dice, data)
    return data[:at] + dice.choice(_ODD) + data[at:]


def _replace(dice: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    start, end = _stretch(dice, data)
    return data[:start] + dice.choice((*_ODD, dice.randbytes(end - start))) + data[end:]


def _number(dice: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Another number where one stands."""
    digits = [at for at in range(len(data)) if data[at] in b"0123456789"]
    at = dice.choice(digits) if digits else _place(dice, data)
    return data[:at] + dice.choice(NUMBERS) + data[at + 1 :]


def _repeat(dice: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    start, end = _stretch(dice, data)
    return data[:end] + data[start:end] * dice.choice((1, 2, 5, 30)) + data[end:]


def _repeatHuge(dice: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Rarely: these are slow."""
    if dice.randrange(6):
        return _flip(dice, data, others)
    start, end = _stretch(dice, data)
    piece = data[start:end] or b"A"
    return data[:start] + (piece * dice.choice(_SIZES))[: dice.choice(_SIZES)] + data[end:]


def _splice(dice: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    other = dice.choice(others)
    return data[: _place(dice, data)] + other[_place(dice, other) :]


def _graft(dice: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    other = dice.choice(others)
    start, end = _stretch(dice, other)
    at = _place(dice, data)
    return data[:at] + other[start:end] + data[at:]


def _swapLines(dice: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    found = lines(data)
    dice.shuffle(found)
    return b"".join(found)


def _lineFromElsewhere(dice: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    found, other = lines(data), lines(dice.choice(others))
    if other:
        found.insert(dice.randrange(len(found) + 1), dice.choice(other))
    return b"".join(found)


def _ends(dice: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Other line ends, all of them or one."""
    return data.replace(
        b"\r\n", dice.choice((b"\n", b"\r", b"\n\r", b"\r\r\n", b"\0\r\n")), dice.choice((1, -1))
    )


def _case(dice: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    start, end = _stretch(dice, data)
    return data[:start] + data[start:end].swapcase() + data[end:]


_CHANGES: tuple[Callable[[Random, bytes, Sequence[bytes]], bytes], ...] = (
    *(_flip, _delete, _insert, _replace, _number, _number, _repeat, _repeatHuge),
    *(_splice, _graft, _swapLines, _lineFromElsewhere, _lineFromElsewhere, _ends, _case),
)
