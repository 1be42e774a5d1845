"""
etc/systemd: what systemd itself thinks of the units, and the service inside of all of
their sandbox.
"""

from __future__ import annotations

import os
import poplib
import re
import select
import signal
import socket
import ssl
import sys
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pop3svc.auth.hashing import hashPassword
from pop3svc.limits import Limits
from pop3svc.operations.descriptors import fitted
from tests.pki import Authority
from tests.running import freePorts

from .harness import HOST, LOOPBACK, PASSWORD, USER
from .messages import Maildir
from .programs import findProgram, run
from .systemd import UNITS, Systemd
from .unprivileged import (
    VMAIL,
    VMAIL_GROUP,
    Status,
    freePrivilegedPort,
    give,
    needRoot,
)

_NET_BIND_SERVICE = 1 << 10
# By "systemd-analyze security" of systemd 252, of 10; less is better.
_EXPOSURE, _EXPOSURE_WITH_SOCKET = 1.5, 1.2


class UnitTests(SynchronousTestCase):
    """What can be told without running them."""

    def setUp(self) -> None:
        self.directory = Path(os.path.abspath(self.mktemp()))
        self.directory.mkdir()
        self.analyze = findProgram("systemd-analyze")
        self.unit = (UNITS / "pop3svc.service").read_text()
        # The program must be there for it.
        installed = self.unit.replace("/opt/pop3svc/bin/twistd", sys.executable)
        (self.directory / "pop3svc.service").write_text(installed)
        (self.directory / "pop3svc.socket").write_bytes((UNITS / "pop3svc.socket").read_bytes())

    def test_verify(self) -> None:
        for each in self.directory.iterdir():
            self.assertEqual(run((self.analyze, "verify", str(each)), self.directory), b"")

    def exposure(self, path: Path) -> float:
        said = run((self.analyze, "security", "--offline=true", str(path)), self.directory, (0, 1))
        [figure] = re.findall(r"Overall exposure level for pop3svc.service: ([\d.]+)", str(said))
        return float(figure)

    def test_exposure(self) -> None:
        path = self.directory / "pop3svc.service"
        self.assertLessEqual(self.exposure(path), _EXPOSURE)
        without = re.sub(r"=CAP_NET_BIND_SERVICE$", "=", path.read_text(), flags=re.MULTILINE)
        path.write_text(without.replace("[Service]", "[Service]\nPrivateUsers=yes"))
        self.assertLessEqual(self.exposure(path), _EXPOSURE_WITH_SOCKET)

    def setting(self, name: str) -> int:
        [value] = re.findall(rf"^{name}=(\d+)$", self.unit, re.MULTILINE)
        return int(value)

    def test_limits(self) -> None:
        """Those of the unit leave room for those of the service."""
        limits = Limits()
        self.assertEqual(fitted(limits, self.setting("LimitNOFILE")), (limits, ""))
        self.assertGreater(
            self.setting("TimeoutStopSec"), limits.drainSeconds + limits.closeSeconds
        )


class RunningTests(SynchronousTestCase):
    """Inside of it: TLS, hashing, threads, Maildirs, reload and drain."""

    def setUp(self) -> None:
        needRoot()
        self.directory = Path(os.path.abspath(self.mktemp()))
        self.maildir = Maildir(self.directory / "mail" / USER)
        self.maildir.deliver(b"Subject: one\n\nA line.\n")
        give(self.directory / "mail", VMAIL, VMAIL_GROUP)
        authority = Authority()
        authority.issue(str(self.directory / "key.pem"), HOST)
        authority.save(str(self.directory / "authority.pem"))
        # argon2, which is the one that brings machine code of its own.
        (self.directory / "passwd").write_text(f"{USER}:{hashPassword(PASSWORD)}\n")
        for name in ("key.pem", "passwd"):
            os.chown(self.directory / name, 0, VMAIL_GROUP)
            (self.directory / name).chmod(0o640)

    def configure(self, pop3: str, pop3s: str) -> None:
        (self.directory / "pop3svc.toml").write_text(
            f'pop3 = "{pop3}"\npop3s = "{pop3s}"\n'
            f'certificate = "{self.directory}/key.pem"\n'
            f'auth = "passwd:{self.directory}/passwd"\n'
            f'maildrop = "maildir:{self.directory}/mail/{{user}}"\n'
            'secret = "/var/lib/pop3svc/secret"\n'
        )

    def start(self, dropIns: dict[str, str], unit: str) -> Systemd:
        systemd = Systemd(self.directory, dropIns, unit)
        self.addCleanup(systemd.end)
        systemd.awaitLog("tls=implicit")
        return systemd

    def use(self, systemd: Systemd, port: int, tlsPort: int) -> None:
        trust = ssl.create_default_context(cafile=str(self.directory / "authority.pem"))
        client = poplib.POP3(LOOPBACK, port, timeout=20)
        client.user(USER)
        client.pass_(PASSWORD)
        self.assertEqual(client.retr(1)[1], [b"Subject: one", b"", b"A line."])
        client.quit()
        client = poplib.POP3_SSL(HOST, tlsPort, context=trust, timeout=20)
        client.user(USER)
        client.pass_(PASSWORD)
        client.dele(1)
        client.quit()
        self.assertEqual(self.maildir.stored(), [])
        systemd.control("reload", "pop3svc")
        systemd.awaitLog("event=reloaded")
        self.assertIn("StatusText=serving; sessions: 0", self.shown(systemd, "StatusText"))

    def shown(self, systemd: Systemd, *names: str) -> str:
        """What systemd knows about the service."""
        properties = [word for name in names for word in ("-p", name)]
        return systemd.control("show", "pop3svc.service", *properties)

    def stop(self, systemd: Systemd) -> None:
        systemd.control("stop", "pop3svc.service")
        shown = self.shown(systemd, "Result", "ExecMainStatus")
        self.assertEqual(shown.split(), ["Result=success", "ExecMainStatus=0"])
        self.assertNotIn("Traceback", systemd.said())
        self.assertIn("Server Shut Down", systemd.said())

    def test_service(self) -> None:
        port, tlsPort = freePrivilegedPort(), freePorts(1)[0]
        self.configure(f"tcp:{port}:interface={LOOPBACK}", f"tcp:{tlsPort}:interface={LOOPBACK}")
        systemd = self.start({}, "pop3svc.service")
        self.use(systemd, port, tlsPort)
        status = Status(systemd.mainPid())
        self.assertEqual(status.words("Uid"), [str(VMAIL)] * 4)
        self.assertEqual(status.words("Gid"), [str(VMAIL_GROUP)] * 4)
        self.assertEqual(set(status.capabilities().values()), {_NET_BIND_SERVICE})
        self.assertEqual(status.words("CapBnd"), [f"{_NET_BIND_SERVICE:016x}"])
        self.assertEqual(status.words("NoNewPrivs"), ["1"])
        # 2 is a filter of system calls.
        self.assertEqual(status.words("Seccomp"), ["2"])
        self.assertEqual(status.words("Umask"), ["0077"])
        self.assertEqual(status.coreLimit, ["0", "0"])
        self.assertFalse(status.dumpable)
        self.stop(systemd)

    def test_socket(self) -> None:
        """Ports from systemd, and no capability at all."""
        port, tlsPort = freePrivilegedPort(), freePorts(1)[0]
        self.configure("systemd:domain=INET6:index=0", "systemd:domain=INET6:index=1")
        dropIns = {
            "pop3svc.socket": f"ListenStream=\nListenStream={port}\nListenStream={tlsPort}\n",
            "pop3svc.service": "CapabilityBoundingSet=\nAmbientCapabilities=\nPrivateUsers=yes\n",
        }
        systemd = self.start(dropIns, "pop3svc.socket pop3svc.service")
        self.use(systemd, port, tlsPort)
        status = Status(systemd.mainPid())
        self.assertEqual(set(status.capabilities().values()), {0})
        self.assertEqual(status.words("CapBnd"), ["0" * 16])
        self.restart(systemd, port)
        self.stop(systemd)

    def restart(self, systemd: Systemd, port: int) -> None:
        """Whoever comes while an open session finishes waits, and is served then."""
        before = systemd.mainPid()
        held = poplib.POP3(LOOPBACK, port, timeout=20)
        held.user(USER)
        held.pass_(PASSWORD)
        systemd.control("restart", "--no-block", "pop3svc.service")
        systemd.awaitLog("Closed)")
        self.assertIn("StatusText=draining", self.shown(systemd, "StatusText"))
        with socket.create_connection((LOOPBACK, port), timeout=20) as waiting:
            self.assertEqual(held.stat()[0], 0)
            self.assertEqual(select.select([waiting], [], [], 0.5)[0], [])
            held.quit()
            self.assertEqual(waiting.recv(3), b"+OK")
        self.assertNotEqual(systemd.mainPid(), before)

    def test_workers(self) -> None:
        """The sandbox leaves them what they need."""
        self.configure("systemd:domain=INET6:index=0", "systemd:domain=INET6:index=1")
        with (self.directory / "pop3svc.toml").open("a") as file:
            file.write("workers = 2\n")
        port, tlsPort = freePorts(2)
        dropIns = {
            "pop3svc.socket": f"ListenStream=\nListenStream={port}\nListenStream={tlsPort}\n",
            "pop3svc.service": "CapabilityBoundingSet=\nAmbientCapabilities=\nPrivateUsers=yes\n",
        }
        systemd = self.start(dropIns, "pop3svc.socket pop3svc.service")
        self.use(systemd, port, tlsPort)
        self.stop(systemd)

    def test_hang(self) -> None:
        """A service that does nothing any more is ended, and started again."""
        self.configure(*(f"tcp:{each}:interface={LOOPBACK}" for each in freePorts(2)))
        watchdog = "WatchdogSec=2\nTimeoutAbortSec=1\nRestartSec=0\n"
        systemd = self.start({"pop3svc.service": watchdog}, "pop3svc.service")
        before = systemd.mainPid()
        time.sleep(3)
        self.assertEqual(systemd.mainPid(), before)
        os.kill(before, signal.SIGSTOP)
        systemd.awaitLog("tls=implicit", 2)
        self.assertNotEqual(systemd.mainPid(), before)
        self.assertEqual(self.shown(systemd, "NRestarts").strip(), "NRestarts=1")

    def test_wrongOption(self) -> None:
        """The start itself fails then."""
        self.configure(*(f"tcp:{each}:interface={LOOPBACK}" for each in freePorts(2)))
        systemd = self.start({}, "pop3svc.service")
        with (self.directory / "pop3svc.toml").open("a") as file:
            file.write('log-format = "nonsense"\n')
        with self.assertRaises(AssertionError) as caught:
            systemd.control("restart", "pop3svc.service")
        self.assertIn("Job for pop3svc.service failed", str(caught.exception))
        self.assertIn("log-format", systemd.said())
