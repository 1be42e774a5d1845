"""
SIGKILL at any time loses nothing: a message that nobody has asked to remove is
there and whole, and the maildrop can be opened at once.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from .harness import PASSWORD, LiveService, LiveTestCase
from .messages import Maildir, canonical
from .wire import Wire

_KILLS = 12
_UPDATES = 300
_USERS = ("anna", "berta", "carla", "dora")
_MESSAGES = 60
_RETRIEVED = 10
_JOIN_SECONDS = 10.0


class KillTests(LiveTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.dice = random.Random(9)
        self.service = self.serve(*(f"--auth=memory:{user}:{PASSWORD}" for user in _USERS))
        self.maildirs = {user: Maildir(self.service.maildirs / user) for user in _USERS}
        # What is or was in each maildrop, by unique-id.
        self.messages: dict[str, dict[bytes, bytes]] = {user: {} for user in _USERS}

    def test_nothingIsLost(self) -> None:
        """
        Time and again some sessions delete, then the service is killed, and
        comes back.
        """
        for kill in range(_KILLS):
            # One session in four never says QUIT, and may not remove anything.
            visits = [self._visit(user, quits=user != _USERS[-1]) for user in _USERS]
            for each in visits:
                each.start()
            if kill % 2:
                # While some remove what is marked.
                self.assertTrue(visits[0].removing.wait(_JOIN_SECONDS))
                time.sleep(self.dice.uniform(0, 0.005))
            else:
                time.sleep(self.dice.uniform(0, 0.3))
            self.service.kill()
            for each in visits:
                each.join(_JOIN_SECONDS)
                self.assertIs(each.error, None)
            self.service.start()
            for each in visits:
                self._checkMaildrop(each)

    def _visit(self, user: str, quits: bool) -> Visit:
        """A session to come, with the maildrop filled up for it."""
        known, maildir = self.messages[user], self.maildirs[user]
        new = [self._message() for _ in range(_MESSAGES - len(known))]
        known.update(zip(maildir.deliver(*new), new, strict=True))
        return Visit(self.service, user, known, quits, random.Random(self.dice.random()))

    def _message(self) -> bytes:
        body = b".\n" * self.dice.choice((0, 10, 10_000))
        return b"Subject: %d\n\n%s" % (self.dice.getrandbits(64), body)

    def _checkMaildrop(self, visit: Visit) -> None:
        """See with a client what the visit has left, and forget the rest."""
        known = self.messages[visit.user]
        wire = Wire(self.service)
        wire.login(visit.user)
        listed = uniqueIds(wire)
        removed = set(known) - set(listed)
        if visit.removed:
            self.assertEqual(removed, visit.marked)
        elif visit.removing.is_set():
            # What the crash has interrupted, this login has completed.
            self.assertIn(removed, (set(), visit.marked))
        else:
            self.assertEqual(removed, set())
        for number, uniqueId in enumerate(listed, 1):
            self.assertEqual(wire.retrieve(number), canonical(known[uniqueId]))
        wire.quit()
        self.messages[visit.user] = {each: known[each] for each in listed}


class UpdateTests(SynchronousTestCase):
    """The store alone, so that it can be killed often."""

    def test_hundredsOfKills(self) -> None:
        """
        Whatever it was at, the next login finds all that was marked or nothing of
        it, and the rest whole; also when it is killed itself.
        """
        root = Path(self.mktemp()).absolute()
        root.mkdir()
        program = [sys.executable, "-m", "tests.live.updating", str(root), str(_UPDATES), "7"]
        path = os.pathsep.join(sys.path)
        done = subprocess.run(
            program,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": path},
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        outcomes = json.loads(done.stdout)
        self.assertEqual(outcomes["removed"] + outcomes["kept"], _UPDATES)
        # All the moments that matter were met.
        for each in ("answered", "half done", "kept"):
            self.assertGreater(outcomes[each], _UPDATES // 50)


class Visit(threading.Thread):
    """
    A session that reads, marks, and removes or not, until it is cut off.

    @ivar marked: the unique-ids that it has asked to remove, or was about to.
    @ivar removing: it has sent QUIT, or is about to.
    @ivar removed: QUIT was answered with +OK.
    @ivar error: what it did not expect.
    """

    def __init__(
        self,
        service: LiveService,
        user: str,
        messages: dict[bytes, bytes],
        quits: bool,
        dice: random.Random,
    ) -> None:
        super().__init__(daemon=True)
        self.user = user
        self.marked: set[bytes] = set()
        self.removing = threading.Event()
        self.removed = False
        self.error: Exception | None = None
        self._service = service
        self._messages = messages
        self._quits = quits
        self._dice = dice

    def run(self) -> None:
        try:
            self._session(Wire(self._service))
        except ConnectionError:
            # That is the SIGKILL.
            return
        except Exception as error:
            self.error = error

    def _session(self, wire: Wire) -> None:
        wire.login(self.user)
        listed = dict(enumerate(uniqueIds(wire), 1))
        for number in self._dice.sample(sorted(listed), _RETRIEVED):
            if wire.retrieve(number) != canonical(self._messages[listed[number]]):
                raise AssertionError(f"{listed[number]!r} is not what it was")
        for number in self._dice.sample(sorted(listed), len(listed) // 2):
            self.marked.add(listed[number])
            wire.expect(b"DELE %d" % number, b"+OK")
        if not self._quits:
            # Until the SIGKILL.
            wire.line()
        self.removing.set()
        wire.expect(b"QUIT", b"+OK")
        self.removed = True


def uniqueIds(wire: Wire) -> list[bytes]:
    """The unique-ids of a maildrop, by message-number."""
    wire.expect(b"UIDL", b"+OK")
    return [line.split()[1] for line in wire.rest().splitlines()]
