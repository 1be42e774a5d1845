"""
L{pop3svc.service}: the real command, from wrong options to an orderly end.
"""

import os
import poplib
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pop3svc.demo import makeCertificate
from pop3svc.options import Options
from pop3svc.service import makeService

from .running import POP3SVC, ROOT, TWISTD, RunningService, freePort, runService

USERS = ("--auth", "memory:karl:secret")
MEMORY = ("--maildrop", "memory:")


class WrongOptionTests(SynchronousTestCase):
    """One sentence that says what to do, exit status 1, no traceback."""

    def sentence(self, *words: str) -> str:
        """What is said of these words, without a process for each."""
        options = Options()
        with self.assertRaises(SystemExit) as caught:
            options.parseOptions(words)
            makeService(options)
        line = str(caught.exception.code)
        self.assertEqual(line.count("\n"), 0, line)
        self.assertTrue(line.startswith("twistd pop3svc: "), line)
        return line.removeprefix("twistd pop3svc: ")

    def refused(self, *words: str) -> str:
        ended = runService(*words)
        self.assertEqual(ended.returncode, 1, ended.stderr)
        self.assertNotIn("Traceback", ended.stdout + ended.stderr)
        line = ended.stderr.strip()
        self.assertEqual(line.count("\n"), 0, line)
        self.assertTrue(line.startswith("twistd pop3svc: "), line)
        return line.removeprefix("twistd pop3svc: ")

    def test_somethingIsMissing(self) -> None:
        port = ("--pop3", f"tcp:{freePort()}:interface=127.0.0.1")
        self.assertEqual(
            self.sentence(*USERS, *MEMORY),
            "no listener is given; add --pop3 tcp:110 or --pop3s tcp:995",
        )
        self.assertEqual(
            self.sentence(*port, *MEMORY),
            "nobody could log in; add --auth KIND:ARGUMENTS (see --help-auth)",
        )
        self.assertEqual(
            self.sentence(*port, *USERS),
            "no maildrops are given; add --maildrop maildir:/home/{user}/Maildir"
            " (see --help-maildrop)",
        )
        self.assertEqual(
            self.sentence("--pop3s", "tcp:1995", *USERS, *MEMORY),
            "TLS on tcp:1995 needs a certificate; add --certificate FILE",
        )

    def test_nobodyCouldLogIn(self) -> None:
        port = ("--pop3", "tcp:1100:interface=127.0.0.1")
        self.assertEqual(
            self.sentence(*port, *MEMORY, "--client-ca", "/nowhere.pem"),
            "--client-ca needs a certificate of the service; add --certificate FILE",
        )
        self.assertEqual(
            self.sentence(*port, *MEMORY, "--auth", "anonymous"),
            "nobody could log in: POP3 has nothing that --auth anonymous takes;"
            " add another --auth KIND:ARGUMENTS (see --help-auth)",
        )

    def test_somethingIsWrong(self) -> None:
        port = ("--pop3", "tcp:1100:interface=127.0.0.1")
        for words, part in (
            (["--pop3", "tcp:x", *USERS, *MEMORY], "'tcp:x' is no server endpoint"),
            (["--pop3", "nonsense:1", *USERS, *MEMORY], "'nonsense:1' is no server endpoint"),
            ([*port, "--auth", "magic:x", *MEMORY], "--auth magic: there is no such kind"),
            ([*port, "--auth", "memory:x", *MEMORY], "--auth memory:"),
            ([*port, "--auth", "passwd:/nowhere", *MEMORY], "/nowhere"),
            ([*port, *USERS, "--maildrop", "maildr:x"], "maildir"),
            ([*port, *USERS, "--maildrop", "maildir:/nowhere/{user}"], "/nowhere"),
            ([*port, *USERS, "--maildrop", "maildir:/tmp/{usr}"], "{usr}"),
            ([*port, *USERS, *MEMORY, "--certificate", "/nowhere.pem"], "cannot read /nowhere.pem"),
            ([*port, *USERS, *MEMORY, "--private-key", "x"], "each --private-key needs its"),
            ([*port, *USERS, *MEMORY, "--secret", "/nowhere/x"], "cannot read or make /nowhere/x"),
            ([*port, *USERS, *MEMORY, "--mechanism", "XYZ"], "--mechanism is one of USER, "),
        ):
            self.assertIn(part, self.sentence(*words))

    def test_forReal(self) -> None:
        self.assertEqual(
            self.refused(*USERS, *MEMORY),
            "no listener is given; add --pop3 tcp:110 or --pop3s tcp:995",
        )
        self.assertIn("did you mean", self.refused("--limit", "idle-second=1"))

    def test_missingFileOfTwistedsChecker(self) -> None:
        """Twisted's own plugin says a line about it, too."""
        port = ("--pop3", "tcp:1100:interface=127.0.0.1")
        ended = runService(*port, "--auth", "file:/nowhere", *MEMORY)
        self.assertEqual(ended.returncode, 1)
        sentence = ended.stderr.splitlines()[-1]
        self.assertIn("twistd pop3svc: ", sentence)
        self.assertIn("/nowhere", sentence)

    def test_portInUse(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            endpoint = f"tcp:{other.getsockname()[1]}:interface=127.0.0.1"
            self.assertEqual(
                self.refused("--pop3", endpoint, *USERS, *MEMORY),
                f"cannot listen on {endpoint}: Address already in use",
            )

    def test_portInUseAsADaemon(self) -> None:
        """The terminal is left by then; twistd carries the sentence back to it."""
        directory = os.path.abspath(self.mktemp())
        os.mkdir(directory)
        files = ("--rundir", directory, "--logfile", f"{directory}/log", "--pidfile", "pid")
        with socket.create_server(("127.0.0.1", 0)) as other:
            endpoint = f"tcp:{other.getsockname()[1]}:interface=127.0.0.1"
            ended = subprocess.run(
                [*TWISTD, *files, *POP3SVC, "--pop3", endpoint, *USERS, *MEMORY],
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
        self.assertEqual(ended.returncode, 1)
        self.assertIn("cannot listen on tcp:", ended.stderr)
        self.assertNotIn("Traceback", ended.stderr)


class RunningTests(SynchronousTestCase):
    def start(self, *words: str) -> RunningService:
        self.port, self.tlsPort = freePort(), freePort()
        self.pem = os.path.abspath(self.mktemp())
        Path(self.pem).write_bytes(makeCertificate("localhost"))
        service = RunningService(
            Path(self.mktemp()),
            *("--pop3", f"tcp:{self.port}:interface=127.0.0.1"),
            *("--pop3s", f"tcp:{self.tlsPort}:interface=127.0.0.1"),
            *("--certificate", self.pem, *USERS, *MEMORY),
            *words,
        )
        self.addCleanup(service.process.wait)
        self.addCleanup(service.process.kill)
        if "--audit-log" not in words:
            service.waitFor(f"tcp:{self.tlsPort}:")
        return service

    def waitUntil(self, happened: Callable[[], bool]) -> None:
        for _ in range(200):
            if happened():
                return
            time.sleep(0.05)
        self.fail("it does not happen")

    def client(self) -> poplib.POP3:
        client = poplib.POP3("127.0.0.1", self.port, timeout=20)
        client.user("karl")
        client.pass_("secret")
        return client

    def refusesConnections(self) -> bool:
        """The listener is closed, at once or a moment later."""
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=20).close()
            except ConnectionRefusedError:
                return True
            except ConnectionResetError:
                # It was in the queue of the listener when that was closed.
                continue
            time.sleep(0.01)
        return False

    def test_allThreeChannels(self) -> None:
        service = self.start("--log-format", "json")
        trust = ssl.create_default_context(cafile=self.pem)
        self.client().quit()
        client = poplib.POP3("localhost", self.port, timeout=20)
        client.stls(trust)
        client.user("karl")
        client.pass_("secret")
        client.quit()
        inside = poplib.POP3_SSL("localhost", self.tlsPort, context=trust, timeout=20)
        inside.user("karl")
        inside.pass_("secret")
        self.assertEqual(inside.stat(), (0, 0))
        inside.quit()
        self.assertEqual(service.stop(), 0)
        output = service.output()
        self.assertEqual(output.count('"event": "login"'), 3)
        self.assertEqual(output.count('"tls": "TLSv1.3", "user"'), 4)
        self.assertEqual(output.count('"reason": "quit"'), 3)
        self.assertNotIn("Traceback", output)

    def test_auditLog(self) -> None:
        """It is a file of its own, and SIGHUP opens it anew after logs were rotated."""
        audit = Path(self.mktemp()).absolute()
        service = self.start("--audit-log", str(audit))
        self.waitUntil(lambda: audit.exists() and f"tcp:{self.tlsPort}:" in audit.read_text())
        self.client().quit()
        moved = audit.with_suffix(".1")
        self.waitUntil(lambda: "event=logout" in audit.read_text())
        audit.rename(moved)
        service.process.send_signal(signal.SIGHUP)
        self.waitUntil(audit.exists)
        self.client().quit()
        self.assertEqual(service.stop(), 0)
        for each in (moved, audit):
            self.assertEqual(each.read_text().count(" level=info event=login "), 1, each)
        self.assertNotIn("event=", service.output())

    def test_reload(self) -> None:
        """
        SIGHUP: the next connection gets the new certificate and the new limits,
        and the session that is open notices nothing.
        """
        config = os.path.abspath(self.mktemp())
        Path(config).write_text("[limits]\nlogin-attempts = 4\n")
        service = self.start("--config", config)
        trust = ssl.create_default_context(cafile=self.pem)
        before = poplib.POP3_SSL("localhost", self.tlsPort, context=trust, timeout=20)
        Path(self.pem).write_bytes(makeCertificate("localhost"))
        Path(config).write_text("[limits]\nlogin-attempts = 1\n")
        service.process.send_signal(signal.SIGHUP)
        service.waitFor("event=reloaded")
        before.user("karl")
        before.pass_("secret")
        self.assertEqual(before.stat(), (0, 0))
        trust = ssl.create_default_context(cafile=self.pem)
        after = poplib.POP3_SSL("localhost", self.tlsPort, context=trust, timeout=20)
        after.user("karl")
        with self.assertRaises(poplib.error_proto):
            after.pass_("wrong")
        with self.assertRaises((poplib.error_proto, OSError)):
            after.noop()
        self.assertEqual(before.quit()[:3], b"+OK")
        Path(config).write_text("[limits]\nlogin-attemps = 1\n")
        Path(self.pem).write_text("no PEM")
        service.process.send_signal(signal.SIGHUP)
        service.waitFor("did you mean login-attempts?")
        service.waitFor("is no PEM certificate")
        poplib.POP3_SSL("localhost", self.tlsPort, context=trust, timeout=20).quit()
        self.assertEqual(service.stop(), 0)
        self.assertNotIn("Traceback", service.output())

    def test_secret(self) -> None:
        """It is made once, and kept from others."""
        path = os.path.abspath(self.mktemp())
        service = self.start("--secret", path)
        # Before it serves, SIGTERM ends it as any process.
        self.client().quit()
        self.assertEqual(service.stop(), 0)
        secret = Path(path).read_bytes()
        self.assertEqual((len(secret), os.stat(path).st_mode & 0o777), (32, 0o600))
        service = self.start("--secret", path)
        self.client().quit()
        self.assertEqual(service.stop(), 0)
        self.assertEqual(Path(path).read_bytes(), secret)

    def test_drain(self) -> None:
        """SIGTERM: no connection is accepted, those that were may finish, exit status 0."""
        service = self.start("--limit", "drain-login-seconds=1", "--auth", "memory:joe:secret")
        client = self.client()
        connected = poplib.POP3("127.0.0.1", self.port, timeout=20)
        idle = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        idle.recv(100)
        service.process.send_signal(signal.SIGTERM)
        self.assertTrue(self.refusesConnections())
        connected.user("joe")
        connected.pass_("secret")
        self.assertEqual(idle.recv(100), b"")
        idle.close()
        connected.quit()
        self.assertEqual(client.stat(), (0, 0))
        client.quit()
        self.assertEqual(service.process.wait(20), 0)
        self.assertIn("reason=quit", service.output())

    def test_drainIsBounded(self) -> None:
        """And the log has the last logout, also where lines wait for each other."""
        log = Path(self.mktemp()).absolute()
        service = self.start("--limit", "drain-seconds=1", "--audit-log", str(log))
        self.waitUntil(lambda: log.exists() and f"tcp:{self.tlsPort}:" in log.read_text())
        client = self.client()
        began = time.monotonic()
        self.assertEqual(service.stop(), 0)
        self.assertLess(time.monotonic() - began, 10)
        self.assertIn("reason=drain", log.read_text())
        client.close()
