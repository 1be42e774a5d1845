"""L{pop3svc.core.dots}: a search that is fast, and finds what a slow one finds."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pop3svc.canonical import whole
from pop3svc.core.dots import doubled, hasDotLine

ODD = st.lists(st.sampled_from([b"\n", b"\r", b".", b"a" * 15, b"\0", b"\xff"]), max_size=40)


class DotTests(SynchronousTestCase):
    @settings(deadline=None)
    @given(ODD.map(b"".join) | st.binary(max_size=200))
    def test_asPython(self, data: bytes) -> None:
        self.assertEqual(hasDotLine(data), b"\n." in data)

    @settings(deadline=None)
    @given(ODD.map(b"".join) | st.binary(max_size=200))
    def test_doubled(self, data: bytes) -> None:
        """Of canonical octets."""
        data = whole(data)
        self.assertEqual(doubled(data), data.replace(b"\n.", b"\n.."))

    def test_everywhere(self) -> None:
        """Wherever it stands, also behind a NUL and at the very end."""
        for before in range(130):
            for filling in (b"x", b"\n", b"\0", b"."):
                for after in (b"", b"x", b"\0", b"\n" * 70):
                    data = filling * before + b"\n." + after
                    self.assertTrue(hasDotLine(data), data)

    def test_nowhere(self) -> None:
        """Octets behind the end are none of the message."""
        for data in (b"", b".", b"\n", b"\0", b".\n", b"a\n", b"\n\0.", b"\n\r.", b"\r\n" * 99):
            self.assertFalse(hasDotLine(data), data)
        whole = b"x" * 50 + b"\n."
        self.assertFalse(hasDotLine(whole[:-1]))
