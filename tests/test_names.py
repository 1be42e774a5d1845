"""L{pop3svc.maildrops.names}: what the name of a file tells."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pop3svc.maildrops.names import arrival, notedOctets, split, uniqueId
from pop3svc.snapshot import Snapshot


class NamesTests(SynchronousTestCase):
    def test_split(self) -> None:
        for name, expected in [
            (b"1.a.h", (b"1.a.h", b"")),
            (b"1.a.h:2,RS", (b"1.a.h", b":2,RS")),
            (b"1.a.h,S=12,W=14:2,", (b"1.a.h,S=12,W=14", b":2,")),
            (b":2,S", (b"", b":2,S")),
            (b"a:b:c", (b"a", b":b:c")),
        ]:
            self.assertEqual(split(name), expected)

    def test_arrival(self) -> None:
        for base, seconds, microseconds in [
            (b"1204680122.27964_3.host", 1204680122, 0),
            (b"1204680122.M27964P3453.host,S=1", 1204680122, 27964),
            (b"1204680122.V801I1234M27964.host", 1204680122, 27964),
            (b"1204680122.H27964P3453.host", 1204680122, 27964),
            (b"1204680122.M27964P3453V0000000000000801I00000000C7D8_0.h", 1204680122, 27964),
            (b"1204680122.P1.hostM5", 1204680122, 0),
            (b"1204680122", 1204680122, 0),
            (b"message", -1, 0),
            (b"", -1, 0),
        ]:
            self.assertEqual(arrival(base), (seconds, microseconds, base))

    def test_notedOctets(self) -> None:
        """W= counts only where it can be right."""
        for base, stored, noted in [
            (b"1.a", 10, None),
            (b"1.a,S=10,W=12", 10, 12),
            (b"1.a,W=12,S=10", 10, 12),
            (b"1.a,W=12", 10, 12),
            (b"1.a,S=11,W=12", 10, None),
            (b"1.a,W=9", 10, None),
            (b"1.a,W=10", 10, 10),
            (b"1.a,W=22", 10, 22),
            (b"1.a,W=23", 10, None),
            (b"1.a,W=0", 0, 0),
            (b"1.a,W=", 10, None),
            (b"1.a,W=12x", 10, None),
            (b"1.a,XW=12", 10, None),
            (b"1.a,W=" + b"9" * 5000, 10, None),
            (b"1.aW=12", 10, None),
        ]:
            self.assertEqual((base, notedOctets(base, stored)), (base, noted))

    def test_uniqueId(self) -> None:
        """Base names stay as they are where they may; it is the same digest for ever."""
        for base in (b"1.a.h", b"!~", b"x" * 70, b"digest=" + b"A" * 48):
            self.assertEqual(uniqueId(base), base)
        self.assertEqual(uniqueId(b""), b"digest=ab3b5331a7135ed50d0f182d026e60abdb3646fd51bcf8a3")

    @settings(deadline=None)
    @given(st.sets(st.binary(max_size=80), max_size=20))
    def test_distinct(self, bases: set[bytes]) -> None:
        """Different base names have different unique-ids, digests taken for names included."""
        bases |= {uniqueId(base) for base in bases}
        ordered = sorted(bases, key=arrival)
        self.assertEqual(len(Snapshot([0] * len(bases), map(uniqueId, ordered))), len(bases))
