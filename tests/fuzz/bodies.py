"""
Messages nobody wrote, octet for octet through canonical form and byte-stuffing,
against L{naive.wire}, which works by lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from pop3svc.canonical import Canonical, canonicalOctets
from pop3svc.core.stuffing import Stuffing
from pop3svc.interfaces import IMessageReader
from pop3svc.limits import Limits
from pop3svc.transfer import IOutletListener, Outlet, sendMessage

from .case import Case
from .naiveanswers import Wrong
from .naiveworld import linesOf, wire

_ALPHABET = (b"\r", b"\n", b"\r\n", b".", b"..", b"\n.", b"\r\n.\r\n", b"a", b"\0", b"\xff", b" ")
_MOST_CHUNK = 70_000


class Bodies:
    """
    The target. The pieces of a case are the blocks in which a store hands a message
    over; C{plan["block"]} is how much is asked of it at a time, C{plan["top"]} TOP's
    lines.
    """

    name = "bodies"
    unit = "bodies"

    def make(self, dice: Random) -> Case:
        stored = b"".join(dice.choices(_ALPHABET, k=dice.choice((0, 1, 2, 5, 20, 60))))
        if dice.randrange(40) == 0:
            filler = dice.choice((b"x", b".", b"\r", b"\0", b".\n", b"\r\n", b"a\n"))
            stored = filler * dice.randrange(1, _MOST_CHUNK) + stored
        elif dice.randrange(4) == 0:
            stored = dice.randbytes(dice.randrange(400)) + stored
        size = dice.choice((1, 2, 3, 7, dice.randrange(1, 64), dice.randrange(1, _MOST_CHUNK + 1)))
        if size * 5000 < len(stored):
            # A block an octet is for small messages.
            size = dice.randrange(1, _MOST_CHUNK + 1)
        plan = {"block": dice.choice((1, 100, 4096, 43690, _MOST_CHUNK))}
        if dice.randrange(2):
            plan["top"] = dice.choice((0, 1, 2, 3, 10, 9_999_999_999))
        return Case(self.name, blocks(stored, size), plan=plan)

    def check(self, case: Case) -> int:
        stored, top = case.data, case.plan.get("top")
        lines = linesOf(stored)
        promised = sum(len(each) + 2 for each in lines)
        canonical = Canonical()
        whole = b"".join(map(canonical.block, case.pieces)) + canonical.end()
        _same("the canonical form", whole, b"".join(each + b"\r\n" for each in lines))
        if not promised == canonical.octets == canonicalOctets(case.pieces):
            raise Wrong(f"{promised} octets are counted as {canonicalOctets(case.pieces)}")
        expected = wire(lines, top)
        _same("stuffed", _stuffed(case.pieces, top), expected)
        sent, octets = _sent(stored, case.plan.get("block", 4096), top)
        _same("sent", sent, b"+OK\r\n" + expected)
        if top is None and octets != promised:
            raise Wrong(f"{octets} octets are sent, {promised} were promised")
        return 1


def blocks(stored: bytes, size: int) -> tuple[bytes, ...]:
    """In pieces of one size."""
    return tuple(stored[at : at + size] for at in range(0, len(stored), size))


def _stuffed(pieces: tuple[bytes, ...], top: int | None) -> bytes:
    stuffing = Stuffing(top)
    out = []
    for piece in pieces:
        if stuffing.finished:
            break
        out.append(stuffing.block(piece))
    return b"".join(out) + stuffing.end()


@implementer(IMessageReader)
class _Reader:
    def __init__(self, stored: bytes) -> None:
        self._stored = stored
        self._at = 0

    def read(self, octets: int) -> Deferred[bytes]:
        self._at, start = self._at + octets, self._at
        return succeed(self._stored[start : start + octets])

    def close(self) -> None:
        """Nothing is open."""


@implementer(IOutletListener)
class _Listener:
    """Whoever reads everything is of no interest."""

    def outletChanged(self) -> None:
        """It never fills."""

    def outletStalled(self) -> None:
        """Nor does it stall."""


def _sent(stored: bytes, block: int, top: int | None) -> tuple[bytes, int]:
    transport = StringTransport()
    outlet = Outlet(transport, Clock(), Limits(), _Listener())
    outlet.block = _MOST_CHUNK if block * 5000 < len(stored) else block
    found: list[Any] = []
    sending = sendMessage(_Reader(stored), b"+OK\r\n", top, outlet)
    Deferred.fromCoroutine(sending).addBoth(found.append)
    if isinstance(found[0], Failure):
        found[0].raiseException()
    return transport.value(), found[0]


def _same(what: str, got: bytes, expected: bytes) -> None:
    if got != expected:
        pairs = enumerate(zip(got, expected, strict=False))
        at = next((i for i, (a, b) in pairs if a != b), min(len(got), len(expected)))
        near = slice(max(0, at - 20), at + 20)
        raise Wrong(f"{what} differs at octet {at}: {got[near]!r}, not {expected[near]!r}")


def adversarial() -> Iterator[tuple[str, bytes]]:
    """Some eighty messages by people who know how servers work, with a name each."""
    head = b"From: walter@example.org\n\n"
    for border in (512, 1024, 4096, 16_384, 32_768, 43_690, 65_536, 70_000):
        for shift in (-1, 0, 1):
            start = b"x" * (border + shift - 2) + b"\r\n"
            yield f"a dot at {border} {shift:+}", start + b".\r\nrest\r\n"
        yield f"CR and LF around {border}", b"x" * (border - 1) + b"\r\n.\r\nrest\n"
        yield f"CR at the end at {border}", b"x" * (border - 1) + b"\r"
    yield from (
        ("nothing", b""),
        ("a dot at octet 0", b".\nrest\n"),
        ("a dot and no more", b"."),
        ("two dots and no end", b".."),
        ("the end of a message", b"\r\n.\r\n"),
        ("the end of a message and an answer", b"x\r\n.\r\n+OK 2 octets\r\nevil\r\n.\r\n"),
        ("bare LF around a dot", b"x\n.\ny\n"),
        ("bare CR around a dot", b"x\r.\ry\r"),
        ("LF and CR around a dot", b"x\n\r.\n\ry"),
        ("CR CR LF around a dot", b"x\r\r\n.\r\r\ny\r\n"),
        ("no end of the last line", b"x"),
        ("no end behind a dot", b"x\n."),
        ("CR alone", b"\r"),
        ("LF alone", b"\n"),
        ("CR and CR LF", b"\r\r\n"),
        ("CRLF alone", b"\r\n"),
        ("a thousand CR", b"\r" * 1000),
        ("a thousand LF", b"\n" * 1000),
        ("a thousand LF CR", b"\n\r" * 1000),
        ("a thousand dots", b"." * 1000),
        ("a thousand lines of one dot", b".\n" * 1000),
        ("a thousand lines of two dots", b"..\r\n" * 1000),
        ("NUL", b"\0"),
        ("NUL in a line of one dot", b".\0\n\0.\n"),
        ("NUL before a line end", head + b"a\0\r\n\0\n"),
        ("all octets", bytes(range(256))),
        ("all octets, each a line", b"".join(bytes([each, 10]) for each in range(256))),
        ("UTF-16", "…\n.\n".encode("utf-16")),
        ("no header", b"\nbody\n"),
        ("no body", b"From: x\n"),
        ("no empty line, dots", b"From: x\n.\n..\n"),
        ("an empty line of CR CR LF", b"From: x\n\r\r\nbody\n"),
        ("an empty line with a space", b"From: x\n \nbody\n\nmore\n"),
        ("only empty lines", b"\r\n\n" * 50),
        ("a header line of 1 MiB", b"X: " + b"y" * 2**20 + b"\n\nbody\n"),
        ("a line of 10 MiB", head + b"z" * 10 * 2**20 + b"\n.\n"),
        ("a line of 10 MiB dots, no end", head + b"." * 10 * 2**20),
        ("100,000 empty lines", head + b"\n" * 100_000),
        ("a mail in a mail", (head + b".\n") * 20),
        ("tabs and form feeds", b"\f.\n\v.\n\t.\n"),
        ("vertical line ends of Unicode", "a\u2028.\u2029.\u0085.\n".encode()),
    )
