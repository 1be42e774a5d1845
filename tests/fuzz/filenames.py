"""
Maildirs with any octets for file names: everything is listed, once, under a unique-id
that a client can have, and what is deleted is what was meant.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Callable
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred

from pop3svc.errors import MessageVanished
from pop3svc.interfaces import IMaildrop
from pop3svc.maildrops.maildir import MaildirSource

from .case import Case, corpus
from .mutation import mutate
from .naiveanswers import Wrong

_UNIQUE_ID = re.compile(rb"[\x21-\x7e]{1,70}")
_MOST_OCTETS = 255


class FileNames:
    """The target. The pieces of a case are names, with C{new/} or C{cur/} before each."""

    name = "filenames"
    unit = "maildirs"

    def make(self, dice: Random) -> Case:
        known = [name for each in corpus(self.name) for name in each.pieces]
        names = []
        for _ in range(dice.randrange(1, 9)):
            folder, _, name = dice.choice(known).partition(b"/")
            for _ in range(dice.choice((0, 1, 1, 2, 4))):
                name = mutate(dice, name, known)
            name = name.translate(None, b"/\0")[:_MOST_OCTETS]
            if dice.randrange(8) == 0:
                name = dice.randbytes(dice.randrange(1, 60)).translate(None, b"/\0")
            if name not in (b"", b".", b".."):
                names.append(folder + b"/" + name)
        return Case(self.name, tuple(dict.fromkeys(names)))

    def check(self, case: Case) -> int:
        with tempfile.TemporaryDirectory(prefix="pop3svc-fuzz-") as root:
            maildir = os.path.join(os.fsencode(root), b"karl")
            for folder in (b"new", b"cur", b"tmp"):
                os.makedirs(os.path.join(maildir, folder))
            for number, name in enumerate(case.pieces):
                with open(os.path.join(maildir, name), "wb") as file:
                    file.write(b"%d\n" % number)
            _Checked(root, maildir, case.pieces).run()
        return 1


class _InlinePool:
    """Work is done at once."""

    def run(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Deferred[Any]:
        return maybeDeferred(work, *args, **kwargs)


class _Checked:
    """One Maildir, from its names."""

    def __init__(self, root: str, maildir: bytes, names: tuple[bytes, ...]) -> None:
        self._root = root
        self._maildir = maildir
        self._names = names
        self._source = self._newSource()
        self._bases: dict[bytes, list[int]] = {}
        for number, name in enumerate(names):
            bare = name[len(b"new/") :]
            if not bare.startswith(b"."):
                self._bases.setdefault(bare.partition(b":")[0], []).append(number)

    def run(self) -> None:
        first = self._listed()
        for _ in range(2):
            if self._listed() != first:
                raise Wrong("another session sees other unique-ids")
            # And after a restart of the service.
            self._source = self._newSource()
        self._setFlags()
        single = {numbers[0] for numbers in self._bases.values() if len(numbers) == 1}
        after = self._listed()
        if {n: first[n] for n in single} != {n: after[n] for n in single}:
            raise Wrong("flags have changed a unique-id")
        self._removeOne()

    def _listed(self) -> dict[int, bytes]:
        """@return: the number of each message in the case, with its unique-id."""
        try:
            return self._listedOnce()
        except MessageVanished:
            # A name that lies about the size is found out when the message is
            # opened, and no longer believed in the next session.
            if not any(b"W=" in name for name in self._names):
                raise
            for number in range(1, len(self._bases) + 1):
                maildrop = self._open()
                with contextlib.suppress(MessageVanished):
                    self._content(maildrop, number)
                _result(maildrop.close())
            return self._listedOnce()

    def _listedOnce(self) -> dict[int, bytes]:
        maildrop = self._open()
        try:
            return self._served(maildrop)
        finally:
            _result(maildrop.close())

    def _served(self, maildrop: IMaildrop) -> dict[int, bytes]:
        messages = maildrop.messages
        ids = list(messages.uniqueIds)
        if len(ids) != len(self._bases) or len(set(ids)) != len(ids):
            raise Wrong(f"{len(ids)} are listed of {len(self._bases)}: {ids}")
        for each in ids:
            if not _UNIQUE_ID.fullmatch(each):
                raise Wrong(f"{each!r} is no unique-id")
        served: dict[int, bytes] = {}
        for number, uniqueId in enumerate(ids, 1):
            content = self._content(maildrop, number)
            served[int(content)] = uniqueId
            if messages.octets[number - 1] != len(content) + 1:
                raise Wrong(f"{messages.octets[number - 1]} octets are promised of {content!r}")
        if any(not served.keys() & set(numbers) for numbers in self._bases.values()):
            raise Wrong("a message is missing")
        return served

    def _removeOne(self) -> None:
        """The first one goes, and no other."""
        maildrop = self._open()
        if not self._bases:
            return
        content = self._content(maildrop, 1)
        before = self._files()
        if list(_result(maildrop.remove((1,)))):
            raise Wrong(f"{content!r} is not removed")
        _result(maildrop.close())
        gone = before.keys() - self._files().keys()
        if {before[each] for each in gone} != {content}:
            raise Wrong(f"{gone} are gone, and {content!r} was meant")

    def _setFlags(self) -> None:
        """As a mail reader does it."""
        for numbers in self._bases.values():
            name = self._names[numbers[0]]
            base = name[len(b"new/") :].partition(b":")[0]
            if len(numbers) == 1 and len(base) < _MOST_OCTETS - 5:
                old = os.path.join(self._maildir, name)
                os.rename(old, os.path.join(self._maildir, b"cur", base + b":2,FS"))

    def _files(self) -> dict[bytes, bytes]:
        found = {}
        for folder in (b"new", b"cur"):
            for entry in os.scandir(os.path.join(self._maildir, folder)):
                with open(entry.path, "rb") as file:
                    found[entry.path] = file.read()
        return found

    def _newSource(self) -> Any:
        source: Any = MaildirSource(self._root + "/{user}")
        source._pool = _InlinePool()
        return source

    def _open(self) -> IMaildrop:
        return _result(self._source.openMaildrop(b"karl"))

    def _content(self, maildrop: IMaildrop, number: int) -> bytes:
        reader = _result(maildrop.openMessage(number))
        content: bytes = _result(reader.read(1000))
        reader.close()
        return content


def _result(deferred: Deferred[Any]) -> Any:
    found: list[Any] = []
    deferred.addBoth(found.append)
    if not found:
        raise Wrong("it does not end")
    if hasattr(found[0], "raiseException"):
        found[0].raiseException()
    return found[0]
