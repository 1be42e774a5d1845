"""L{pop3svc.maildrops.listing}: which messages there are, how large, in which order."""

from __future__ import annotations

import errno
import os
import socket

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from pop3svc.errors import MaildropUnavailable, MessageVanished
from pop3svc.limits import Limits
from pop3svc.maildrops.columns import Rows
from pop3svc.maildrops.files import Directory
from pop3svc.maildrops.listing import Listing
from pop3svc.maildrops.remembered import RememberedListings

from .maildirs import MaildirTestCase, deliver, makeMaildir


class ListingTests(MaildirTestCase):
    """What is listed, and in which order."""

    async def test_numbered(self) -> None:
        """By seconds, then microseconds, then octets of the name; both directories as one."""
        names = [
            "cur/no-number:2,S",
            "new/9.1.h",
            "cur/10.H2P5.h:2,",
            "new/10.M10P1.h",
            "new/10.V1I2M11P1.h",
            "cur/11.b:2,RS",
            "new/11.c",
        ]
        for name in reversed(names):
            self.write(name)
        maildrop = await self.enter()
        self.assertEqual(
            maildrop.messages.uniqueIds,
            tuple(os.path.basename(name).partition(":")[0].encode() for name in names),
        )
        self.assertEqual(maildrop.messages.octets, (3,) * 7)

    async def test_lateSmallNumber(self) -> None:
        """A message that comes later with an earlier name finds its place, and all its own size."""
        self.write("new/20.a", b"20\n")
        await (await self.source.openMaildrop(b"karl")).close()
        self.write("new/10.a", b"ten\n")
        maildrop = await self.enter()
        self.assertEqual(maildrop.messages.uniqueIds, (b"10.a", b"20.a"))
        self.assertEqual(maildrop.messages.octets, (5, 4))
        self.assertEqual(await self.contents(maildrop), [b"ten\n", b"20\n"])

    async def test_oddNames(self) -> None:
        """Names that cannot go over the wire, or have no base, get digests and are served."""
        names = [b"1.\xff\xe4", b"2.a\r\nb", b"3.\x1b[2J", b"4." + b"x" * 69, b":2,S", b"5 6"]
        names.append(b"digest=" + b"0" * 48)
        for name in names:
            self.write(b"cur/" + name, name)
        maildrop = await self.enter()
        self.assertEqual(sorted(await self.contents(maildrop)), sorted(names))
        for uniqueId in maildrop.messages.uniqueIds:
            self.assertRegex(uniqueId, rb"^digest=[0-9a-f]{48}\Z")
        self.assertEqual(await maildrop.remove(range(1, 8)), [])
        self.assertEqual(list((self.maildir / "cur").iterdir()), [])

    async def test_noMails(self) -> None:
        """What is no regular file is left out, never opened, and logged once."""
        cur = self.maildir / "cur"
        self.write("cur/1.a:2,")
        self.write("cur/.hidden")
        secret = self.root / "secret"
        secret.write_bytes(b"secret")
        (cur / "2.link").symlink_to(secret)
        (cur / "3.dangling").symlink_to("/nowhere")
        (cur / "4.directory").mkdir()
        os.mkfifo(cur / "5.fifo")
        with socket.socket(socket.AF_UNIX) as unix:
            directory = os.open(cur, os.O_RDONLY)
            self.addCleanup(os.close, directory)
            unix.bind(f"/proc/self/fd/{directory}/6.socket")
        await self.waitForTick()
        for times, touch in [(1, False), (0, False), (0, True)]:
            if touch:
                os.utime(cur)
            with capturedLogs() as logs:
                maildrop = await self.source.openMaildrop(b"karl")
                self.assertEqual(maildrop.messages.uniqueIds, (b"1.a",))
                await maildrop.close()
            self.assertEqual(len(logs), times)
            for event in logs:
                self.assertRegex(event["text"], "^5 entries, b'.* among them, .* move them away$")

    async def test_otherDirectories(self) -> None:
        """tmp and folders are not listed."""
        self.write("tmp/1.a")
        makeMaildir(self.maildir / ".Sent")
        self.assertEqual(len((await self.enter()).messages), 0)

    async def test_incomplete(self) -> None:
        """Without new or cur there is no listing, least of all an empty one."""
        deliver(self.maildir, b"x\n")
        (self.maildir / "cur").rmdir()
        with self.assertRaises(MaildropUnavailable) as caught:
            await self.source.openMaildrop(b"karl")
        self.assertEqual(
            str(caught.exception),
            f"the Maildir '{self.maildir}' is not there as a whole;"
            " create it with its directories new, cur and tmp",
        )
        (self.maildir / "cur").symlink_to("new")
        with self.assertRaisesRegex(MaildropUnavailable, "symbolic link, which is not followed"):
            await self.source.openMaildrop(b"karl")

    async def test_tooMany(self) -> None:
        """A maildrop above the limit is refused as a whole, also when the limit is lowered."""
        for _ in range(3):
            deliver(self.maildir, b"x\n")
        await self.waitForTick()
        source = self.makeMaildirSource(maildropMessages=3)
        await (await source.openMaildrop(b"karl")).close()
        source.useLimits(Limits(maildropMessages=2))
        with self.assertRaisesRegex(
            MaildropUnavailable, "^the maildrop has more than 2 messages; raise the limit"
        ):
            await source.openMaildrop(b"karl")

    async def test_big(self) -> None:
        """Thousands of messages are measured in slices, so that others come in between."""
        for number in range(3000):
            self.write(f"new/{number}.a", b"x" * (number % 7))
        calls = self.spy(self.source._pool, "run")
        maildrop = await self.enter()
        self.assertEqual(maildrop.messages.octets, tuple(n % 7 and n % 7 + 2 for n in range(3000)))
        self.assertGreaterEqual(len(calls), 6)
        self.assertEqual(await maildrop.remove(range(1, 3001, 2)), [])
        await maildrop.close()
        self.assertEqual(len((await self.enter()).messages), 1500)


class UnreadableTests(MaildirTestCase):
    """System calls that fail while the Maildir is listed."""

    def setUp(self) -> None:
        super().setUp()
        self.paths = [deliver(self.maildir, b"%d\n" % number) for number in range(3)]

    async def test_oneMessage(self) -> None:
        """It stays in the list with its stored size, is logged once, and comes back when mended."""
        for call, code in [("open", errno.EACCES), ("open", errno.EIO), ("read", errno.EIO)]:
            source = self.makeMaildirSource()
            self.forgetLedger()
            patched = self.failing(call, code, self.paths[1])
            with capturedLogs() as logs:
                maildrop = await source.openMaildrop(b"karl")
                self.assertEqual(maildrop.messages.octets, (3, 2, 3))
                with self.assertRaises(MessageVanished):
                    await maildrop.openMessage(2)
                await maildrop.close()
                again = await source.openMaildrop(b"karl")
                self.assertIs(again.messages, maildrop.messages)
                await again.close()
            self.assertEqual(
                [each["text"] for each in logs],
                [
                    f"1 messages, b'{self.paths[1].name}' among them, cannot be read"
                    f" ({os.strerror(code)}) and will not be sent; correct owner, mode or disk"
                ],
            )
            patched.restore()
            maildrop = await source.openMaildrop(b"karl")
            self.assertEqual(await self.contents(maildrop), [b"0\n", b"1\n", b"2\n"])
            self.assertEqual(maildrop.messages.octets, (3, 3, 3))
            await maildrop.close()

    async def test_hostExhausted(self) -> None:
        """No descriptors, no memory: come back later, all of it."""
        for code in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
            for call in ("open", "read"):
                patched = self.failing(call, code, self.paths[1])
                with self.assertRaisesRegex(MaildropUnavailable, "raise what the service may use"):
                    await self.source.openMaildrop(b"karl")
                patched.restore()
        await self.enter()

    async def test_directory(self) -> None:
        """A directory that cannot be read to its end is no shorter directory."""

        def broken(directory: Directory, most: int) -> list[str]:
            raise OSError(errno.EIO, "no")

        self.patch(Directory, "names", broken)
        with self.assertRaises(MaildropUnavailable) as caught:
            await self.source.openMaildrop(b"karl")
        self.assertEqual(
            str(caught.exception),
            f"the Maildir '{self.maildir}' cannot be read (Input/output error);"
            " look after the disk",
        )

    async def test_entering(self) -> None:
        """Neither owner nor mode, nor anything else on the way, makes an empty maildrop."""
        for code, advice in [
            (errno.EACCES, "correct owner and mode"),
            (errno.EMFILE, "raise what the service may use"),
            (errno.ESTALE, "look after the disk"),
        ]:
            patched = self.failing("enter", code, self.maildir / "cur")
            with self.assertRaisesRegex(MaildropUnavailable, advice):
                await self.source.openMaildrop(b"karl")
            patched.restore()


class RememberedTests(SynchronousTestCase):
    """L{pop3svc.maildrops.remembered}: within a bound, the latest first."""

    # Of an empty one.
    octets = 2056

    def listing(self, ledger: bool = True) -> Listing:
        return Listing(ledger=(1, 2, 3, 4) if ledger else None)

    def test_bound(self) -> None:
        remembered = RememberedListings(4 * self.octets)
        listings = {name: self.listing() for name in (b"a", b"b", b"c", b"d", b"e")}
        for name in (b"a", b"b", b"c", b"d", b"a", b"e"):
            remembered.put(name, listings[name])
        for name in (b"a", b"c", b"d", b"e"):
            self.assertIs(remembered.get(name), listings[name])
        self.assertIsNone(remembered.get(b"b"))
        remembered.bound(self.octets)
        self.assertIsNone(remembered.get(b"a"))
        self.assertIs(remembered.get(b"e"), listings[b"e"])

    def test_large(self) -> None:
        """What takes more than a quarter is left to its ledger, if it has one."""
        for bound, ledger, kept in [
            (4 * self.octets, True, True),
            (4 * self.octets - 1, True, False),
            (self.octets, False, True),
            (self.octets - 1, False, False),
            (0, False, False),
        ]:
            remembered = RememberedListings(bound)
            listing = self.listing(ledger)
            remembered.put(b"a", listing)
            self.assertIs(remembered.get(b"a"), listing if kept else None, (bound, ledger))

    def test_grown(self) -> None:
        """What has become too large does not stay as it was."""
        remembered = RememberedListings(4 * self.octets)
        remembered.put(b"a", self.listing())
        rows = Rows()
        rows.append(b"1.a", (0, b""), 2, 1, b"1.a")
        remembered.put(b"a", Listing(columns=rows.columns(), ledger=(1, 2, 3, 4)))
        self.assertIsNone(remembered.get(b"a"))
