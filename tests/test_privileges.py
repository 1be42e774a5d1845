"""L{pop3svc.operations.privileges}: what --uid can read again."""

import os
import pwd
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pop3svc import service
from pop3svc.operations.privileges import unreadableAfter
from pop3svc.options import Options

from .pki import Authority

# Of nobody on this machine.
UID, GID = 54321, 54322


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
        parent: Any = {"uid": UID, "gid": GID, "nodaemon": True}
        options.parent = parent
        said = StringIO()
        with redirect_stderr(said):
            made = service.makeService(options)
        self.assertIsInstance(made, service.POP3Service)
        self.assertEqual(
            said.getvalue(),
            f"twistd pop3svc: {path} cannot be read again under --uid, and changes of it will"
            " not be taken over; give it the service's group, mode 0640, and its directory"
            " mode 0750\n",
        )
        self.assertEqual(ignored, [True])
