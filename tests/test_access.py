"""L{pop3svc.monitoring.access}."""

from __future__ import annotations

import os
from base64 import b64encode
from pathlib import Path

from twisted.trial.unittest import TestCase

from pop3svc.errors import SettingError
from pop3svc.monitoring.access import Access, isPrivate, onLoopback, readToken

TOKEN = b"0123456789abcdef"


class EndpointTests(TestCase):
    def test_onLoopback(self) -> None:
        """Where no interface is named it is loopback's, and what names one stays."""
        for given, made in (
            ("tcp:8110", "tcp:8110:interface=127.0.0.1"),
            ("tcp6:8110", r"tcp6:8110:interface=\:\:1"),
            ("ssl:8110:privateKey=a.pem", "ssl:8110:privateKey=a.pem:interface=127.0.0.1"),
            ("tcp:8110:interface=192.0.2.1", "tcp:8110:interface=192.0.2.1"),
            ("tcp:8110:interface=", "tcp:8110:interface="),
            ("unix:/run/http", "unix:/run/http"),
            (
                r"ssl:1:privateKey=a\:interface=b",
                r"ssl:1:privateKey=a\:interface=b" + ":interface=127.0.0.1",
            ),
        ):
            self.assertEqual(onLoopback(given), made)

    def test_isPrivate(self) -> None:
        """What cannot be told is not."""
        for endpoint in (
            "tcp:8110:interface=127.0.0.1",
            "tcp:8110:interface=127.8.9.1:backlog=5",
            r"tcp6:8110:interface=\:\:1",
            "unix:/run/http",
        ):
            self.assertTrue(isPrivate(endpoint), endpoint)
        for endpoint in (
            "tcp:8110:interface=192.0.2.1",
            "tcp:8110:interface=0.0.0.0",
            "tcp:8110:interface=",
            "tcp:8110:interface=localhost.example.org",
            r"tcp6:8110:interface=\:\:",
            "systemd:domain=INET:index=1",
            "haproxy:tcp:8110:interface=127.0.0.1",
            # Twisted takes the last.
            "tcp:8110:interface=127.0.0.1:interface=0.0.0.0",
            r"tcp:8110:interface=127.0.0.1:inter\face=0.0.0.0",
        ):
            self.assertFalse(isPrivate(endpoint), endpoint)


class TokenTests(TestCase):
    def setUp(self) -> None:
        self.path = self.mktemp()

    def write(self, octets: bytes) -> str:
        Path(self.path).write_bytes(octets)
        return self.path

    def test_good(self) -> None:
        self.assertEqual(readToken(self.write(TOKEN + b"\n")), TOKEN)

    def test_bad(self) -> None:
        """A short one, and what no header can carry whole."""
        for octets in (b"", TOKEN[1:], TOKEN + b" " + TOKEN, b"key:" + TOKEN, TOKEN + b"\xe9"):
            error = self.assertRaises(SettingError, readToken, self.write(octets))
            self.assertIn("openssl rand -hex 32", str(error))

    def test_missing(self) -> None:
        error = self.assertRaises(SettingError, readToken, self.path)
        self.assertEqual(str(error), f"cannot read {self.path}: No such file or directory")

    def test_fifo(self) -> None:
        """Nobody is waited for who may never write."""
        os.mkfifo(self.path)
        error = self.assertRaises(SettingError, readToken, self.path)
        self.assertEqual(str(error), f"cannot read {self.path}: it is no regular file")

    def test_publicNeedsOne(self) -> None:
        error = self.assertRaises(SettingError, Access, "tcp:8110:interface=192.0.2.1", None)
        self.assertIn("add --http-token FILE", str(error))

    def test_proxied(self) -> None:
        """Each request would be refused as none."""
        path = self.write(TOKEN)
        error = self.assertRaises(SettingError, Access, "haproxy:tcp:8110", path)
        self.assertIn("the pages take no PROXY header", str(error))

    def test_reload(self) -> None:
        """A bad new token leaves the old one."""
        access = Access("tcp:1:interface=192.0.2.1", self.write(TOKEN))
        self.write(b"x" * 20)
        access.reload()
        self.assertEqual(access.refusal(b"Bearer " + b"x" * 20, None), 0)
        self.write(b"short")
        self.assertRaises(SettingError, access.reload)
        self.assertEqual(access.refusal(b"Bearer " + b"x" * 20, None), 0)


class RefusalTests(TestCase):
    def setUp(self) -> None:
        path = self.mktemp()
        Path(path).write_bytes(TOKEN)
        self.guarded = Access("tcp:1:interface=127.0.0.1", path)
        self.open = Access("tcp:1:interface=127.0.0.1", None)

    def test_token(self) -> None:
        """As a bearer token, or as the password of whomever; the name does not matter then."""
        for header in (
            b"Bearer " + TOKEN,
            b"bearer  " + TOKEN,
            b"Basic " + b64encode(b"prometheus:" + TOKEN),
            b"Basic " + b64encode(b":" + TOKEN),
        ):
            self.assertEqual(self.guarded.refusal(header, b"pop.example.org"), 0, header)

    def test_noToken(self) -> None:
        for header in (
            None,
            b"",
            TOKEN,
            b"Bearer",
            b"Bearer " + TOKEN[:-1],
            b"Bearer " + TOKEN + b"x",
            b"Basic " + TOKEN,
            b"Basic " + b64encode(TOKEN),
            b"Basic \xff\xff",
            b"Digest " + TOKEN,
        ):
            self.assertEqual(self.guarded.refusal(header, b"localhost"), 401, header)

    def test_host(self) -> None:
        """Without a token only names of loopback are answered, against DNS rebinding."""
        for host in (
            None,
            b"localhost",
            b"LocalHost:8110",
            b"127.0.0.1:80",
            b"[::1]:8110",
            b"[::1]",
        ):
            self.assertEqual(self.open.refusal(None, host), 0, host)
        for host in (
            b"",
            b"evil.example",
            b"localhost.evil.example:80",
            b"192.0.2.1",
            b"::1:x",
            b"\xff",
        ):
            self.assertEqual(self.open.refusal(None, host), 421, host)

    def test_unix(self) -> None:
        """No browser comes that way."""
        self.assertEqual(Access("unix:/run/http", None).refusal(None, b"anything"), 0)
