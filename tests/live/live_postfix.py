"""
From an MTA through the service to mail programs: what was sent is what is read.
"""

from __future__ import annotations

import importlib.util
import random
import re
import time
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path

from .fetchmail import Fetchmail
from .harness import IMPLICIT, PASSWORD, STLS, LiveTestCase
from .live_poplib import login
from .messages import BEYOND, SAMPLES, Maildir, attachment, canonical
from .postfix import DOMAIN, Postfix
from .programs import unavailable

# Who fetches whose mail.
_PROGRAMS = {"karl": "poplib", "joe": "fetchmail"}
_DELIVERY_SECONDS = 60.0
_GENERATED = 250
_BIG = 20_000_000
_SENT = re.compile(rb"^X-Sent: ([0-9]+)\r\n", re.MULTILINE)


class PostfixTests(LiveTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.fetchmail = Fetchmail(self.directory)
        self.postfix = Postfix()
        self.addCleanup(self.postfix.stop)

    def test_drain(self) -> None:
        """
        Two users get the same mail and fetch it with two programs. It is what
        lies in the Maildir, and the bodies are what was sent; nothing is
        missing, nothing comes twice, nothing is left.
        """
        samples = {**pythonSamples(), **SAMPLES, **generatedSamples(), "big": attachment(_BIG)}
        sent: dict[str, dict[int, bytes]] = {user: {} for user in _PROGRAMS}
        with self.postfix.connect() as mta:
            for serial, (name, stored) in enumerate(samples.items()):
                data = b"X-Sent: %d\r\n" % serial + canonical(stored)
                users = [user for user in sent if name not in BEYOND.get(_PROGRAMS[user], ())]
                if users:
                    addresses = [f"{user}@{DOMAIN}" for user in users]
                    mta.sendmail("walter@example.org", addresses, data)
                for user in users:
                    sent[user][serial] = data
        maildirs = {user: self._whenDelivered(user, len(sent[user])) for user in sent}
        delivered = {user: maildirs[user].stored() for user in sent}
        self.service = self.serve(
            *("--auth", f"memory:joe:{PASSWORD}"),
            *("--maildrop", f"maildir:{self.postfix.maildirs}/{{user}}"),
        )
        for user, drain in {"karl": self._drainByPoplib, "joe": self._drainByFetchmail}.items():
            fetched = drain()
            self.assertEqual(digests(fetched), digests(map(canonical, delivered[user])))
            self._checkBodies(fetched, sent[user])
            self.assertEqual(maildirs[user].stored(), [])
            self.assertEqual(drain(), [])

    def _whenDelivered(self, user: str, count: int) -> Maildir:
        """A Maildir that Postfix makes, once so many messages are in it."""
        path = self.postfix.maildirs / user
        giveUp = time.monotonic() + _DELIVERY_SECONDS
        while len(list(path.glob("new/*"))) < count:
            if time.monotonic() > giveUp:
                self.fail(f"Postfix does not deliver:\n{self.postfix.log()[-4000:]}")
            time.sleep(0.1)
        return Maildir(path)

    def _drainByPoplib(self) -> list[bytes]:
        client = login(self.service, IMPLICIT)
        fetched = []
        for number in range(1, client.stat()[0] + 1):
            fetched.append(b"".join(line + b"\r\n" for line in client.retr(number)[1]))
            client.dele(number)
        client.quit()
        return fetched

    def _drainByFetchmail(self) -> list[bytes]:
        return self.fetchmail.poll(self.service, STLS, keep=False, user="joe")

    def _checkBodies(self, fetched: Sequence[bytes], sent: dict[int, bytes]) -> None:
        """
        Postfix adds to headers, and to a header that something else interrupts
        an empty line; it leaves bodies alone, but for CR.
        """
        bySerial = {}
        for message in fetched:
            found = _SENT.search(message)
            assert found is not None, message[:200]
            bySerial[int(found[1])] = message
        self.assertEqual(sorted(bySerial), sorted(sent))
        for serial, data in sent.items():
            # CR in front of a line end is cut, any other becomes a space.
            body = re.sub(rb"\r+\n", b"\n", data.partition(b"\r\n\r\n")[2]).replace(b"\r", b" ")
            body = body.replace(b"\n", b"\r\n")
            end = bySerial[serial][-len(body) :] if body else b""
            self.assertEqual(digests([end]), digests([body]), f"message {serial}")


def pythonSamples() -> dict[str, bytes]:
    """What Python's email package is tested with."""
    found = importlib.util.find_spec("test")
    if found is None or found.origin is None:
        unavailable("this Python comes without its own tests")
    files = sorted(Path(found.origin).parent.glob("test_email/data/msg_*.txt"))
    if not files:
        unavailable("this Python comes without test.test_email")
    return {each.name: each.read_bytes() for each in files}


def generatedSamples() -> dict[str, bytes]:
    """Messages of all sizes, the same each time: dots, 8-bit, NUL, bare CR."""
    dice = random.Random(1939)
    pieces = (b".", b"..", b"\n", b"\n.\n", b"\0", b"\r", b"\xe4\xff", b"From ", b"word ", b"\t")
    samples = {}
    for number in range(_GENERATED):
        body = b"".join(dice.choices(pieces, k=dice.choice((0, 1, 5, 50, 500))))
        samples[f"generated {number}"] = b"Subject: generated %d\n\n%s" % (number, body)
    return samples


def digests(messages: Iterable[bytes]) -> list[str]:
    """In an order that says nothing about when they came."""
    return sorted(sha256(each).hexdigest() for each in messages)
