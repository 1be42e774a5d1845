"""
A maildrop that the administrator has named for one user, in place of what the
template of L{pop3svc.maildrops.maildir} would make of the name.
"""

from __future__ import annotations

import os
from pathlib import Path

from pop3svc.account import Account
from pop3svc.errors import MaildropInUse, MaildropUnavailable
from pop3svc.interfaces import IMaildrop

from .maildirs import MaildirTestCase, deliver, makeMaildir


class NamedMaildropTests(MaildirTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.named = makeMaildir(self.root / "elsewhere" / "Mail of k\udce4rl")
        deliver(self.named, b"named\n")
        deliver(self.maildir, b"template\n")

    async def open(self, path: Path, name: bytes = b"karl") -> IMaildrop:
        maildrop = await self.source.openMaildrop(Account(name, str(path)))
        self.addCleanup(maildrop.close)
        return maildrop

    async def test_named(self) -> None:
        """This one and no other; a name that no path can be made of does no harm."""
        for name in (b"karl", b"../../etc", b"k\xe4rl"):
            maildrop = await self.open(self.named, name)
            self.assertEqual(await self.contents(maildrop), [b"named\n"])
            await maildrop.close()

    async def test_notNamed(self) -> None:
        maildrop = await self.source.openMaildrop(Account(b"karl"))
        self.addCleanup(maildrop.close)
        self.assertEqual(await self.contents(maildrop), [b"template\n"])

    async def test_exclusive(self) -> None:
        """For two users of one maildrop as well, also by the template's way."""
        await self.open(self.named)
        with self.assertRaises(MaildropInUse):
            await self.open(self.named, b"joe")
        await self.open(self.maildir, b"joe")
        with self.assertRaises(MaildropInUse):
            await self.source.openMaildrop(b"karl")

    async def test_link(self) -> None:
        """The directories above may be links, the Maildir itself may not."""
        os.symlink(self.root / "elsewhere", self.root / "above")
        os.symlink(self.named, self.root / "link")
        maildrop = await self.open(self.root / "above" / self.named.name)
        self.assertEqual(await self.contents(maildrop), [b"named\n"])
        with self.assertRaises(MaildropUnavailable) as caught:
            await self.open(self.root / "link")
        self.assertIn("a symbolic link, which is not followed", str(caught.exception))

    async def test_missing(self) -> None:
        with self.assertRaises(MaildropUnavailable) as caught:
            await self.open(self.root / "nowhere" / "Maildir")
        self.assertIn("is not there as a whole", str(caught.exception))
