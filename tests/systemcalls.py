"""
Every system call of the stores that keep mail in files, one of which fails; and whole
sessions over them, without threads, so that the calls have the same order each time.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import Portal
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from pop3svc.auth.realm import MaildropRealm
from pop3svc.factory import POP3Factory
from pop3svc.interfaces import IMaildropSource
from pop3svc.maildrops import files, locks, mboxfiles, opened

from .support import RecordingAudit, Transport, prompt

# What a disk, a network file system, a quota and a host may answer to any call.
ERRORS = (
    *(errno.ENOENT, errno.EACCES, errno.EROFS, errno.ENOSPC),
    *(errno.EIO, errno.EMFILE, errno.ESTALE, errno.EINTR),
)
_CALLS = frozenset(
    (
        *("open", "close", "fstat", "stat", "pread", "preadv", "pwrite", "read", "write"),
        *("ftruncate", "fsync", "fdatasync", "mkdir", "rename", "unlink", "utime", "dup"),
        *("fcntl", "flock"),
    )
)
_MULTI_LINE = frozenset((b"LIST", b"UIDL", b"RETR", b"TOP", b"CAPA"))
_STEP = b"NOOP"
_IN_STEP = b"+OK still here"
# Longer than a store waits for those who deliver.
_WAITS = 100


class SystemCalls:
    """
    @ivar made: the names of the calls since L{record} or L{failNth}.
    @ivar failed: the name of the last one that was made to fail.
    """

    def __init__(self, case: TestCase) -> None:
        self.made: list[str] = []
        self.failed = ""
        self._nth, self._code = -1, 0
        for module, name in (
            *((files, "os"), (opened, "os"), (mboxfiles, "os")),
            *((mboxfiles, "fcntl"), (locks, "fcntl")),
        ):
            case.patch(module, name, _Module(self, getattr(module, name)))
        for name in ("openCached", "openCachedBelow"):
            case.patch(files, name, self._between("open", getattr(files, name)))

    def record(self) -> None:
        """None fails."""
        self.made.clear()
        self._nth = -1

    def failNth(self, nth: int, code: int) -> None:
        """That one fails, the first being 0; all others are carried out."""
        self.record()
        self._nth, self._code = nth, code

    def call(self, name: str, function: Any, args: tuple[Any, ...], options: Any) -> Any:
        failing = len(self.made) == self._nth
        self.made.append(name)
        if name == "close":
            # To closing what was only read, Linux's own file systems answer nothing but
            # success; of what was written, Python hides that one.
            written = fcntl.fcntl(args[0], fcntl.F_GETFL) & os.O_ACCMODE
            failing = failing and bool(written) and self._code != errno.EINTR
        # Linux gives a descriptor back whatever close(2) answers.
        if failing and name != "close":
            self._fail()
        # To wait for the disk some thousand times would take a minute.
        result = None if "sync" in name else function(*args, **options)
        if failing:
            self._fail()
        return result

    def _fail(self) -> None:
        self.failed = self.made[-1]
        raise OSError(self._code, os.strerror(self._code))

    def _between(self, name: str, function: Any) -> Any:
        return lambda *args, **options: self.call(name, function, args, options)


class _Module:
    """Stands for a module."""

    def __init__(self, calls: SystemCalls, module: Any) -> None:
        self._calls, self._module = calls, module

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._module, name)
        if name == "scandir":
            return lambda descriptor: _Entries(self._calls, found, descriptor)
        return self._calls._between(name, found) if name in _CALLS else found


class _Entries:
    """A directory that is read; it can fail between two entries."""

    def __init__(self, calls: SystemCalls, scandir: Any, descriptor: int) -> None:
        self._calls = calls
        self._entries = calls.call("scandir", scandir, (descriptor,), {})

    def __enter__(self) -> Iterator[Any]:
        return self._read()

    def __exit__(self, *raised: object) -> None:
        self._entries.close()

    def _read(self) -> Iterator[Any]:
        for entry in self._entries:
            yield entry
            self._calls.call("readdir", lambda: None, (), {})


@dataclass
class Visit:
    """
    What a client has seen in one session.

    @ivar refusal: the answer to PASS, if it was one.
    @ivar sizes: by message-number.
    @ivar uniqueIds: by message-number; L{None} where it was not told.
    @ivar contents: of those that were sent whole.
    @ivar tops: what TOP has sent.
    @ivar refused: message-numbers that were not sent, with the answer.
    @ivar marked: message-numbers.
    @ivar cut: the connection was ended within a message.
    @ivar notRemoved: how many, by the answer to QUIT; L{None} if there was none.
    """

    refusal: bytes = b""
    sizes: dict[int, int] = field(default_factory=dict)
    uniqueIds: dict[int, bytes] = field(default_factory=dict)
    contents: dict[int, bytes] = field(default_factory=dict)
    tops: dict[int, bytes] = field(default_factory=dict)
    refused: dict[int, bytes] = field(default_factory=dict)
    marked: list[int] = field(default_factory=list)
    cut: bool = False
    notRemoved: int | None = None


class OutOfStep(AssertionError):
    """An answer that cannot be one to this command."""


class Client:
    """
    Sessions with one store, each with all its commands in one piece: whatever fails,
    an answer more or less than there are commands would not stay hidden.

    @ivar audit: what the service has noted.
    """

    def __init__(self, source: IMaildropSource, clock: Clock) -> None:
        checker = InMemoryUsernamePasswordDatabaseDontUse(karl=b"secret")
        self.audit = RecordingAudit()
        self._clock = clock
        self._factory = POP3Factory(
            Portal(MaildropRealm(source), [checker]), prompt(), clock=clock, audit=self.audit
        )

    def visit(self, numbers: Sequence[int], marked: Sequence[int] = ()) -> Visit:
        """
        Look at everything, read it, and remove some of it.

        @raise OutOfStep: the answers do not belong to the commands.
        """
        visit = Visit()
        transport = Transport()
        protocol = self._factory.buildProtocol(transport.getPeer())
        assert protocol is not None
        protocol.makeConnection(transport)
        protocol.dataReceived(b"USER karl\r\nPASS secret\r\n")
        self._wait(lambda: transport.value().count(b"\r\n") == 3)
        login = transport.value().split(b"\r\n")[2]
        transport.clear()
        commands = [b"STAT", b"LIST", b"UIDL"]
        commands += [b"RETR %d" % number for number in numbers]
        commands += [b"TOP %d 1" % number for number in numbers]
        commands += [b"DELE %d" % number for number in marked]
        if not login.startswith(b"+OK"):
            visit.refusal, commands = login, []
        script = [each for command in commands for each in (command, _STEP)] + [b"QUIT"]
        protocol.dataReceived(b"".join(each + b"\r\n" for each in script))
        self._wait(lambda: transport.disconnecting)
        protocol.connectionLost(Failure(ConnectionDone()))
        _Answers(transport.value(), visit).read(script)
        return visit

    def _wait(self, over: Any) -> None:
        for _ in range(_WAITS):
            if over():
                return
            self._clock.advance(0.5)
        raise OutOfStep("an answer is missing")


class _Answers:
    """All that came behind the answer to PASS."""

    def __init__(self, octets: bytes, visit: Visit) -> None:
        self._left = octets
        self._visit = visit

    def read(self, script: Sequence[bytes]) -> None:
        for command in script:
            if self._visit.cut:
                break
            self._readOne(command)
        if self._left:
            raise OutOfStep(f"{self._left[:80]!r} answers nothing")

    def _readOne(self, command: bytes) -> None:
        verb, *arguments = command.split()
        line = self._line()
        if line[:4] not in (b"+OK ", b"-ERR"):
            raise OutOfStep(f"{line[:80]!r} is no answer to {command!r}")
        if verb == _STEP and line != _IN_STEP:
            raise OutOfStep(f"{line!r} is no answer to {_STEP!r}")
        body = b""
        if verb in _MULTI_LINE and line.startswith(b"+OK"):
            body, end, self._left = (b"\r\n" + self._left).partition(b"\r\n.\r\n")
            if not end:
                self._visit.cut = True
                self._left = b""
                return
            body = re.sub(rb"\r\n\.", b"\r\n", body + b"\r\n")[2:]
        self._note(verb, [int(each) for each in arguments], line, body)

    def _note(self, verb: bytes, arguments: list[int], line: bytes, body: bytes) -> None:
        visit, good = self._visit, line.startswith(b"+OK")
        if verb in (b"RETR", b"TOP"):
            if good:
                (visit.contents if verb == b"RETR" else visit.tops)[arguments[0]] = body
            else:
                visit.refused[arguments[0]] = line
        elif verb == b"QUIT":
            visit.notRemoved = 0 if good else self._countOf(line)
        elif not good:
            raise OutOfStep(f"{verb!r} is refused: {line!r}")
        elif verb == b"DELE":
            visit.marked += arguments
        elif verb == b"LIST":
            visit.sizes = {int(n): int(size) for n, size in map(bytes.split, body.splitlines())}
        elif verb == b"UIDL":
            visit.uniqueIds = {int(n): each for n, each in map(bytes.split, body.splitlines())}

    def _countOf(self, line: bytes) -> int:
        found = re.fullmatch(rb"-ERR \[SYS/TEMP\] (\d+) of (\d+) deleted messages.*", line)
        if found is None or int(found[2]) != len(self._visit.marked):
            raise OutOfStep(f"{line!r} is no answer to QUIT")
        return int(found[1])

    def _line(self) -> bytes:
        line, end, self._left = self._left.partition(b"\r\n")
        if not end:
            raise OutOfStep("an answer is missing")
        return line


def descriptorsBelow(root: Path) -> int:
    """How many this process holds."""
    found = 0
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            found += os.readlink(f"/proc/self/fd/{name}").startswith(str(root))
    return found
