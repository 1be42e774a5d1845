"""
Real Maildirs for the tests of the store.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.python.monkey import MonkeyPatcher
from twisted.trial.unittest import TestCase

from pop3svc.interfaces import IMaildrop
from pop3svc.limits import Limits
from pop3svc.maildrops import files
from pop3svc.maildrops.files import Directory
from pop3svc.maildrops.maildir import MaildirSource
from pop3svc.maildrops.opened import MessageFile

_SECONDS = count(1_700_000_000)


def makeMaildir(path: Path) -> Path:
    """An empty Maildir at this path."""
    for name in ("new", "cur", "tmp"):
        (path / name).mkdir(parents=True)
    return path


def deliver(maildir: Path, message: bytes) -> Path:
    """Add a message as an MTA does, later than all others."""
    name = f"{next(_SECONDS)}.M1P{os.getpid()}.host"
    (maildir / "tmp" / name).write_bytes(message)
    return (maildir / "tmp" / name).rename(maildir / "new" / name)


class MaildirTestCase(TestCase):
    """
    A source over one directory, with the Maildir of karl in it.

    @ivar maildir: karl's.
    """

    def setUp(self) -> None:
        self.root = Path(self.mktemp()).absolute()
        self.maildir = makeMaildir(self.root / "karl")
        self.source = self.makeMaildirSource()

    def makeMaildirSource(self, **limits: int) -> MaildirSource:
        """Another source over the same directory."""
        source = MaildirSource(f"{self.root}/{{user}}", Limits(**limits))
        self.addCleanup(source._pool._stop)
        return source

    def write(self, name: str | bytes, message: bytes = b"x\n") -> Path:
        """A message in C{cur} or C{new}, under any name."""
        path = Path(os.fsdecode(os.path.join(os.fsencode(self.maildir), os.fsencode(name))))
        path.write_bytes(message)
        return path

    def forgetLedger(self) -> None:
        """As if no session had been there before."""
        (self.maildir / "pop3svc-ledger").unlink(missing_ok=True)

    async def waitForTick(self) -> None:
        """Until the times of the directories are old enough to be believed."""
        await deferLater(reactor, 0.03)

    def spy(self, owner: Any, name: str) -> list[Any]:
        """The arguments of each call from now on."""
        calls: list[Any] = []
        called = getattr(owner, name)

        def spying(*args: Any, **kwargs: Any) -> Any:
            calls.append(args)
            return called(*args, **kwargs)

        self.patch(owner, name, spying)
        return calls

    def failing(self, call: str, code: int, path: Path) -> MonkeyPatcher:
        """
        Make one system call fail for one file or directory, as the tests run
        as root, whom no mode keeps out.

        @param call: a method of L{Directory}, or C{read}, C{readCached}.
        @return: to be restored, else it lasts for the test.
        """
        self.coldCache()
        owner = MessageFile if call in ("read", "readCached") else Directory
        called, inode = getattr(owner, call), path.stat().st_ino

        def failing(this: Any, *args: Any) -> Any:
            if owner is MessageFile:
                found = os.fstat(this._descriptor).st_ino
            elif args:
                found = os.stat(args[0], dir_fd=this.descriptor, follow_symlinks=False).st_ino
            else:
                found = os.fstat(this.descriptor).st_ino
            if found == inode:
                raise OSError(code, os.strerror(code))
            return called(this, *args)

        return self.patch(owner, call, failing)

    def coldCache(self) -> None:
        """As if the kernel had nothing in memory, for the rest of the test."""

        def refuse(*args: Any) -> int:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

        self.patch(files, "openCached", refuse)
        self.patch(files, "openCachedBelow", refuse)

    def descriptors(self) -> int:
        """How many descriptors this process holds below the root."""
        found = 0
        for name in os.listdir("/proc/self/fd"):
            with suppress(FileNotFoundError):
                found += os.readlink(f"/proc/self/fd/{name}").startswith(str(self.root))
        return found

    async def enter(self, source: MaildirSource | None = None) -> IMaildrop:
        """Open karl's maildrop; closed after the test at the latest."""
        maildrop = await (source or self.source).openMaildrop(b"karl")
        self.addCleanup(maildrop.close)
        return maildrop

    async def contents(self, maildrop: IMaildrop) -> list[bytes]:
        """All messages, read whole."""
        return [
            await self.content(maildrop, number) for number in range(1, len(maildrop.messages) + 1)
        ]

    async def content(self, maildrop: IMaildrop, number: int) -> bytes:
        """One message, read whole."""
        reader = await maildrop.openMessage(number)
        pieces = []
        while data := await reader.read(65536):
            pieces.append(data)
        reader.close()
        return b"".join(pieces)
