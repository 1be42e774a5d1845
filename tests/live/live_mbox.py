"""
System mail: real MTAs deliver into an mbox while sessions read and remove. Nothing is
lost, nothing comes twice, nothing is cut.
"""

from __future__ import annotations

import random
import re
import threading
import time
from poplib import POP3, error_proto

from .harness import LOOPBACK, PASSWORD, PLAIN, LiveService, LiveTestCase
from .mboxwriters import (
    LocalPostfix,
    MaildropWriter,
    PostfixWriter,
    ProcmailWriter,
    Writer,
    makeMbox,
)
from .wire import Wire

# local(8) delivers only to accounts that the host has.
_ACCOUNT = "games"
_MESSAGES = 20
_KILLS = 10
_SECONDS = 90.0
_SENT = re.compile(rb"^X-Sent: ([0-9]+)\r?$", re.MULTILINE)


class MboxTestCase(LiveTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.postfix = LocalPostfix()
        self.addCleanup(self.postfix.stop)
        self.mbox = makeMbox(self.postfix.spool, _ACCOUNT)
        self.service = self.serve(
            *("--auth", f"memory:{_ACCOUNT}:{PASSWORD}"),
            *("--maildrop", f"mbox:{self.postfix.spool}/{{user}}"),
        )
        for writer in self.makeWriters():
            writer.start()

    def makeWriters(self) -> list[Writer]:
        homes = [self.directory / name for name in ("postfix", "procmail", "maildrop")]
        for home in homes:
            home.mkdir()
        self.writers: list[Writer] = [
            PostfixWriter(self.mbox, _MESSAGES, 0, homes[0], self.postfix),
            ProcmailWriter(self.mbox, _MESSAGES, 1000, homes[1]),
            MaildropWriter(self.mbox, _MESSAGES, 2000, homes[2]),
        ]
        return self.writers

    def sent(self) -> dict[int, bytes]:
        """All that was delivered, once nobody delivers any more."""
        sent = {}
        for writer in self.writers:
            writer.join(_SECONDS)
            self.assertFalse(writer.is_alive())
            self.assertIs(writer.error, None)
            sent.update(writer.delivered)
        return sent

    def serial(self, message: bytes) -> int:
        found = _SENT.search(message)
        assert found is not None, message[:300]
        return int(found[1])

    def connect(self) -> POP3:
        """@raise error_proto: it is refused, with the answer."""
        client = POP3(LOOPBACK, self.service.port(PLAIN), timeout=_SECONDS)
        try:
            client.user(_ACCOUNT)
            client.pass_(PASSWORD)
        except error_proto:
            client.close()
            raise
        return client

    def retrieve(self, client: POP3, number: int) -> bytes:
        return b"".join(line + b"\n" for line in client.retr(number)[1])

    def assertWhole(self, message: bytes, sent: bytes) -> None:
        """
        What an MTA changes is the header, and C{From } at the beginning of a line;
        and local(8) writes two empty lines behind a message, one more than there
        have to be.
        """
        _, _, body = message.partition(b"\n\n")
        body = re.sub(rb"(?m)^>From ", b"From ", body).rstrip(b"\n") + b"\n"
        self.assertEqual(body, sent.partition(b"\n\n")[2], f"message {self.serial(message)}")


class DeliveryTests(MboxTestCase):
    def test_deliverAndDrain(self) -> None:
        """Two clients take turns, and see all that three MTAs deliver."""
        taken: dict[int, bytes] = {}
        refused: list[bytes] = []
        lock = threading.Lock()
        giveUp = time.monotonic() + _SECONDS

        def drain() -> None:
            while time.monotonic() < giveUp and len(taken) < 3 * _MESSAGES:
                self._visit(taken, refused, lock)
                time.sleep(0.02)

        clients = [threading.Thread(target=drain, daemon=True) for _ in range(2)]
        for each in clients:
            each.start()
        sent = self.sent()
        for each in clients:
            each.join(_SECONDS)
        self.assertEqual(sorted(taken), sorted(sent), self.postfix.log()[-2000:])
        for serial, message in taken.items():
            self.assertWhole(message, sent[serial])
        self.assertEqual(refused, [])
        self.assertEqual(self.mbox.read_bytes(), b"")

    def _visit(self, taken: dict[int, bytes], refused: list[bytes], lock: threading.Lock) -> None:
        try:
            client = self.connect()
        except error_proto as error:
            if not error.args[0].startswith(b"-ERR [IN-USE]"):
                refused.append(error.args[0])
            return
        visited = {}
        for number in range(1, client.stat()[0] + 1):
            # Every other one stays for the next session.
            if random.random() < 0.7:
                message = self.retrieve(client, number)
                visited[self.serial(message)] = message
                client.dele(number)
        client.quit()
        with lock:
            again = taken.keys() & visited.keys()
            refused.extend(b"twice: %d" % serial for serial in again)
            taken.update(visited)


class KillTests(MboxTestCase):
    def test_killed(self) -> None:
        """
        The service is killed time and again while it removes and others deliver:
        what was not marked is there, and what QUIT has confirmed is not.
        """
        dice = random.Random(5)
        confirmed: set[int] = set()
        marked: set[int] = set()
        for _ in range(_KILLS):
            time.sleep(dice.uniform(0, 0.5))
            visit = _Visit(self.service, dice.random())
            visit.start()
            if visit.removing.wait(_SECONDS):
                time.sleep(dice.uniform(0, 0.02))
            self.service.kill()
            visit.join(_SECONDS)
            self.assertIs(visit.error, None)
            if visit.confirmed:
                confirmed |= visit.marked
            marked |= visit.marked
            self.service.start()
            # Completes what was interrupted, and frees what MTAs wait for.
            self.connect().quit()
        sent = self.sent()
        giveUp = time.monotonic() + _SECONDS
        while True:
            left = self._left()
            self.assertEqual(len(left), len(set(left)))
            if set(left) >= sent.keys() - marked or time.monotonic() > giveUp:
                break
            time.sleep(0.5)
        self.assertEqual(sent.keys() - marked - left.keys(), set(), self.postfix.log()[-2000:])
        self.assertEqual(confirmed & left.keys(), set())
        for serial, message in left.items():
            self.assertWhole(message, sent[serial])

    def _left(self) -> dict[int, bytes]:
        client = self.connect()
        numbers = range(1, client.stat()[0] + 1)
        messages = [self.retrieve(client, number) for number in numbers]
        client.quit()
        left = {self.serial(each): each for each in messages}
        self.assertEqual(len(left), len(messages), "a message is there twice")
        return left


class _Visit(threading.Thread):
    """
    A session that marks half of what it sees, until it is cut off.

    @ivar marked: the serial numbers of what it has asked to remove, or was about to.
    @ivar removing: it has sent QUIT, or is about to.
    @ivar confirmed: QUIT was answered with +OK.
    @ivar error: what it did not expect.
    """

    def __init__(self, service: LiveService, seed: float) -> None:
        super().__init__(daemon=True)
        self.marked: set[int] = set()
        self.removing = threading.Event()
        self.confirmed = False
        self.error: Exception | None = None
        self._service = service
        self._dice = random.Random(seed)

    def run(self) -> None:
        try:
            self._session(Wire(self._service))
        except ConnectionError:
            # That is the SIGKILL.
            return
        except Exception as error:
            self.error = error
        finally:
            self.removing.set()

    def _session(self, wire: Wire) -> None:
        wire.login(_ACCOUNT, PASSWORD)
        count = int(wire.expect(b"STAT", b"+OK").split()[1])
        for number in self._dice.sample(range(1, count + 1), count // 2):
            found = _SENT.search(wire.retrieve(number))
            assert found is not None
            self.marked.add(int(found[1]))
            wire.expect(b"DELE %d" % number, b"+OK")
        self.removing.set()
        wire.expect(b"QUIT", b"+OK")
        self.confirmed = True
