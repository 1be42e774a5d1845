"""L{pop3svc.maildrops.mboxids}: ids of messages that are the same to the octet."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from pop3svc.maildrops.mboxids import Twins, digestOf, read, removed, uniqueIds, written

A, B = b"a" * 32, b"b" * 32


class UniqueIdTests(SynchronousTestCase):
    def test_numbered(self) -> None:
        ids = uniqueIds([A, B, A, A], {})
        self.assertEqual(ids, [A, B, A + b".2", A + b".3"])
        self.assertEqual([digestOf(each) for each in ids], [A, B, A, A])

    def test_theOthersKeepTheirs(self) -> None:
        """Whichever twin is removed, before and after a visit to the disk."""
        ids = uniqueIds([A, B, A, A], {})
        for row, left in ((0, [B, A + b".2", A + b".3"]), (2, [A, B, A + b".3"])):
            known = removed({}, ids, [row], 1000)
            for again in (known, read(written(known))):
                self.assertEqual(uniqueIds(map(digestOf, left), again), left)

    def test_notUsedAgain(self) -> None:
        """Neither for the next that comes, nor when the last one is gone."""
        known = removed({}, [A], [0], 1000)
        self.assertEqual(uniqueIds([A, A], known), [A + b".2", A + b".3"])
        known = removed(known, [A + b".2", A + b".3"], [1], 1001)
        self.assertEqual(uniqueIds([A, A], known), [A + b".2", A + b".4"])
        known = removed(known, [A + b".2", A + b".4"], [0, 1], 1002)
        self.assertEqual(known, {A: Twins(1002, 5, [])})

    def test_forgotten(self) -> None:
        """A tombstone lasts for the hour that clocks repeat, what is needed stays."""
        known = removed({}, [A, B, B], [0, 1], 1000)
        self.assertEqual(sorted(removed(known, [B + b".2"], [], 1000 + 7199)), [A, B])
        self.assertEqual(sorted(removed(known, [B + b".2"], [], 1000 + 7200)), [B])

    def test_foreignFile(self) -> None:
        """Nothing is believed that we have not written."""
        known = {A: Twins(5, 3, [2])}
        self.assertEqual(read(written(known)), known)
        for octets in (None, b"", b"x", written(known)[1:]):
            self.assertEqual(read(octets), {})
        self.assertEqual(read(written({}) + b"junk\n" + b"%s 1 2 x\n" % A), {})
