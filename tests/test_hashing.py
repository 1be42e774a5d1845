"""
L{pop3svc.auth.hashing}.
"""

from __future__ import annotations

import sys
from threading import Thread
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from pop3svc.auth import hashing
from pop3svc.auth.hashing import UnusableHash, hashPassword, standIn, verifier, verify
from pop3svc.errors import SettingError

# Of the password "secret", as crypt(3), argon2(1), openssl and libpass make them.
FOREIGN = (
    "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$4mqQiyq0VpIzuZmp+8eSF3YJ7Av58TkEJ4LIdOVsAc4",
    "$argon2id$v=19$m=64,t=1,p=4$c29tZXNhbHQ$cxaC9G4uqSzpfYNiyK+aPFPbJmuweOWBzaxrFnSr2kE",
    "$6$rounds=1000$saltstring$2BkAo106CG84raQcWpAlhyy6TSSkAsL1nfvBCoezLYyerUzY2l8axTvq6NynEt7"
    "SQAx3/cdop9ds0po8uaeHq0",
    "$5$rounds=1000$saltstring$AH5PD0i.riCRu4BNDy9v7OPV7u3dfLBApcXI6khquVA",
    "$1$saltstri$WHZcnT3IOdSrMvizOq7Ht1",
    "$apr1$saltstri$tviOvVZIaS7zgFryeR8bE1",
    "$sha1$100$saltstring$8.Sz/ozETfA.w93w8hwbdHThxv6D",
    "$2a$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
    "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
    "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
    "$bcrypt-sha256$v=2,t=2b,r=4$dCW60o.UVhCvzD.HtfHO0.$f16P3icBvXHuWbACFC1cOI4MyVJFeq.",
    "$scrypt$ln=4,r=8,p=1$/x+jVAoBIKSUcu69F8J4jw$QNzZ/qQi7pzoe0T7UWKprh91661xZyzqKpExXogso/4",
    "$pbkdf2$10$HiMEoHQu5byX8p6Tcm5tDQ$2n3Zs7n/vq339Q0bGJ1VlP5Tsv4",
    "$pbkdf2-sha256$10$x3gPQSjlvHfO2VtLiRHCeA$IetQ0mi0NRYfMgOLEmIsarUCQADmPOcgWNXHOKCj2jE",
    "$pbkdf2-sha512$10$sjaG8N6bsxaCsNb6v5eSEg$G17/wPImmZ1Od5YfSpPmbKi21UNDEjwX2RuBEOxnelXIFZBC"
    "WcmFHYZLW50sD7mPJmJBDzYmWhC5k1qp6iWNIA",
    "{PLAIN}secret",
    "{CLEAR}secret",
    "{cleartext}secret",
    "{ARGON2ID}$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$4mqQiyq0VpIzuZmp+8eSF3YJ7Av58TkEJ4LIdOVsAc4",
    "{BLF-CRYPT}$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
    "{MD5-CRYPT}$1$saltstri$WHZcnT3IOdSrMvizOq7Ht1",
    "{SHA256-CRYPT}$5$rounds=1000$saltstring$AH5PD0i.riCRu4BNDy9v7OPV7u3dfLBApcXI6khquVA",
    "{CRYPT}$5$rounds=1000$saltstring$AH5PD0i.riCRu4BNDy9v7OPV7u3dfLBApcXI6khquVA",
    "{SHA512-CRYPT}$6$rounds=1000$saltstring$2BkAo106CG84raQcWpAlhyy6TSSkAsL1nfvBCoezLYyerUzY2"
    "l8axTvq6NynEt7SQAx3/cdop9ds0po8uaeHq0",
    "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
    "{SHA1}5en6G6MezRroT3XKqkdPOmY/BfQ=",
    "{SHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=",
    "{SHA512}vSsar3708Jvp9Szi2NWZZ02Bqp1qRCFpbcTZPdBhnWgs5WtNZKnvCXdhztmeD2cmW192CF5bDufKRpayr"
    "W/isg==",
    "{SSHA}c+KclLmkT1jNW4QnKeSA7oOM5avkPGfM",
    "{SSHA256}s2pu8FGFur3tOSGVexzM2ZJlUdFg5aYpQC8g++UGTzEUAqDUGiMEIA==",
    "{SSHA512}R2i7NmQQ1Vkh83q4BCarcXUYphLTVr3wa5n42AxzCrWZQJ9qHqKwA84JT6JDY54j6EBwmsGrfoczMYya"
    "yRIan7z3/v+fE8KY",
    "{LDAP-MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ==",
    "{SMD5}rql13qWq96Df1w83RJI0P8u5F+I=",
)


class VerifyTests(SynchronousTestCase):
    """Every scheme, against hashes that other programs made."""

    def test_rightPassword(self) -> None:
        for stored in FOREIGN:
            self.assertIs(verify(stored, b"secret"), True, stored)

    def test_wrongPassword(self) -> None:
        for stored in FOREIGN:
            for wrong in (b"Secret", b"secre", b"secret ", b"", b"\xff", stored.encode()):
                self.assertIs(verify(stored, wrong), False, (stored, wrong))

    def test_octetsBehindNUL(self) -> None:
        """A password does not end with a NUL, as it did for Dovecot 2.3."""
        for stored in FOREIGN:
            self.assertIs(verify(stored, b"secret\0junk"), False, stored)

    def test_everySchemeIsTested(self) -> None:
        for scheme in hashing._SCHEMES:
            known = [each for each in FOREIGN if each.upper().startswith(scheme.decode().upper())]
            self.assertNotEqual(known, [], scheme)

    def test_storedAsOctets(self) -> None:
        self.assertIs(verify(FOREIGN[0].encode(), b"secret"), True)

    def test_bcryptTakes72Octets(self) -> None:
        """One octet more is a wrong password, not the same one cut."""
        import bcrypt

        stored = bcrypt.hashpw(b"a" * 72, bcrypt.gensalt(4))
        self.assertIs(verify(stored, b"a" * 72), True)
        self.assertIs(verify(stored, b"a" * 73), False)
        self.assertIs(verify(stored, b"a" * 65536), False)

    def test_veryLongPasswords(self) -> None:
        for stored in FOREIGN:
            self.assertIs(verify(stored, b"a" * 65536), False, stored)

    def test_eightBitPasswords(self) -> None:
        """Octets that are no UTF-8 are a password as any other."""
        self.assertIs(verify(b"{PLAIN}\xff\xe4", b"\xff\xe4"), True)
        stored = hashPassword(b"\xff\xe4", iterations=1, memoryKiB=8)
        self.assertIs(verify(stored, b"\xff\xe4"), True)
        import bcrypt

        self.assertIs(verify(bcrypt.hashpw(b"\xff", bcrypt.gensalt(4)), b"\xff"), True)

    def test_clearTextMayLookLikeAHash(self) -> None:
        self.assertIs(verify(b"{PLAIN}{SHA}$6$", b"{SHA}$6$"), True)


class UnusableTests(SynchronousTestCase):
    """What is no hash is found when it is read, and not quoted."""

    def test_damaged(self) -> None:
        for stored in FOREIGN:
            if stored.endswith("}secret"):
                continue
            error = self.assertRaises(UnusableHash, verifier, stored[: len(stored) * 2 // 3])
            self.assertRegex(
                str(error), r"^the hash with (\{[A-Z0-9-]+\}|\$[a-z0-9-]+\$) is damaged$"
            )
            # A cause would quote it in a traceback.
            self.assertEqual((error.__cause__, error.__suppress_context__), (None, True))

    def test_saltWithoutDigest(self) -> None:
        for stored in (
            "$1$saltstri$",
            "$6$rounds=1000$saltstring",
            "$2b$04$abcdefghijklmnopqrstuu",
        ):
            self.assertRaises(UnusableHash, verifier, stored)

    def test_argon2Parameters(self) -> None:
        """RFC 9106 section 3.1: 8 KiB for each lane, version 0x13."""
        tail = "$c29tZXNhbHQ$4mqQiyq0VpIzuZmp+8eSF3YJ7Av58TkEJ4LIdOVsAc4"
        verifier("$argon2id$v=19$m=16,t=1,p=2" + tail)
        for head in ("v=19$m=15,t=1,p=2", "v=16$m=64,t=1,p=1", "v=19$m=64,t=0,p=1", "m=64,t=1,p=1"):
            self.assertRaises(UnusableHash, verifier, f"$argon2id${head}{tail}")

    def test_emptyClearText(self) -> None:
        self.assertRaises(UnusableHash, verifier, b"{PLAIN}")

    def test_unknownScheme(self) -> None:
        for stored, scheme in (
            ("{NTLM}8846F7EAEE8FB117", "{NTLM}"),
            ("{ntlm}8846F7EAEE8FB117", "{NTLM}"),
            ("$y$j9T$abc$def", "$y$"),
            ("{CRYPT}$y$j9T$abc$def", "$y$"),
        ):
            error = self.assertRaises(UnusableHash, verifier, stored)
            self.assertEqual(
                str(error),
                f"the scheme {scheme} is not known; set the password anew with `pop3svc passwd`",
            )

    def test_noHash(self) -> None:
        for stored in ("", "secret", "$secret", "{secret", "{}secret", "{CRYPT", "\xff", "x$6$"):
            error = self.assertRaises(UnusableHash, verifier, stored)
            self.assertEqual(
                str(error),
                "this is no hash; make one with `pop3svc passwd`, or write {PLAIN} before a"
                " password in clear text",
            )

    def test_bracesHideNoClearText(self) -> None:
        for stored in (b"{CRYPT}secret", b"{CRYPT}{PLAIN}secret", b"{ARGON2ID}"):
            self.assertRaises(UnusableHash, verifier, stored)


class MissingLibraryTests(SynchronousTestCase):
    """Only what needs the library asks for it, in a sentence."""

    def setUp(self) -> None:
        hashing._handler.cache_clear()
        self.addCleanup(hashing._handler.cache_clear)

    def test_withoutLibpass(self) -> None:
        with mock.patch.dict(sys.modules, {"passlib": None, "passlib.hash": None}):
            error = self.assertRaises(SettingError, verifier, FOREIGN[2])
            self.assertIs(verify(FOREIGN[0], b"secret"), True)
            self.assertIs(verify("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", b"secret"), True)
        self.assertNotIsInstance(error, UnusableHash)
        self.assertEqual(
            str(error),
            "hashes with sha512_crypt are verified by another library; run:"
            " pip install 'pop3svc[passwd]'",
        )

    def test_withoutBcrypt(self) -> None:
        import passlib.exc
        import passlib.hash

        missing = passlib.exc.MissingBackendError("no backend")
        with mock.patch.object(passlib.hash.bcrypt, "get_backend", side_effect=missing):
            error = self.assertRaises(SettingError, verifier, "$2b$04$" + "a" * 53)
        self.assertNotIsInstance(error, UnusableHash)
        self.assertIn("pip install 'pop3svc[passwd]'", str(error))


class HashPasswordTests(SynchronousTestCase):
    """Making hashes."""

    def test_default(self) -> None:
        stored = hashPassword("secret")
        self.assertRegex(
            stored, r"^\$argon2id\$v=19\$m=65536,t=3,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$"
        )
        self.assertIs(verify(stored, b"secret"), True)
        self.assertIs(verify(stored, b"Secret"), False)

    def test_saltOfItsOwn(self) -> None:
        made = {hashPassword("secret", iterations=1, memoryKiB=8) for _ in range(20)}
        self.assertEqual(len(made), 20)

    def test_textIsUTF8(self) -> None:
        stored = hashPassword("gr\u00fc\u00dfe", iterations=1, memoryKiB=8)
        self.assertIs(verify(stored, b"gr\xc3\xbc\xc3\x9fe"), True)

    def test_unfit(self) -> None:
        for unfit in ("", b"", "a\0b", b"\0"):
            error = self.assertRaises(SettingError, hashPassword, unfit)
            self.assertEqual(str(error), "a password has one octet at the least, and no NUL")

    def test_standIn(self) -> None:
        """It costs what a real one costs, and is nobody's."""
        one, other = standIn(), standIn()
        self.assertNotEqual(one, other)
        self.assertEqual(one.split(b"$")[:4], hashPassword("x").encode().split(b"$")[:4])
        self.assertEqual(len(one), len(hashPassword("x")))
        self.assertIs(verify(one, b""), False)

    def test_severalLanesAtOnce(self) -> None:
        """
        OpenSSL hangs, or lacks memory, when threads compute lanes at once. (Not
        on one processor, where this test shows nothing.)
        """
        stored = hashPassword("secret", iterations=2, memoryKiB=1024, lanes=4)
        answers: list[bool] = []

        def verifyOften() -> None:
            answers.extend(verify(stored, b"secret") for _ in range(10))

        threads = [Thread(target=verifyOften, daemon=True) for _ in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(20)
        self.assertEqual(answers, [True] * 40)
