"""
L{pop3svc.auth.schemes}, and what verifies hashes for it.
"""

from __future__ import annotations

import sys
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from pop3svc.auth import libraries, schemes
from pop3svc.auth.digests import writeScram
from pop3svc.auth.hashing import hashPassword
from pop3svc.auth.schemes import (
    UnusableHash,
    clearTextOf,
    schemeOf,
    scramOf,
    verifier,
    verify,
    verifyFirst,
)
from pop3svc.auth.scram import makeVerifier
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
    "$y$j75$saltsaltsaltsalt$DsMjm5uqUiFBUYLB9CLnX8E/M0k0mOVJBUWdpCrUik9",
    "$gy$j75$saltsaltsaltsalt$YnQXHZ1QB0Wd3b/aAxvsPW8WESczsxMQRPOIhV47ri.",
    "$md5$saltstri$$KEjHfYMnxIZjfy4fQbWd70",
    "$md5,rounds=10$saltstri$$stfUwVQ/tbRN785dm.RGM/",
    "$P$5saltstrigkyOvQXbZEYisx/tfPVy70",
    "$H$5saltstrigkyOvQXbZEYisx/tfPVy70",
    "$p5k2$a$saltstring$jpQnLGPuaJE2rzy4PSCGF0YWies4mUXp",
    "$p5k2$a$c2FsdHN0cmluZw==$VnBTunXMG6DIWDb5cAOw9MBGziI=",
    "SCRAM-SHA-1$4096:c2FsdHN0cmluZw==$q2fN56l4oG9F08xJgY1oxSolRbE=:0s0KWSP+3VhWaF9tBaAdQ+KPFRo=",
    "SCRAM-SHA-256$4096:c2FsdHN0cmluZw==$ki0ydCL8w4sY4IyCnf8/3g4i3o7SMdLeOn+xKvG94qI=:xqfoBIDt"
    "GogZs+pZsU2OUspcwD7MtBAXiSOMAJxskOY=",
    "{SCRAM-SHA-1}4096,VazD0v8A6gASQv0iMX96wQ==,qZvy7xEcro2BJVdSazfuWkB7ojI=,wwXYcFxDMkSxpz3nm7"
    "mIq4uNtOw=",
    "{SCRAM-SHA-256}4096,cC8lD0M7RUk4rkz1eGPuPw==,AaTqH1o4fUok7CyPJl6Mhxfgatw4gyxwRL08RHrUPww=,"
    "DuGCAlJ0m2BQVCvm1KOz/z0uolvN189mJX+HSV8rmxw=",
    "{PBKDF2}$1$usGMGGzMeZJ/Gcal$5000$e0ba54d914ff37e921c2244f333698f0ea0e85ee",
    "{PBKDF2-SHA256}10$c2FsdHN0cmluZw$nVjA/36C76IHAhvwuxs.fE36eIw60VLfI/Pv2RnfUOE",
    "{PBKDF2-SHA512}10$c2FsdHN0cmluZw$QEkuwRZZd2Dkzt.lIAqXd3TVdTi6VZOq6De2JH55fJkbhpgQWQt3u3yG/"
    "OI9L/9SxIg.FkP6/aKqgsPTnCGwiw",
    "{PKCS5S2}c2FsdHNhbHRzYWx0c2FsdE9dyLH+NjcbjaA+QobNrvAdd2+6rqfobfgeJ6x6w+9H",
    "{CRYPT}_9...salth59TwDkYsHo",
    "{CRYPT}saHW9GdxihkGQ",
    "{DES-CRYPT}kihiwPcM/O5nU",
    "{MD5}$1$EYnCnzRQ$kOEL2EX3BeaY2N22NbZKg/",
    "{MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ==",
    "{NTLM}878d8014606cda29677a44efa1353fc7",
    "{PLAIN-MD5}5ebe2294ecd0e0f08eab7690d2a6ee69",
    "{SHA.HEX}e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4",
    "{SHA256}2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b",
    "{SSHA256.hex}7a82fd14a61110755a6dacb16956af0125a74496c1a165848d5490580926b909057c4ac4",
    "{PLAIN.B64}c2VjcmV0",
    "{plain.hex}736563726574",
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
        for scheme in schemes._SCHEMES:
            begin = scheme.decode().upper().rstrip("}")
            known = [each for each in FOREIGN if each.upper().startswith(begin)]
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
            if stored.endswith("}secret") or stored.lower().startswith("{plain."):
                continue
            error = self.assertRaises(UnusableHash, verifier, stored[: len(stored) * 2 // 3])
            self.assertRegex(
                str(error),
                r"^the hash with (\{[A-Z0-9-]+\}|\$[A-Za-z0-9-]+[$,]|SCRAM-SHA-\d+\$) is damaged$",
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
            ("{CRAM-MD5}8846F7EAEE8FB117", "{CRAM-MD5}"),
            ("{cram-md5}8846F7EAEE8FB117", "{CRAM-MD5}"),
            ("{SHA.XYZ}8846F7EAEE8FB117", "{SHA.XYZ}"),
            ("$argon2i$v=19$m=8,t=1,p=1$c2FsdA$", "$argon2i$"),
            ("{CRYPT}$argon2i$v=19", "$argon2i$"),
        ):
            error = self.assertRaises(UnusableHash, verifier, stored)
            self.assertEqual(
                str(error),
                f"the scheme {scheme} is not known; set the password anew with"
                " `pop3svc passwd set`",
            )

    def test_noHash(self) -> None:
        for stored in ("", "secret", "$secret", "{secret", "{}secret", "{CRYPT", "\xff", "x$6$"):
            error = self.assertRaises(UnusableHash, verifier, stored)
            self.assertEqual(
                str(error),
                "this is no hash; make one with `pop3svc passwd set`, or write {PLAIN} before a"
                " password in clear text",
            )

    def test_bracesHideNoClearText(self) -> None:
        for stored in (b"{CRYPT}secret", b"{CRYPT}{PLAIN}secret", b"{ARGON2ID}", b"{BLF-CRYPT}a"):
            self.assertRaises(UnusableHash, verifier, stored)


class MissingLibraryTests(SynchronousTestCase):
    """Only what needs the library asks for it, in a sentence."""

    def setUp(self) -> None:
        libraries._handler.cache_clear()
        self.addCleanup(libraries._handler.cache_clear)

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

    def test_withoutLibxcrypt(self) -> None:
        """Or with a C library whose crypt knows nothing of it."""
        libraries._crypt.cache_clear()
        self.addCleanup(libraries._crypt.cache_clear)
        yescrypt = next(each for each in FOREIGN if each.startswith("$y$"))
        for fault in (OSError("cannot open shared object file"), AttributeError("crypt_rn")):
            with mock.patch("ctypes.CDLL", side_effect=fault):
                error = self.assertRaises(SettingError, verifier, yescrypt)
            self.assertNotIsInstance(error, UnusableHash)
            self.assertEqual(
                str(error),
                "hashes with yescrypt are verified by libcrypt.so.1 of libxcrypt, which is not"
                " here; install it (libcrypt1 on Debian), or set the passwords anew with"
                " `pop3svc passwd set`",
            )


class ScramTests(SynchronousTestCase):
    """SCRAM verifiers are hashes too, in two forms."""

    # The example of RFC 7677 section 3, as PostgreSQL would keep it.
    EXAMPLE = (
        b"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
        b":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    )

    def test_example(self) -> None:
        self.assertIs(verify(self.EXAMPLE, b"pencil"), True)
        self.assertIs(verify(self.EXAMPLE, b"Pencil"), False)

    def test_scramOf(self) -> None:
        found = scramOf(self.EXAMPLE)
        assert found is not None
        hashName, kept = found
        self.assertEqual(hashName, "SHA-256")
        self.assertEqual((len(kept.salt), kept.iterations), (16, 4096))
        made = makeVerifier("SHA-256", b"pencil", kept.salt, 4096)
        self.assertEqual(made, kept)
        self.assertEqual(scramOf(writeScram("SHA-256", kept).encode()), ("SHA-256", kept))

    def test_noScram(self) -> None:
        for stored in (b"{PLAIN}secret", FOREIGN[0].encode()):
            self.assertIsNone(scramOf(stored))

    def test_damaged(self) -> None:
        good = writeScram("SHA-1", makeVerifier("SHA-1", b"secret", b"salt", 1))
        verifier(good)
        iterations, salt, storedKey, serverKey = good.partition("}")[2].split(",")
        for parts in (
            ("0", salt, storedKey, serverKey),
            ("-1", salt, storedKey, serverKey),
            (iterations, "!", storedKey, serverKey),
            (iterations, salt, "c2hvcnQ=", serverKey),
            (iterations, salt, storedKey, "c2hvcnQ="),
            (iterations, salt, storedKey),
            (iterations, salt, storedKey, serverKey, salt),
        ):
            self.assertRaises(UnusableHash, verifier, "{SCRAM-SHA-1}" + ",".join(parts))
        # SHA-1's keys under the other name.
        self.assertRaises(UnusableHash, verifier, good.replace("SHA-1", "SHA-256"))


class QuestionTests(SynchronousTestCase):
    """What else is asked about a hash."""

    def test_clearTextOf(self) -> None:
        for stored in ("{PLAIN}secret", "{cleartext}secret", "{PLAIN.B64}c2VjcmV0"):
            self.assertEqual(clearTextOf(stored.encode()), b"secret")
        for stored in (FOREIGN[0], "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="):
            self.assertIsNone(clearTextOf(stored.encode()))

    def test_schemeOf(self) -> None:
        for stored, scheme in (
            (FOREIGN[0], "argon2id"),
            ("{Plain.hex}73", "plain"),
            ("$md5,rounds=10$saltstri$$stfUwVQ/tbRN785dm.RGM/", "md5"),
            (ScramTests.EXAMPLE.decode(), "scram-sha-256"),
        ):
            self.assertEqual(schemeOf(stored.encode()), scheme)

    def test_verifyFirst(self) -> None:
        """Those behind the one that fits are not tried."""
        hashes = [b"{PLAIN}one", b"{PLAIN}two", b"{PLAIN}two", b"no hash"]
        self.assertEqual(verifyFirst(hashes, b"one"), 0)
        self.assertEqual(verifyFirst(hashes, b"two"), 1)
        self.assertIsNone(verifyFirst(hashes[:3], b"three"))
        self.assertIsNone(verifyFirst([], b"one"))
        self.assertRaises(UnusableHash, verifyFirst, hashes, b"three")
