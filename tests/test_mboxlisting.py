"""L{pop3svc.maildrops.mboxlisting}: what is listed, and what is read for it."""

from __future__ import annotations

import time
from typing import Any

from pop3svc.errors import MaildropBroken, MaildropUnavailable
from pop3svc.maildrops.mboxfiles import MboxFile
from pop3svc.maildrops.mboxlisting import MboxListing, RememberedMboxes
from pop3svc.snapshot import Snapshot

from .mboxes import MboxTestCase, deliver, entry, separator, takeAway

INTERNAL = (
    b"From: Mail System Internal Data <MAILER-DAEMON@host>\n"
    b"Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n"
    b"X-IMAP: 1793600000 0000000007\nStatus: RO\n\nThis text is not mail.\n"
)


class ListingTests(MboxTestCase):
    """Files of every shape."""

    async def listed(self, octets: bytes) -> list[bytes]:
        """What a file is listed as."""
        self.mbox.write_bytes(octets)
        maildrop = await self.enter(self.makeMboxSource())
        contents = await self.contents(maildrop)
        await maildrop.close()
        return contents

    async def test_shapes(self) -> None:
        line = separator()
        crlf = line.replace(b"\n", b"\r\n")
        for octets, messages in (
            (b"", []),
            (b"\n", []),
            (b"\r\n\n", []),
            (line, [b""]),
            (line + b"\n", [b""]),
            (line + b"x\n\n" + line + b"\n" + line + b"y\n\n", [b"x\n", b"", b"y\n"]),
            (line + b"x", [b"x"]),
            (line + b"x\n\n" + line + b"no line end", [b"x\n", b"no line end"]),
            (b"\n\n" + line + b"x\n\n", [b"x\n"]),
            (crlf + b"x\r\n\r\n" + crlf + b"y\r\n\r\n", [b"x\r\n", b"y\r\n"]),
            (line + b">From x\nFrom y\n\nFrom here\n\n", [b">From x\nFrom y\n\nFrom here\n"]),
            (line + b"x\n" + line + b"y\n\n", [b"x\n" + line + b"y\n"]),
        ):
            self.assertEqual(await self.listed(octets), messages, octets)

    async def test_contentLength(self) -> None:
        """One that fits does not swallow the message behind it, or its end."""
        second = entry(b"second\n")
        first = b"Content-Length: %d\n\nfirst\n" % (len(b"first\n\n" + second) - 1)
        self.assertEqual(await self.listed(entry(first) + second), [first, b"second\n"])

    async def test_internalData(self) -> None:
        """What IMAP servers keep in front is no message, and is not removed."""
        internal = entry(INTERNAL)
        octets = internal + entry(b"x\n") + entry(INTERNAL)
        self.assertEqual(await self.listed(octets), [b"x\n", INTERNAL])
        maildrop = await self.enter()
        self.assertEqual(list(await maildrop.remove([1, 2])), [])
        await maildrop.close()
        self.assertEqual(self.mbox.read_bytes(), internal)
        self.assertEqual(len((await self.visit()).messages), 0)
        deliver(self.mbox, INTERNAL, b"y\n")
        self.assertEqual(await self.contents(await self.enter()), [INTERNAL, b"y\n"])

    async def test_noMbox(self) -> None:
        """What is something else is never taken for a maildrop, nor for an empty one."""
        for octets in (b"x\n", b"x\n\n" + entry(b"y\n"), b"\0" * 5000, b"\n" * 5000):
            self.mbox.write_bytes(octets)
            with self.assertRaisesRegex(MaildropBroken, "it does not begin with a line like"):
                await self.visit()

    async def test_tooMany(self) -> None:
        deliver(self.mbox, *[b"x\n"] * 3)
        source = self.makeMboxSource(maildropMessages=2)
        with self.assertRaisesRegex(MaildropUnavailable, "raise the limit maildrop-messages"):
            await self.visit(source)
        self.assertEqual(len((await self.visit()).messages), 3)

    async def test_order(self) -> None:
        """That of the file, whatever the dates say."""
        late, early = separator(1_900_000_000), separator(1_000_000_000)
        octets = entry(b"1\n", late) + entry(b"2\n", early)
        self.assertEqual(await self.listed(octets), [b"1\n", b"2\n"])


class AgainTests(MboxTestCase):
    """What is not read again."""

    def setUp(self) -> None:
        super().setUp()
        deliver(self.mbox, *(b"Subject: %d\n\nbody\n" % number for number in range(20)))
        self.size = self.mbox.stat().st_size

    def watch(self) -> list[int]:
        """The offsets that are read from now on."""
        offsets: list[int] = []
        read = MboxFile.read

        def spying(this: Any, octets: int, offset: int) -> bytes:
            offsets.append(offset)
            return read(this, octets, offset)

        self.patch(MboxFile, "read", spying)
        return offsets

    async def test_unchanged(self) -> None:
        await self.waitForTick()
        before = await self.visit()
        offsets = self.watch()
        self.assertIs((await self.enter()).messages, before.messages)
        self.assertEqual(offsets, [])

    async def test_justChanged(self) -> None:
        """A change in the same tick of the clock may leave the same times."""
        now = self.mbox.stat().st_ctime_ns + 10_000_000
        self.patch(time, "time_ns", lambda: now)
        await self.visit()
        offsets = self.watch()
        await self.visit()
        self.assertNotEqual(offsets, [])

    async def test_appended(self) -> None:
        """Behind the last message that was known everything is read, and ids stay."""
        before = await self.visit()
        deliver(self.mbox, b"Subject: new\n\nnew\n")
        self.patch(RememberedMboxes, "bound", lambda self, most: None)
        offsets = self.watch()
        maildrop = await self.enter()
        self.assertEqual(maildrop.messages.uniqueIds[:20], before.messages.uniqueIds[:])
        self.assertEqual(await self.content(maildrop, 21), b"Subject: new\n\nnew\n")
        # The separators of the others are looked at, each once.
        self.assertLess(len(offsets), 35)
        await maildrop.close()
        fresh = await self.visit(self.makeMboxSource())
        self.assertEqual(list(fresh.messages.uniqueIds), list(maildrop.messages.uniqueIds))

    async def test_lastOneGrows(self) -> None:
        """The last message had no empty line behind it, and others come."""
        with self.mbox.open("ab") as file:
            file.write(separator() + b"last\n")
        before = await self.visit()
        with self.mbox.open("ab") as file:
            file.write(b"\n" + entry(b"next\n"))
        maildrop = await self.enter()
        self.assertEqual(maildrop.messages.uniqueIds[:21], before.messages.uniqueIds[:])
        self.assertEqual(list(maildrop.messages.octets[20:]), [6, 6])

    async def test_rewritten(self) -> None:
        """An IMAP server has marked the first message: all is read, and ids stay."""
        before = await self.visit()
        octets = self.mbox.read_bytes()
        self.mbox.write_bytes(octets.replace(b"\n\n", b"\nStatus: RO\n\n", 1) + entry(b"new\n"))
        maildrop = await self.enter()
        self.assertEqual(maildrop.messages.uniqueIds[:20], before.messages.uniqueIds[:])
        self.assertEqual(maildrop.messages.octets[0], before.messages.octets[0] + 12)
        self.assertEqual(await self.content(maildrop, 21), b"new\n")

    async def test_changedInPlace(self) -> None:
        """If the last message is another one, so may be any before it."""
        before = list((await self.visit()).messages.uniqueIds)
        octets = self.mbox.read_bytes()
        for line in (b"Subject: 5\n", b"Subject: 19\n"):
            octets = octets.replace(line, line.lower())
        self.mbox.write_bytes(octets)
        after = list((await self.visit()).messages.uniqueIds)
        changed = [row for row in range(20) if after[row] != before[row]]
        self.assertEqual(changed, [5, 19])

    async def test_timesLie(self) -> None:
        """A message is not where it was, though no time tells of a change."""
        await self.waitForTick()
        maildrop = await self.enter()
        stamp = self.mbox.stat()
        same = (stamp.st_dev, stamp.st_ino, stamp.st_size, stamp.st_mtime_ns, stamp.st_ctime_ns)
        self.patch(MboxFile, "stamp", lambda self: same)
        takeAway(self.mbox, lambda part: b"Subject: 0\n" in part)
        with self.mbox.open("ab") as file:
            file.write(b"x" * (self.size - self.mbox.stat().st_size))
        self.assertEqual(await self.content(maildrop, 2), b"Subject: 1\n\nbody\n")

    async def test_removedByOthers(self) -> None:
        """The first half is gone, and as much was appended."""
        before = await self.visit()
        octets = self.mbox.read_bytes()
        half = octets.index(b"From ", self.size // 2)
        self.mbox.write_bytes(octets[half:] + entry(b"x" * half))
        maildrop = await self.enter()
        left = len(maildrop.messages) - 1
        self.assertEqual(maildrop.messages.uniqueIds[:left], before.messages.uniqueIds[20 - left :])

    async def test_removedByUs(self) -> None:
        """What is left is not read again, but for its end."""
        maildrop = await self.enter()
        await maildrop.remove([3, 5])
        await maildrop.close()
        offsets = self.watch()
        after = await self.visit()
        self.assertEqual(len(after.messages), 18)
        self.assertLess(len(offsets), 30)
        fresh = await self.visit(self.makeMboxSource())
        self.assertEqual(list(fresh.messages.uniqueIds), list(after.messages.uniqueIds))
        self.assertEqual(list(fresh.messages.octets), list(after.messages.octets))

    async def test_cutWhileRead(self) -> None:
        """By somebody who takes no lock: no short listing."""
        read = MboxFile.read

        def cutting(this: Any, octets: int, offset: int) -> bytes:
            with self.mbox.open("r+b") as file:
                file.truncate(self.size // 2)
            return read(this, octets, offset)

        self.patch(MboxFile, "read", cutting)
        with self.assertRaisesRegex(MaildropUnavailable, "shorter while it was read"):
            await self.visit()


class RememberedTests(MboxTestCase):
    def listing(self, count: int) -> MboxListing:
        listing = MboxListing(Snapshot([1] * count, [b"%d" % i for i in range(count)]))
        listing.starts.extend(range(count))
        return listing

    def test_bound(self) -> None:
        """The ones used last are kept, as many messages as may be."""
        remembered = RememberedMboxes(10)
        listings = {b"%d" % count: self.listing(count) for count in (4, 5, 6)}
        for path, listing in listings.items():
            remembered.put(path, listing)
        found = [len(remembered.get(path)) for path in (b"4", b"5", b"6", b"7")]
        self.assertEqual(found, [0, 0, 6, 0])
        remembered.put(b"6", self.listing(3))
        remembered.put(b"7", self.listing(7))
        self.assertEqual([len(remembered.get(path)) for path in (b"6", b"7")], [3, 7])
        remembered.bound(7)
        self.assertEqual([len(remembered.get(path)) for path in (b"6", b"7")], [0, 7])
        remembered.put(b"7", self.listing(0))
        remembered.put(b"8", self.listing(7))
        self.assertEqual(len(remembered.get(b"8")), 7)
