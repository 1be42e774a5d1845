"""L{pop3svc.checking.mail}: a maildrop is looked at, and not touched."""

import fcntl
import os
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import TestCase

from pop3svc.account import Account
from pop3svc.checking.findings import Section, counted
from pop3svc.checking.mail import _inUse, checkMaildrops
from pop3svc.limits import Limits
from pop3svc.maildrops.files import Directory

from .checks import errors, facts


class MailTests(TestCase):
    def setUp(self) -> None:
        self.root = os.path.abspath(self.mktemp())
        os.mkdir(self.root)
        self.path = f"{self.root}/karl/Maildir"

    def make(self, messages: int = 2) -> None:
        for each in ("new", "cur", "tmp"):
            os.makedirs(f"{self.path}/{each}")
        for n in range(messages):
            Path(f"{self.path}/{'new' if n else 'cur'}/{n}.x").write_text("hi\n")

    def check(self, kind: str = "maildir", user: bytes | None = b"karl", **more: str) -> Section:
        section = Section("Maildrops")
        template = f"{kind}:{self.root}/{{user}}" + ("/Maildir" if kind == "maildir" else "")
        account = None if user is None else Account(user, more.get("place"))
        checkMaildrops(section, template + more.get("option", ""), account, Limits())
        return section

    def everything(self) -> list[tuple[str, int, int, int]]:
        """What would be another if something were touched."""
        paths = [self.root, *(str(each) for each in Path(self.root).rglob("*"))]
        found = [(each, os.stat(each)) for each in paths]
        return [(each, at.st_mtime_ns, at.st_ctime_ns, at.st_mode) for each, at in found]

    def test_maildir(self) -> None:
        self.make()
        before = self.everything()
        self.assertEqual(
            facts(self.check()),
            [
                f"maildir:{self.root}/{{user}}/Maildir",
                f"karl's is {self.path}",
                "a Maildir with 2 messages",
                "nobody is logged in to it",
            ],
        )
        self.assertEqual(self.everything(), before)

    def test_inUse(self) -> None:
        self.make(0)
        descriptor = os.open(self.path, os.O_RDONLY)
        self.addCleanup(os.close, descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        self.assertEqual(
            facts(self.check())[2:], ["a Maildir with 0 messages", "a session has it now"]
        )
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        self.assertEqual(facts(self.check())[3:], ["nobody is logged in to it"])
        # And it is free again, at once.
        with Directory.outside(os.fsencode(self.path)) as other:
            self.assertFalse(_inUse(other.descriptor))
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def test_missing(self) -> None:
        self.assertEqual(
            errors(self.check()),
            [
                f"the Maildir '{self.path}' is not there as a whole; create it with its directories"
                " new, cur and tmp"
            ],
        )
        self.assertEqual(errors(self.check(user=None)), [])

    def test_name(self) -> None:
        [sentence] = errors(self.check(user=b"../karl"))
        self.assertIn("no path can be made of the user name b'../karl'", sentence)

    def test_namedPlace(self) -> None:
        self.make()
        section = self.check(user=b"joe", place=self.path)
        self.assertEqual(
            facts(section)[1:3], [f"joe's is {self.path}", "a Maildir with 2 messages"]
        )

    def test_notWritable(self) -> None:
        self.make()
        with mock.patch("os.access", lambda path, mode: not path.endswith("/cur")):
            [sentence] = errors(self.check())
        self.assertIn("may be read, and not written to", sentence)

    def test_ledgersOutside(self) -> None:
        self.make()
        outside = f"{self.root}/ledgers"
        [sentence] = errors(self.check(option=f"?ledger={outside}"))
        self.assertIn("for ledgers cannot be used", sentence)
        os.mkdir(outside)
        self.assertEqual(errors(self.check(option=f"?ledger={outside}")), [])

    def test_wrongTemplate(self) -> None:
        section = Section("Maildrops")
        checkMaildrops(section, "maildir:/var/mail", Account(b"karl"), Limits())
        self.assertIn("would be one maildrop for everybody", errors(section)[0])

    def test_mbox(self) -> None:
        path = Path(self.root) / "karl"
        self.assertEqual(
            facts(self.check("mbox"))[2:], ["there is no file yet, which is an empty maildrop"]
        )
        for octets in (b"From x Thu Jan  1 00:00:00 1970\n\n\n", b"", b"\n"):
            path.write_bytes(octets)
            os.utime(path, (1, 2))
            before = self.everything()
            self.assertEqual(
                facts(self.check("mbox"))[2:], [f"an mbox of {counted(len(octets), 'octet')}"]
            )
            self.assertEqual(self.everything(), before)
            # There is still new mail for whoever asks a shell.
            self.assertEqual(path.stat().st_atime, 1)
        os.link(path, f"{path}2")
        [sentence] = errors(self.check("mbox"))
        self.assertIn(f"{path} has a second name (a hard link), and is not served", sentence)
        path.unlink()
        path.write_bytes(b"Dear Karl,\n")
        [sentence] = errors(self.check("mbox"))
        self.assertIn(f"{path} does not begin with a line 'From ...', and is not served", sentence)
        path.unlink()
        path.mkdir()
        [sentence] = errors(self.check("mbox"))
        self.assertEqual(
            sentence, f"{path} is no regular file, and is not served; replace it by one"
        )

    def test_otherKinds(self) -> None:
        section = Section("Maildrops")
        checkMaildrops(section, "memory:", Account(b"karl"), Limits())
        self.assertEqual(facts(section)[1:], ["only a login shows a maildrop of the kind memory:"])
