"""
What the service gives up before it serves, as the kernel tells it.
"""

from __future__ import annotations

import os
import poplib
import signal
import ssl
import subprocess
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.pki import Authority
from tests.running import ROOT, TWISTD, RunningService, freePort

from .harness import HOST, LOOPBACK, PASSWORD, USER
from .messages import Maildir
from .programs import findProgram
from .unprivileged import (
    ALICE,
    CERTS_GROUP,
    VMAIL,
    VMAIL_GROUP,
    Status,
    freePrivilegedPort,
    give,
    needRoot,
    simple,
    twistd,
    withUsers,
)

_NOTHING = {"CapInh": 0, "CapPrm": 0, "CapEff": 0, "CapAmb": 0}
_DAC_OVERRIDE, _NET_BIND_SERVICE = 1 << 1, 1 << 10
_STORED = b"Subject: one\n\nA line.\n"
_AS_ROOT = (
    "twistd pop3svc: this would serve as root; start it with twistd --uid USER --gid GROUP (ports"
    " and keys are opened before the change), or say --allow-root if the maildrops need it"
)


class PrivilegesTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        needRoot()
        self.directory = Path(os.path.abspath(self.mktemp()))
        self.maildir = Maildir(self.directory / "maildirs" / USER)
        self.maildir.deliver(_STORED)
        self.users = withUsers(self.directory)

    def start(self, command: list[str], *words: str) -> RunningService:
        service = RunningService(self.directory / "log", *words, command=command)
        self.addCleanup(service.process.wait)
        self.addCleanup(service.process.kill)
        service.waitFor("event=listening")
        # twistd changes the user after that, and signals are heeded only then.
        giveUp = time.monotonic() + 20
        while not Status(service.process.pid).catches(signal.SIGHUP):
            self.assertLess(time.monotonic(), giveUp, service.output())
            time.sleep(0.02)
        return service

    def fetch(self, client: poplib.POP3) -> None:
        """Log in, retrieve the message and remove it."""
        client.user(USER)
        client.pass_(PASSWORD)
        self.assertEqual(client.retr(1)[1], _STORED.splitlines())
        client.dele(1)
        client.quit()
        self.assertEqual(self.maildir.stored(), [])


class DropTests(PrivilegesTestCase):
    """Root binds the ports and reads the keys, and is then somebody else."""

    def setUp(self) -> None:
        super().setUp()
        give(self.maildir.path, VMAIL, VMAIL_GROUP)
        self.port = freePrivilegedPort()

    def command(self, *options: str) -> list[str]:
        return [*self.users, *twistd("--uid", "vmail", *options)]

    def test_rootIsGone(self) -> None:
        authority, pem = Authority(), self.directory / "key.pem"
        authority.issue(str(pem), HOST)
        authority.save(str(self.directory / "authority.pem"))
        pem.chmod(0o600)
        service = self.start(
            self.command("--gid", "vmail"),
            *("--pop3s", f"tcp:{self.port}:interface={LOOPBACK}", "--certificate", str(pem)),
            *("--auth", f"memory:{USER}:{PASSWORD}"),
            *("--maildrop", f"maildir:{self.directory}/maildirs/{{user}}"),
        )
        trust = ssl.create_default_context(cafile=str(self.directory / "authority.pem"))
        self.fetch(poplib.POP3_SSL(HOST, self.port, context=trust, timeout=20))
        status = Status(service.process.pid)
        # The login has started threads.
        self.assertGreater(len(status.ofThreads("Uid")), 1)
        # Real, effective, saved, and that of the file system: nothing to go back to.
        self.assertEqual(status.words("Uid"), [str(VMAIL)] * 4)
        self.assertEqual(status.words("Gid"), [str(VMAIL_GROUP)] * 4)
        self.assertEqual(status.words("Groups"), [str(VMAIL_GROUP), str(CERTS_GROUP)])
        self.assertEqual(status.capabilities(), _NOTHING)
        self.assertEqual(set(map(tuple, status.ofThreads("NoNewPrivs"))), {("1",)})
        self.assertEqual(status.words("Umask"), ["0077"])
        self.assertEqual(status.coreLimit, ["0", "0"])
        self.assertFalse(status.dumpable)
        self.assertEqual(service.stop(), 0)
        self.assertNotIn("Traceback", service.output())

    def test_ownUmask(self) -> None:
        service = self.start(self.command("--umask", "027"), *simple(self.directory, self.port))
        self.assertEqual(Status(service.process.pid).words("Umask"), ["0027"])
        self.assertEqual(service.stop(), 0)

    def test_groupOfTheUser(self) -> None:
        """Without --gid it is the user's own."""
        service = self.start(self.command(), *simple(self.directory, self.port))
        self.assertEqual(Status(service.process.pid).words("Gid"), [str(VMAIL_GROUP)] * 4)
        self.fetch(poplib.POP3(LOOPBACK, self.port, timeout=20))
        self.assertEqual(service.stop(), 0)

    def test_filesItWrites(self) -> None:
        """
        What it writes later belongs to the user, and to nobody else; what it only reads
        again at the next start is root's.
        """
        state = self.directory / "state"
        state.mkdir()
        os.chown(state, VMAIL, VMAIL_GROUP)
        service = self.start(
            self.command(),
            *simple(self.directory, self.port),
            *("--throttle-state", str(state / "throttle")),
            *("--secret", str(self.directory / "secret")),
        )
        client = poplib.POP3(LOOPBACK, self.port, timeout=20)
        client.user(USER)
        self.assertRaises(poplib.error_proto, client.pass_, "wrong")
        client.close()
        self.fetch(poplib.POP3(LOOPBACK, self.port, timeout=20))
        self.assertEqual(service.stop(), 0)
        written = [*state.iterdir(), *self.maildir.path.rglob("*")]
        self.assertIn(state / "throttle", written)
        for each in written:
            status = each.stat()
            owner = (status.st_uid, status.st_gid, status.st_mode & 0o077)
            self.assertEqual(owner, (VMAIL, VMAIL_GROUP, 0), each)
        status = (self.directory / "secret").stat()
        self.assertEqual((status.st_uid, status.st_mode & 0o777), (0, 0o600))

    def test_daemon(self) -> None:
        """
        Files that twistd makes are root's, and nobody else's to read: a pid file that
        the service could change would have root kill whatever it likes.
        """
        files = {name: self.directory / name for name in ("pid", "twistd.log")}
        command = [
            *(*self.users, *TWISTD, "--rundir", str(self.directory), "--uid", "vmail"),
            *("--pidfile", str(files["pid"]), "--logfile", str(files["twistd.log"])),
            *("pop3svc", *simple(self.directory, self.port)),
        ]
        # Twice: the first leaves its pid file behind, which it may no longer remove.
        for _ in range(2):
            subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=30)
            pid = int(files["pid"].read_text())
            for each in files.values():
                status = each.stat()
                self.assertEqual((status.st_uid, status.st_mode & 0o777), (0, 0o600), each)
            self.assertIn(f"Uid:\t{VMAIL}\t{VMAIL}\t{VMAIL}", self.statusOf(pid))
            os.kill(pid, signal.SIGTERM)
            giveUp = time.monotonic() + 20
            while Path(f"/proc/{pid}").exists():
                self.assertLess(time.monotonic(), giveUp)
                time.sleep(0.02)
        self.assertNotIn("Traceback", files["twistd.log"].read_text())

    def statusOf(self, pid: int) -> str:
        return Path(f"/proc/{pid}/status").read_text()


class RefusalTests(PrivilegesTestCase):
    """One sentence, exit status 1, and nobody is served."""

    def refused(self, command: list[str], *words: str) -> str:
        ended = subprocess.run(
            [*command, *simple(self.directory, freePort()), *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=30,
        )
        self.assertEqual(ended.returncode, 1, ended.stderr)
        self.assertNotIn("event=login", ended.stdout)
        return ended.stderr.removesuffix("\n")

    def test_root(self) -> None:
        for options in (
            (),
            ("--uid", "root"),
            ("--gid", "vmail"),
            ("--uid", "vmail", "--gid", "0"),
        ):
            self.assertEqual(self.refused([*self.users, *twistd(*options)]), _AS_ROOT, options)

    def test_demoForOthers(self) -> None:
        """With maildrops or listeners that are not its own, --demo is no excuse."""
        self.assertEqual(
            self.refused(twistd(), "--demo", "--demo-directory", f"{self.directory}/demo"), _AS_ROOT
        )

    def test_wayBack(self) -> None:
        self.assertEqual(
            self.refused([*self.users, *twistd("--uid", "vmail", "--euid")]),
            "twistd pop3svc: --euid keeps root within reach of whoever breaks in; leave it out, or"
            " say --allow-root",
        )

    def test_capabilitiesAreKept(self) -> None:
        """They would outlive the change of the user."""
        keep = [findProgram("setpriv"), "--securebits", "+no_setuid_fixup"]
        self.assertEqual(
            self.refused([*keep, *self.users, *twistd("--uid", "vmail")]),
            "twistd pop3svc: root's privileges are not gone after --uid; start twistd without the"
            " secure bits or capabilities that keep them",
        )

    def test_unknownUser(self) -> None:
        self.assertEqual(
            self.refused(twistd("--uid", "59999")),
            "twistd pop3svc: --uid 59999 is no user of this machine; name one that is, or start"
            " twistd as 59999 and leave --uid out",
        )


class AllowedTests(PrivilegesTestCase):
    def test_allowRoot(self) -> None:
        """It may be root, and yet gets nothing more by a program that it starts."""
        port = freePort()
        service = self.start(
            twistd(subcommand=("pop3svc", "--allow-root")), *simple(self.directory, port)
        )
        give(self.maildir.path, ALICE, ALICE)
        self.fetch(poplib.POP3(LOOPBACK, port, timeout=20))
        status = Status(service.process.pid)
        self.assertEqual(status.words("Uid"), ["0"] * 4)
        self.assertEqual(status.words("NoNewPrivs"), ["1"])
        self.assertEqual(service.stop(), 0)

    def test_demo(self) -> None:
        """In a network of its own, where its ports are free."""
        network = [
            findProgram("unshare"),
            "--net",
            "sh",
            "-c",
            'ip link set lo up; exec "$@"',
            "sh",
        ]
        findProgram("ip")
        service = self.start(
            [*network, *twistd()], "--demo", "--demo-directory", str(self.directory / "demo")
        )
        self.assertEqual(Status(service.process.pid).words("Uid"), ["0"] * 4)
        service.waitFor("tls=implicit")
        self.assertEqual(service.stop(), 0)


class NeverRootTests(PrivilegesTestCase):
    """The service is somebody else's process from its start, as under systemd."""

    def startAs(self, port: int, capability: str) -> RunningService:
        """@param capability: by its name, without C{cap_}: the only one."""
        only = f"-all,+{capability}"
        become = [
            *(findProgram("setpriv"), "--reuid", str(VMAIL), "--regid", str(VMAIL_GROUP)),
            *("--clear-groups", "--inh-caps", only, "--ambient-caps", only),
            *("--bounding-set", only),
        ]
        return self.start([*self.users, *become, *twistd()], *simple(self.directory, port))

    def test_lowPorts(self) -> None:
        """CAP_NET_BIND_SERVICE in place of root."""
        give(self.maildir.path, VMAIL, VMAIL_GROUP)
        port = freePrivilegedPort()
        service = self.startAs(port, "net_bind_service")
        self.fetch(poplib.POP3(LOOPBACK, port, timeout=20))
        status = Status(service.process.pid)
        self.assertEqual(status.words("Uid"), [str(VMAIL)] * 4)
        self.assertEqual(status.capabilities(), dict.fromkeys(_NOTHING, _NET_BIND_SERVICE))
        self.assertEqual(status.words("CapBnd"), [f"{_NET_BIND_SERVICE:016x}"])
        self.assertEqual(status.words("NoNewPrivs"), ["1"])
        self.assertEqual(status.words("Umask"), ["0077"])
        self.assertEqual(status.coreLimit, ["0", "0"])
        # The kernel does this by itself only where root was dropped.
        self.assertFalse(status.dumpable)
        self.assertEqual(service.stop(), 0)

    def test_maildropsOfOthers(self) -> None:
        """CAP_DAC_OVERRIDE in place of root, where each user's mail is the user's own."""
        give(self.maildir.path, ALICE, ALICE)
        port = freePort()
        service = self.startAs(port, "dac_override")
        self.fetch(poplib.POP3(LOOPBACK, port, timeout=20))
        status = Status(service.process.pid)
        self.assertEqual(status.words("Uid"), [str(VMAIL)] * 4)
        self.assertEqual(status.capabilities(), dict.fromkeys(_NOTHING, _DAC_OVERRIDE))
        self.assertEqual(service.stop(), 0)
