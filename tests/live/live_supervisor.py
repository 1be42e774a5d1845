"""
etc/supervisor under the real supervisord: start, drop of root, reload, drain, logs, and
a new start, asked for or after a crash.
"""

from __future__ import annotations

import gzip
import os
import poplib
import re
import signal
import subprocess
import sys
import tempfile
import time
from configparser import ConfigParser
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pop3svc.limits import Limits
from pop3svc.operations.descriptors import fitted
from tests.running import ROOT

from .harness import LOOPBACK, PASSWORD, USER
from .messages import Maildir
from .programs import findProgram, run
from .unprivileged import VMAIL, VMAIL_GROUP, Status, freePrivilegedPort, give, needRoot, withUsers

_PROGRAM = ROOT / "etc" / "supervisor" / "pop3svc.conf"
_LOGROTATE = ROOT / "etc" / "logrotate.d" / "pop3svc"
_SECONDS = 30.0
_LOGINS, _ROTATIONS = 60, 3
_DAEMON = """
[unix_http_server]
file={socket}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{socket}
[supervisord]
nodaemon=true
user=root
logfile={directory}/supervisord.log
pidfile={directory}/supervisord.pid
childlogdir={directory}
[include]
files={directory}/pop3svc.conf
"""


class SupervisorTests(SynchronousTestCase):
    def setUp(self) -> None:
        needRoot()
        self.directory = Path(os.path.abspath(self.mktemp()))
        self.maildir = Maildir(self.directory / "mail" / USER)
        give(self.maildir.path, VMAIL, VMAIL)
        self.port = freePrivilegedPort()
        self.log = self.directory / "pop3svc.log"
        (self.directory / "pop3svc.toml").write_text(
            f'pop3 = "tcp:{self.port}:interface={LOOPBACK}"\n'
            f'auth = "memory:{USER}:{PASSWORD}"\n'
            f'maildrop = "maildir:{self.directory}/mail/{{user}}"\n'
        )
        program = _PROGRAM.read_text()
        for there, here in (
            ("/opt/pop3svc/bin/twistd", f"{sys.prefix}/bin/twistd"),
            ("/etc/pop3svc", str(self.directory)),
            ("/var/log/supervisor", str(self.directory)),
            ("directory=/\n", f"directory={ROOT}\n"),
        ):
            self.assertIn(there, program)
            program = program.replace(there, here)
        (self.directory / "pop3svc.conf").write_text(program)
        # The path of a socket is short.
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.configuration = self.directory / "supervisord.conf"
        self.configuration.write_text(
            _DAEMON.format(directory=self.directory, socket=f"{temporary.name}/socket")
        )

    def start(self, *changes: tuple[str, str]) -> None:
        """
        supervisord, and so the service.

        @param changes: of its program section, there and here.
        """
        program = self.directory / "pop3svc.conf"
        for there, here in changes:
            self.assertIn(there, program.read_text())
            program.write_text(program.read_text().replace(there, here))
        supervisord = subprocess.Popen(
            [*withUsers(self.directory), findProgram("supervisord"), "-c", str(self.configuration)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.addCleanup(supervisord.wait)
        self.addCleanup(supervisord.terminate)
        self.awaitLog("set uid/gid")

    def awaitLog(self, text: str, count: int = 1) -> None:
        giveUp = time.monotonic() + _SECONDS
        while not self.log.exists() or self.log.read_text().count(text) < count:
            self.assertLess(time.monotonic(), giveUp, self.said())
            time.sleep(0.05)

    def said(self) -> str:
        logs = (self.log, self.directory / "supervisord.log")
        return "".join(each.read_text() for each in logs if each.exists())

    def control(self, *words: str, statuses: tuple[int, ...] = (0,)) -> str:
        command = (findProgram("supervisorctl"), "-c", str(self.configuration), *words)
        return run(command, self.directory, statuses).decode()

    def pid(self) -> int:
        return int(self.control("pid", "pop3svc"))

    def login(self) -> poplib.POP3:
        client = poplib.POP3(LOOPBACK, self.port, timeout=20)
        client.user(USER)
        client.pass_(PASSWORD)
        return client

    def test_drain(self) -> None:
        """A session that is open when the program is stopped is finished."""
        self.start()
        self.assertEqual(Status(self.pid()).words("Uid"), [str(VMAIL)] * 4)
        self.assertEqual(Status(self.pid()).words("Umask"), ["0077"])
        client = self.login()
        self.control("signal", "HUP", "pop3svc")
        self.awaitLog("event=reloaded")
        stopping = subprocess.Popen(
            [findProgram("supervisorctl"), "-c", str(self.configuration), "stop", "pop3svc"],
            stdout=subprocess.PIPE,
        )
        self.awaitLog("Closed)")
        self.assertEqual(client.stat(), (0, 0))
        self.assertIsNone(stopping.poll())
        client.quit()
        self.assertEqual(stopping.communicate(timeout=_SECONDS)[0], b"pop3svc: stopped\n")
        self.assertIn("STOPPED", self.control("status", "pop3svc", statuses=(3,)))
        self.assertIn("reason=quit", self.said())
        self.assertIn("stopped: pop3svc (exit status 0)", self.said())
        self.assertNotIn("Traceback", self.said())

    def test_crash(self) -> None:
        """Whatever ended it, it is started again."""
        self.start()
        before = self.pid()
        # supervisord takes what ends in its first second for a failed start.
        time.sleep(1.1)
        os.kill(before, signal.SIGKILL)
        self.awaitLog("set uid/gid", 2)
        self.assertNotEqual(self.pid(), before)
        self.login().quit()

    def test_restart(self) -> None:
        """The open session is finished first; then the port is there again."""
        self.start()
        client, before = self.login(), self.pid()
        restarting = subprocess.Popen(
            [findProgram("supervisorctl"), "-c", str(self.configuration), "restart", "pop3svc"],
            stdout=subprocess.PIPE,
        )
        self.awaitLog("Closed)")
        self.assertEqual(client.stat(), (0, 0))
        client.quit()
        said = restarting.communicate(timeout=_SECONDS)[0]
        self.assertEqual(said, b"pop3svc: stopped\npop3svc: started\n")
        self.awaitLog("set uid/gid", 2)
        self.login().quit()
        self.assertNotEqual(self.pid(), before)
        # 0 is what supervisord expects.
        self.assertIn("stopped: pop3svc (exit status 0)", self.said())
        self.awaitLog("reason=quit", 2)

    def test_rotatedBySupervisor(self) -> None:
        """Its log has each line, wherever a file ends."""
        self.start(("50MB", "4KB"))
        for _ in range(_LOGINS):
            self.login().quit()
        giveUp = time.monotonic() + _SECONDS
        while self.counted("reason=quit", self.log) < _LOGINS:
            self.assertLess(time.monotonic(), giveUp, self.said())
            time.sleep(0.05)
        self.assertEqual(self.counted("event=login ", self.log), _LOGINS)
        self.assertGreater(len(list(self.directory.glob("pop3svc.log.*"))), 2)

    def test_rotatedByLogrotate(self) -> None:
        """etc/logrotate.d, while there are logins: no line is lost, none is split."""
        logs = self.directory / "logs"
        logs.mkdir()
        give(logs, VMAIL, VMAIL_GROUP)
        audit = logs / "audit.log"
        with (self.directory / "pop3svc.toml").open("a") as file:
            file.write(f'audit-log = "{audit}"\n')
        snippet = _LOGROTATE.read_text()
        for there, here in (
            ("/var/log/pop3svc", str(logs)),
            ("supervisorctl signal", f"supervisorctl -c {self.configuration} signal"),
            # This machine's systemd knows nothing of this service.
            ("systemctl --quiet is-active", "false"),
        ):
            self.assertIn(there, snippet)
            snippet = snippet.replace(there, here)
        settings = self.directory / "logrotate"
        settings.write_text(snippet)
        # Nobody else may write to what root's logrotate reads.
        settings.chmod(0o644)
        self.start()
        logrotate = (findProgram("logrotate"), "--force", "--state", f"{self.directory}/state")
        for _ in range(_ROTATIONS):
            for _ in range(_LOGINS // _ROTATIONS):
                self.login().quit()
            # What is empty is not rotated, and lines may come a moment later.
            giveUp = time.monotonic() + _SECONDS
            while not audit.stat().st_size:
                self.assertLess(time.monotonic(), giveUp, self.said())
                time.sleep(0.05)
            before = audit.stat().st_ino
            run((*withUsers(self.directory), *logrotate, str(settings)), self.directory)
            # These come before, while or after the service hears of it.
            self.login().quit()
            self.assertNotEqual(audit.stat().st_ino, before)
        wanted = _LOGINS + _ROTATIONS
        giveUp = time.monotonic() + _SECONDS
        while self.counted("reason=quit", audit) < wanted:
            self.assertLess(time.monotonic(), giveUp, self.said())
            time.sleep(0.05)
        self.assertEqual(self.counted("event=login ", audit), wanted)
        self.assertEqual(self.counted("event=reloaded", audit), _ROTATIONS)
        # The newest is the service's, and has what came last.
        self.assertEqual((audit.stat().st_uid, audit.stat().st_mode & 0o777), (VMAIL, 0o640))
        self.assertIn("event=login ", audit.read_text())
        self.assertEqual(len(list(logs.glob("audit.log.*.gz"))), _ROTATIONS - 1)

    def counted(self, text: str, log: Path) -> int:
        """How often it stands in a log and in those that it was before."""
        texts = [
            gzip.decompress(octets) if each.suffix == ".gz" else octets
            for each in log.parent.glob(f"{log.name}*")
            for octets in [each.read_bytes()]
        ]
        return sum(each.count(text.encode()) for each in texts)


class SettingsTests(SynchronousTestCase):
    def test_drainFits(self) -> None:
        """Whoever may go on after SIGTERM is not killed meanwhile."""
        parser = ConfigParser()
        parser.read(_PROGRAM)
        program, limits = parser["program:pop3svc"], Limits()
        self.assertGreater(int(program["stopwaitsecs"]), limits.drainSeconds + limits.closeSeconds)
        self.assertEqual(program["stopsignal"], "TERM")
        [descriptors] = re.findall(r"minfds=(\d+)", _PROGRAM.read_text())
        self.assertEqual(fitted(limits, int(descriptors)), (limits, ""))
