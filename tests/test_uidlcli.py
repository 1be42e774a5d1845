"""
L{pop3svc.uidlcli} and L{pop3svc.migration.asking}: the command C{pop3svc uidl}.
"""

from __future__ import annotations

import getpass
import os
import re
import shlex
import subprocess
import sys
from unittest import mock

from pop3svc import cli, uidlcli
from pop3svc.maildrops import whereabouts

from .maildirs import makeMaildir
from .oldserver import OtherServer
from .running import ROOT
from .uidl import ME, MESSAGE, UidlTestCase


class SourceTests(UidlTestCase):
    def test_many(self) -> None:
        """One whose list is not there keeps nobody else back."""
        other = makeMaildir(self.root / "anna")
        (other / "cur/5.a").write_bytes(b"x\n")
        (self.root / "lists").mkdir()
        (self.root / "lists" / "anna").write_text("X,5.a\n")
        file = f"{self.root}/lists/{{user}}"
        status, said, complaint = self.import_(
            "--from", "csv", "--file", file, users=("karl", "anna")
        )
        self.assertEqual(status, 2)
        self.assertEqual(
            complaint,
            "pop3svc: karl: ROOT/lists/karl cannot be read (No such file or directory); say with"
            " --file where it is\n",
        )
        self.assertEqual(said[0], "anna: 1 of 1 messages get the unique-id that they had")
        self.assertEqual((other / "pop3svc-uidl").read_bytes(), b"X 5.a\n")

    async def test_outside(self) -> None:
        """Where the small files of the service are."""
        (self.root / "ledgers").mkdir()
        text = f"{self.ours[1]}?ledger={self.root}/ledgers"
        self.ours = ("--maildrop", text, "--uid", ME)
        self.assertEqual(self.import_()[0], 0)
        self.assertFalse(self.imported.exists())
        self.assertEqual(len(list((self.root / "ledgers").glob("*.pop3svc-uidl"))), 1)

    def test_courier(self) -> None:
        (self.maildir / "courierpop3dsizelist").write_bytes(b"/3 4 17\n1.a 5 1:17:0\n2.a 5 2:0:0\n")
        self.assertEqual(self.import_("--from", "courierpop3dsizelist")[0], 1)
        self.assertEqual(self.imported.read_bytes(), b"UID1-17 1.a\nUID2 2.a\n")

    def test_server(self) -> None:
        """Password from a file, the environment, or asked for."""
        messages = [(MESSAGE % each).replace("\n", "\r\n").encode() for each in (3, 7, 1)]
        (self.root / "password-karl").write_text("secret\n")
        ways: tuple[list[str], ...] = (
            ["--password-file", f"{self.root}/password-{{local}}"],
            ["--password-env", "OLD"],
            [],
        )
        for words in ways:
            with (
                OtherServer(messages, [b"C", b"G", b"A"]) as other,
                mock.patch.dict(os.environ, OLD="secret"),
                mock.patch.object(getpass, "getpass", return_value="secret"),
            ):
                address = f"pop3://{{user}}@127.0.0.1:{other.port}"
                status, said, complaint = self.import_(
                    "--from", address, "--clear-text", "--replace", *words
                )
            self.assertEqual((status, complaint), (1, ""))
            self.assertEqual(said[0], "karl: 2 of 3 messages get the unique-id that they had")
            self.assertEqual(said[2], "karl: 1 others are there, and not in this maildrop")
            self.assertEqual(self.imported.read_bytes(), b"C 3.a\nA 1.a\n")

    def test_moved(self) -> None:
        """The old server works on the same Maildir, and moves what is new at the login."""
        messages = [(MESSAGE % each).replace("\n", "\r\n").encode() for each in (1, 2, 3)]

        class Moving(OtherServer):
            def answer(other, words: list[bytes]) -> bytes:
                if words[0] == b"PASS":
                    for path in (self.maildir / "cur").iterdir():
                        path.rename(path.with_name(path.name.replace(":2,S", ":2,RS")))
                return super().answer(words)

        looked = self.spy(whereabouts, "survey")
        with Moving(messages, [b"A", b"B", b"C"]) as other:
            words = ("--from", f"pop3://127.0.0.1:{other.port}", "--clear-text")
            with mock.patch.object(getpass, "getpass", return_value="secret"):
                self.assertEqual(self.import_(*words)[0], 0)
        self.assertEqual(len(looked), 1)

    def test_serverDoubts(self) -> None:
        """Twins are told of, and what is ambiguous gets nothing."""
        for name, body in (("4", "one"), ("5", "one"), ("6", "six")):
            self.write(f"cur/{name}.a", f"Subject: x\n\n{body}\n".encode())
        bodies = ("one", "one", "two")
        messages = [f"Subject: x\r\n\r\n{each}\r\n".encode() for each in bodies]
        messages[2] = messages[2].replace(b"two", b"three")
        with OtherServer(messages, [b"A", b"B", b"C"]) as other:
            words = ("--from", f"pop3://127.0.0.1:{other.port}", "--clear-text")
            with mock.patch.object(getpass, "getpass", return_value="secret"):
                status, said, _ = self.import_(*words)
        self.assertEqual(status, 1)
        self.assertIn(
            "karl: 1 messages there, b'C' among them, could be several of these or none; their"
            " unique-ids are left out",
            said,
        )
        self.assertIn(
            "karl: 2 have twins that are the same throughout, and were taken in their order", said
        )
        self.assertEqual(self.imported.read_bytes(), b"A 4.a\nB 5.a\n")

    def test_wrongWords(self) -> None:
        for words, sentence in (
            (
                ("--from", "dovecot"),
                "--from takes dovecot-uidlist, courierpop3dsizelist, csv, pop3",
            ),
            (("--from", "csv"), "say where the table is: --file PATH"),
            (("--uidl-format", "%m"), "what '%m' in a pop3_uidl_format stands for"),
            (("--from", "pop3://a:b@h"), "a password does not belong on the command line"),
            (("--place", "/x", "anna"), "--place is the maildrop of one user; name one"),
            (("--no-such-thing",), "unrecognized arguments: --no-such-thing; see pop3svc"),
            (
                ("--maildrop", "mbox:/var/mail/{user}"),
                "unique-ids are imported into Maildirs alone",
            ),
            (
                ("--from", "pop3://h", "--password-env", "NO_SUCH"),
                "there is no NO_SUCH in the environment",
            ),
            (
                ("--from", "pop3://h", "--password-env", "A", "--password-file", "B"),
                "passwords are in files or in the environment; use one of the two",
            ),
            (("--from", "pop3://h", "--password-file", "/nowhere/x"), "/nowhere/x: No such file"),
        ):
            from_ = () if "--from" in words else ("--from", "dovecot-uidlist")
            status, said, complaint = self.uidl("import", *from_, *self.ours, *words, "karl")
            self.assertEqual((status, said), (2, []), words)
            self.assertEqual(complaint.count("\n"), 1)
            self.assertTrue(complaint.startswith(f"pop3svc: {sentence}"), complaint)


class VerifyTests(UidlTestCase):
    def verify(self) -> tuple[int, list[str], str]:
        return self.uidl("verify", *self.ours, "karl")

    async def test_good(self) -> None:
        self.import_()
        self.write("cur/1.a:2,S").unlink()
        self.write("new/4.a")
        self.assertEqual(
            self.verify(),
            (
                0,
                [
                    "karl: 3 messages, 2 of them with an imported unique-id",
                    "karl: 1 imported unique-ids belong to messages that have gone since",
                ],
                "",
            ),
        )

    def test_damaged(self) -> None:
        self.imported.write_bytes(b"A 1.a\nA 2.a\n")
        self.assertEqual(
            self.verify(),
            (
                1,
                ["karl: what was imported is damaged: line 2 has what an earlier line has already"],
                "",
            ),
        )

    async def test_wrongLedger(self) -> None:
        """One whose sizes are not those of the files."""
        self.import_()
        path = self.maildir / "cur/2.a:2,S"
        path.write_bytes(b"another\n")
        os.utime(self.maildir / "cur", ns=(0, (self.maildir / "cur").stat().st_mtime_ns))
        status, said, _ = self.verify()
        self.assertEqual(
            (status, said[0]),
            (1, "karl: 1 messages have another size, b'2.a' first, when opened without the ledger"),
        )

    def test_noMaildrop(self) -> None:
        status, _, complaint = self.uidl("verify", *self.ours, "joe")
        self.assertEqual(status, 2)
        self.assertIn("pop3svc: joe: the Maildir 'ROOT/joe' is not there as a whole", complaint)


class DiffTests(UidlTestCase):
    def test_servers(self) -> None:
        messages = [b"x\r\n", b"y\r\n"]
        environment = mock.patch.dict(os.environ, OLD="secret")
        with (
            OtherServer(messages, [b"A", b"B"]) as old,
            OtherServer(messages, [b"A", b"C"]) as new,
            environment,
        ):
            one, other = (f"pop3://karl@127.0.0.1:{each.port}" for each in (old, new))
            words = ("--clear-text", "--password-env", "OLD")
            same = (0, ["mail programs would notice nothing"], "")
            self.assertEqual(self.uidl("diff", one, one, *words), same)
            status, said, _ = self.uidl("diff", one, other, *words)
            self.assertEqual((status, len(said)), (1, 3))

    def test_maildrop(self) -> None:
        """As a process, which has a reactor."""
        self.import_()
        messages = [(MESSAGE % each).replace("\n", "\r\n").encode() for each in (1, 2, 3)]
        with OtherServer(messages, [b"17.1", b"17.2", b"17.3"]) as old:
            words = [f"pop3://127.0.0.1:{old.port}", self.ours[1], "--user", "karl", "--uid", ME]
            words += ["--clear-text", "--password-env", "OLD"]
            command = "import sys; from pop3svc.cli import main; sys.exit(main())"
            done = subprocess.run(
                [sys.executable, "-c", command, "uidl", "diff", *words],
                env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OLD": "secret"},
                capture_output=True,
                text=True,
                timeout=60,
            )
        self.assertEqual(
            (done.returncode, done.stdout, done.stderr),
            (0, "mail programs would notice nothing\n", ""),
        )

    def test_wrong(self) -> None:
        """Not to be mistaken for a difference."""
        with mock.patch.dict(os.environ, OLD="secret"):
            for words, sentence in (
                (
                    ["maildir:/x/{user}", "maildir:/y/{user}"],
                    "say whose maildrop it is: --user USER",
                ),
                (["pop3://h"], "the following arguments are required: NEW"),
                (["pop3://h", "pop3://h"], "say whose maildrop: pop3://USER@h"),
                (
                    ["pop3://karl@127.0.0.1:1", "pop3://karl@127.0.0.1:1", "--password-env", "OLD"],
                    "karl at 127.0.0.1: connect failed (Connection refused)",
                ),
            ):
                status, said, complaint = self.uidl("diff", *words)
                self.assertEqual((status, said), (2, []))
                self.assertTrue(complaint.startswith(f"pop3svc: {sentence}"), complaint)
                self.assertEqual(complaint.count("\n"), 1)


class DocumentedTests(UidlTestCase):
    def test_commands(self) -> None:
        """What docs/migration.rst says to type is understood."""
        page = (ROOT / "docs" / "migration.rst").read_text("utf-8")
        ours = re.search(r'OURS="(--config .*)"', page)
        assert ours is not None
        commands = re.findall(r"^ +pop3svc (uidl .*)$", page, re.MULTILINE)
        self.assertEqual(len(commands), 6)
        for each in commands:
            words = shlex.split(each.replace("$OURS", ours[1]))
            self.assertIs(cli._parser(words).parse_args(words).run, uidlcli._run)
