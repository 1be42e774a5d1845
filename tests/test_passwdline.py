"""
L{pop3svc.auth.passwdline}.
"""

from __future__ import annotations

from datetime import date
from typing import Any
from unittest import mock

from hypothesis import given
from hypothesis.strategies import binary, lists, sampled_from
from twisted.trial.unittest import SynchronousTestCase

from pop3svc.auth import schemes
from pop3svc.auth.credential import Credential, Malformed
from pop3svc.auth.hashing import hashPassword
from pop3svc.auth.networks import Networks
from pop3svc.auth.passwdline import isEntry, parseLine, splitFields, takeApart
from pop3svc.errors import SettingError

HASH = hashPassword("secret", iterations=1, memoryKiB=8).encode()
SCRAM = (
    b"4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
    b":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
)


class ParseTests(SynchronousTestCase):
    """Lines of our own format."""

    def parse(self, fields: bytes) -> Credential:
        return parseLine(b"karl:" + HASH + fields)

    def test_bare(self) -> None:
        self.assertEqual(self.parse(b""), Credential(b"karl", HASH))

    def test_everyField(self) -> None:
        line = (
            b":name=phone:networks=192.0.2.0/24,[2001:db8::]/32:expires=2027-01-31:read-only"
            b":maildrop=/srv/a=b/karl/:nopop3"
        )
        self.assertEqual(
            self.parse(line),
            Credential(
                b"karl",
                HASH,
                name="phone",
                networks=Networks(["192.0.2.0/24", "[2001:db8::]/32"]),
                expires=date(2027, 1, 31),
                readOnly=True,
                maildrop="/srv/a=b/karl",
                closedBy="nopop3",
            ),
        )

    def test_locked(self) -> None:
        """As C{usermod -L} and C{useradd} write it: known, without a password."""
        for stored in (b"!", b"*", b"!" + HASH, b"*LK*"):
            self.assertEqual(parseLine(b"karl:" + stored), Credential(b"karl", None))

    def test_clearText(self) -> None:
        found = parseLine(b"karl:{PLAIN}secret:read-only")
        self.assertEqual((found.clearText, found.scram), (b"secret", None))

    def test_scram(self) -> None:
        """The colons of RFC 5803's form separate no fields."""
        for begin in (b"SCRAM-SHA-256$", b"{SCRAM-SHA-256}", b"{scram-sha-256}"):
            found = parseLine(b"karl:" + begin + SCRAM + b":name=phone")
            assert found.scram is not None
            self.assertEqual((found.name, found.scram[0]), ("phone", "SHA-256"))
            self.assertEqual((found.scram[1].iterations, found.clearText), (4096, None))

    def test_nothingSecretIsShown(self) -> None:
        for stored in (b"{PLAIN}swordfish", HASH, b"SCRAM-SHA-256$" + SCRAM):
            shown = repr(parseLine(b"karl:" + stored))
            self.assertNotIn("swordfish", shown)
            self.assertNotIn(stored[-12:].decode(), shown)

    def test_names(self) -> None:
        """A user's name is octets, in which nearly everything may stand."""
        for user in (b"k\xe4rl", b"karl@example.org", b"karl=x", b"k[rl", b" karl ", b"-"):
            self.assertEqual(parseLine(user + b":" + HASH).user, user)

    def wrong(self, line: bytes) -> tuple[str, bytes]:
        error = self.assertRaises(Malformed, parseLine, line)
        # What it comes from may quote the line in a traceback.
        self.assertIsNone(error.__cause__)
        self.assertTrue(error.__suppress_context__ or error.__context__ is None)
        return str(error), error.user

    def test_wrongFields(self) -> None:
        networks = "networks are written 192.0.2.0/24, [2001:db8::]/32 or unix, with commas between"
        known = "name, nopop3, networks, expires, read-only, maildrop"
        for fields, sentence in (
            (b":networs=::1", "there is a field that is not known; did you mean networks?"),
            (b":Nopop3", "there is a field that is not known; did you mean nopop3?"),
            (b":swordfish", f"there is a field that is not known; there are {known}"),
            (b":nopop3:", f"there is a field that is not known; there are {known}"),
            (b":nopop3=yes", "the field is written nopop3"),
            (b":read-only=", "the field is written read-only"),
            (b":expires", "the field is written expires=..."),
            (b":read-only:read-only", "the field read-only stands there twice; keep one"),
            (b":networks=", networks),
            (b":networks=2001:db8::/32", networks),
            (b":networks=[2001:db8::/32", networks),
            (b":expires=tomorrow", "expires= takes a day such as 2027-01-31"),
            (b":expires=2027-02-29", "expires= takes a day such as 2027-01-31"),
            (b":expires=20270131", "expires= takes a day such as 2027-01-31"),
            (b":maildrop=~/Maildir", "the maildrop is an absolute path; ~ means nothing here"),
            (b":maildrop=Maildir", "the maildrop is an absolute path; ~ means nothing here"),
            (
                b":maildrop=/srv/{user}",
                "the maildrop is a path as it is, without {user}, % or control octets",
            ),
            (
                b":maildrop=/srv/a\0b",
                "the maildrop is a path as it is, without {user}, % or control octets",
            ),
            (b":maildrop=/srv/../karl", "the maildrop is the path of a directory, without .."),
            (b":maildrop=/", "the maildrop is the path of a directory, without .."),
        ):
            self.assertEqual(self.wrong(b"karl:" + HASH + fields), (sentence, b"karl"), fields)

    def test_wrongName(self) -> None:
        sentence = "name= takes letters, digits, _, . and -, at most 64"
        for name in (b"a b", b"-a", b"k\xe4rl", b"a" * 65, b"a=b", b"a\x1b[31m"):
            self.assertEqual(self.wrong(b"karl:" + HASH + b":name=" + name)[0], sentence)
        self.assertEqual(self.wrong(b"karl:" + HASH + b":name="), (sentence, b"karl"))

    def test_whoIsKeptOut(self) -> None:
        """The user; but a line of an application password concerns itself alone."""
        for line, user in (
            (b"karl:damaged", b"karl"),
            (b"karl:damaged:name=", b"karl"),
            (b"karl:damaged:name=phone", b""),
            (b"karl", b""),
        ):
            self.assertEqual(self.wrong(line)[1], user)

    def test_missingLibrary(self) -> None:
        """This is no matter of one line."""
        missing = SettingError("install it")
        with mock.patch.object(schemes, "verifier", side_effect=missing):
            self.assertIs(self.assertRaises(SettingError, self.parse, b""), missing)

    @given(lists(sampled_from([b":", b"=", b"[", b"]", b"$", b"name", b"networks"]) | binary()))
    def test_anyOctets(self, pieces: list[bytes]) -> None:
        """Whatever stands there, it is understood or malformed."""
        for line in (b"".join(pieces), b"karl:" + HASH + b"".join(pieces)):
            try:
                self.assertEqual(parseLine(line).user, line.partition(b":")[0])
            except Malformed as error:
                self.assertRegex(str(error), r"\A[ -~]+\Z")


class PiecesTests(SynchronousTestCase):
    """What the parts of the parser see."""

    def test_isEntry(self) -> None:
        for line, entry in (
            (b"karl:x", True),
            (b" karl:x", True),
            (b"", False),
            (b" \t", False),
            (b"#karl:x", False),
            (b"  # x", False),
        ):
            self.assertIs(isEntry(line), entry, line)

    def test_takeApart(self) -> None:
        cases: list[tuple[bytes, Any]] = [
            (b"a:", (b"a", b"", b"")),
            (b"a:b", (b"a", b"b", b"")),
            (b"a:b:", (b"a", b"b", b":")),
            (b"a:b:c:d=[e]", (b"a", b"b", b":c:d=[e]")),
            (b"a:{SCRAM-SHA-1}1,x,y,z:c", (b"a", b"{SCRAM-SHA-1}1,x,y,z", b":c")),
            (b"a:SCRAM-SHA-1$1:x$y:z:c", (b"a", b"SCRAM-SHA-1$1:x$y:z", b":c")),
        ]
        for line, parts in cases:
            self.assertEqual(tuple(takeApart(line)), parts)
            self.assertEqual(b":".join(parts[:2]) + parts[2], line)

    def test_splitFields(self) -> None:
        cases: list[tuple[bytes, list[bytes]]] = [
            (b"", []),
            (b":", [b""]),
            (b":a:b", [b"a", b"b"]),
            (b":n=[::1],[::2]/9:b", [b"n=[::1],[::2]/9", b"b"]),
            (b":n=[::1:b", [b"n=[::1:b"]),
            (b":]a:b[", [b"]a", b"b["]),
        ]
        for rest, fields in cases:
            self.assertEqual(splitFields(rest), fields)


class RefusedTests(SynchronousTestCase):
    """Where and when a credential may be used."""

    def refusedBy(self, fields: bytes, peer: str, today: date) -> str | None:
        return parseLine(b"karl:" + HASH + fields).refusedBy(peer, today)

    def test_expires(self) -> None:
        """The day itself is the last."""
        for today, refusal in (
            (date(2027, 1, 30), None),
            (date(2027, 1, 31), None),
            (date(2027, 2, 1), "expires"),
        ):
            self.assertEqual(self.refusedBy(b":expires=2027-01-31", "unix", today), refusal)

    def test_networks(self) -> None:
        for peer, refusal in (("192.0.2.7", None), ("192.0.3.7", "networks"), ("", "networks")):
            self.assertEqual(self.refusedBy(b":networks=192.0.2.0/24", peer, date.min), refusal)
            self.assertIsNone(self.refusedBy(b"", peer, date.min))

    def test_nopop3(self) -> None:
        self.assertEqual(self.refusedBy(b":nopop3", "192.0.2.7", date.min), "nopop3")
