"""
L{pop3svc.auth.passwdfile}.
"""

from __future__ import annotations

import os
import time
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from pop3svc.auth import hashing
from pop3svc.auth.hashing import hashPassword
from pop3svc.auth.passwdfile import Entry, Signature, normalised, parse, readTable
from pop3svc.errors import SettingError

HASH = hashPassword("secret", iterations=1, memoryKiB=8).encode()
OTHER = hashPassword("iluvjane", iterations=1, memoryKiB=8).encode()


class ParseTests(SynchronousTestCase):
    """Lines."""

    def test_users(self) -> None:
        table = parse(b"karl:%b\njoe:%b\n" % (HASH, OTHER))
        self.assertEqual(
            table.entries, {b"karl": Entry(b"karl", HASH), b"joe": Entry(b"joe", OTHER)}
        )
        self.assertEqual(table.complaints, [])

    def test_whatIsSkipped(self) -> None:
        """Comments and blank lines, LF or CRLF, with or without the last one."""
        table = parse(b"# karl:x\r\n\r\n  \t\n  # indented\nkarl:%b\r\njoe:%b" % (HASH, OTHER))
        self.assertEqual([each.stored for each in table.entries.values()], [HASH, OTHER])
        self.assertEqual(table.complaints, [])

    def test_nothing(self) -> None:
        for octets in (b"", b"\n", b"# nobody yet\n"):
            table = parse(octets)
            self.assertEqual((table.entries, table.complaints), ({}, []))

    def test_extras(self) -> None:
        """Further fields are kept in their order; a value may hold C{=}."""
        line = b"karl:%b:nopop3:maildrop=/srv/a=b:empty=:flag" % HASH
        self.assertEqual(
            parse(line).entries[b"karl"].extras,
            ((b"nopop3", b""), (b"maildrop", b"/srv/a=b"), (b"empty", b""), (b"flag", b"")),
        )

    def test_closedBy(self) -> None:
        for extra, field in (
            (b"", None),
            (b":maildrop=x:flag", None),
            (b":nopop3", "nopop3"),
            (b":nopop3=y", "nopop3"),
            (b":maildrop=x:networks=192.0.2.0/24", "networks"),
        ):
            self.assertEqual(parse(b"karl:" + HASH + extra).entries[b"karl"].closedBy, field)

    def test_locked(self) -> None:
        """As C{usermod -L} and C{useradd} write it: known, without a password."""
        for stored in (b"!", b"*", b"!" + HASH, b"*LK*"):
            table = parse(b"karl:" + stored)
            self.assertEqual(table.entries, {b"karl": Entry(b"karl", None)})
            self.assertEqual(table.complaints, [])

    def test_malformed(self) -> None:
        """Each such line is named, and the users around it are served."""
        lines = [
            b"karl:" + HASH,
            b"no colon",
            b":" + HASH,
            b"jo\x00e:" + HASH,
            b"joe:",
            b"joe:{NTLM}8846",
            b"joe:$argon2id$v=19$m=8,t=1,p=1$c2FsdA$",
            b"clear:text",
            b"last:" + OTHER,
        ]
        table = parse(b"\n".join(lines))
        self.assertEqual(list(table.entries), [b"karl", b"last"])
        noName = "the user name is empty or has a control octet; write user:hash"
        noHash = (
            "this is no hash; make one with `pop3svc passwd`, or write {PLAIN} before a password"
            " in clear text"
        )
        self.assertEqual(
            table.complaints,
            [
                (2, "there is no colon; write user:hash"),
                (3, noName),
                (4, noName),
                (5, noHash),
                (
                    6,
                    "the scheme {NTLM} is not known; set the password anew with `pop3svc passwd`",
                ),
                (7, "the hash with $argon2id$ is damaged"),
                (8, noHash),
            ],
        )

    def test_twice(self) -> None:
        """The first one counts."""
        table = parse(b"karl:%b\n\njoe:%b\nkarl:%b\n" % (HASH, HASH, OTHER))
        self.assertEqual(table.entries[b"karl"].stored, HASH)
        self.assertEqual(
            table.complaints, [(4, "the user stands in line 1 already; remove one of them")]
        )

    def test_namesAreOctets(self) -> None:
        table = parse(b"karl:%b\nKarl:%b\nk\xe4rl:%b\nk\xc3\xa4rl:%b\n" % ((HASH,) * 4))
        self.assertEqual(list(table.entries), [b"karl", b"Karl", b"k\xe4rl", b"k\xc3\xa4rl"])
        self.assertEqual(normalised(b"K\xe4rl "), b"K\xe4rl ")

    def test_missingLibrary(self) -> None:
        """This is no matter of one line."""
        missing = SettingError("install it")
        with mock.patch.object(hashing, "verifier", side_effect=missing):
            self.assertRaises(SettingError, parse, b"karl:" + HASH)


class StandInTests(SynchronousTestCase):
    """Whose hash is verified for a name that nobody has."""

    def test_fromTheFile(self) -> None:
        """As often one as the other, and for one name always the same."""
        octets = b"karl:%b\njoe:%b\nlocked:!\n" % (HASH, OTHER)
        names = [b"nobody%d" % number for number in range(200)]
        standIns = [parse(octets).standIn(each) for each in names]
        self.assertEqual(standIns, [parse(octets).standIn(each) for each in names])
        self.assertEqual(set(standIns), {HASH, OTHER})
        self.assertTrue(50 < standIns.count(HASH) < 150, standIns.count(HASH))

    def test_otherFileOtherChoice(self) -> None:
        """Without the file nobody can say which one it is."""
        names = [b"nobody%d" % number for number in range(200)]
        tables = [
            parse(b"karl:%b\njoe:%b\n%b" % (HASH, OTHER, end)) for end in (b"", b"# changed\n")
        ]
        self.assertNotEqual(*([table.standIn(each) for each in names] for table in tables))

    def test_withoutUsers(self) -> None:
        for octets in (b"", b"locked:!\n"):
            standIn = parse(octets).standIn(b"nobody")
            self.assertEqual(standIn[:30], b"$argon2id$v=19$m=65536,t=3,p=1")


class ReadTests(SynchronousTestCase):
    """The file."""

    def setUp(self) -> None:
        self.path = self.mktemp()
        self.write(b"karl:%b\n" % HASH)

    def write(self, octets: bytes) -> None:
        """As an administrator's tool does: a new file in the place of the old one."""
        with open(self.path + ".new", "wb") as file:
            file.write(octets)
        os.replace(self.path + ".new", self.path)

    def read(self) -> Signature:
        found = readTable(self.path, None)
        assert found is not None
        return found[0]

    def test_onlyWhenChanged(self) -> None:
        found = readTable(self.path, None)
        assert found is not None
        signature, table = found
        self.assertEqual(list(table.entries), [b"karl"])
        self.assertIsNone(readTable(self.path, signature))

    def test_whatIsAChange(self) -> None:
        """Another file, size or time; also with an old time set again."""
        before = os.stat(self.path)
        signature = self.read()
        self.write(b"karl:%b\n" % HASH)
        os.utime(self.path, ns=(before.st_atime_ns, before.st_mtime_ns))
        self.assertIsNotNone(readTable(self.path, signature))
        signature = self.read()
        self.assertIsNone(readTable(self.path, signature))
        with open(self.path, "ab") as file:
            file.write(b"\n")
        self.assertIsNotNone(readTable(self.path, signature))
        signature = self.read()
        os.utime(self.path, ns=(0, 1))
        self.assertIsNotNone(readTable(self.path, signature))

    def test_changeWithoutATrace(self) -> None:
        """Rewritten in place, of one size, with the old time: the inode's own time tells."""
        signature, before = self.read(), os.stat(self.path)
        time.sleep(0.02)  # longer than the kernel's clock stands still
        with open(self.path, "r+b") as file:
            file.write(b"Karl")
        os.utime(self.path, ns=(before.st_atime_ns, before.st_mtime_ns))
        self.assertIsNotNone(readTable(self.path, signature))

    def test_missing(self) -> None:
        error = self.assertRaises(SettingError, readTable, "/nonexistent/passwd", None)
        self.assertEqual(
            str(error),
            "cannot read the password file /nonexistent/passwd: No such file or directory; make"
            " it readable for the user that the service runs as",
        )

    def test_noFile(self) -> None:
        """A folder, and a FIFO, which would wait for ever."""
        fifo = self.mktemp()
        os.mkfifo(fifo)
        for path in (os.path.dirname(self.path) or ".", fifo):
            error = self.assertRaises(SettingError, readTable, path, None)
            self.assertEqual(
                str(error),
                f"the password file {path} is not a regular file; name one that is",
            )
