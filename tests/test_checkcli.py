"""L{pop3svc.checkcli}, as the command C{pop3svc check}."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

from twisted.trial.unittest import TestCase

from pop3svc import cli
from pop3svc.demo import prepareDemo
from pop3svc.options import Options

from .pki import Authority
from .running import ROOT, RunningService, freePort


class CheckTests(TestCase):
    def setUp(self) -> None:
        self.folder = os.path.abspath(self.mktemp())
        for each in ("new", "cur", "tmp"):
            os.makedirs(f"{self.folder}/mail/karl/Maildir/{each}")
        self.certificate = Authority().issue(f"{self.folder}/chain.pem")
        os.chmod(self.certificate, 0o640)
        Path(f"{self.folder}/passwd").write_text("karl:{PLAIN}secret\n")
        self.config = f"{self.folder}/pop3svc.toml"
        Path(self.config).write_text(
            f'pop3 = ["tcp:{freePort()}:interface=127.0.0.1"]\n'
            f'certificate = "{self.certificate}"\n'
            f'auth = ["passwd:{self.folder}/passwd"]\n'
            f'maildrop = "maildir:{self.folder}/mail/{{user}}/Maildir"\n'
            f'secret = "{self.folder}/secret"\n'
            f'audit-log = "{self.folder}/audit"\n'
            "allow-root = true\n"
            # So that every machine has enough.
            "[limits]\nconnections = 10\n"
        )
        # As somebody else it would not be a warning that root serves.
        self.patch(os, "getresuid", lambda: (1000, 1000, 1000))

    def check(self, *words: str) -> tuple[int, str, str]:
        """@return: exit status, standard output, standard error."""
        out, err = StringIO(), StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            status = cli.main(["check", *words])
        return status, out.getvalue(), err.getvalue()

    def everything(self) -> set[tuple[str, float]]:
        return {(str(each), each.stat().st_mtime) for each in Path(self.folder).rglob("*")}

    def test_well(self) -> None:
        """Nothing is made or changed by it."""
        before = self.everything()
        status, said, complaints = self.check("--config", self.config, "--user", "karl")
        self.assertEqual((status, complaints), (0, ""), said)
        self.assertEqual(said.splitlines()[0], "Options")
        self.assertEqual(said.splitlines()[-1], "All is well.")
        self.assertIn("    in the clear, from elsewhere: CRAM-MD5 SCRAM-SHA-256", said)
        self.assertIn("    a Maildir with 0 messages\n", said)
        self.assertEqual(self.everything(), before)
        long = [line for line in said.splitlines() if len(line) > 79 and " " in line.strip()]
        self.assertEqual([line for line in long if self.folder not in line], [])

    def test_wrong(self) -> None:
        """All of it, not the first alone."""
        os.rmdir(f"{self.folder}/mail/karl/Maildir/new")
        status, said, _ = self.check(
            *("-c", self.config, "--user", "karl", "--pop3", "tcp:1:interface=192.0.2.1"),
            *("--private-key", "/nowhere/key.pem", "--audit-log", "/nowhere/audit"),
            "--auth=memory:nobody",
        )
        self.assertEqual(status, 1)
        for text in (
            "error: cannot read /nowhere/key.pem: No such file or directory",
            "error: --auth memory:nobody: ",
            "error: 192.0.2.1 is no address of this machine",
            "error: --audit-log: there is no directory /nowhere",
            "is not there as a whole; create it with its directories new, cur and tmp",
        ):
            self.assertIn(text, " ".join(said.split()))
        self.assertIn("\n5 errors, ", said)

    def test_strict(self) -> None:
        words = ("-c", self.config, "--clear-text-logins=always", "--pop3", f"tcp:{freePort()}")
        status, said, _ = self.check(*words)
        self.assertEqual(status, 0)
        self.assertTrue(said.endswith("\n0 errors, 1 warning: it would work.\n"), said)
        self.assertEqual(self.check(*words, "--strict")[0], 1)

    def test_json(self) -> None:
        status, said, _ = self.check("--json", "-c", self.config)
        found = json.loads(said)
        self.assertEqual((status, found["errors"], found["warnings"]), (0, 0, 0))
        self.assertEqual(found["sections"][0]["title"], "Options")

    def test_file(self) -> None:
        Path(self.config).write_text("# mine\nidle-second = 3\n")
        status, said, _ = self.check("-c", self.config, "--json")
        [section] = json.loads(said)["sections"]
        self.assertEqual(status, 1)
        self.assertEqual(
            [each["text"] for each in section["findings"]],
            [f"{self.config} line 2: there is no setting 'idle-second'"],
        )

    def test_nothingGiven(self) -> None:
        status, said, _ = self.check()
        self.assertEqual(status, 1)
        self.assertIn("error: no listener is given; add --pop3 tcp:110", said)
        self.assertIn("error: no maildrops are given", said)

    def test_cannotBeDone(self) -> None:
        for words, sentence in (
            (["--bogus"], "unrecognized arguments: --bogus; see pop3svc --help"),
            (["--uid", "no-such-user"], "there is no user 'no-such-user' on this machine"),
        ):
            status, said, complaints = self.check(*words)
            self.assertEqual((status, said), (2, ""))
            self.assertEqual(complaints, f"pop3svc: {sentence}\n")

    def test_root(self) -> None:
        self.patch(os, "getresuid", lambda: (0, 0, 0))
        status, said, _ = self.check("-c", self.config)
        self.assertEqual(status, 0)
        self.assertIn("warning: it serves as root", said)
        text = Path(self.config).read_text().replace("allow-root = true\n", "")
        Path(self.config).write_text(text)
        status, said, _ = self.check("-c", self.config)
        self.assertEqual(status, 1)
        self.assertIn("error: as you are root, it would serve as root, and refuses to", said)

    def test_demo(self) -> None:
        """What its start makes is not made here."""
        directory = f"{self.folder}/demo"
        words = ("--demo", "--demo-directory", directory)
        status, said, _ = self.check(*words)
        self.assertEqual(status, 0)
        self.assertIn("the start would make", said)
        self.assertFalse(os.path.exists(directory))

    def test_demoOfRoot(self) -> None:
        """Which is served, and so is no error."""
        words = ["--demo", "--demo-directory", f"{self.folder}/demo"]
        self.patch(os, "getresuid", lambda: (0, 0, 0))
        options = Options()
        options.parseOptions(words)
        with redirect_stdout(StringIO()):
            prepareDemo(options)
        status, said, _ = self.check(*words)
        self.assertEqual(status, 0, said)
        self.assertIn("root, for the demo's own maildrops alone", said)
        status, said, _ = self.check(*words, "--pop3", "tcp:0")
        self.assertEqual(status, 1, said)

    def test_allOptions(self) -> None:
        """Whatever twistd pop3svc takes; what ends it at once is not there."""
        with self.assertRaises(SystemExit), redirect_stdout(StringIO()) as out:
            cli.main(["check", "--help"])
        for each in ("--pop3s", "--throttle-state", "--apop", "--limit", "-c CONFIG"):
            self.assertIn(each, out.getvalue())
        self.assertNotIn("--help-limits", out.getvalue())
        told = set(re.findall(r"^``(--[a-z]+)", (ROOT / "docs/check.rst").read_text(), re.M))
        ours = set(
            re.findall(r"^  (--[a-z]+)", out.getvalue().partition("twistd pop3svc:")[0], re.M)
        )
        self.assertEqual(told, ours)

    def test_runningService(self) -> None:
        """The check sees it, and it does not see the check."""
        service = RunningService(Path(self.mktemp()), "--config", self.config, "--audit-log", "-")
        self.addCleanup(service.stop)
        service.waitFor("event=listening")
        before = service.output()
        status, said, _ = self.check("-c", self.config)
        self.assertEqual(status, 0, said)
        self.assertIn(f"the port is in use by pop3svc (process {service.process.pid})", said)
        self.assertEqual(service.output(), before)

    def test_lazy(self) -> None:
        """Who sets a password does not wait for all of it."""
        program = (
            "import sys; from pop3svc import cli; cli._parser(['passwd']);"
            " print([each for each in sys.modules if 'check' in each and 'pop3svc' in each])"
        )
        ended = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
        )
        self.assertEqual(ended.stdout, "[]\n")
