"""
A program that is killed in UPDATE, time and again, and looks each time what is left.

It forks, and does its work without threads and a reactor, so that a life costs some
milliseconds. Called with a directory, a number of lives and a seed; prints what has
happened as JSON.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure

from pop3svc.interfaces import IMaildrop
from pop3svc.limits import Limits
from pop3svc.maildrops.maildir import MaildirSource

from .messages import Maildir

_USER = b"karl"
_MESSAGES = 150
# A slower machine is given more time between the start of UPDATE and its kill.
_FIRST_SECONDS = 0.005


class Lives:
    """
    @ivar outcomes: what was found, and how often.
    """

    def __init__(self, root: Path, seed: int) -> None:
        self.outcomes: Counter[str] = Counter()
        self._root = root
        self._maildir = Maildir(root / os.fsdecode(_USER))
        self._dice = random.Random(seed)
        self._known: dict[str, str] = {}
        self._seconds = _FIRST_SECONDS

    def live(self) -> None:
        """One life, its end, and the login after it, which may be killed as well."""
        new = [b"Subject: %d\n\n" % self._dice.getrandbits(64) for _ in range(self._missing())]
        names = self._maildir.deliver(*new)
        self._known |= {n.decode(): each.decode() for n, each in zip(names, new, strict=True)}
        listed = sorted(self._known)
        numbers = sorted(self._dice.sample(range(1, len(listed) + 1), len(listed) // 2))
        marked = {listed[number - 1] for number in numbers}
        answered = self._quit(numbers)
        there = len(self._maildir.stored())
        for _ in range(self._dice.choice((0, 0, 1, 2))):
            self._runFor(self._look, self._dice.uniform(0, self._seconds))
        left = self._runToTheEnd(self._look)
        removed = self._known.keys() - left.keys()
        assert left == {name: self._known[name] for name in left}, "a message is damaged"
        assert removed in (set(), marked), "a removal is half done"
        assert removed or not answered, "what was answered is not done"
        half = there not in (_MESSAGES, _MESSAGES - len(marked))
        self.outcomes["answered" if answered else "half done" if half else "all or none"] += 1
        self.outcomes["removed" if removed else "kept"] += 1
        self._known = left

    def _missing(self) -> int:
        return _MESSAGES - len(self._known)

    def _quit(self, numbers: list[int]) -> bool:
        """Whether the child has said that all is removed before it was killed."""

        async def remove(maildrop: IMaildrop, tell: Callable[[bytes], object]) -> None:
            tell(b"r")
            assert not await maildrop.remove(numbers)
            await maildrop.close()
            tell(b"d")

        pid, pipe = self._fork(remove)
        assert os.read(pipe, 1) == b"r"
        began = time.monotonic()
        time.sleep(self._dice.uniform(0, self._seconds))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        answered = os.read(pipe, 1) == b"d"
        os.close(pipe)
        # So that about one in three gets to its end.
        self._seconds *= 0.97 if answered else 1.015
        assert time.monotonic() - began < 10
        return answered

    async def _look(self, maildrop: IMaildrop, tell: Callable[[bytes], object]) -> None:
        left = {}
        for number, uniqueId in enumerate(maildrop.messages.uniqueIds, 1):
            reader = await maildrop.openMessage(number)
            left[uniqueId.decode()] = (await reader.read(1 << 16)).decode()
            reader.close()
        await maildrop.close()
        tell(json.dumps(left).encode())

    def _runFor(self, visit: Callable[..., Coroutine[Any, Any, None]], seconds: float) -> None:
        pid, pipe = self._fork(visit)
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(pipe)

    def _runToTheEnd(self, visit: Callable[..., Coroutine[Any, Any, None]]) -> dict[str, str]:
        pid, pipe = self._fork(visit)
        with open(pipe, "rb") as file:
            told = file.read()
        assert os.waitpid(pid, 0)[1] == 0, "the login after it fails"
        left: dict[str, str] = json.loads(told)
        return left

    def _fork(self, visit: Callable[..., Coroutine[Any, Any, None]]) -> tuple[int, int]:
        """A child with a session; and where it tells something."""
        ours, theirs = os.pipe()
        pid = os.fork()
        if pid:
            os.close(theirs)
            return pid, ours
        os.close(ours)
        try:
            self._session(visit, lambda octets: os.write(theirs, octets))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)

    def _session(
        self,
        visit: Callable[..., Coroutine[Any, Any, None]],
        tell: Callable[[bytes], object],
    ) -> None:
        source = MaildirSource(f"{self._root}/{{user}}", Limits())
        source._pool.run = maybeDeferred  # type: ignore[method-assign,assignment]

        async def session() -> None:
            await visit(await source.openMaildrop(_USER), tell)

        failures: list[Failure] = []
        Deferred.fromCoroutine(session()).addErrback(failures.append)
        for each in failures:
            each.raiseException()


if __name__ == "__main__":
    lives = Lives(Path(sys.argv[1]), int(sys.argv[3]))
    for _ in range(int(sys.argv[2])):
        lives.live()
    print(json.dumps(lives.outcomes))
