"""
The command C{pop3svc uidl}, on a Maildir with a list of Dovecot's.
"""

from __future__ import annotations

import contextlib
import io
import os
import pwd

from pop3svc.cli import main

from .maildirs import MaildirTestCase

ME = pwd.getpwuid(os.geteuid()).pw_name
MESSAGE = "Message-ID: <%d@x>\n\nhello\n"


class UidlTestCase(MaildirTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.ours = ("--maildrop", f"maildir:{self.root}/{{user}}", "--uid", ME)
        for number in (1, 2, 3):
            self.write(f"cur/{number}.a:2,S", (MESSAGE % number).encode())
        self.list_ = self.maildir / "dovecot-uidlist"
        self.writeList(b"1 :1.a\n2 :2.a:2,S\n3 :3.a\n")
        self.imported = self.maildir / "pop3svc-uidl"

    def writeList(self, lines: bytes) -> None:
        self.list_.write_bytes(b"3 V17 N20 G0\n" + lines)

    def uidl(self, *words: str) -> tuple[int, list[str], str]:
        """The command in this process: status, lines of output, complaint."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(["uidl", *words])
        return status, out.getvalue().splitlines(), err.getvalue().replace(str(self.root), "ROOT")

    def import_(
        self, *words: str, users: tuple[str, ...] = ("karl",)
    ) -> tuple[int, list[str], str]:
        if "--from" not in words:
            words = ("--from", "dovecot-uidlist", "--uidl-format", "%v.%u", *words)
        return self.uidl("import", *words, *self.ours, *users)

    async def ids(self) -> list[bytes]:
        """What a session gets to see."""
        maildrop = await self.makeMaildirSource().openMaildrop(b"karl")
        await maildrop.close()
        return list(maildrop.messages.uniqueIds)
