"""
A laptop that was shut with its mail program logged in: another program gets the
maildrop after a while, in whichever process it comes.
"""

from __future__ import annotations

import poplib
import time

from .curl import LOGIN_DENIED, Curl
from .harness import LOOPBACK, PASSWORD, PLAIN, USER, LiveService, LiveTestCase
from .messages import Maildir
from .mpop import Mpop

_MESSAGES = [b"Subject: %d\n\nbody\n" % number for number in range(3)]
_SILENCE = 1.0
_SOON = _SILENCE + 1.0


class TakeoverTests(LiveTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.service = self.serve("--limit", "takeover-seconds=1")
        self.maildir = Maildir(self.service.maildirs / USER)
        self.maildir.deliver(*_MESSAGES)
        self.curl = Curl(self.directory)

    def silent(self) -> poplib.POP3:
        """A program that has marked a message, and then says nothing for long."""
        client = poplib.POP3(LOOPBACK, self.service.port(), 10)
        self.addCleanup(client.close)
        client.user(USER)
        client.pass_(PASSWORD)
        client.dele(1)
        return client

    def assertOver(self, client: poplib.POP3) -> None:
        """Its session has ended without UPDATE."""
        with self.assertRaisesRegex(poplib.error_proto, r"-ERR \[IN-USE\] this session is over"):
            client.quit()
        ends = self.service.awaitEvents("logout", 2)
        self.assertEqual(
            [(each["reason"], each["deleted"]) for each in ends if each["reason"] != "quit"],
            [("taken-over", "0")],
        )

    def test_goesOn(self) -> None:
        """Where nobody came, what was marked is removed."""
        client = self.silent()
        time.sleep(_SOON)
        self.assertEqual(client.stat()[0], 2)
        client.quit()
        self.assertEqual(self.maildir.stored(), _MESSAGES[1:])

    def test_notYet(self) -> None:
        """Who has just said something keeps others out."""
        client = self.silent()
        self.curl.ask(self.service, PLAIN, statuses=[LOGIN_DENIED])
        for _ in range(6):
            time.sleep(_SILENCE / 3)
            client.noop()
            self.curl.ask(self.service, PLAIN, statuses=[LOGIN_DENIED])
        client.quit()
        self.assertEqual(self.maildir.stored(), _MESSAGES[1:])

    def test_takenOver(self) -> None:
        """The other gets all messages, and what was marked is still there after it."""
        client = self.silent()
        time.sleep(_SOON)
        mpop = Mpop(self.directory)
        fetched = mpop.poll(self.service, PLAIN, keep=False)
        self.assertEqual(fetched, _MESSAGES)
        self.maildir.deliver(b"Subject: new\n\n")
        self.assertOver(client)
        self.assertEqual(self.maildir.stored(), [b"Subject: new\n\n"])

    def test_whileTheOtherIsThere(self) -> None:
        """The first one speaks again before the other is done."""
        client = self.silent()
        time.sleep(_SOON)
        other = self.silent()
        with self.assertRaisesRegex(poplib.error_proto, r"-ERR \[IN-USE\]"):
            client.noop()
        self.assertEqual(len(self.maildir.stored()), 3)
        other.rset()
        other.dele(3)
        other.quit()
        self.assertEqual(self.maildir.stored(), _MESSAGES[:2])

    def test_otherProcess(self) -> None:
        """The same when two services know of each other only by the kernel's lock."""
        directory = self.directory / "other"
        directory.mkdir()
        other = LiveService(
            directory,
            (
                *("--auth", f"passwd:{directory}/passwd"),
                *("--maildrop", f"maildir:{self.service.maildirs}/{{user}}"),
            ),
        )
        other.start()
        self.addCleanup(self._stopService, other)
        client = self.silent()
        self.curl.ask(other, PLAIN, statuses=[LOGIN_DENIED])
        time.sleep(_SOON)
        self.assertEqual(len(self.curl.ask(other, PLAIN).splitlines()), 3)
        # That one only looked: nothing has changed for the first.
        self.assertEqual(client.stat()[0], 2)
        time.sleep(_SOON)
        self.curl.ask(other, PLAIN, "--request", "DELE", "--head", path="2")
        with self.assertRaisesRegex(poplib.error_proto, r"-ERR \[IN-USE\]"):
            client.quit()
        self.assertEqual(self.maildir.stored(), [_MESSAGES[0], _MESSAGES[2]])
