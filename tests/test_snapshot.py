"""L{pop3svc.snapshot}: the columns of a maildrop and their rendering."""

from twisted.trial.unittest import SynchronousTestCase

from pop3svc.snapshot import Snapshot


class SnapshotTests(SynchronousTestCase):
    def test_listings(self) -> None:
        snapshot = Snapshot([120, 0, 200], [b"a", b"!~", b"b" * 70])
        self.assertEqual(len(snapshot), 3)
        self.assertEqual(snapshot.totalOctets, 320)
        self.assertEqual(snapshot.scanListing, b"1 120\r\n2 0\r\n3 200\r\n")
        self.assertEqual(snapshot.uniqueIdListing, b"1 a\r\n2 !~\r\n3 " + b"b" * 70 + b"\r\n")

    def test_empty(self) -> None:
        snapshot = Snapshot([], [])
        self.assertEqual(len(snapshot), 0)
        self.assertEqual(snapshot.totalOctets, 0)
        self.assertEqual(snapshot.scanListing + snapshot.uniqueIdListing, b"")

    def test_renderedOnce(self) -> None:
        """Many sessions may share one snapshot and its listings."""
        snapshot = Snapshot(iter([1, 2]), iter([b"a", b"b"]))
        self.assertIs(snapshot.scanListing, snapshot.scanListing)
        self.assertIs(snapshot.uniqueIdListing, snapshot.uniqueIdListing)
        self.assertEqual(snapshot.octets, (1, 2))

    def test_columns(self) -> None:
        """Columns are sequences, held as blocks, and equal to any with the same items."""
        ids = [b"id.%d" % number for number in range(2500)]
        snapshot = Snapshot(range(2500), ids)
        for column, expected in ((snapshot.octets, list(range(2500))), (snapshot.uniqueIds, ids)):
            self.assertEqual(list(column), expected)
            for row in (0, 999, 1000, 2499, -1, -2500):
                self.assertEqual(column[row], expected[row])
            for rows in (slice(3, 9), slice(None), slice(9, 3), slice(2499, 9999), slice(9, 1, -3)):
                self.assertEqual(list(column[rows]), expected[rows])
            for row in (2500, -2501):
                with self.assertRaises(IndexError):
                    column[row]
            self.assertEqual(column, tuple(expected))
            self.assertNotEqual(column, expected[1:])
            self.assertNotEqual(column, 7)
        self.assertEqual(repr(snapshot.uniqueIds[:2]), "[b'id.0', b'id.1']")
        self.assertEqual(repr(Snapshot([1, 2], [b"a", b"b"]).uniqueIds), "<2 rows: b'a', b'b'>")

    def test_noSizes(self) -> None:
        for wrong in (-1, 2**64):
            with self.assertRaisesRegex(ValueError, "^a size is no number of octets: "):
                Snapshot([wrong], [b"a"])

    def test_columnsOfDifferentLength(self) -> None:
        with self.assertRaisesRegex(ValueError, "^2 sizes and 1 unique-ids are no snapshot$"):
            Snapshot([1, 2], [b"a"])

    def test_malformedUniqueId(self) -> None:
        """RFC 1939 section 7: 1 to 70 octets of 0x21 to 0x7E."""
        for wrong in (b"", b"a" * 71, b"a b", b"a\n", b"\x7f", b"\xe4", b"a\r\n+OK"):
            with self.subTest(wrong=wrong), self.assertRaisesRegex(ValueError, "is not a unique"):
                Snapshot([1, 1], [b"good", wrong])

    def test_uniqueIdTwice(self) -> None:
        with self.assertRaisesRegex(ValueError, "stands twice"):
            Snapshot([1, 1, 1], [b"a", b"b", b"a"])
