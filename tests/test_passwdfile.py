"""
L{pop3svc.auth.passwdfile}.
"""

from __future__ import annotations

import os
import time
from datetime import date
from unittest import mock

from hypothesis import given
from hypothesis.strategies import binary, lists, sampled_from
from twisted.trial.unittest import SynchronousTestCase

from pop3svc.account import Account
from pop3svc.auth import schemes
from pop3svc.auth.credential import Credential
from pop3svc.auth.digests import writeScram
from pop3svc.auth.hashing import hashPassword
from pop3svc.auth.passwdfile import Table, User, readTable
from pop3svc.auth.passwdfile import parse as parseMost
from pop3svc.auth.scram import makeVerifier
from pop3svc.errors import SettingError
from pop3svc.startfiles import Stamp

HASH = hashPassword("secret", iterations=1, memoryKiB=8).encode()
OTHER = hashPassword("iluvjane", iterations=1, memoryKiB=8).encode()
LOCKED = "the mark before the hash"


def parse(octets: bytes) -> Table:
    return parseMost(octets, 20)


def scram(hashName: str, saltOctets: int = 16, iterations: int = 1) -> bytes:
    made = makeVerifier(hashName, b"secret", b"s" * saltOctets, iterations)
    return writeScram(hashName, made).encode()


class ParseTests(SynchronousTestCase):
    """Lines."""

    def test_users(self) -> None:
        table = parse(b"karl:%b\njoe:%b\n" % (HASH, OTHER))
        karl, joe = Credential(b"karl", HASH), Credential(b"joe", OTHER)
        self.assertEqual(
            table.users,
            {b"karl": User(b"karl", (karl,), karl), b"joe": User(b"joe", (joe,), joe)},
        )
        self.assertEqual(table.complaints, [])

    def test_whatIsSkipped(self) -> None:
        """Comments and blank lines, LF or CRLF, with or without the last one."""
        table = parse(b"# karl:x\r\n\r\n  \t\n  # indented\nkarl:%b\r\njoe:%b" % (HASH, OTHER))
        stored = [each.stored for user in table.users.values() for each in user.credentials]
        self.assertEqual(stored, [HASH, OTHER])
        self.assertEqual(table.complaints, [])

    def test_nothing(self) -> None:
        for octets in (b"", b"\n", b"# nobody yet\n"):
            table = parse(octets)
            self.assertEqual((table.users, table.complaints), ({}, []))

    def test_severalPasswords(self) -> None:
        """The main one first, wherever it stands; the others as they come."""
        octets = b"karl:%b:name=a\njoe:%b\nkarl:%b\nkarl:%b:name=b" % (HASH, OTHER, OTHER, HASH)
        user = parse(octets).users[b"karl"]
        self.assertEqual([each.name for each in user.credentials], ["", "a", "b"])
        self.assertEqual(user.main, user.credentials[0])
        self.assertIsNone(user.lockedBy)

    def test_withoutMain(self) -> None:
        user = parse(b"karl:%b:name=a\nkarl:!%b:name=b" % (HASH, HASH)).users[b"karl"]
        self.assertEqual([each.name for each in user.credentials], ["a"])
        self.assertEqual((user.main, user.lockedBy), (None, None))

    def test_locked(self) -> None:
        """The main line locks the user, and the others each themselves."""
        for octets in (
            b"karl:!",
            b"karl:!%b\nkarl:%b:name=phone" % (HASH, HASH),
            b"karl:!:name=a\nkarl:*:name=b",
        ):
            user = parse(octets).users[b"karl"]
            self.assertEqual((user.credentials, user.lockedBy), ((), LOCKED))

    def test_malformed(self) -> None:
        """Each such line is named, its user kept out, and all others are served."""
        lines = [
            b"karl:" + HASH,
            b"no colon",
            b":" + HASH,
            b"a\0b:" + HASH,
            b"joe:",
            b"jim:{CRAM-MD5}8846",
            b"jo:$argon2id$v=19$m=8,t=1,p=1$c2FsdA$",
            b"clear:text",
            b"shut:%b:networs=192.0.2.0/24" % HASH,
            b"shut:%b:name=phone" % HASH,
            b"last:" + OTHER,
        ]
        table = parse(b"\n".join(lines))
        served = [name for name, user in table.users.items() if user.lockedBy is None]
        self.assertEqual(served, [b"karl", b"last"])
        for name in (b"joe", b"jim", b"jo", b"clear", b"shut"):
            user = table.users[name]
            self.assertEqual((user.credentials, user.lockedBy), ((), "a line that is malformed"))
            self.assertEqual(user.name, name)
        noName = "the user name is empty or has a control octet; write user:hash"
        noHash = (
            "this is no hash; make one with `pop3svc passwd set`, or write {PLAIN} before a"
            " password in clear text"
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
                    "the scheme {CRAM-MD5} is not known; set the password anew with"
                    " `pop3svc passwd set`",
                ),
                (7, "the hash with $argon2id$ is damaged"),
                (8, noHash),
                (9, "there is a field that is not known; did you mean networks?"),
            ],
        )

    def test_malformedApplicationPassword(self) -> None:
        """It is missing, and the user's other passwords are good."""
        table = parse(b"karl:%b\nkarl:damaged:name=a\nkarl:%b:name=b" % (HASH, OTHER))
        user = table.users[b"karl"]
        self.assertEqual([each.name for each in user.credentials], ["", "b"])
        self.assertEqual([number for number, _ in table.complaints], [2])
        self.assertEqual(parse(b"karl:damaged:name=a").users, {})

    def test_twice(self) -> None:
        """The first one counts."""
        table = parse(b"karl:%b\n\njoe:%b\nkarl:%b\n" % (HASH, HASH, OTHER))
        self.assertEqual(table.users[b"karl"].credentials, (Credential(b"karl", HASH),))
        self.assertEqual(
            table.complaints, [(4, "the user stands in line 1 already; remove one of them")]
        )
        table = parse(b"karl:%b:name=a\nkarl:%b:name=a\n" % (HASH, OTHER))
        self.assertEqual([each.stored for each in table.users[b"karl"].credentials], [HASH])
        self.assertEqual(
            table.complaints,
            [(2, "the password a of the user stands in line 1 already; remove one of them")],
        )

    def test_tooMany(self) -> None:
        """The first ones count."""
        octets = b"".join(b"karl:%b:name=n%d\n" % (HASH, number) for number in range(4))
        table = parseMost(octets, 3)
        self.assertEqual(
            [each.name for each in table.users[b"karl"].credentials], ["n0", "n1", "n2"]
        )
        self.assertEqual(
            table.complaints,
            [
                (
                    4,
                    "the user has 3 passwords already; remove some, or raise the limit"
                    " credentials-per-user",
                )
            ],
        )
        self.assertEqual(parseMost(octets, 4).complaints, [])

    def test_remarks(self) -> None:
        """Fields of Dovecot that nothing is made of are told, and the line counts."""
        table = parse(b"karl:%b::::::proxy=y" % HASH)
        self.assertEqual(table.complaints, [(1, "the field proxy of Dovecot means nothing here")])
        self.assertEqual(len(table.users[b"karl"].credentials), 1)

    def test_namesAreOctets(self) -> None:
        table = parse(b"karl:%b\nKarl:%b\nk\xe4rl:%b\nk\xc3\xa4rl:%b\n" % ((HASH,) * 4))
        self.assertEqual(list(table.users), [b"karl", b"Karl", b"k\xe4rl", b"k\xc3\xa4rl"])

    def test_precis(self) -> None:
        """One user by another spelling; the name stays as it stands in the main line."""
        octets = b"Karl:%b:name=a\nkarl:%b\nKARL:%b\nk\xe4rl:%b\na b:x\n" % ((HASH,) * 4)
        table = parseMost(octets, 20, "precis")
        self.assertEqual(list(table.users), [b"karl"])
        user = table.users[b"karl"]
        self.assertEqual((user.name, len(user.credentials)), (b"karl", 2))
        self.assertEqual([number for number, _ in table.complaints], [3, 4, 5])

    def test_missingLibrary(self) -> None:
        """This is no matter of one line."""
        missing = SettingError("install it")
        with mock.patch.object(schemes, "verifier", side_effect=missing):
            self.assertRaises(SettingError, parse, b"karl:" + HASH)

    @given(lists(sampled_from([b"karl:", b":", b"\n", b"=", b"name=a", HASH, b"!"]) | binary()))
    def test_anyOctets(self, pieces: list[bytes]) -> None:
        """A file may hold anything; whoever is in it with a good line is served."""
        table = parse(b"joe:%b\n" % HASH + b"\n".join(pieces))
        user = table.users[b"joe"]
        self.assertEqual(user.credentials == (), user.lockedBy is not None)
        for each in table.users.values():
            self.assertEqual(each.credentials == (), each.lockedBy is not None)


class UserTests(SynchronousTestCase):
    """What is made of the lines of one user."""

    TODAY = date(2027, 1, 31)

    def user(self, *fields: bytes) -> User:
        return parse(b"".join(b"karl:%b%b\n" % (HASH, each) for each in fields)).users[b"karl"]

    def test_inOrder(self) -> None:
        """Those that may be used now come first, and none is left out."""
        user = self.user(
            b":networks=192.0.2.0/24", b":name=a:expires=2027-01-30", b":name=b", b":name=c:nopop3"
        )
        for peer, names in (
            ("192.0.2.7", ["", "b", "a", "c"]),
            ("192.0.3.7", ["b", "", "a", "c"]),
        ):
            ordered = user.inOrder(peer, self.TODAY)
            self.assertEqual([each.name for each in ordered], names)

    def test_account(self) -> None:
        user = self.user(b":maildrop=/srv/karl", b":name=a:read-only", b":name=b:maildrop=/srv/b")
        accounts = [user.account(each) for each in user.credentials]
        self.assertEqual(accounts, [b"karl", b"karl", b"karl"])
        self.assertEqual(
            [(each.maildrop, each.readOnly, each.credential) for each in accounts],
            [("/srv/karl", False, ""), ("/srv/karl", True, "a"), ("/srv/b", False, "b")],
        )
        self.assertIsInstance(accounts[0], Account)

    def test_closedBy(self) -> None:
        self.assertEqual(self.user(b":nopop3", b":name=a").closedBy, "nopop3")
        self.assertIsNone(self.user(b"", b":name=a:nopop3").closedBy)
        self.assertIsNone(self.user(b":name=a:nopop3").closedBy)

    def test_scramCredential(self) -> None:
        """The main one if it can; else the first that can and has not expired."""
        octets = (
            b"karl:%b\nkarl:%b:name=a:expires=2027-01-30\nkarl:%b:name=b\nkarl:{PLAIN}x:name=c"
            % (HASH, scram("SHA-256"), scram("SHA-256"))
        )
        user = parse(octets).users[b"karl"]
        for hashName, name in (("SHA-256", "b"), ("SHA-1", "c")):
            found = user.scramCredential(hashName, self.TODAY)
            assert found is not None
            self.assertEqual(found.name, name)
        self.assertIsNone(self.user(b"").scramCredential("SHA-1", self.TODAY))


class TableTests(SynchronousTestCase):
    """What is known about all users together."""

    def test_able(self) -> None:
        table = parse(
            b"a:%b\nb:%b\nb:%b:name=x\nc:{PLAIN}x\nd:!\ne:%b\n"
            % (HASH, HASH, scram("SHA-256"), scram("SHA-1"))
        )
        self.assertEqual(table.usable, 4)
        self.assertEqual(table.able, {"SCRAM-SHA-1": 2, "SCRAM-SHA-256": 2, "CRAM-MD5": 1})
        self.assertIs(table.clearText, True)
        table = parse(b"a:" + HASH)
        self.assertEqual(table.able, {"SCRAM-SHA-1": 0, "SCRAM-SHA-256": 0, "CRAM-MD5": 0})
        self.assertIs(table.clearText, False)

    def test_scramShape(self) -> None:
        """As most verifiers have it."""
        self.assertEqual(parse(b"a:" + HASH).scramShape, (16, 4096))
        lines = (scram("SHA-1", 12, 7), scram("SHA-256", 16, 9), scram("SHA-256", 16, 9))
        octets = b"".join(b"u%d:%b\n" % pair for pair in enumerate(lines))
        self.assertEqual(parse(octets).scramShape, (16, 9))


class StandInTests(SynchronousTestCase):
    """Whose hash is verified for a name that nobody has."""

    def test_fromTheFile(self) -> None:
        """As often one as the other, and for one name always the same."""
        octets = b"karl:%b\njoe:%b\nlocked:!\n" % (HASH, OTHER)
        names = [b"nobody%d" % number for number in range(200)]
        standIns = [parse(octets).standIn(each) for each in names]
        self.assertEqual(standIns, [parse(octets).standIn(each) for each in names])
        self.assertTrue(50 < standIns.count([HASH]) < 150, standIns.count([HASH]))
        self.assertEqual(standIns.count([HASH]) + standIns.count([OTHER]), 200)

    def test_asManyAsAUserHas(self) -> None:
        """Who has three passwords takes three times as long; so do some who have none."""
        octets = b"karl:%b\nkarl:%b:name=a\nkarl:!:name=b\njoe:%b" % (HASH, OTHER, OTHER)
        standIns = [parse(octets).standIn(b"nobody%d" % number) for number in range(200)]
        self.assertEqual({len(each) for each in standIns}, {1, 2})
        self.assertIn([HASH, OTHER], standIns)

    def test_otherFileOtherChoice(self) -> None:
        """Without the file nobody can say which one it is."""
        names = [b"nobody%d" % number for number in range(200)]
        tables = [
            parse(b"karl:%b\njoe:%b\n%b" % (HASH, OTHER, end)) for end in (b"", b"# changed\n")
        ]
        self.assertNotEqual(*([table.standIn(each) for each in names] for table in tables))

    def test_withoutUsers(self) -> None:
        for octets in (b"", b"locked:!\n"):
            [standIn] = parse(octets).standIn(b"nobody")
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

    def read(self) -> Stamp:
        found = readTable(self.path, None, 20)
        assert found is not None
        return found[0]

    def test_onlyWhenChanged(self) -> None:
        found = readTable(self.path, None, 20)
        assert found is not None
        signature, table = found
        self.assertEqual(list(table.users), [b"karl"])
        self.assertIsNone(readTable(self.path, signature, 20))

    def test_whatIsAChange(self) -> None:
        """Another file, size or time; also with an old time set again."""
        before = os.stat(self.path)
        signature = self.read()
        self.write(b"karl:%b\n" % HASH)
        os.utime(self.path, ns=(before.st_atime_ns, before.st_mtime_ns))
        self.assertIsNotNone(readTable(self.path, signature, 20))
        signature = self.read()
        self.assertIsNone(readTable(self.path, signature, 20))
        with open(self.path, "ab") as file:
            file.write(b"\n")
        self.assertIsNotNone(readTable(self.path, signature, 20))
        signature = self.read()
        os.utime(self.path, ns=(0, 1))
        self.assertIsNotNone(readTable(self.path, signature, 20))

    def test_changeWithoutATrace(self) -> None:
        """Rewritten in place, of one size, with the old time: the inode's own time tells."""
        signature, before = self.read(), os.stat(self.path)
        time.sleep(0.02)  # longer than the kernel's clock stands still
        with open(self.path, "r+b") as file:
            file.write(b"Karl")
        os.utime(self.path, ns=(before.st_atime_ns, before.st_mtime_ns))
        self.assertIsNotNone(readTable(self.path, signature, 20))

    def test_missing(self) -> None:
        error = self.assertRaises(SettingError, readTable, "/nonexistent/passwd", None, 20)
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
            error = self.assertRaises(SettingError, readTable, path, None, 20)
            self.assertEqual(
                str(error),
                f"the password file {path} is not a regular file; name one that is",
            )
