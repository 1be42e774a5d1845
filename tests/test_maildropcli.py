"""L{pop3svc.maildropcli}: the command C{pop3svc maildrop}."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import pwd
import subprocess
import sys
from pathlib import Path

from pop3svc.cli import main
from pop3svc.errors import MaildropInUse, MaildropShrunk, MaildropUnavailable
from pop3svc.limits import Limits
from pop3svc.maildropcli import acceptMaildrop, confirm
from pop3svc.maildrops.files import Directory
from pop3svc.maildrops.maildir import MaildirSource
from pop3svc.maildrops.memory import MemoryMaildropSource

from .maildirs import MaildirTestCase, deliver, makeMaildir

ME = pwd.getpwuid(os.geteuid()).pw_name


class AcceptTests(MaildirTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.limits = Limits(shrinkPercent=50, shrinkMessages=2)
        self.source = self.another()
        self.template = f"maildir:{self.root}/{{user}}"

    def another(self) -> MaildirSource:
        source = MaildirSource(f"{self.root}/{{user}}", self.limits)
        self.addCleanup(source._pool._stop)
        return source

    async def shrink(self, maildir: Path) -> None:
        """A session, and then four of its five messages are gone."""
        paths = [deliver(maildir, b"x\n") for _ in range(5)]
        await (await self.source.openMaildrop(os.fsencode(maildir.name))).close()
        for path in paths[:4]:
            path.unlink()
        with self.assertRaises(MaildropShrunk):
            await self.source.openMaildrop(os.fsencode(maildir.name))

    def run_(self, *words: str) -> tuple[int, str, str]:
        """The command as a process of its own: status, output, complaint."""
        command = [sys.executable, "-c", "from pop3svc.cli import main; raise SystemExit(main())"]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(
            [*command, "maildrop", "accept", *words],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.returncode, done.stdout, done.stderr

    def refused(self, *words: str) -> str:
        """What the command says about wrong words, without a process."""
        stderr = io.StringIO()
        with contextlib.redirect_stderr(stderr):
            self.assertEqual(main(["maildrop", "accept", *words]), 1)
        return stderr.getvalue()

    async def test_accept(self) -> None:
        """The service believes it from then on, also one that remembers more."""
        await self.shrink(self.maildir)
        self.assertEqual(await acceptMaildrop(self.another(), self.limits, b"karl"), 1)
        for source in (self.source, self.another()):
            await (await source.openMaildrop(b"karl")).close()

    async def test_cannotBeWritten(self) -> None:
        """Nothing is called accepted that the service will refuse again."""
        await self.shrink(self.maildir)
        for call in ("create", "overwrite"):
            self.patch(Directory, call, self.refuse)
        self.assertEqual(await acceptMaildrop(self.another(), self.limits, b"karl"), 1)
        with self.assertRaises(MaildropUnavailable):
            await confirm(self.another(), self.limits, b"karl")

    def refuse(self, *arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def test_inUse(self) -> None:
        await self.enter()
        with self.assertRaises(MaildropInUse):
            await acceptMaildrop(self.another(), self.limits, b"karl")

    async def test_otherStores(self) -> None:
        """A store that believes everything has nothing to be told."""
        source = MemoryMaildropSource({b"karl": [b"x\n"]})
        self.assertEqual(await acceptMaildrop(source, self.limits, b"karl"), 1)

    async def test_command(self) -> None:
        """As it is given, with what the service was given, or with its file."""
        await self.shrink(self.maildir)
        self.assertEqual(
            self.run_("karl", "--maildrop", self.template, "--uid", ME),
            (0, "accepted: 1 message\n", ""),
        )
        await (await self.source.openMaildrop(b"karl")).close()
        await self.shrink(makeMaildir(self.root / "anna"))
        config = self.root / "pop3svc.toml"
        config.write_text(f'maildrop = "{self.template}"\npop3 = "tcp:110"\n')
        self.assertEqual(self.run_("anna", "--config", str(config), "--uid", ME)[0], 0)
        await (await self.source.openMaildrop(b"anna")).close()

    async def test_place(self) -> None:
        """A maildrop of the passwd file's."""
        makeMaildir(self.root / "somewhere")
        deliver(self.root / "somewhere", b"x\n")
        place = str(self.root / "somewhere")
        status, output, _ = self.run_(
            "joe", "--maildrop", self.template, "--uid", ME, "--place", place
        )
        self.assertEqual((status, output), (0, "accepted: 1 message\n"))

    def test_noMaildrop(self) -> None:
        """An error of the store is one sentence."""
        status, _, complaint = self.run_("joe", "--maildrop", self.template, "--uid", ME)
        self.assertEqual(status, 1)
        self.assertRegex(
            complaint, r"^pop3svc: the Maildir '.*/joe' is not there as a whole; .*\n$"
        )

    def test_wrongWords(self) -> None:
        for words, sentence in (
            (["karl"], "say where maildrops lie: --config FILE, or --maildrop KIND:ARGUMENTS"),
            (
                ["karl", "--maildrop", "mailder:x", "--uid", ME],
                "there is no kind of maildrop 'mailder'; did you mean maildir?",
            ),
            (
                ["karl", "--config", "/nowhere/x.toml"],
                "cannot read /nowhere/x.toml: No such file or directory",
            ),
            (
                ["karl", "--maildrop", self.template, "--place", "x"],
                "--place is an absolute path, not 'x'",
            ),
            (
                ["karl", "--maildrop", self.template, "--uid", "no-such-user"],
                "there is no user 'no-such-user' on this machine",
            ),
        ):
            self.assertEqual(self.refused(*words), f"pop3svc: {sentence}\n")

    def test_asRoot(self) -> None:
        """Root would leave files behind that the service does not take for its own."""
        self.patch(os, "geteuid", lambda: 0)
        self.assertEqual(
            self.refused("karl", "--maildrop", self.template),
            "pop3svc: say whom the service runs as: --uid NAME\n",
        )

    def test_asSomebodyElse(self) -> None:
        def refuse(*arguments: object) -> None:
            raise PermissionError

        self.patch(os, "initgroups", refuse)
        self.patch(os, "geteuid", lambda: 12345)
        self.assertEqual(
            self.refused("karl", "--maildrop", self.template, "--uid", "root"),
            "pop3svc: only root can become root; run it as root, or as root\n",
        )
