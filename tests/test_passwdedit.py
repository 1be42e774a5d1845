"""
L{pop3svc.auth.passwdedit}.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from pop3svc.auth.passwdedit import SCHEMES, deletePassword, makeHash, setPassword
from pop3svc.auth.schemes import clearTextOf, schemeOf, scramOf, verify
from pop3svc.errors import SettingError

FILE = b"""\
# users, in this order
karl:{PLAIN}a:networks=192.0.2.0/24:maildrop=/srv/karl

  # an application password
karl:{PLAIN}b:name=phone
joe:{PLAIN}c:5000:5000::/srv/joe::userdb_quota_rule=*:storage=1G
broken:nothing
"""


class EditTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(os.path.abspath(self.mktemp()))
        self.path.write_bytes(FILE)

    def set(self, user: bytes, name: str = "", **fields: str | None) -> bool:
        return setPassword(str(self.path), user, name, b"{PLAIN}new", fields)

    def refused(self, user: bytes, name: str = "", **fields: str | None) -> str:
        """What is wrong; nothing is changed then, and nothing left lying about."""
        before = self.path.read_bytes()
        error = self.assertRaises(SettingError, self.set, user, name, **fields)
        self.assertEqual(self.path.read_bytes(), before)
        self.assertEqual(list(self.path.parent.glob(".passwd-*")), [])
        return str(error).replace(str(self.path), "FILE")

    def assertChanged(self, old: bytes, new: bytes) -> None:
        """This and nothing else is another."""
        self.assertIn(old, FILE)
        self.assertEqual(self.path.read_bytes(), FILE.replace(old, new))


class SetTests(EditTestCase):
    def test_main(self) -> None:
        self.assertIs(self.set(b"karl"), False)
        self.assertChanged(b"karl:{PLAIN}a:", b"karl:{PLAIN}new:")

    def test_applicationPassword(self) -> None:
        self.assertIs(self.set(b"karl", "phone", expires="2027-01-31"), False)
        self.assertChanged(b"{PLAIN}b:name=phone", b"{PLAIN}new:name=phone:expires=2027-01-31")

    def test_newApplicationPassword(self) -> None:
        """It comes behind the user's others."""
        fields: dict[str, str | None] = {"networks": "[::1]", "read-only": ""}
        self.assertIs(self.set(b"karl", "pad", **fields), True)
        line = b"karl:{PLAIN}b:name=phone\n"
        self.assertChanged(line, line + b"karl:{PLAIN}new:name=pad:networks=[::1]:read-only\n")

    def test_newUser(self) -> None:
        self.assertIs(self.set(b"jim"), True)
        self.assertEqual(self.path.read_bytes(), FILE + b"jim:{PLAIN}new\n")

    def test_fields(self) -> None:
        """Others are changed, added and taken away; what is not named stays."""
        self.set(b"karl", networks=None, expires="2027-01-31")
        self.assertChanged(
            b"karl:{PLAIN}a:networks=192.0.2.0/24:maildrop=/srv/karl",
            b"karl:{PLAIN}new:maildrop=/srv/karl:expires=2027-01-31",
        )

    def test_dovecots(self) -> None:
        """The hash alone; for fields it has a syntax of its own."""
        self.set(b"joe")
        self.assertChanged(b"joe:{PLAIN}c:", b"joe:{PLAIN}new:")
        self.assertEqual(
            self.refused(b"joe", expires="2027-01-31"),
            "line 6 of FILE is one of Dovecot's; fields cannot be set there",
        )

    def test_dovecotsApplicationPassword(self) -> None:
        self.set(b"joe", "phone")
        self.assertIn(b"storage=1G\njoe:{PLAIN}new:name=phone\n", self.path.read_bytes())

    def test_brokenLine(self) -> None:
        """A good hash mends it."""
        self.set(b"broken")
        self.assertChanged(b"broken:nothing", b"broken:{PLAIN}new")

    def test_withoutLineEnd(self) -> None:
        self.path.write_bytes(b"karl:{PLAIN}a")
        self.set(b"joe")
        self.assertEqual(self.path.read_bytes(), b"karl:{PLAIN}a\njoe:{PLAIN}new\n")

    def test_carriageReturns(self) -> None:
        self.path.write_bytes(b"karl:{PLAIN}a\r\n")
        self.set(b"karl")
        self.set(b"joe")
        self.assertEqual(self.path.read_bytes(), b"karl:{PLAIN}new\r\njoe:{PLAIN}new\r\n")

    def test_wrong(self) -> None:
        for user, name, fields, sentence in (
            (b"a:b", "", {}, "a user name has no colon; choose another one"),
            (b"#a", "", {}, "a line that begins with # is a comment; choose another user name"),
            (b"", "", {}, "the user name is empty or has a control octet; write user:hash"),
            (b"a\nb", "", {}, "the user name is empty or has a control octet; write user:hash"),
            (b"jim", "a b", {}, "name= takes letters, digits, _, . and -, at most 64"),
            (b"jim", "", {"networks": "lan"}, "networks are written "),
            (b"jim", "", {"networks": "::1"}, "networks are written "),
            (b"jim", "", {"expires": "soon"}, "expires= takes a day such as 2027-01-31"),
            (b"jim", "", {"expires": "2027-01-31\nx:"}, "expires= takes a day "),
        ):
            said = self.refused(user, name, **fields)
            self.assertEqual(said[: len(sentence)], sentence, (user, name, fields))


class DeleteTests(EditTestCase):
    def delete(self, user: bytes, name: str | None = None) -> int:
        return deletePassword(str(self.path), user, name)

    def test_user(self) -> None:
        """With all passwords, so that none goes on opening the account."""
        self.assertEqual(self.delete(b"karl"), 2)
        self.assertEqual(
            [each for each in FILE.splitlines() if not each.startswith(b"karl")],
            self.path.read_bytes().splitlines(),
        )

    def test_onePassword(self) -> None:
        self.assertEqual(self.delete(b"karl", "phone"), 1)
        self.assertChanged(b"karl:{PLAIN}b:name=phone\n", b"")
        self.assertEqual(self.delete(b"karl", ""), 1)
        self.assertNotIn(b"karl:", self.path.read_bytes())

    def test_brokenLine(self) -> None:
        self.assertEqual(self.delete(b"broken"), 1)
        self.assertChanged(b"broken:nothing\n", b"")

    def test_nobody(self) -> None:
        """The file is not touched."""
        before = os.stat(self.path)
        for user, name in ((b"nobody", None), (b"karl", "pad"), (b"# users, in this order", None)):
            self.assertEqual(self.delete(user, name), 0)
        self.assertEqual(os.stat(self.path).st_ino, before.st_ino)
        self.assertEqual(self.path.read_bytes(), FILE)


class FileTests(EditTestCase):
    """The file is replaced at once, and stays what it was besides."""

    def test_newFile(self) -> None:
        """Nobody else may read it."""
        self.path.unlink()
        old = os.umask(0)
        self.addCleanup(os.umask, old)
        self.set(b"karl")
        self.assertEqual(self.path.read_bytes(), b"karl:{PLAIN}new\n")
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)

    def test_ownerAndMode(self) -> None:
        os.chmod(self.path, 0o640)
        if os.geteuid() == 0:
            os.chown(self.path, 1234, 2345)
        before = os.stat(self.path)
        self.set(b"karl")
        after = os.stat(self.path)
        self.assertNotEqual(after.st_ino, before.st_ino)
        for each in ("st_mode", "st_uid", "st_gid"):
            self.assertEqual(getattr(after, each), getattr(before, each))

    def test_link(self) -> None:
        """What the link leads to is changed, and the link stays."""
        link = self.mktemp()
        os.symlink(self.path, link)
        setPassword(link, b"jim", "", b"{PLAIN}new", {})
        self.assertTrue(os.path.islink(link))
        self.assertEqual(self.path.read_bytes(), FILE + b"jim:{PLAIN}new\n")

    def test_missing(self) -> None:
        self.path.unlink()
        error = self.assertRaises(SettingError, deletePassword, str(self.path), b"karl", None)
        self.assertEqual(
            str(error),
            f"cannot change {self.path}: No such file or directory; run this as the file's owner,"
            " in a directory that may be written to",
        )
        self.assertFalse(self.path.exists())

    def test_noFile(self) -> None:
        """A FIFO would wait for ever."""
        fifo = os.path.abspath(self.mktemp())
        os.mkfifo(fifo)
        error = self.assertRaises(SettingError, setPassword, fifo, b"a", "", b"{PLAIN}x", {})
        self.assertEqual(str(error), f"{fifo} is not a regular file; name one that is")

    def test_diskFull(self) -> None:
        """The old file stays, and no part of a new one."""
        with mock.patch("os.fsync", side_effect=OSError(28, "No space left on device")):
            sentence = self.refused(b"karl")
        self.assertIn("No space left on device", sentence)

    def test_changedMeanwhile(self) -> None:
        """By an editor, which knows of no lock."""
        original = os.fsync
        other = FILE + b"# changed\n"

        def edit(descriptor: int) -> None:
            original(descriptor)
            self.path.write_bytes(other)

        with mock.patch("os.fsync", side_effect=edit):
            error = self.assertRaises(SettingError, self.set, b"karl")
        self.assertEqual(
            str(error), f"{self.path} was changed by somebody else meanwhile; try again"
        )
        self.assertEqual(self.path.read_bytes(), other)
        self.assertEqual(list(self.path.parent.glob(".passwd-*")), [])


class HashTests(SynchronousTestCase):
    def test_everyScheme(self) -> None:
        for scheme in SCHEMES:
            for password in (b"secret", b"a:b", "grüße".encode(), b" \xff", b"{PLAIN}"):
                stored = makeHash(scheme, password)
                self.assertEqual(schemeOf(stored), scheme)
                self.assertIs(verify(stored, password), True)
                self.assertIs(verify(stored, password + b"x"), False)
                self.assertNotIn(b"\n", stored)

    def test_scram(self) -> None:
        """Salts of their own, and more iterations than RFC 7677 asks for."""
        shapes = [scramOf(makeHash("scram-sha-256", b"secret")) for _ in range(2)]
        assert shapes[0] is not None and shapes[1] is not None
        self.assertNotEqual(shapes[0][1].salt, shapes[1][1].salt)
        self.assertEqual((len(shapes[0][1].salt), shapes[0][1].iterations), (16, 32768))

    def test_plain(self) -> None:
        """As it is where that can be read again, and in hexadecimal digits where not."""
        self.assertEqual(makeHash("plain", b"secret"), b"{PLAIN}secret")
        for password in (b"a:b", b"\xff", b"a\rb", b"a\nb"):
            stored = makeHash("plain", password)
            self.assertRegex(stored, rb"\A\{PLAIN\.HEX\}[0-9a-f]+\Z")
            self.assertEqual(clearTextOf(stored), password)

    def test_unfit(self) -> None:
        for scheme in SCHEMES:
            for unfit in (b"", b"a\0b"):
                self.assertRaises(SettingError, makeHash, scheme, unfit)
