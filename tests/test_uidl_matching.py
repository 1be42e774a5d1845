"""
L{pop3svc.migration.matching} and L{fingerprints}: the same message on two servers.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from pop3svc.migration import matching
from pop3svc.migration.fingerprints import headerDigest, identity, messageDigest
from pop3svc.migration.matching import Matching, match

HEAD = b"From: a\r\nMessage-ID: <1@x>\r\nDate: today\r\nSubject: hello\r\n you\r\n"


class Listed:
    """One side."""

    def __init__(self, *messages: bytes | None, octets: Sequence[int] = ()) -> None:
        self.messages = messages
        self.octets: Sequence[int] = list(octets) or [len(each or b"") for each in messages]
        self.read: list[int] = []

    def header(self, index: int) -> list[bytes] | None:
        message = self.messages[index]
        return None if message is None else message.partition(b"\r\n\r\n")[0].split(b"\r\n")

    def message(self, index: int) -> list[bytes] | None:
        self.read.append(index)
        message = self.messages[index]
        return None if message is None else message.split(b"\r\n")


def numbered(number: int, body: bytes = b"") -> bytes:
    return b"Message-ID: <%d@x>\r\n\r\n%s" % (number, body)


class FingerprintTests(SynchronousTestCase):
    def test_header(self) -> None:
        """What readers and servers write in does not matter; nor what follows."""
        lines = HEAD.split(b"\r\n")
        same = [b"X-UIDL: 7", b"From: a  ", *lines[1:3], b"Status: RO", b" x", *lines[3:], b"body"]
        self.assertEqual(headerDigest(lines), headerDigest(same))
        for at, other in ((0, b"From: b"), (4, b" them"), (4, b"you: x")):
            self.assertNotEqual(
                headerDigest(lines), headerDigest([*lines[:at], other, *lines[at + 1 :]])
            )

    def test_message(self) -> None:
        head = HEAD.split(b"\r\n")
        self.assertEqual(
            messageDigest([*head[:-1], b"Lines: 2", b"", b"one ", b"two", b"", b""]),
            messageDigest([*head, b"one", b"two"]),
        )
        self.assertNotEqual(messageDigest([*head, b"one"]), messageDigest([*head, b"two"]))
        self.assertNotEqual(messageDigest([*head, b"a", b"b"]), messageDigest([*head, b"ab"]))

    def test_identity(self) -> None:
        lines = [b"date:  today", b"Subject: x", b"MESSAGE-ID:", b" <1@x>", b"", b"From: a"]
        self.assertEqual(identity(lines), identity(HEAD.split(b"\r\n")))
        self.assertNotEqual(identity([b"Message-ID: <2@x>"]), identity([b"Message-ID: <1@x>"]))
        self.assertIsNone(identity([b"From: a", b"Message-ID:  ", b"", b"Message-ID: <1@x>"]))


class MatchTests(SynchronousTestCase):
    def match(self, old: Listed, new: Listed) -> Matching:
        return match(old, new, lambda what, done, of: None)

    def test_headers(self) -> None:
        """Alone enough, whatever the servers say of sizes; nothing is read whole."""
        old = Listed(numbered(1), numbered(2), numbered(3), octets=[1, 2, 3])
        new = Listed(numbered(3), numbered(4), numbered(1))
        found = self.match(old, new)
        self.assertEqual((found.pairs, found.ambiguous), ({0: 2, 2: 0}, []))
        self.assertEqual((old.read, new.read), ([], []))

    def test_headersWithoutId(self) -> None:
        """From a script, the same each time: the size must be the same, or all of it."""
        head = b"Subject: report\r\n\r\n"
        old, new = Listed(head + b"one"), Listed(head + b"two")
        self.assertEqual((self.match(old, new).pairs, old.read), ({0: 0}, []))
        old, new = Listed(head + b"one"), Listed(head + b"three")
        found = self.match(old, new)
        self.assertEqual((found.pairs, found.ambiguous), ({}, [0]))
        old = Listed(head + b"three", octets=[1])
        self.assertEqual(self.match(old, new).pairs, {0: 0})

    def test_noHeader(self) -> None:
        """The whole message says who it is."""
        old, new = Listed(b"\r\none"), Listed(b"\r\ntwo", b"\r\none")
        self.assertEqual(self.match(old, new).pairs, {0: 1})

    def test_sizes(self) -> None:
        """The same header, as in a series of reports."""
        old, new = Listed(HEAD, HEAD, octets=[10, 20]), Listed(HEAD, HEAD, octets=[20, 10])
        self.assertEqual(self.match(old, new).pairs, {0: 1, 1: 0})
        self.assertEqual((old.read, new.read), ([], []))

    def test_contents(self) -> None:
        one, two = numbered(1, b"one"), numbered(1, b"two")
        found = self.match(Listed(one, two), Listed(two, one))
        self.assertEqual((found.pairs, found.alike), ({0: 1, 1: 0}, 0))

    def test_contentsAndSizes(self) -> None:
        """One server counts line ends otherwise: sizes that do not meet decide nothing."""
        one, two = numbered(1, b"one"), numbered(1, b"two")
        found = self.match(Listed(one, two, octets=[30, 31]), Listed(two, one))
        self.assertEqual(found.pairs, {0: 1, 1: 0})

    def test_twins(self) -> None:
        """The same throughout: it makes no difference."""
        one, two = numbered(1, b"one"), numbered(1, b"two")
        found = self.match(Listed(one, one, two), Listed(one, two, one))
        self.assertEqual((found.pairs, found.alike), ({0: 0, 1: 2, 2: 1}, 2))
        found = self.match(Listed(one, one, one), Listed(one))
        self.assertEqual((found.pairs, found.alike, found.ambiguous), ({0: 0}, 1, []))

    def test_ambiguous(self) -> None:
        """The same header, and a body like none of the others: nobody knows."""
        old = Listed(numbered(1, b"one"), numbered(1, b"two"))
        new = Listed(numbered(1, b"six"), numbered(1, b"ten"))
        found = self.match(old, new)
        self.assertEqual((found.pairs, found.ambiguous), ({}, [0, 1]))

    def test_tooLarge(self) -> None:
        self.patch(matching, "_MOST_OCTETS", 20)
        one, two = numbered(1, b"one"), numbered(1, b"two")
        old, new = Listed(one, two), Listed(one, two)
        found = self.match(old, new)
        self.assertEqual((found.pairs, found.ambiguous), ({}, [0, 1]))
        self.assertEqual((old.read, new.read), ([], []))

    def test_identity(self) -> None:
        """The new server wrote something into the header."""
        more = [b"X-Spam: no\r\n" + numbered(each) for each in (1, 2)]
        found = self.match(Listed(numbered(1), numbered(2)), Listed(*reversed(more)))
        self.assertEqual((found.pairs, found.byIdentity), ({0: 1, 1: 0}, 2))

    def test_identityOfSeveral(self) -> None:
        """From a list and directly: never a guess."""
        more = [b"X-List: %d\r\n" % each + numbered(1) for each in (1, 2)]
        found = self.match(Listed(numbered(1)), Listed(*more))
        self.assertEqual((found.pairs, found.ambiguous), ({}, [0]))

    def test_vanished(self) -> None:
        found = self.match(Listed(numbered(1), None), Listed(None, numbered(1)))
        self.assertEqual((found.pairs, found.ambiguous), ({0: 1}, []))

    def test_progress(self) -> None:
        shown: list[tuple[str, int, int]] = []
        one = numbered(1)
        match(Listed(one, one), Listed(one, one), lambda *each: shown.append(each))
        self.assertEqual(
            shown,
            [
                ("reading headers there", 0, 2),
                ("reading headers there", 1, 2),
                ("reading headers here", 0, 2),
                ("reading headers here", 1, 2),
                ("comparing messages", 0, 1),
            ],
        )
