"""L{pop3svc.maildrops.imported}: unique-ids from another server."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pop3svc.maildrops.imported import ImportedIds, formatIds, parseIds
from pop3svc.maildrops.names import uniqueId
from pop3svc.snapshot import Snapshot

_IDS = st.text([chr(each) for each in range(0x21, 0x7F)], min_size=1, max_size=70).map(str.encode)
_BASES = st.binary(min_size=1, max_size=80).map(lambda base: base.replace(b":", b""))


class FileTests(SynchronousTestCase):
    def test_format(self) -> None:
        ids = {b"1.a": b"X", b"2 b%\xff\n": b"%41"}
        octets = b"X 1.a\n%41 2%20b%25%FF%0A\n"
        self.assertEqual(formatIds(ids), octets)
        self.assertEqual(parseIds(octets), ids)
        self.assertEqual(parseIds(b"a %41%c3\n"), {b"A\xc3": b"a"})
        self.assertEqual((formatIds({}), parseIds(b"")), (b"", {}))

    @given(st.dictionaries(_BASES.filter(bool), _IDS))
    def test_roundTrip(self, ids: dict[bytes, bytes]) -> None:
        ids = {base: each for each, base in {each: base for base, each in ids.items()}.items()}
        self.assertEqual(parseIds(formatIds(ids)), ids)

    def test_wrongLines(self) -> None:
        for octets, sentence in [
            (b"a b", "line 1 does not end with a line feed"),
            (b"a b\nc", "line 2 does not end with a line feed"),
            (b"a b\n\n", "line 2 is not a unique-id, a space and a base name"),
            (b"a\n", "line 1 is not"),
            (b"a  b\n", "line 1 is not"),
            (b" b\n", "line 1 is not"),
            (b"a b \n", "line 1 is not"),
            (b"a b\r\n", "line 1 is not"),
            (b"a \xff\n", "line 1 is not"),
            (b"a %4\n", "line 1 is not"),
            (b"a" * 71 + b" b\n", "line 1 is not"),
            (b"a b\na c\n", "line 2 has what an earlier line has already"),
            (b"a b\nc b\n", "line 2 has what an earlier line has already"),
            (b"a b\nc %62\n", "line 2 has what an earlier line has already"),
        ]:
            with self.assertRaisesRegex(ValueError, f"^{sentence}"):
                parseIds(octets)

    def test_wrongIds(self) -> None:
        for ids, sentence in [
            ({b"a": b"x", b"b": b"x"}, "a unique-id stands twice"),
            ({b"a": b"x y"}, "b'x y' is not a unique-id"),
            ({b"a": b""}, "b'' is not a unique-id"),
            ({b"": b"x"}, "there is no base name for b'x'"),
        ]:
            with self.assertRaisesRegex(ValueError, f"^{sentence}"):
                formatIds(ids)


class ImportedIdsTests(SynchronousTestCase):
    def test_uniqueId(self) -> None:
        ids = ImportedIds({b"1.a": b"old", b"2.b": b"3.c"})
        self.assertEqual(ids.uniqueId(b"1.a"), b"old")
        self.assertEqual(ids.uniqueId(b"2.b"), b"3.c")
        self.assertEqual(ids.uniqueId(b"4.d"), b"4.d")
        self.assertEqual(ids.uniqueId(b""), uniqueId(b""))
        self.assertEqual(
            ids.uniqueId(b"3.c"), b"digest=a9976b569f7157f948270f04abd0f29aa66a7b5efaccdcd9"
        )

    @settings(deadline=None)
    @given(st.dictionaries(_BASES, _IDS | _BASES.map(uniqueId)), st.sets(_BASES))
    def test_distinct(self, ids: dict[bytes, bytes], bases: set[bytes]) -> None:
        """Whatever was imported, and be it our own digests, all are distinct and allowed."""
        ids = {base: each for each, base in {each: base for base, each in ids.items()}.items()}
        # Also the names that the imported ids and their digests are; none has a colon.
        bases |= ids.keys() | {each for each in ids.values() if b":" not in each}
        digests = {uniqueId(b"digest=" + b"0" * 48), uniqueId(b"")}
        ids |= {b"x" + each: each for each in digests if each not in ids.values()}
        bases |= ids.keys() | {b"", b"digest=" + b"0" * 48}
        imported = ImportedIds(ids)
        found = [imported.uniqueId(base) for base in bases]
        self.assertEqual(len(Snapshot([0] * len(found), found)), len(bases))
