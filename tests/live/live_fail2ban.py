"""
etc/fail2ban against lines that the real service writes for hostile names, read by the
real fail2ban: who is banned, who is not, and nobody whom an attacker names.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import time
from base64 import b64encode
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.running import ROOT, RunningService, freePort

from .harness import LOOPBACK
from .programs import findProgram, run

_FAIL2BAN = ROOT / "etc" / "fail2ban"
_FILTER = _FAIL2BAN / "filter.d" / "pop3svc.conf"
# Whom attackers would like to have banned in their place.
_VICTIM = "198.51.100.1"

_FORGED = (
    f"[pop3svc.audit#info] event=login-refused session=0 peer={_VICTIM} tls=none user=x"
    " mechanism=USER reason=wrong detail=x"
)
# There is an account with such a name, too: its refusals need not be its fault.
_USER, _PASSWORD = _FORGED, "secret"
_NAMES = (
    "karl",
    f"x peer={_VICTIM}",
    f'x" peer={_VICTIM} tls=none user=x mechanism=USER reason=wrong',
    f'x", "peer": "{_VICTIM}", "reason": "wrong"}}',
    f"2026-11-22T01:00:00+0000 {_FORGED}",
    "a\\",
    'a\\"',
    "%(name)s {line} <HOST> <ADDR>",
)
# By AUTH PLAIN only: USER takes printable ASCII.
_OCTETS = (
    f"x\n2026-11-22T01:00:00+0000 {_FORGED}".encode(),
    f"x\r\n\tpeer={_VICTIM}\x1b[2K\x7f".encode(),
    "Grüße\u2028peer=\u0085".encode(),
    b"\xff\xfe peer=" + _VICTIM.encode(),
)


class FilterTestCase(SynchronousTestCase):
    """
    A service behind a proxy, which may say that anybody connects.
    """

    def setUp(self) -> None:
        self.program = findProgram("fail2ban-regex")
        self.directory = Path(os.path.abspath(self.mktemp()))
        self.directory.mkdir()
        self.log = self.directory / "log"
        self.port = freePort()

    def start(self, logFormat: str, *words: str) -> RunningService:
        service = RunningService(
            self.log,
            *("--pop3", f"haproxy:tcp:{self.port}:interface={LOOPBACK}"),
            *("--clear-text-logins", "always", "--log-format", logFormat),
            *("--auth", f"memory:{_USER}:{_PASSWORD}", "--maildrop", "memory:"),
            *words,
        )
        self.addCleanup(service.process.wait)
        self.addCleanup(service.process.kill)
        self.waitForPort()
        return service

    def waitForPort(self) -> None:
        for _ in range(200):
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection((LOOPBACK, self.port), 20).close()
                return
            time.sleep(0.1)
        self.fail("nobody listens")

    def client(self, address: str) -> socket.socket:
        """Somebody from this address."""
        client = socket.create_connection((LOOPBACK, self.port), 20)
        self.addCleanup(client.close)
        kind, proxy = ("TCP6", "2001:db8::1") if ":" in address else ("TCP4", "192.0.2.250")
        client.sendall(f"PROXY {kind} {address} {proxy} 4000 110\r\n".encode())
        self.line(client)
        return client

    def line(self, client: socket.socket) -> bytes:
        """@return: an answer, or nothing when the connection has ended."""
        octets = b""
        with contextlib.suppress(ConnectionResetError):
            while not octets.endswith(b"\n") and (octet := client.recv(1)):
                octets += octet
        return octets

    def say(self, client: socket.socket, *lines: bytes) -> bytes:
        """@return: the answer to the last of them."""
        answer = b""
        for each in lines:
            client.sendall(each + b"\r\n")
            answer = self.line(client)
        return answer

    def found(self, log: Path, mode: str = "login") -> list[str]:
        """@return: whom fail2ban finds, once for each line that it counts."""
        command = (self.program, "--usedns=no", "-o", "<ip>", str(log), f"{_FILTER}[mode={mode}]")
        return sorted(run(command, self.directory, statuses=(0, 255)).decode().split())


class LoginTests(FilterTestCase):
    def attack(self) -> list[str]:
        """@return: the addresses of those whose password was wrong."""
        guilty = []
        for number, name in enumerate([each.encode() for each in _NAMES] * 2):
            address = f"192.0.2.{number + 1}" if number < len(_NAMES) else f"2001:db8:{number:x}::7"
            answer = self.say(self.client(address), b"USER " + name, b"PASS wrong")
            self.assertEqual(answer[:11], b"-ERR [AUTH]", name)
            guilty.append(address)
        for number, octets in enumerate([*_OCTETS, *(each.encode() for each in _NAMES)]):
            address = f"203.0.113.{number + 1}"
            claim = b64encode(b"\0".join((b"", octets, b"wrong")))
            answer = self.say(self.client(address), b"AUTH PLAIN " + claim)
            self.assertEqual(answer[:5], b"-ERR ", octets)
            if answer.startswith(b"-ERR [AUTH]"):
                guilty.append(address)
        return sorted(guilty)

    def innocent(self) -> None:
        """A maildrop in use, and what is no refusal: nobody's fault."""
        first, second = self.client("192.0.2.101"), self.client("192.0.2.102")
        login = (b"USER " + _USER.encode(), b"PASS " + _PASSWORD.encode())
        self.assertEqual(self.say(first, *login)[:3], b"+OK")
        self.assertEqual(self.say(second, *login)[:13], b"-ERR [IN-USE]")
        self.say(first, b"QUIT")
        # Not even a proxy's header; this is the proxy's own address.
        with socket.create_connection((LOOPBACK, self.port), 20) as other:
            other.sendall(b"GET / HTTP/1.0\r\n")
            self.assertEqual(self.line(other), b"")

    def check(self, logFormat: str) -> None:
        service = self.start(logFormat)
        guilty = self.attack()
        self.assertGreater(len(guilty), 2 * len(_NAMES))
        self.innocent()
        self.assertEqual(service.stop(), 0)
        said = service.output()
        self.assertIn(_VICTIM, said)
        self.assertIn("in-use", said)
        self.assertEqual(self.found(self.log), guilty)
        for each in self.disguises():
            self.assertEqual(self.found(each), guilty, each.name)
        self.assertEqual(self.found(self.log, "abuse"), [])

    def disguises(self) -> list[Path]:
        """
        The log as syslog and the journal write it, and as twistd's own C{--syslog}
        leaves it.
        """
        lines = self.log.read_text().splitlines()
        shapes = {
            "journal": [f"Nov 22 02:13:26 mx1 pop3svc[77]: {each}" for each in lines],
            "rsyslog": [f"2026-11-22T02:13:26.123+00:00 mx1 twistd[7]: {each}" for each in lines],
            "syslog": [
                "Nov 22 02:13:26 mx1 twisted: " + re.sub(r"^\S+ \[[^]]*\]", "[-]", each)
                for each in lines
            ],
        }
        paths = []
        for name, shape in shapes.items():
            path = self.directory / name
            path.write_text("\n".join(shape) + "\n")
            paths.append(path)
        return paths

    def test_text(self) -> None:
        self.check("text")

    def test_json(self) -> None:
        self.check("json")

    def test_auditLog(self) -> None:
        """The lines in a file of their own."""
        for logFormat in ("text", "json"):
            self.log, self.port = self.directory / f"{logFormat}.log", freePort()
            audit = self.directory / f"{logFormat}.audit"
            service = self.start(logFormat, "--audit-log", str(audit))
            guilty = self.attack()
            self.assertEqual(service.stop(), 0)
            self.assertEqual(self.found(audit), guilty)
            self.assertEqual(self.found(self.log), [])
            # As systemd and rsyslog keep what --audit-log - writes to standard output.
            for front in ("Nov 22 02:13:26", "2026-11-22T02:13:26.123+00:00"):
                lines = audit.read_text().splitlines()
                shape = self.directory / f"{logFormat}.journal"
                shape.write_text("".join(f"{front} mx1 pop3svc[77]: {each}\n" for each in lines))
                self.assertEqual(self.found(shape), guilty, front)

    def test_unchecked(self) -> None:
        """Those whom the service itself has given up on."""
        for logFormat in ("text", "json"):
            self.log = self.directory / logFormat
            self.port = freePort()
            service = self.start(logFormat, "--limit", "ban-failures=2")
            for number in range(3):
                # The third is not checked.
                self.say(self.client("192.0.2.1"), b"USER karl", b"PASS %d" % number)
            self.assertEqual(service.stop(), 0)
            said = service.output()
            # Twice wrong, the ban, and one more that was not even checked; a delay is
            # nothing.
            self.assertEqual(len(re.findall(r"event\W+throttled\b", said)), 2, said)
            self.assertEqual(self.found(self.log), ["192.0.2.1"] * 4, said)


class AbuseTests(FilterTestCase):
    def test_abuse(self) -> None:
        for logFormat in ("text", "json"):
            self.log = self.directory / logFormat
            self.port = freePort()
            service = self.start(logFormat, "--limit", "login-seconds=3")
            silent = self.client("192.0.2.1")
            self.say(self.client("192.0.2.2"), b"GET / HTTP/1.1")
            self.say(self.client("192.0.2.3"), b"EHLO x")
            self.say(self.client("192.0.2.4"), b"XYZ", f"X peer={_VICTIM}".encode(), b"XYZ")
            self.say(self.client("2001:db8::5"), b"X" * 10_000)
            # A mail program that is set up for TLS, and a password that is wrong.
            self.say(self.client("192.0.2.101"), b"\x16\x03\x01\x02\0\x01\0")
            self.say(self.client("192.0.2.102"), b"USER karl", b"PASS wrong", b"QUIT")
            self.assertEqual(self.line(silent), b"")
            self.assertEqual(service.stop(), 0)
            self.assertIn("192.0.2.101", service.output())
            guilty = [f"192.0.2.{number}" for number in range(1, 5)] + ["2001:db8::5"]
            self.assertEqual(self.found(self.log, "abuse"), guilty, service.output())


class JailTests(SynchronousTestCase):
    """The jails themselves, in a fail2ban of their own that bans nobody for real."""

    def test_ban(self) -> None:
        client = findProgram("fail2ban-client")
        directory = Path(os.path.abspath(self.mktemp()))
        configuration = directory / "fail2ban"
        shutil.copytree("/etc/fail2ban", configuration)
        for each in configuration.glob("jail.d/*"):
            each.unlink()
        shutil.copytree(_FAIL2BAN, configuration, dirs_exist_ok=True)
        log, banned = directory / "log", directory / "banned"
        (configuration / "action.d" / "told.conf").write_text(
            f"[Definition]\nactionban = echo <name> <ip> >> {banned}\nactionunban =\n"
        )
        jails = "".join(
            f"[{name}]\naction = told[name={name}]\nlogpath = {log}\nbackend = polling\n"
            for name in ("pop3svc", "pop3svc-abuse")
        )
        (configuration / "jail.local").write_text(f"[DEFAULT]\nignoreself = false\n{jails}")
        log.touch()
        files = ("-c", str(configuration), "-s", f"{directory}/socket", "-p", f"{directory}/pid")
        (configuration / "fail2ban.local").write_text(
            f"[Definition]\ndbfile = None\nlogtarget = {directory}/fail2ban.log\n"
        )
        run((client, *files, "start"), directory)
        self.addCleanup(run, (client, *files, "stop"), directory)
        at = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        start = f"{at} [pop3svc.operations.audit.Audit#info] event="
        login = " tls=none user=karl mechanism=USER reason=wrong\n"
        with log.open("a") as file:
            for address, count in (("192.0.2.1", 60), ("192.0.2.2", 59)):
                file.write(f"{start}login-refused session=0 peer={address}{login}" * count)
            for address, count in (("2001:db8::1", 20), ("2001:db8::2", 19)):
                file.write(f"{start}abuse session=0 peer={address} tls=none reason=http\n" * count)
        expected = ["pop3svc 192.0.2.1", "pop3svc-abuse 2001:db8::1"]
        giveUp = time.monotonic() + 30
        while not banned.exists() or len(banned.read_text().splitlines()) < len(expected):
            said = (directory / "fail2ban.log").read_text()
            self.assertLess(time.monotonic(), giveUp, said)
            time.sleep(0.1)
        self.assertEqual(sorted(banned.read_text().splitlines()), expected)
