"""
Several processes behind the same listeners: what one of them does or suffers is nobody
else's matter.
"""

from __future__ import annotations

import os
import poplib
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.pki import Authority
from tests.running import ROOT, freePort

from .crew import Workers, ended, listens
from .harness import HOST, IMPLICIT, LOOPBACK, PASSWORD, USER, LiveTestCase
from .live_privileges import PrivilegesTestCase
from .messages import Maildir, canonical
from .unprivileged import VMAIL, VMAIL_GROUP, Status, give, twistd
from .wire import Wire

_STORED = b"From: walter@example.org\nSubject: workers\n\nOne line.\n"
_MANY = (
    *("--limit", "connections-per-network=100"),
    *("--limit", "logging-in-per-network=100"),
)
_QUICK = ("--limit", "heartbeat-seconds=1", "--limit", "hung-seconds=3")
_SECONDS = 20.0
# How often a crowd comes, until both workers have had some of it.
_CROWDS = 10


class WorkersTestCase(LiveTestCase):
    def serveTwo(self, *arguments: str) -> Workers:
        return Workers(self.serve("--workers", "2", *_MANY, *arguments))

    def passwords(self, *users: str) -> str:
        """@return: an argument for a file with more users than one."""
        path = self.directory / "passwd"
        path.write_text("".join(f"{each}:{{PLAIN}}{PASSWORD}\n" for each in users))
        return f"passwd:{path}"


class ServingTests(WorkersTestCase):
    def test_bothServe(self) -> None:
        """
        Whoever has nothing to do takes the next: of a few it may be the same one each
        time, and of a crowd both have some.
        """
        workers = self.serveTwo()
        for _ in range(_CROWDS):
            with ThreadPoolExecutor(8) as crowd:
                wires = list(crowd.map(lambda _: Wire(workers.service), range(40)))
            counts = [[workers.of(each) for each in wires].count(pid) for pid in workers.pids()]
            for each in wires:
                each.quit()
            self.assertEqual(sum(counts), 40)
            if min(counts):
                return
        self.fail(f"one worker does it all: {counts}")

    def test_oneMaildrop(self) -> None:
        """It is exclusive, and what one worker has removed the other does not miss."""
        workers = self.serveTwo()
        maildir = Maildir(workers.service.maildirs / USER)
        maildir.deliver(*[_STORED] * 150)
        first, second = workers.oneEach()
        self.assertIn(b"150", first.login())
        second.expect(b"USER karl", b"+OK")
        second.expect(b"PASS secret", b"-ERR [IN-USE]")
        first.quit()
        second.login()
        for number in range(1, 150):
            second.expect(b"DELE %d" % number, b"+OK")
        second.quit()
        first, second = workers.oneEach()
        first.login()
        first.expect(b"STAT", b"+OK 1 ")
        self.assertEqual(first.retrieve(1), canonical(_STORED))
        first.quit()
        second.quit()

    def test_unixSocket(self) -> None:
        """Its file is the parent's alone: with its mode, and there until the end."""
        path = self.directory / "socket"
        service = self.serve("--workers", "2", "--pop3", f"unix:{path}:mode=640")
        workers = Workers(service)
        self.assertEqual(path.stat().st_mode & 0o777, 0o640)
        wire = Wire(service)
        workers.kill(wire)
        wire.close()
        service.awaitEvents("worker-started", 3)
        self.assertEqual(path.stat().st_mode & 0o777, 0o640)
        for _ in range(4):
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(_SECONDS)
                client.connect(str(path))
                self.assertEqual(client.recv(3), b"+OK")
        service.terminate()
        self.assertEqual(service.wait(), 0)
        self.assertFalse(path.exists())

    def test_auditLog(self) -> None:
        """All write into one file, in whole lines, also after it was rotated."""
        audit = self.directory / "audit.log"
        service = self.serve("--workers", "2", *_MANY, "--audit-log", str(audit))
        self.until(lambda: audit.read_text().count("event=worker-started") == 2)
        Maildir(service.maildirs / USER)
        for _ in range(20):
            wire = Wire(service)
            wire.login()
            wire.quit()
        wire = Wire(service)
        wire.login()
        moved = audit.with_suffix(".1")
        audit.rename(moved)
        service.reload()
        self.until(lambda: audit.exists() and "event=reloaded" in audit.read_text())
        wire.quit()
        self.until(lambda: "event=logout" in audit.read_text())
        lines = (moved.read_text() + audit.read_text()).splitlines()
        self.assertEqual({each.count(" level=") for each in lines}, {1})
        self.assertEqual(sum("event=logout" in each for each in lines), 21)

    def until(self, happened: Callable[[], bool]) -> None:
        giveUp = time.monotonic() + _SECONDS
        while not happened():
            self.assertLess(time.monotonic(), giveUp)
            time.sleep(0.02)


class DeathTests(WorkersTestCase):
    def test_killed(self) -> None:
        """Its sessions end, their maildrops are free, and nobody else notices."""
        workers = self.serveTwo("--auth", self.passwords("karl", "alice"))
        service = workers.service
        for each in ("karl", "alice"):
            Maildir(service.maildirs / each).deliver(_STORED)
        first, second = workers.oneEach()
        first.login("karl")
        first.expect(b"DELE 1", b"+OK")
        second.login("alice")
        pid = workers.kill(first)
        with self.assertRaises(ConnectionError):
            first.line()
        first.close()
        again = Wire(service)
        again.login("karl")
        self.assertEqual(again.retrieve(1), canonical(_STORED))
        again.quit()
        self.assertEqual(second.retrieve(1), canonical(_STORED))
        second.quit()
        [record] = service.awaitEvents("worker-ended", 1)
        self.assertEqual(
            record,
            {"event": "worker-ended", "worker": "1", "pid": str(pid)}
            | {"reason": "signal", "status": "9"},
        )
        service.awaitEvents("worker-started", 3)
        self.assertNotIn(pid, workers.pids())
        for wire in workers.oneEach():
            wire.login()
            wire.quit()

    def test_nobodyIsRefused(self) -> None:
        """Who comes while a worker dies, or all, waits for the next."""
        workers = self.serveTwo()
        stop, faults, served = threading.Event(), [], [0]

        def come() -> None:
            while not stop.is_set():
                try:
                    with socket.create_connection((LOOPBACK, workers.service.port()), 20) as client:
                        if client.recv(3) == b"+OK":
                            served[0] += 1
                except ConnectionResetError:
                    # A worker had accepted it, and died.
                    continue
                except OSError as error:
                    faults.append(error)
                time.sleep(0.005)

        thread = threading.Thread(target=come)
        thread.start()
        try:
            for number in range(2):
                for each in workers.pids():
                    os.kill(each, signal.SIGKILL)
                workers.service.awaitEvents("worker-started", 2 * number + 4)
            before, deadline = served[0], time.monotonic() + 20
            while served[0] < before + 10 and time.monotonic() < deadline:
                time.sleep(0.01)
        finally:
            stop.set()
            thread.join()
        self.assertEqual(faults, [])
        self.assertGreaterEqual(served[0], before + 10)

    def test_hung(self) -> None:
        """It is found and replaced, and meanwhile the others serve all who come."""
        workers = self.serveTwo(*_QUICK)
        service = workers.service
        Maildir(service.maildirs / USER)
        first, second = workers.oneEach()
        second.login()
        pid = workers.of(first)
        os.kill(pid, signal.SIGSTOP)
        for _ in range(10):
            Wire(service).quit()
        [record] = service.awaitEvents("worker-hung", 1)
        self.assertEqual(record["pid"], str(pid))
        [record] = service.awaitEvents("worker-ended", 1)
        self.assertEqual((record["pid"], record["reason"]), (str(pid), "hung"))
        service.awaitEvents("worker-started", 3)
        self.assertTrue(first.ended())
        first.close()
        second.expect(b"STAT", b"+OK")
        second.quit()

    def test_parentHung(self) -> None:
        """For a while. The workers have answered all the time, and it could not hear them."""
        workers = self.serveTwo(*_QUICK)
        service = workers.service
        os.kill(service.process.pid, signal.SIGSTOP)
        time.sleep(4)
        os.kill(service.process.pid, signal.SIGCONT)
        time.sleep(2)
        self.assertEqual(service.events("worker-hung") + service.events("worker-ended"), [])

    def test_parentKilled(self) -> None:
        """Sessions may finish; nobody new comes in, and then the workers are gone."""
        workers = self.serveTwo()
        service = workers.service
        Maildir(service.maildirs / USER).deliver(_STORED)
        pids = workers.pids()
        wire = workers.oneEach()[0]
        wire.login()
        service.kill()
        giveUp = time.monotonic() + _SECONDS
        while listens(service.port()):
            self.assertLess(time.monotonic(), giveUp)
        self.assertEqual(wire.retrieve(1), canonical(_STORED))
        wire.quit()
        self.assertEqual([ended(each) for each in pids], [True, True])
        service.start()
        Workers(service)
        Wire(service).quit()


class SignalTests(WorkersTestCase):
    def test_reload(self) -> None:
        """All take the new over; a session notices nothing."""
        workers = self.serveTwo()
        service = workers.service
        Maildir(service.maildirs / USER)
        before = Wire(service)
        service.issuer.issue(str(service.certificate), HOST)
        new = ssl.PEM_cert_to_DER_cert(_first(service.certificate.read_text()))
        service.reload()
        service.awaitEvents("reloaded", 1)
        for _ in range(12):
            wire = Wire(service, IMPLICIT)
            assert isinstance(wire.socket, ssl.SSLSocket)
            self.assertEqual(wire.socket.getpeercert(True), new)
            wire.quit()
        before.login()
        before.quit()
        self.assertEqual(len(service.events("reloaded")), 1)

    def test_reloadOfLimits(self) -> None:
        config = self.directory / "limits.toml"
        config.write_text("[limits]\nlogin-attempts = 4\n")
        workers = self.serveTwo("--config", str(config))
        config.write_text("[limits]\nlogin-attempts = 1\n")
        workers.service.reload()
        workers.service.awaitEvents("reloaded", 1)
        for each in workers.oneEach():
            each.expect(b"USER karl", b"+OK")
            each.expect(b"PASS wrong", b"-ERR")
            self.assertTrue(each.ended())
            each.close()

    def test_reloadWhileOneStarts(self) -> None:
        """It has begun with what was right until then."""
        config = self.directory / "limits.toml"
        config.write_text("[limits]\nlogin-attempts = 4\n")
        workers = self.serveTwo("--config", str(config))
        service = workers.service
        config.write_text("[limits]\nlogin-attempts = 1\n")
        os.kill(workers.pids()[0], signal.SIGKILL)
        service.awaitEvents("worker-ended", 1)
        # The next one is there by then, and far from ready.
        time.sleep(0.1)
        self.assertEqual(len(service.events("worker-started")), 2)
        service.reload()
        service.awaitEvents("reloaded", 1)
        service.awaitEvents("worker-started", 3)
        for each in workers.oneEach():
            each.expect(b"USER karl", b"+OK")
            each.expect(b"PASS wrong", b"-ERR")
            self.assertTrue(each.ended())
            each.close()

    def test_badFileDoesNotReachANewWorker(self) -> None:
        """What is wrong is told once, and who comes later serves with what was good."""
        workers = self.serveTwo()
        service = workers.service
        # Not what was read at the start, but what was found good last.
        service.issuer.issue(str(service.certificate), HOST)
        service.reload()
        service.awaitEvents("reloaded", 1)
        good = service.certificate.read_text()
        service.certificate.write_text("no PEM")
        service.reload()
        [record] = service.awaitEvents("reload-failed", 1)
        self.assertIn("is no PEM certificate", record["text"])
        wire = Wire(service)
        workers.kill(wire)
        wire.close()
        service.awaitEvents("worker-started", 3)
        for each in workers.oneEach():
            each.quit()
        for _ in range(8):
            wire = Wire(service, IMPLICIT)
            assert isinstance(wire.socket, ssl.SSLSocket)
            der = ssl.PEM_cert_to_DER_cert(_first(good))
            self.assertEqual(wire.socket.getpeercert(True), der)
            wire.quit()
        self.assertEqual(len(service.events("reload-failed")), 1)

    def test_drain(self) -> None:
        workers = self.serveTwo()
        service = workers.service
        maildir = Maildir(service.maildirs / USER)
        maildir.deliver(_STORED, _STORED)
        first, second = workers.oneEach()
        first.login()
        service.terminate()
        giveUp = time.monotonic() + _SECONDS
        while listens(service.port()):
            self.assertLess(time.monotonic(), giveUp)
        # Who has come may still log in, and is told when that takes too long.
        second.quit()
        service.terminate()
        first.expect(b"DELE 1", b"+OK")
        first.quit()
        self.assertEqual(service.wait(), 0)
        self.assertEqual(len(maildir.stored()), 1)
        self.assertEqual(service.events("worker-ended"), [])

    def test_sessionsThatDoNotFinish(self) -> None:
        workers = self.serveTwo("--limit", "drain-seconds=1")
        maildir = Maildir(workers.service.maildirs / USER)
        maildir.deliver(_STORED)
        wire = Wire(workers.service)
        wire.login()
        wire.expect(b"DELE 1", b"+OK")
        workers.service.terminate()
        self.assertTrue(wire.ended())
        wire.close()
        self.assertEqual(workers.service.wait(), 0)
        self.assertEqual(len(maildir.stored()), 1)

    def test_hungWhileDraining(self) -> None:
        """It is not waited for beyond the time that its sessions have."""
        workers = self.serveTwo("--limit", "drain-seconds=1", "--limit", "close-seconds=1", *_QUICK)
        os.kill(workers.pids()[0], signal.SIGSTOP)
        workers.service.terminate()
        self.assertEqual(workers.service.wait(), 0)

    def test_wholeGroup(self) -> None:
        """Some supervisors, and a terminal, tell all processes at once."""
        workers = self.serveTwo()
        service = workers.service
        Maildir(service.maildirs / USER).deliver(_STORED)
        wire = Wire(service)
        wire.login()
        everybody = [*workers.pids(), service.process.pid]
        for each in everybody:
            os.kill(each, signal.SIGHUP)
        service.awaitEvents("reloaded", 1)
        self.assertEqual(wire.retrieve(1), canonical(_STORED))
        for number in (signal.SIGINT, signal.SIGTERM):
            for each in everybody:
                os.kill(each, number)
        self.assertEqual(wire.retrieve(1), canonical(_STORED))
        wire.quit()
        self.assertEqual(service.wait(), 0)


class StartTests(PrivilegesTestCase):
    """Root binds and reads, and the workers are never root."""

    def setUp(self) -> None:
        super().setUp()
        give(self.maildir.path, VMAIL, VMAIL_GROUP)

    def words(self, port: int) -> tuple[str, ...]:
        return (
            *("--workers", "2", "--pop3s", f"tcp:{port}:interface={LOOPBACK}"),
            *("--maildrop", f"maildir:{self.directory}/maildirs/{{user}}"),
        )

    def test_filesThatRootAloneReads(self) -> None:
        authority, pem = Authority(), self.directory / "key.pem"
        authority.issue(str(pem), HOST)
        authority.save(str(self.directory / "authority.pem"))
        passwd = self.directory / "passwd"
        passwd.write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n")
        for each in (pem, passwd):
            each.chmod(0o600)
        port = freePort()
        service = self.start(
            [*self.users, *twistd("--uid", "vmail", "--gid", "vmail")],
            *self.words(port),
            *("--certificate", str(pem), "--auth", f"passwd:{passwd}"),
            *("--secret", str(self.directory / "secret")),
        )
        for number in (1, 2):
            service.waitFor(f"event=worker-started worker={number}")
        pids = [
            int(each.partition("pid=")[2])
            for each in service.output().splitlines()
            if "event=worker-started" in each
        ]
        for pid in pids:
            status = Status(pid)
            self.assertEqual(status.words("Uid"), [str(VMAIL)] * 4)
            self.assertEqual(set(map(tuple, status.ofThreads("NoNewPrivs"))), {("1",)})
            self.assertEqual(status.words("Umask"), ["0077"])
            self.assertEqual(status.coreLimit, ["0", "0"])
            self.assertFalse(status.dumpable)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for number in (1, 2):
            service.waitFor(f"event=worker-ended worker={number}")
        trust = ssl.create_default_context(cafile=str(self.directory / "authority.pem"))
        self.fetch(poplib.POP3_SSL(HOST, port, context=trust, timeout=20))
        self.assertEqual(service.stop(), 0)
        self.assertNotIn("Traceback", service.output())

    def test_noWorkerCanBeStarted(self) -> None:
        """The service ends, and says why."""
        secrets = self.directory / "plain"
        secrets.write_text(f"{USER}:{PASSWORD}\n")
        secrets.chmod(0o600)
        done = subprocess.run(
            [
                *(*self.users, *twistd("--uid", "vmail", "--gid", "vmail")),
                *("--workers", "2", "--pop3", f"tcp:{freePort()}:interface={LOOPBACK}"),
                *("--auth", f"file:{secrets}"),
                *("--maildrop", f"maildir:{self.directory}/maildirs/{{user}}"),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertNotIn("Traceback", done.stdout + done.stderr)
        sentence = done.stderr.splitlines()[-1]
        self.assertIn("twistd pop3svc: no worker can be started: ", sentence)
        self.assertIn(str(secrets), sentence)


def _first(pem: str) -> str:
    """The certificate that comes first."""
    begin = pem.index("-----BEGIN CERTIFICATE-----")
    end = "-----END CERTIFICATE-----"
    return pem[begin : pem.index(end, begin) + len(end)]
