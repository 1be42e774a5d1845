"""
One Maildir with everybody at work in it: an MTA delivers, an IMAP server moves mail, sets
flags and expunges, a job of the host removes, and POP3 clients fetch and delete. Nothing is
lost, nothing comes twice, nothing is cut, and a unique-id stays with its message.
"""

from __future__ import annotations

import imaplib
import os
import pwd
import random
import re
import threading
import time
from collections.abc import Callable
from poplib import POP3, error_proto

from .harness import LOOPBACK, PASSWORD, PLAIN, USER, LiveTestCase
from .imap import Dovecot
from .messages import Maildir, canonical
from .postfix import DOMAIN, Postfix
from .programs import findProgram, run

_SECONDS = 20.0
_JOIN_SECONDS = 60.0
_POP_CLIENTS = 4
_SENT = re.compile(rb"^X-Sent: ([0-9]+)\r?$", re.MULTILINE)


class Ledger:
    """
    What everybody has done, by the serial number of a message.

    @ivar sent: bodies of those that were handed to somebody who delivers.
    @ivar taken: those whose removal was confirmed, and by whom.
    @ivar seen: for each unique-id the message that it stood for.
    @ivar idsOf: for each message its unique-ids.
    @ivar doubtful: those whose removal an IMAP session did not see to its end.
    @ivar faults: what must not be.
    @ivar refused: the unique-ids of those that could not be sent.
    @ivar back: those of them that were listed later.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.sent: dict[int, bytes] = {}
        self.taken: dict[int, list[str]] = {}
        self.seen: dict[bytes, int] = {}
        self.idsOf: dict[int, set[bytes]] = {}
        self.doubtful: set[int] = set()
        self.faults: list[str] = []
        self.refused: set[bytes] = set()
        self.back: set[bytes] = set()

    def take(self, serial: int, who: str) -> None:
        with self.lock:
            self.taken.setdefault(serial, []).append(who)

    def see(self, uniqueId: bytes, message: bytes) -> int:
        """A message was sent whole: it must be what was delivered, under its own id."""
        found = _SENT.search(message)
        assert found is not None, message[:200]
        serial = int(found[1])
        body = message.partition(b"\n\n")[2]
        with self.lock:
            if body != self.sent[serial]:
                self.faults.append(f"message {serial} is damaged")
            if self.seen.setdefault(uniqueId, serial) != serial:
                self.faults.append(f"{uniqueId!r} stands for another message now")
            self.idsOf.setdefault(serial, set()).add(uniqueId)
        return serial


class NeighbourTests(LiveTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.postfix = Postfix()
        self.addCleanup(self.postfix.stop)
        owner = pwd.getpwnam("nobody")
        self.path = self.postfix.maildirs / USER
        self.maildir = Maildir(self.path)
        for each in (self.path, *self.path.iterdir()):
            os.chown(each, owner.pw_uid, owner.pw_gid)
        home = self.postfix.maildirs.parent / "dovecot"
        home.mkdir(mode=0o755)
        self.dovecot = Dovecot(home, self.postfix.maildirs, owner.pw_uid, owner.pw_gid)
        self.addCleanup(self.dovecot.stop)
        self.service = self.serve("--maildrop", f"maildir:{self.postfix.maildirs}/{{user}}")
        self.ledger = Ledger()
        self.over = threading.Event()

    def test_everybodyAtOnce(self) -> None:
        workers: list[Callable[[random.Random], None]] = [self._mta, self._maildrop]
        workers += [self._imap, self._cron] + [self._pop] * _POP_CLIENTS
        threads = [
            threading.Thread(target=self._attempt, args=(work, seed), daemon=True)
            for seed, work in enumerate(workers)
        ]
        for each in threads:
            each.start()
        time.sleep(_SECONDS)
        self.over.set()
        for each in threads:
            each.join(_JOIN_SECONDS)
            self.assertFalse(each.is_alive())
        self.assertEqual(self.ledger.faults, [])
        self._checkWhatIsLeft()

    def _attempt(self, work: Callable[[random.Random], None], seed: int) -> None:
        try:
            work(random.Random(seed))
        except Exception as error:
            self.ledger.faults.append(f"{work.__name__}: {error!r}")

    def _message(self, dice: random.Random) -> tuple[int, bytes]:
        body = b"a line\n.\n..dots\nFrom here\n" * dice.choice((1, 20, 5000))
        with self.ledger.lock:
            serial = len(self.ledger.sent)
            self.ledger.sent[serial] = body
        return serial, b"From: walter@example.org\nX-Sent: %d\n\n%s" % (serial, body)

    def _mta(self, dice: random.Random) -> None:
        with self.postfix.connect() as mta:
            while not self.over.is_set():
                _, message = self._message(dice)
                mta.sendmail("walter@example.org", f"{USER}@{DOMAIN}", canonical(message))
                time.sleep(dice.uniform(0, 0.1))

    def _maildrop(self, dice: random.Random) -> None:
        program, home = findProgram("maildrop"), self.directory / "maildrop"
        home.mkdir()
        settings = home / "mailfilter"
        settings.write_text(f'to "{self.path}"\n')
        settings.chmod(0o600)
        while not self.over.is_set():
            _, message = self._message(dice)
            run([program, "-f", "walter@example.org", str(settings)], home, stdin=message)
            time.sleep(dice.uniform(0, 0.2))

    def _imap(self, dice: random.Random) -> None:
        """It moves new mail to cur, sets flags, and expunges what it has read."""
        while not self.over.is_set():
            try:
                self._imapSession(dice)
            except imaplib.IMAP4.abort:
                # Dovecot itself does not get over a file that is gone while it is read.
                continue

    def _imapSession(self, dice: random.Random) -> None:
        client = self.dovecot.connect(USER)
        while not self.over.is_set():
            count = int((client.select("INBOX")[1][0] or b"0").decode())
            numbers = dice.sample(range(1, count + 1), min(count, 5))
            for number in numbers:
                client.store(str(number), "+FLAGS", dice.choice(("\\Seen", "\\Flagged")))
            if count > 10:
                self._expunge(client, dice.choice(numbers))
            time.sleep(dice.uniform(0, 0.1))
        client.logout()

    def _expunge(self, client: object, number: int) -> None:
        fetch, store, expunge = (getattr(client, each) for each in ("fetch", "store", "expunge"))
        data = fetch(str(number), "(BODY.PEEK[HEADER])")[1][0]
        if not isinstance(data, tuple):
            # Somebody else was quicker.
            return
        found = _SENT.search(data[1])
        assert found is not None
        with self.ledger.lock:
            self.ledger.doubtful.add(int(found[1]))
        store(str(number), "+FLAGS", "\\Deleted")
        expunge()
        with self.ledger.lock:
            self.ledger.doubtful.discard(int(found[1]))
        self.ledger.take(int(found[1]), "imap")

    def _cron(self, dice: random.Random) -> None:
        """Like find -delete, of what it has read."""
        while not self.over.is_set():
            time.sleep(dice.uniform(0.1, 0.5))
            names = sorted((self.path / "cur").iterdir())
            if len(names) < 10:
                continue
            path = dice.choice(names)
            try:
                found = _SENT.search(path.read_bytes())
                path.unlink()
            except FileNotFoundError:
                continue
            assert found is not None
            self.ledger.take(int(found[1]), "cron")

    def _pop(self, dice: random.Random) -> None:
        while not self.over.is_set():
            client = POP3(LOOPBACK, self.service.port(PLAIN), timeout=_JOIN_SECONDS)
            try:
                client.user(USER)
                client.pass_(PASSWORD)
            except error_proto as error:
                client.close()
                if not error.args[0].startswith(b"-ERR [IN-USE]"):
                    raise
                time.sleep(dice.uniform(0, 0.05))
                continue
            self._session(client, dice)

    def _session(self, client: POP3, dice: random.Random) -> None:
        sizes = [int(line.split()[1]) for line in client.list()[1]]
        uniqueIds = [line.split()[1] for line in client.uidl()[1]]
        if len(sizes) != len(uniqueIds) or client.stat() != (len(sizes), sum(sizes)):
            self.ledger.faults.append("LIST, UIDL and STAT do not agree")
        with self.ledger.lock:
            self.ledger.back |= self.ledger.refused.intersection(uniqueIds)
        if len(set(uniqueIds)) != len(uniqueIds):
            self.ledger.faults.append("a unique-id is there twice")
        # So that others have time to take some of it away.
        time.sleep(dice.uniform(0, 0.3))
        marked = []
        for number in dice.sample(range(1, len(sizes) + 1), min(len(sizes), 15)):
            serial = self._retrieve(client, number, sizes[number - 1], uniqueIds[number - 1])
            if serial is not None and dice.random() < 0.5:
                client.dele(number)
                marked.append(serial)
        client.quit()
        for serial in marked:
            self.ledger.take(serial, "pop")

    def _retrieve(self, client: POP3, number: int, size: int, uniqueId: bytes) -> int | None:
        try:
            _, lines, octets = client.retr(number)
        except error_proto as error:
            if not error.args[0].startswith(b"-ERR [SYS/TEMP] this message"):
                raise
            # Of this message alone: the next command is answered as ever.
            client.noop()
            with self.ledger.lock:
                self.ledger.refused.add(uniqueId)
            return None
        message = b"".join(line + b"\n" for line in lines)
        # poplib counts the line ends, and not the dots that were stuffed.
        if octets != size:
            self.ledger.faults.append(f"{octets} octets came, {size} were promised")
        return self.ledger.see(uniqueId, message)

    def _checkWhatIsLeft(self) -> None:
        """Each message was taken by somebody, or is there, once."""
        ledger = self.ledger
        giveUp = time.monotonic() + _JOIN_SECONDS
        while True:
            left = [_SENT.search(each) for each in self.maildir.stored()]
            serials = sorted(int(each[1]) for each in left if each is not None)
            lost = ledger.sent.keys() - ledger.taken.keys() - set(serials) - ledger.doubtful
            if not lost:
                break
            if time.monotonic() > giveUp:
                self.fail(f"lost: {sorted(lost)}\n{self.postfix.log()[-2000:]}")
            time.sleep(0.2)
        self.assertEqual(serials, sorted(set(serials)))
        self.assertEqual(set(serials) & ledger.taken.keys(), set(), "what was removed is back")
        changed = {serial: ids for serial, ids in ledger.idsOf.items() if len(ids) > 1}
        self.assertEqual(changed, {})
        # Everybody had their part, and got into each other's way.
        who = {each for names in ledger.taken.values() for each in names}
        self.assertEqual(who, {"imap", "cron", "pop"})
        self.assertNotEqual(ledger.refused, set())
        # What was only moved is sent; unless it is moved again between two looks.
        self.assertLessEqual(len(ledger.back), len(ledger.refused) // 5)
        client = POP3(LOOPBACK, self.service.port(PLAIN), timeout=_JOIN_SECONDS)
        client.user(USER)
        client.pass_(PASSWORD)
        self.assertEqual(client.stat()[0], len(serials))
        client.quit()
        self.assertEqual(self.service.events("fault"), [])
