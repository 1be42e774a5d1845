"""
Real mboxes for the tests of the store, and faults of the system under it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from pop3svc.interfaces import IMaildrop
from pop3svc.limits import Limits
from pop3svc.maildrops import files, mboxfiles, opened
from pop3svc.maildrops.mbox import MboxSource

_SECONDS = count(1_700_000_000)


def separator(seconds: int | None = None) -> bytes:
    """A separator line, later than all others."""
    date = time.asctime(time.gmtime(next(_SECONDS) if seconds is None else seconds))
    return f"From walter@example.org {date}\n".encode()


def entry(message: bytes, line: bytes | None = None) -> bytes:
    """A message as an MTA appends it."""
    if message and not message.endswith(b"\n"):
        message += b"\n"
    return (separator() if line is None else line) + message + b"\n"


def deliver(mbox: Path, *messages: bytes) -> None:
    """Append messages as an MTA does."""
    with mbox.open("ab") as file:
        for message in messages:
            file.write(entry(message))


def takeAway(mbox: Path, wanted: Callable[[bytes], bool]) -> None:
    """Rewrite the file in place without some messages, as a mail reader does."""
    parts = [b"From " + each for each in mbox.read_bytes().split(b"From ")[1:]]
    with mbox.open("r+b") as file:
        file.write(b"".join(each for each in parts if not wanted(each)))
        file.truncate()


class MboxTestCase(TestCase):
    """
    A source over one directory, with the mbox of karl in it.

    @ivar mbox: karl's.
    """

    def setUp(self) -> None:
        self.root = Path(self.mktemp()).absolute()
        self.root.mkdir()
        self.mbox = self.root / "karl"
        self.source = self.makeMboxSource()

    def makeMboxSource(self, options: str = "", clock: Any = None, **limits: int) -> MboxSource:
        """Another source over the same directory."""
        source = MboxSource(f"{self.root}/{{user}}{options}", Limits(**limits), clock)
        self.addCleanup(source._pool._stop)
        return source

    async def waitForTick(self) -> None:
        """Until the times of the file are old enough to be believed."""
        await deferLater(reactor, 0.03)

    async def enter(self, source: MboxSource | None = None) -> IMaildrop:
        """Open karl's maildrop; closed after the test at the latest."""
        maildrop = await (source or self.source).openMaildrop(b"karl")
        self.addCleanup(maildrop.close)
        return maildrop

    async def visit(self, source: MboxSource | None = None) -> IMaildrop:
        """Open it and close it again."""
        maildrop = await (source or self.source).openMaildrop(b"karl")
        await maildrop.close()
        return maildrop

    async def content(self, maildrop: IMaildrop, number: int) -> bytes:
        """One message, read whole."""
        reader = await maildrop.openMessage(number)
        pieces = []
        try:
            while data := await reader.read(65536):
                pieces.append(data)
        finally:
            reader.close()
        return b"".join(pieces)

    async def contents(self, maildrop: IMaildrop) -> list[bytes]:
        """All messages, read whole."""
        numbers = range(1, len(maildrop.messages) + 1)
        return [await self.content(maildrop, number) for number in numbers]

    def descriptors(self) -> int:
        """How many descriptors this process holds below the root."""
        found = 0
        for name in os.listdir("/proc/self/fd"):
            with suppress(FileNotFoundError):
                found += os.readlink(f"/proc/self/fd/{name}").startswith(str(self.root))
        return found


class Threadless:
    """Stands for a pool of threads, and works at once."""

    def run(self, work: Any, *args: Any) -> Deferred[Any]:
        return maybeDeferred(work, *args)

    def resize(self, threads: int, queue: int) -> None:
        """There are none."""


class Crash(BaseException):
    """The process has died."""


class System:
    """
    Stands for the modules C{os} and C{fcntl} in the modules of the store that
    make system calls: counts those calls, and spoils one of them. It makes all but
    those that wait for the disk.

    @ivar calls: the names of those made so far, in their order.
    """

    NAMES = frozenset(
        (
            *("open", "close", "fstat", "stat", "pread", "pwrite", "read", "write", "ftruncate"),
            *("fsync", "fdatasync", "mkdir", "rename", "unlink", "utime", "dup", "scandir"),
            *("fcntl", "flock"),
        )
    )

    def __init__(self, case: TestCase) -> None:
        self.calls: list[str] = []
        self._spoil: Callable[[str, tuple[Any, ...]], None] = lambda name, args: None
        self._after: Callable[[str], None] = lambda name: None
        self._opened: set[int] = set()
        for module in (files, opened, mboxfiles):
            for name in ("os", "fcntl"):
                if hasattr(module, name):
                    case.patch(module, name, _Module(self, getattr(module, name)))

    def failNth(self, nth: int, code: int) -> None:
        """That call fails, the first being 0; all others are made."""

        def spoil(name: str, args: tuple[Any, ...]) -> None:
            if len(self.calls) == nth + 1:
                raise OSError(code, os.strerror(code))

        self._spoil = spoil

    def failAll(self, name: str, code: int) -> None:
        """All calls of this name fail."""

        def spoil(called: str, args: tuple[Any, ...]) -> None:
            if called == name:
                raise OSError(code, os.strerror(code))

        self._spoil = spoil

    def failFlags(self, flags: int, code: int) -> None:
        """Files cannot be opened with any of these flags."""

        def spoil(name: str, args: tuple[Any, ...]) -> None:
            if name == "open" and args[1] & flags:
                raise OSError(code, os.strerror(code))

        self._spoil = spoil

    def crashAfter(self, nth: int, half: bool = False) -> None:
        """
        That call is made, the first being 0, and nothing after it.

        @param half: if it writes, only half of it is written.
        """

        def spoil(name: str, args: tuple[Any, ...]) -> None:
            if len(self.calls) > nth + 1:
                raise Crash
            if len(self.calls) == nth + 1 and half and name in ("pwrite", "write"):
                octets = bytes(args[1])
                getattr(os, name)(args[0], octets[: len(octets) // 2], *args[2:])
                raise Crash

        def after(name: str) -> None:
            if len(self.calls) == nth + 1:
                raise Crash

        self._spoil, self._after = spoil, after

    def recover(self) -> None:
        """As after a restart: no fault any more, and nothing held open."""
        self._spoil, self._after = (lambda name, args: None), (lambda name: None)
        self.calls.clear()
        for descriptor in self._opened:
            with suppress(OSError):
                os.close(descriptor)
        self._opened.clear()

    def made(self, name: str, function: Any, args: tuple[Any, ...], options: Any) -> Any:
        self.calls.append(name)
        self._spoil(name, args)
        # To wait for the disk some thousand times would take a minute.
        result = None if "sync" in name else function(*args, **options)
        if name in ("open", "dup"):
            assert result is not None
            self._opened.add(result)
        elif name == "close":
            self._opened.discard(args[0])
        self._after(name)
        return result


class _Module:
    def __init__(self, system: System, module: Any) -> None:
        self._system = system
        self._module = module

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._module, name)
        if name not in System.NAMES:
            return found
        return lambda *args, **options: self._system.made(name, found, args, options)
