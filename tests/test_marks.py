"""L{pop3svc.core.marks}: the arithmetic of STAT, LIST and UIDL."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import TestCase

from pop3svc.core.marks import Marks, NoSuchMessage
from pop3svc.snapshot import Snapshot


class MarksTests(TestCase):
    def setUp(self) -> None:
        self.marks = Marks(Snapshot([120, 0, 200], [b"a", b"b", b"c"]))

    def test_nothingMarked(self) -> None:
        self.assertEqual((self.marks.count, self.marks.octets), (3, 320))
        self.assertEqual(b"".join(self.marks.scanListing()), b"1 120\r\n2 0\r\n3 200\r\n")
        self.assertEqual(b"".join(self.marks.uniqueIdListing()), b"1 a\r\n2 b\r\n3 c\r\n")
        self.assertEqual(self.marks.marked(), ())

    def test_markedIsGone(self) -> None:
        self.marks.mark(3)
        self.marks.mark(1)
        self.assertEqual((self.marks.count, self.marks.octets), (1, 0))
        self.assertEqual(b"".join(self.marks.scanListing()), b"2 0\r\n")
        self.assertEqual(b"".join(self.marks.uniqueIdListing()), b"2 b\r\n")
        self.assertEqual(self.marks.marked(), (1, 3))
        for ask in (self.marks.mark, self.marks.sizeOf, self.marks.uniqueIdOf):
            with self.assertRaises(NoSuchMessage) as caught:
                ask(3)
            self.assertEqual(caught.exception.text, b"message 3 already deleted")

    def test_reset(self) -> None:
        self.marks.mark(1)
        self.marks.reset()
        self.assertEqual((self.marks.count, self.marks.octets), (3, 320))
        self.assertEqual(self.marks.sizeOf(1), 120)

    def test_noSuchMessage(self) -> None:
        for number in (0, -1, 4, 2**32 + 1, 2**64 + 1):
            for ask in (self.marks.mark, self.marks.sizeOf, self.marks.uniqueIdOf):
                with self.assertRaises(NoSuchMessage) as caught:
                    ask(number)
                self.assertEqual(caught.exception.text, b"no such message, only 3 in maildrop")
        self.assertEqual(self.marks.marked(), ())

    def test_piecesAreSmall(self) -> None:
        """A big listing with marks is never held whole."""
        marks = Marks(Snapshot([7] * 2000, [b"u" * 66 + b"%04d" % n for n in range(2000)]))
        marks.mark(501)
        pieces = list(marks.uniqueIdListing())
        self.assertEqual([piece.count(b"\r\n") for piece in pieces], [500, 499, 500, 500])
        self.assertLess(max(map(len, pieces)), 64 * 1024)

    @given(st.lists(st.integers(0, 10**12), max_size=30), st.data())
    def test_listingsAgreeWithStat(self, sizes: list[int], data: st.DataObject) -> None:
        """STAT is the sum of LIST, whatever is marked."""
        marks = Marks(Snapshot(sizes, [b"u%d" % each for each in range(len(sizes))]))
        numbers = range(1, len(sizes) + 1)
        chosen = data.draw(st.sets(st.sampled_from(numbers))) if sizes else set()
        for number in chosen:
            marks.mark(number)
        listed = {
            int(number): int(octets)
            for number, octets in (
                line.split() for line in b"".join(marks.scanListing()).splitlines()
            )
        }
        self.assertEqual(listed, {each: sizes[each - 1] for each in numbers if each not in chosen})
        self.assertEqual((marks.count, marks.octets), (len(listed), sum(listed.values())))
        identified = [line.split()[0] for line in b"".join(marks.uniqueIdListing()).splitlines()]
        self.assertEqual([int(each) for each in identified], sorted(listed))
