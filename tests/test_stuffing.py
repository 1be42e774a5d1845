"""L{pop3svc.core.stuffing}, held against a naive reference that works by lines."""

import re
from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import TestCase

from pop3svc.canonical import canonicalOctets, whole
from pop3svc.core.stuffing import Stuffing, stuffed

# Few letters, so that what matters comes often.
ODD = st.lists(
    st.sampled_from([b"\n", b"\r\n", b"\r", b".", b"..", b"a", b"\0", b"\xff", b"\n.\n", b"x" * 9]),
    max_size=40,
).map(b"".join)
MESSAGES = ODD | st.binary(max_size=200)


def canonicalLines(message: bytes) -> list[bytes]:
    """The lines of a message, without line ends: LF and CRLF end one, CR does not."""
    lines = re.split(rb"\r?\n", message)
    if lines[-1] == b"":
        lines.pop()
    return lines


def reference(message: bytes, lines: int | None = None) -> tuple[bytes, int]:
    """A multi-line response's body with its end, and the message's octets in it."""
    kept = canonicalLines(message)
    if lines is not None and b"" in kept:
        kept = kept[: kept.index(b"") + 1 + lines]
    stuffed = [b"." + line if line.startswith(b".") else line for line in kept]
    return (
        b"".join(line + b"\r\n" for line in [*stuffed, b"."]),
        sum(len(line) + 2 for line in kept),
    )


def cut(message: bytes, cuts: list[int]) -> list[bytes]:
    """The message in pieces, as a store may hand them over."""
    places = sorted({each % (len(message) + 1) for each in cuts} | {0, len(message)})
    return [message[a:b] for a, b in pairwise(places)]


def sent(pieces: list[bytes], lines: int | None = None) -> tuple[bytes, int]:
    stuffing = Stuffing(lines)
    out = []
    for piece in pieces:
        if stuffing.finished:
            break
        out.append(stuffing.block(piece))
    out.append(stuffing.end())
    return b"".join(out), stuffing.octets


def unstuffed(response: bytes) -> bytes:
    """What a client makes of a response (RFC 1939 section 3)."""
    lines = response.split(b"\r\n")
    assert lines.pop() == b"" and lines.pop() == b".", response
    assert b"." not in lines, "a termination octet in mid message"
    return b"".join(line.removeprefix(b".") + b"\r\n" for line in lines)


class WholeMessageTests(TestCase):
    @settings(max_examples=400)
    @given(MESSAGES, st.lists(st.integers(0, 500), max_size=12))
    @example(b".", [])
    @example(b"a\r\n.\r\nb", [1, 2, 3, 4, 5])
    @example(b"a\r", [])
    @example(b"\r\r\n", [1, 2])
    @example(b"", [])
    def test_anyOctetsAnyCuts(self, message: bytes, cuts: list[int]) -> None:
        """Octets, promise and round trip agree, wherever blocks are cut."""
        response, octets = sent(cut(message, cuts))
        self.assertEqual(response, reference(message)[0])
        self.assertEqual(octets, canonicalOctets([message]))
        body = unstuffed(response)
        self.assertEqual(len(body), octets)
        self.assertEqual(body, b"".join(each + b"\r\n" for each in canonicalLines(message)))

    @settings(max_examples=400)
    @given(MESSAGES)
    @example(b"a\r")
    @example(b".")
    def test_oneBlock(self, message: bytes) -> None:
        """What is there as a whole is sent as what comes in blocks."""
        canonical = whole(message)
        self.assertEqual(len(canonical), canonicalOctets([message]))
        self.assertEqual(stuffed(canonical) + b".\r\n", reference(message)[0])

    def test_eachSingleCut(self) -> None:
        message = b".\n..\r\n\r\n.a\r\r\n\n.\n\r.\nlast"
        for place in range(len(message) + 1):
            self.assertEqual(
                sent([message[:place], message[place:]])[0], reference(message)[0], place
            )

    def test_dotOnTheEdgeOfABlock(self) -> None:
        """Where stock servers cut a message short."""
        for size in (16384, 65536):
            message = b"a" * (size - 1) + b"\n" + b".\n" + b"rest\n"
            pieces = [message[:size], message[size:]]
            self.assertEqual(sent(pieces)[0], reference(message)[0])


class TopTests(TestCase):
    @settings(max_examples=400)
    @given(MESSAGES, st.integers(0, 6), st.lists(st.integers(0, 500), max_size=12))
    @example(b"\nbody\n", 0, [])
    @example(b"a: b\n\nbody\n.\n", 2, [5, 6, 7])
    @example(b"no empty line", 3, [])
    def test_anyOctetsAnyCuts(self, message: bytes, lines: int, cuts: list[int]) -> None:
        self.assertEqual(sent(cut(message, cuts), lines)[0], reference(message, lines)[0])

    def test_hugeCountIsTheWholeMessage(self) -> None:
        """fetchmail's way to read without a flag."""
        message = b"a: b\n\n" + b"line\n" * 1000
        self.assertEqual(sent([message], 99999999)[0], reference(message)[0])

    def test_readsNoMoreThanItNeeds(self) -> None:
        stuffing = Stuffing(0)
        self.assertEqual(stuffing.block(b"a: b\n"), b"a: b\r\n")
        self.assertFalse(stuffing.finished)
        self.assertEqual(stuffing.block(b"\nbody\n"), b"\r\n")
        self.assertTrue(stuffing.finished)
        self.assertEqual(stuffing.end(), b".\r\n")
