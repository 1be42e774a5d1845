"""L{pop3svc.maildrops.columns}: columns out of columns."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pop3svc.maildrops import columns
from pop3svc.maildrops.columns import NOTHING, Columns, Rows, joined, spans
from pop3svc.snapshot import scanLines

Row = tuple[bytes, int, bytes, int, int, bytes]
_BASES = st.binary(max_size=6).map(lambda base: base.translate(None, b"\0:"))
_ROWS = st.lists(
    st.tuples(
        _BASES,
        st.integers(0, 1),
        st.sampled_from([b"", b":2,", b":2,S"]),
        st.integers(0, 2**64 - 1),
        st.integers(-(2**63), 2**63 - 1),
        st.text("abc!~", min_size=1, max_size=70).map(str.encode),
    ),
    max_size=12,
)


def make(rows: Sequence[Row]) -> Columns:
    made = Rows()
    for base, directory, rest, octets, signature, uniqueId in rows:
        made.append(base, (directory, rest), octets, signature, uniqueId)
    return made.columns()


class ColumnsTests(SynchronousTestCase):
    def check(self, made: Columns, rows: Sequence[Row]) -> None:
        """Whether these rows are in the columns."""
        self.assertEqual(len(made), len(rows))
        found = [
            (
                *(made.base(row), *made.place(row), made.octets[row]),
                *(made.signatures[row], made.lines[row]),
            )
            for row in range(len(made))
        ]
        self.assertEqual(found, list(rows))
        self.assertEqual(
            [made.name(row) for row in range(len(made))], [a + c for a, _, c, *_ in rows]
        )
        self.assertEqual(made.totalOctets, sum(row[3] for row in rows))
        snapshot = made.snapshot
        numbered = list(enumerate(rows, 1))
        self.assertEqual(
            snapshot.scanListing, b"".join(b"%d %d\r\n" % (n, r[3]) for n, r in numbered)
        )
        self.assertEqual(
            snapshot.uniqueIdListing, b"".join(b"%d %s\r\n" % (n, r[5]) for n, r in numbered)
        )
        self.assertEqual(
            (snapshot.octets, snapshot.uniqueIds), ([r[3] for r in rows], [r[5] for r in rows])
        )

    def test_nothing(self) -> None:
        self.check(NOTHING, [])
        self.assertEqual(NOTHING.fullNames(0, 0), [])
        self.assertEqual(NOTHING.rowsOf([b""]), {})

    @settings(deadline=None)
    @given(_ROWS, _ROWS, st.data(), st.sampled_from([1, 2, 100]))
    def test_joined(self, old: list[Row], new: list[Row], data: st.DataObject, piece: int) -> None:
        """Old rows but for some, and new ones between: as if they had been put there one by one."""
        patched = self.patch(columns, "PIECE_ROWS", piece)
        removed = sorted(data.draw(st.sets(st.integers(0, len(old) - 1)))) if old else []
        at = st.integers(0, len(old))
        positions = sorted(data.draw(st.lists(at, min_size=len(new), max_size=len(new))))
        made = joined(list(spans(make(old), removed, make(new), positions)))
        expected: list[Row] = []
        left = list(zip(positions, new, strict=True))
        for row, each in [*enumerate(old), (len(old), None)]:
            expected.extend(other for position, other in left if position == row)
            if each is not None and row not in removed:
                expected.append(each)
        self.check(made, expected)
        patched.restore()

    def test_keptAsTheyAre(self) -> None:
        """What stands before a new last row is taken over as a block, not rendered again."""
        old = make([(b"%d" % n, 0, b"", n, n, b"%d" % n) for n in range(5000)])
        new = make([(b"last", 1, b":2,", 9, 9, b"last")])
        calls: list[int] = []

        def rendering(octets: Sequence[int], row: int) -> object:
            calls.append(len(octets))
            return scanLines(octets, row)

        self.patch(columns, "scanLines", rendering)
        made = joined(list(spans(old, [], new, [5000])))
        self.assertEqual(calls, [1])
        self.assertEqual(made.scanListing, old.scanListing + b"5001 9\r\n")
        self.assertEqual(made.lines.block, old.lines.block + b"5001 last\r\n")

    @given(_ROWS, st.lists(_BASES, max_size=12), st.sampled_from([0, 100]))
    def test_rowsOf(self, rows: list[Row], bases: list[bytes], few: int) -> None:
        """Whether they are looked for one by one or all at once."""
        rows = list({row[0]: row for row in rows}.values())
        patched = self.patch(columns, "_FEW", few)
        known = {row[0]: number for number, row in enumerate(rows)}
        expected = {base: known[base] for base in bases if base in known}
        self.assertEqual(make(rows).rowsOf(bases), expected)
        patched.restore()
