"""
L{pop3svc.operations.privileges}, L{pop3svc.operations.confinement}: what is given up,
and what --uid can read again. tests/live/live_privileges.py does it for real.
"""

import os
import pwd
import subprocess
import sys
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from twisted.application.service import MultiService
from twisted.internet import reactor
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pop3svc import service, serving, settling
from pop3svc.errors import SettingError
from pop3svc.operations import confinement
from pop3svc.operations.audit import Audit
from pop3svc.operations.privileges import canBecomeRoot, checkUser, dropsRoot, unreadableAfter
from pop3svc.operations.reload import Reloader
from pop3svc.operations.startup import endStart
from pop3svc.options import Options

from .pki import Authority
from .running import ROOT

# Of nobody on this machine.
UID, GID = 54321, 54322


AS_ROOT = (
    "this would serve as root; start it with twistd --uid USER --gid GROUP (ports and keys are"
    " opened before the change), or say --allow-root if the maildrops need it"
)


class RootTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.ids = (0, 0, 0)
        self.patch(os, "getresuid", lambda: self.ids)
        self.groups = {UID: GID}
        self.patch(pwd, "getpwuid", lambda uid: SimpleNamespace(pw_gid=self.groups[uid]))

    def test_dropped(self) -> None:
        self.assertTrue(dropsRoot(UID, GID, False))
        self.assertTrue(dropsRoot(UID, None, False))

    def test_served(self) -> None:
        """Without --uid, as root, in root's group; and with --gid alone."""
        for uid, gid in ((None, None), (None, GID), (0, GID), (UID, 0)):
            with self.assertRaises(SettingError) as caught:
                dropsRoot(uid, gid, False)
            self.assertEqual(str(caught.exception), AS_ROOT)
        self.groups[UID] = 0
        self.assertRaises(SettingError, dropsRoot, UID, None, False)

    def test_wayBack(self) -> None:
        with self.assertRaises(SettingError) as caught:
            dropsRoot(UID, GID, True)
        self.assertEqual(
            str(caught.exception),
            "--euid keeps root within reach of whoever breaks in; leave it out, or say"
            " --allow-root",
        )

    def test_anyIdOfRoot(self) -> None:
        """Also one that is only put aside counts."""
        for ids in ((0, 1, 1), (1, 0, 1), (1, 1, 0)):
            self.ids = ids
            self.assertRaises(SettingError, dropsRoot, None, None, False)
        self.ids = (UID, UID, UID)
        self.assertFalse(dropsRoot(None, None, False))

    def test_unknownUser(self) -> None:
        checkUser(None)
        checkUser(UID)
        with self.assertRaises(SettingError) as caught:
            checkUser(7)
        self.assertEqual(
            str(caught.exception),
            "--uid 7 is no user of this machine; name one that is, or start twistd as 7 and leave"
            " --uid out",
        )

    def test_canBecomeRoot(self) -> None:
        asked: list[int] = []
        self.patch(os, "seteuid", asked.append)
        self.assertTrue(canBecomeRoot())
        self.assertEqual(asked, [0])

        def refuse(uid: int) -> None:
            raise PermissionError

        self.patch(os, "seteuid", refuse)
        self.assertFalse(canBecomeRoot())


class StartTests(SynchronousTestCase):
    """What L{pop3svc.settling} makes of it."""

    def setUp(self) -> None:
        self.confined: list[int | None] = []
        self.patch(settling, "confine", self.confined.append)
        self.patch(settling, "keepDeadlines", lambda reactor: None)
        self.patch(os, "getresuid", lambda: (0, 0, 0))
        self.patch(pwd, "getpwuid", lambda uid: SimpleNamespace(pw_gid=GID))

    def settle(self, *words: str, **twistd: Any) -> bool:
        options = Options()
        options.parseOptions(words)
        parent: Any = {"uid": None, "gid": None, "euid": False, "umask": None, **twistd}
        options.parent = parent
        return settling.settlePrivileges(options)

    def test_refused(self) -> None:
        with self.assertRaises(SettingError) as caught:
            self.settle("--pop3", "tcp:110")
        self.assertEqual(str(caught.exception), AS_ROOT)
        self.assertTrue(self.settle("--pop3", "tcp:110", uid=UID))
        self.assertFalse(self.settle("--pop3", "tcp:110", "--allow-root"))

    def test_allowedInTheFile(self) -> None:
        path = self.mktemp()
        Path(path).write_text('pop3 = "tcp:110"\nallow-root = true\n')
        self.assertFalse(self.settle("--config", path))

    def test_demo(self) -> None:
        """It may be root for as long as it is alone: loopback, and its own maildrops."""
        path = self.mktemp()
        Path(path).write_text('[[listener]]\nendpoint = "tcp:110"\n')
        self.assertFalse(self.settle("--demo"))
        for words in (
            ("--pop3", "tcp:110"),
            ("--pop3s", "tcp:995"),
            ("--auth", "memory:a:b"),
            ("--maildrop", "memory:"),
            ("--config", path),
        ):
            self.assertRaises(SettingError, self.settle, "--demo", *words)

    def test_confined(self) -> None:
        """Always, whoever serves; and twistd's own umask stays."""
        self.settle("--allow-root", umask=0o027)
        self.settle("--demo")
        self.assertEqual(self.confined, [0o027, None])

    def test_partOfAnotherProgram(self) -> None:
        """Its process is not ours to confine."""
        self.assertFalse(settling.settlePrivileges(Options()))
        self.assertEqual(self.confined, [])

    def service(self, dropping: bool) -> serving.POP3Service:
        """With nothing in it; what it does to the process is in C{self.done}."""
        self.done: list[str] = []
        self.patch(serving, "forbidDumps", lambda: self.done.append("forbidDumps"))
        self.patch(MultiService, "startService", lambda _: self.done.append("startService"))
        self.patch(reactor, "callWhenRunning", lambda *_: None)
        options = Options()
        options.parseOptions(["--pop3", "tcp:110"])
        parent: Any = {"nodaemon": True}
        options.parent = parent
        made = serving.POP3Service(options, [], dropping, Audit())
        made.reloader = Reloader([], [], Audit(), Clock(), lambda: 1)
        return made

    def test_afterTheDrop(self) -> None:
        """The change of the user allows dumps again, so this comes behind it."""
        self.patch(serving, "canBecomeRoot", lambda: False)
        for dropping in (True, False):
            self.service(dropping).startService()
            self.assertEqual(self.done, ["forbidDumps", "startService"])

    def test_noDrop(self) -> None:
        """Nobody is served by a process that can be root again."""
        self.patch(serving, "canBecomeRoot", lambda: True)
        said = StringIO()
        self.patch(sys, "__stderr__", said)
        with self.assertRaises(SystemExit):
            self.service(True).startService()
        self.assertEqual(self.done, ["forbidDumps"])
        self.assertEqual(
            said.getvalue(),
            "twistd pop3svc: root's privileges are not gone after --uid; start twistd without the"
            " secure bits or capabilities that keep them\n",
        )
        self.service(False).startService()
        self.assertEqual(self.done, ["forbidDumps", "startService"])

    def test_end(self) -> None:
        said = StringIO()
        self.patch(sys, "__stderr__", said)
        with self.assertRaises(SystemExit) as caught:
            endStart("it cannot be", False)
        self.assertEqual(caught.exception.code, 1)
        self.assertEqual(said.getvalue(), "twistd pop3svc: it cannot be\n")
        with self.assertRaises(SettingError):
            endStart("it cannot be", True)


class ConfinementTests(SynchronousTestCase):
    """In a process of its own, since none of it can be taken back."""

    def statusUnder(self, umask: str) -> dict[str, str]:
        program = (
            "import ctypes, resource, threading\n"
            f"from pop3svc.operations.confinement import confine; confine({umask})\n"
            "status = lambda: open(f'/proc/self/task/{threading.get_native_id()}/status').read()\n"
            "thread = threading.Thread(target=lambda: print(status()))\n"
            "thread.start()\n"
            "thread.join()\n"
            "print('Core:', *resource.getrlimit(resource.RLIMIT_CORE))\n"
            "print('Dumpable:', ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
        )
        pairs = (each.partition(":") for each in done.stdout.splitlines())
        return {name: " ".join(value.split()) for name, _, value in pairs}

    def test_confine(self) -> None:
        """Threads that are started later have it from the first."""
        status = self.statusUnder("None")
        self.assertEqual(status["NoNewPrivs"], "1")
        self.assertEqual(status["Umask"], "0077")
        self.assertEqual(status["Core"], "0 0")
        self.assertEqual(status["Dumpable"], "0")

    def test_ownUmask(self) -> None:
        before = os.umask(0o022)
        self.addCleanup(os.umask, before)
        self.assertEqual(self.statusUnder("0o027")["Umask"], "0022")

    def test_kernelRefuses(self) -> None:
        with self.assertRaises(SettingError) as caught:
            confinement._prctl(38, 7)
        self.assertEqual(
            str(caught.exception), "the kernel refuses prctl(38, 7): Invalid argument; allow it"
        )


class UnreadableTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.file = Path(self.mktemp()).absolute()
        self.file.write_text("x")
        self.stats: dict[Path, tuple[int, int, int]] = {}

        def stat(path: Path) -> SimpleNamespace:
            mode, uid, gid = self.stats.get(path, (0o755, 0, 0))
            return SimpleNamespace(st_mode=mode, st_uid=uid, st_gid=gid)

        self.patch(Path, "stat", stat)

    def readable(self) -> bool:
        return unreadableAfter(UID, GID, [str(self.file)]) is None

    def test_modes(self) -> None:
        for mode, uid, gid, expected in (
            (0o600, 0, 0, False),
            (0o640, 0, 0, False),
            (0o640, 0, GID, True),
            (0o604, 0, GID, False),
            (0o604, 0, 0, True),
            (0o400, UID, 0, True),
            (0o044, UID, GID, False),
        ):
            self.stats[self.file] = (mode, uid, gid)
            self.assertEqual(self.readable(), expected, (oct(mode), uid, gid))

    def test_directory(self) -> None:
        for mode, gid, expected in ((0o700, 0, False), (0o750, 0, False), (0o750, GID, True)):
            self.stats[self.file.parent] = (mode, 0, gid)
            self.assertEqual(self.readable(), expected, (oct(mode), gid))

    def test_sentence(self) -> None:
        self.stats[self.file] = (0o600, 0, 0)
        self.assertEqual(
            unreadableAfter(UID, None, ["/", str(self.file), "/other"]),
            f"{self.file} cannot be read again under --uid, and changes of it will not be taken"
            " over; give it the service's group, mode 0640, and its directory mode 0750",
        )

    def test_groupsOfTheUser(self) -> None:
        """Those that twistd gives, besides the first."""
        self.stats[self.file] = (0o640, 0, 7)
        user = SimpleNamespace(pw_name="vmail", pw_gid=GID)
        self.patch(pwd, "getpwuid", lambda uid: user)
        self.patch(os, "getgrouplist", lambda name, gid: [gid, 7])
        self.assertTrue(self.readable())

    def test_nobodyElse(self) -> None:
        self.stats[self.file] = (0o600, 1, 1)
        self.assertIsNone(unreadableAfter(None, None, [str(self.file)]))
        self.assertIsNone(unreadableAfter(0, 0, [str(self.file)]))


class ServiceTests(SynchronousTestCase):
    def test_warned(self) -> None:
        """One sentence, and the service is made all the same."""
        path = Path(Authority().issue(os.path.abspath(self.mktemp())))
        path.chmod(0o600)
        ignored: list[bool] = []
        self.patch(service, "ignoreHangup", lambda: ignored.append(True))
        options = Options()
        options.parseOptions(
            [
                *("--pop3", "tcp:1100:interface=127.0.0.1", "--certificate", str(path)),
                *("--auth", "memory:karl:secret", "--maildrop", "memory:"),
            ]
        )
        self.patch(settling, "confine", lambda umask: None)
        self.patch(settling, "keepDeadlines", lambda reactor: None)
        self.patch(settling, "checkUser", lambda uid: None)
        parent: Any = dict.fromkeys(("euid", "umask"))
        parent |= {"uid": UID, "gid": GID, "nodaemon": True}
        options.parent = parent
        said = StringIO()
        with redirect_stderr(said):
            made = service.makeService(options)
        self.assertIsInstance(made, serving.POP3Service)
        self.assertEqual(
            said.getvalue(),
            f"twistd pop3svc: {path} cannot be read again under --uid, and changes of it will"
            " not be taken over; give it the service's group, mode 0640, and its directory"
            " mode 0750\n",
        )
        self.assertEqual(ignored, [True])
