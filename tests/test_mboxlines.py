"""L{pop3svc.maildrops.mboxlines}: what separates messages, and what makes them the same."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from pop3svc.canonical import canonicalOctets
from pop3svc.maildrops import mboxlines
from pop3svc.maildrops.mboxlines import (
    HEAD_OCTETS,
    Identity,
    contentEnd,
    findSeparators,
    isInternal,
    separatorOctets,
)

LINE = b"From karl@example.org Thu Jan  1 00:00:00 1970\n"


class Octets:
    """Octets as a file."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets

    def read(self, octets: int, offset: int) -> bytes:
        return self.octets[offset : offset + octets]


def found(octets: bytes, start: int = 0) -> list[int]:
    """Where separators are found behind the start."""
    pairs = findSeparators(Octets(octets), start, len(octets))
    return [pair[0] for pair in pairs if pair is not None]


class SeparatorTests(SynchronousTestCase):
    def test_good(self) -> None:
        """What RFC 4155 has, and what programs in use write."""
        for line in (
            LINE,
            LINE.replace(b"\n", b"\r\n"),
            b"From MAILER-DAEMON Fri Feb 29 23:59:60 2008\n",
            b"From - Sun Nov 22 01:02:03 2026\n",
            b"From karl@example.org  Sun Nov 22 01:02:03 2026\n",
            b'From "k. arl"@example.org Sun Nov 2 01:02:03 2026\n',
            b"From karl@example.org Sun Nov 22 01:02 2026\n",
            b"From karl@example.org Sun Nov 22 01:02:03 CET 2026\n",
            b"From karl@example.org Sun Nov 22 01:02:03 MET DST 2026\n",
            b"From karl@example.org Sun Nov 22 01:02:03 2026 +0100\n",
            b"From karl Sun Nov 22 01:02:03 2026 remote from uunet\n",
            b"From Sun Nov 22 01:02:03 2026\n",
            b"From %s@example.org Sun Nov 22 01:02:03 2026\n" % (b"x" * 900),
        ):
            self.assertEqual(separatorOctets(Octets(b"x" + line + b"y"), 1), len(line), line)

    def test_bad(self) -> None:
        """What people and attackers write into a body."""
        for line in (
            b"From the very beginning I knew it\n",
            b"From here on it is Sunday, Nov 22\n",
            b"from karl@example.org Sun Nov 22 01:02:03 2026\n",
            b"From karl@example.org Sun Nov 22 01:02:03 2026",
            b"From karl@example.org Sun Nov 22 01:02:03 2026 and more\n",
            b"From karl@example.org Son Nov 22 01:02:03 2026\n",
            b"From karl@example.org Sun Nov 32 01:02:03 2026\n",
            b"From karl@example.org Sun Nov 22 24:02:03 2026\n",
            b"From karl@example.org Sun Nov 22 01:02:03 26\n",
            b"From: karl@example.org Sun Nov 22 01:02:03 2026\n",
            b">From karl@example.org Sun Nov 22 01:02:03 2026\n",
            b"From karl@exa\nmple.org Sun Nov 22 01:02:03 2026\n",
            b"From %s@example.org Sun Nov 22 01:02:03 2026\n" % (b"x" * 1000),
            b"",
        ):
            self.assertEqual(separatorOctets(Octets(line), 0), 0, line)

    def test_onlyBehindAnEmptyLine(self) -> None:
        for before, separates in (
            (b"x\n\n", True),
            (b"x\r\n\r\n", True),
            (b"x\n\r\n", True),
            (b"\n", True),
            (b"\r\n", True),
            (b"x\n", False),
            (b"x\r\n", False),
            (b"x\r\r\n", False),
            (b"x\n \n", False),
            (b"x\n\nx", False),
        ):
            expected = [len(before)] if separates else []
            self.assertEqual(found(before + LINE), expected, before)

    def test_acrossBlocks(self) -> None:
        """A separator is found once, wherever a block ends."""
        self.patch(mboxlines, "BLOCK_OCTETS", 16)
        for ends in (b"\n", b"\r\n"):
            for before in range(40):
                octets = b"x" * before + ends * 2 + LINE + b"y" * 20 + ends * 2 + LINE
                first = before + 2 * len(ends)
                self.assertEqual(found(octets), [first, first + len(LINE) + 20 + 2 * len(ends)])
                octets = b"x" * before + ends + LINE
                self.assertEqual(found(octets), [len(ends)] if not before else [])

    def test_notAtTheStart(self) -> None:
        self.assertEqual(found(LINE + b"\n" + LINE), [len(LINE) + 1])
        self.assertEqual(found(LINE + b"\n" + LINE, len(LINE) + 1), [])

    def test_marksAlone(self) -> None:
        """A body made of what separators begin with costs time, and nothing else."""
        self.assertEqual(found(b"\nFrom " * 50_000), [])


class ContentTests(SynchronousTestCase):
    def test_emptyLineBehind(self) -> None:
        """It belongs to nobody, and only one does."""
        for octets, kept in (
            (b"", 0),
            (b"\n", 0),
            (b"\r\n", 0),
            (b"x\n\n", 2),
            (b"x\r\n\r\n", 3),
            (b"x\r\n\n", 3),
            (b"x\n\n\n", 3),
            (b"x\n", 2),
            (b"x\r\n", 3),
            (b"x", 1),
            (b"\n\n", 1),
            (b"xyz\n\n", 4),
        ):
            self.assertEqual(contentEnd(Octets(b"ab" + octets), 2, 2 + len(octets)), 2 + kept)


def digest(message: bytes, line: bytes = LINE) -> bytes:
    identity = Identity(line, message[:HEAD_OCTETS])
    identity.add(message[HEAD_OCTETS:])
    return identity.end()[0]


class IdentityTests(SynchronousTestCase):
    MESSAGE = b"Subject: one\nX-Spam: no\n\nStatus: in the body\n"

    def test_changingLines(self) -> None:
        """What mail readers and IMAP servers write into a header does not count."""
        for added in (
            b"Status: RO\n",
            b"STATUS : RO\r\n",
            b"X-Status: A\nX-Keywords: NonJunk\n    more\n\there\nX-UID: 17\n",
            b"X-IMAPbase: 1 2\nX-IMAP: 1 2\nX-UIDL: abc\n",
            b"X-Mozilla-Status: 0001\nX-Mozilla-Status2: 00000000\nX-Mozilla-Keys:  \n",
            b"Content-Length: 20\nLines: 1\n",
        ):
            for at in (0, 13, 24):
                changed = self.MESSAGE[:at] + added + self.MESSAGE[at:]
                self.assertEqual(digest(changed), digest(self.MESSAGE), changed)

    def test_everythingElseCounts(self) -> None:
        others = [
            self.MESSAGE + b"\n",
            self.MESSAGE.replace(b"one", b"two"),
            self.MESSAGE.replace(b"Status", b"status"),
            self.MESSAGE.replace(b"no\n", b"no\n folded\n"),
            b"X-Statuses: 1\n" + self.MESSAGE,
            b"\nStatus: RO\n",
            b"\nStatus: R\n",
            b"",
        ]
        digests = {digest(each) for each in (self.MESSAGE, *others)}
        digests.add(digest(self.MESSAGE, LINE.replace(b"1970", b"1971")))
        self.assertEqual(len(digests), len(others) + 2)

    def test_longHeader(self) -> None:
        """Behind the first 64 KiB everything counts."""
        long = b"X: y\n" * (HEAD_OCTETS // 5)
        self.assertEqual(digest(b"Status: O\n" + b"a\n"), digest(b"a\n"))
        self.assertNotEqual(digest(long + b"Status: O\n"), digest(long + b"Status: RO\n"))

    def test_size(self) -> None:
        """It is that of the whole message, as it is sent."""
        message = b"Status: RO\nx\r\ny\n" * 9000
        identity = Identity(LINE, message[:HEAD_OCTETS])
        identity.add(message[HEAD_OCTETS : HEAD_OCTETS + 1])
        identity.add(message[HEAD_OCTETS + 1 :])
        self.assertEqual(identity.end()[1], canonicalOctets([message]))

    def test_internal(self) -> None:
        head = b"Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n"
        self.assertTrue(isInternal(head + b"X-IMAP: 1 2\n\nx\n"))
        for other in (head + b"\nX-IMAP: 1 2\n", b"X-IMAP: 1 2\n\nFOLDER INTERNAL DATA\n"):
            self.assertFalse(isInternal(other))
