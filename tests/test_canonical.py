"""L{pop3svc.canonical}: what STAT promises and RETR sends."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pop3svc.canonical import Canonical, canonicalOctets, wholeOctets

# Few different octets, so that line ends of every sort meet often.
MESSAGES = st.lists(st.sampled_from([b"\r", b"\n", b"a", b".", b"\0", b"\xff"]), max_size=40).map(
    b"".join
)


def reference(stored: bytes) -> bytes:
    """The canonical form, octet by octet."""
    canonical, previous = b"", b""
    for octet in (stored[i : i + 1] for i in range(len(stored))):
        if octet == b"\n":
            canonical += b"\n" if previous == b"\r" else b"\r\n"
        else:
            canonical += octet
        previous = octet
    if canonical and not canonical.endswith(b"\r\n"):
        canonical += b"\r\n"
    return canonical


def chunked(stored: bytes, cuts: list[int]) -> list[bytes]:
    """Cut into pieces, some of them empty."""
    places = sorted(min(cut, len(stored)) for cut in cuts)
    return [stored[a:b] for a, b in zip([0, *places], [*places, len(stored)], strict=True)]


class CanonicalTests(SynchronousTestCase):
    @settings(deadline=None)
    @given(MESSAGES | st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=8))
    def test_everyChunking(self, stored: bytes, cuts: list[int]) -> None:
        """However it is cut, block() and end() give the canonical form, and octets its length."""
        canonical = Canonical()
        got = b"".join(map(canonical.block, chunked(stored, cuts))) + canonical.end()
        self.assertEqual(got, reference(stored))
        self.assertEqual(canonical.octets, len(got))

    @settings(deadline=None)
    @given(MESSAGES | st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=8))
    def test_countAsBlock(self, stored: bytes, cuts: list[int]) -> None:
        """Counting alone comes to the same octets, after each chunk."""
        counting, making = Canonical(), Canonical()
        for data in chunked(stored, cuts):
            counting.count(data)
            making.block(data)
            self.assertEqual(counting.octets, making.octets)
        counting.end()
        making.end()
        self.assertEqual(counting.octets, making.octets)
        self.assertEqual(canonicalOctets(chunked(stored, cuts)), len(reference(stored)))
        self.assertEqual(wholeOctets(stored), len(reference(stored)))

    @settings(deadline=None)
    @given(MESSAGES)
    def test_fixedPoint(self, stored: bytes) -> None:
        """The canonical form of a canonical form is itself."""
        self.assertEqual(canonicalOctets([reference(stored)]), len(reference(stored)))

    def test_examples(self) -> None:
        for stored, expected in [
            (b"", b""),
            (b"a", b"a\r\n"),
            (b"\n", b"\r\n"),
            (b"\r", b"\r\r\n"),
            (b"\r\n", b"\r\n"),
            (b"\r\r\n", b"\r\r\n"),
            (b"\n\r", b"\r\n\r\r\n"),
            (b"a\nb\r\nc\rd", b"a\r\nb\r\nc\rd\r\n"),
        ]:
            with self.subTest(stored=stored):
                canonical = Canonical()
                self.assertEqual(canonical.block(stored) + canonical.end(), expected)

    def test_heldBack(self) -> None:
        """A CR at the end of a block waits for what follows."""
        canonical = Canonical()
        self.assertEqual(canonical.block(b"a\r"), b"a")
        self.assertEqual(canonical.octets, 1)
        self.assertEqual(canonical.block(b""), b"")
        self.assertEqual(canonical.block(b"\r"), b"\r")
        self.assertEqual(canonical.block(b"\nb"), b"\r\nb")
        self.assertEqual(canonical.end(), b"\r\n")
        self.assertEqual(canonical.octets, 7)
