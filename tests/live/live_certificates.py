"""
Certificates replaced under load, and handshakes that are paid for once.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from cryptography import x509

from .harness import HOST, IMPLICIT, STLS, USER, LiveService, LiveTestCase
from .live_poplib import connect
from .messages import Maildir
from .sclient import look

_SESSIONS = 50
_BEGIN = b"-----BEGIN CERTIFICATE-----"
_FAILED = "reload-failed"
_LETTER = b"Subject: one\r\n\r\nThis is read again and again.\r\n"


class _Load(threading.Thread):
    """
    One session that never rests.

    @ivar rounds: how often it has asked for all that it asks for.
    @ivar lost: how the session ended before it should, if it did.
    """

    def __init__(self, service: LiveService, number: int) -> None:
        super().__init__(daemon=True)
        self.rounds = 0
        self.lost: Exception | None = None
        self._ended = threading.Event()
        self._client = connect(service, STLS if number % 2 else IMPLICIT)
        self._client.user(_user(number))
        self._client.pass_("secret")

    def run(self) -> None:
        wanted = _LETTER.split(b"\r\n")[:-1]
        try:
            while not self._ended.is_set():
                self._client.noop()
                if self._client.stat() != (1, len(_LETTER)) or self._client.retr(1)[1] != wanted:
                    raise AssertionError("an answer is wrong")
                self.rounds += 1
                # Fifty clients on the service's own machine leave it no time otherwise.
                self._ended.wait(0.1)
            self._client.quit()
        except Exception as error:
            self.lost = error

    def end(self) -> None:
        """QUIT, and wait for the answer."""
        self._ended.set()
        self.join()


def _user(number: int) -> str:
    return f"{USER}{number}"


class ReplacedTests(LiveTestCase):
    def setUp(self) -> None:
        super().setUp()
        passwd = self.directory / "passwd"
        users = [_user(number) for number in range(_SESSIONS)]
        passwd.write_text("".join(f"{user}:{{PLAIN}}secret\n" for user in users))
        self.service = self.serve(
            # Nothing is read again but when the test says so.
            *("--auth", f"passwd:{passwd}", "--limit", "watch-seconds=3600"),
            # All of them are one network.
            *("--limit", f"connections-per-network={_SESSIONS + 10}"),
        )
        for user in users:
            Maildir(self.service.maildirs / user).deliver(_LETTER)
        self.new = self.directory / "new.pem"

    def test_underLoad(self) -> None:
        """The next connection gets the new pair, or the old one if the new is bad."""
        load = [_Load(self.service, number) for number in range(_SESSIONS)]
        for each in load:
            each.start()
        try:
            new = self._issue()
            self.assertNotEqual(self._served(), _serial(new))
            self._replace(new, "reloaded")
            self.assertEqual(self._served(), _serial(new))

            key, other = new.partition(_BEGIN)[0], self._issue().partition(_BEGIN)
            self._replace(key + b"".join(other[1:]), _FAILED)
            self._replace(b"no certificate", _FAILED)
            self.assertEqual(self._served(), _serial(new))

            newest = self._issue()
            self._replace(newest, "reloaded")
            self.assertEqual(self._served(), _serial(newest))
            before = [each.rounds for each in load]
            # Who is there goes on.
            while any(
                each.is_alive() and each.rounds == n for each, n in zip(load, before, strict=True)
            ):
                time.sleep(0.05)
        finally:
            for each in load:
                each.end()
        self.assertEqual([each.lost for each in load if each.lost], [])
        logouts = self.service.awaitEvents("logout", _SESSIONS)
        reasons = [each["reason"] for each in logouts]
        self.assertEqual(reasons, ["quit"] * _SESSIONS)
        texts = [each["text"] for each in self.service.events(_FAILED)]
        path = self.service.certificate
        self.assertEqual(
            texts, [f"the key in {path} is not that of {path}", f"{path} is no PEM certificate"]
        )

    def _issue(self) -> bytes:
        """@return: a key with a new certificate, which nobody serves yet."""
        return Path(self.service.issuer.issue(str(self.new), HOST)).read_bytes()

    def _replace(self, pem: bytes, event: str) -> None:
        """As administrators do it: at once, and then SIGHUP."""
        before = len(self.service.events(event))
        self.new.write_bytes(pem)
        os.replace(self.new, self.service.certificate)
        self.service.reload()
        self.service.awaitEvents(event, before + 1)

    def _served(self) -> int:
        """@return: the serial number of what the next connection gets, both ways."""
        pems = [look(self.service, each, self.directory) for each in (STLS, IMPLICIT)]
        one, other = (_serial(each) for each in pems)
        self.assertEqual(one, other)
        return one


class HandshakeTests(LiveTestCase):
    def test_ALPN(self) -> None:
        """A browser that was led here gets an alert, and nobody is bothered with it."""
        service = self.serve()
        for way in (STLS, IMPLICIT):
            said = look(service, way, self.directory, "-alpn", "imap,pop3")
            self.assertIn(b"\nALPN protocol: pop3\n", said)
            look(service, way, self.directory, "-alpn", "h2,http/1.1", statuses=(1,))

    def test_resumption(self) -> None:
        """Who comes again pays for no second full handshake, until the keys change."""
        service = self.serve("--limit", "watch-seconds=3600")
        for version in ("-tls1_2", "-tls1_3"):
            for way in (STLS, IMPLICIT):
                session = str(self.directory / f"session{version}{way.name}")
                for options, word in (("-sess_out", b"New"), ("-sess_in", b"Reused")):
                    said = look(service, way, self.directory, version, options, session)
                    self.assertIn(b"\n" + word + b", TLSv1.", said, f"{version}, way {way.name}")
        service.reload()
        service.awaitEvents("reloaded", 1)
        said = look(service, way, self.directory, version, "-sess_in", session)
        self.assertIn(b"\nNew, TLSv1.", said)


def _serial(pem: bytes) -> int:
    return x509.load_pem_x509_certificate(pem).serial_number
