"""
L{pop3svc.auth.hashing}.
"""

from __future__ import annotations

from threading import Thread

from twisted.trial.unittest import SynchronousTestCase

from pop3svc.auth.hashing import hashPassword, standIn
from pop3svc.auth.schemes import verify
from pop3svc.errors import SettingError


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
