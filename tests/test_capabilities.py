"""L{pop3svc.core.capabilities}: what is said and what is accepted are one."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from twisted.trial.unittest import TestCase

from pop3svc.core.capabilities import (
    Situation,
    capabilities,
    mechanismNames,
    mechanismWithheld,
    withheld,
)
from pop3svc.core.mechanisms import MECHANISMS


def words(situation: Situation, loggedIn: bool = False) -> list[bytes]:
    return [line.split()[0] for line in capabilities(situation, loggedIn, b"9.9").splitlines()]


def situations() -> Iterator[Situation]:
    """All that checkers, certificates and channels make of it."""
    hashes: list[set[str]] = [set(), {"SHA-256"}, {"SHA-1", "SHA-256"}]
    for scram, flags in product(hashes, product((False, True), repeat=6)):
        passwords, here, digests, tokens, certificate, bound = flags
        yield Situation(
            passwords=passwords,
            passwordsHere=here,
            digests=digests,
            tokens=tokens,
            certificates=certificate,
            certificateNames=(b"karl",) if certificate else (),
            scramHashes=frozenset(scram),
            bindings={"tls-exporter": b"x"} if bound else {},
        )


class CapabilitiesTests(TestCase):
    def test_all(self) -> None:
        self.assertEqual(
            capabilities(Situation(startTLS=True), False, b"9.9"),
            b"TOP\r\nUIDL\r\nUSER\r\nSASL PLAIN LOGIN\r\n"
            b"RESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\n"
            b"EXPIRE NEVER\r\nUTF8\r\nLANG\r\nSTLS\r\nIMPLEMENTATION pop3svc\r\n",
        )

    def test_sameListAfterLogin(self) -> None:
        """Thunderbird asks before login only, mutt after it only."""
        before, after = words(Situation()), words(Situation(), loggedIn=True)
        self.assertEqual(before, after)

    def test_versionOnlyAfterLogin(self) -> None:
        self.assertNotIn(b"9.9", capabilities(Situation(), False, b"9.9"))
        self.assertIn(b"IMPLEMENTATION pop3svc-9.9\r\n", capabilities(Situation(), True, b"9.9"))

    def test_startTLSOnlyWhereUsable(self) -> None:
        self.assertIn(b"STLS", words(Situation(startTLS=True)))
        self.assertNotIn(b"STLS", words(Situation(startTLS=True), loggedIn=True))
        self.assertNotIn(b"STLS", words(Situation(startTLS=False)))

    def test_saidAndAcceptedAreOne(self) -> None:
        for startTLS in (False, True):
            for passwords in (False, True):
                for here in (False, True):
                    situation = Situation(
                        startTLS=startTLS, passwords=passwords, passwordsHere=here
                    )
                    for keyword in (b"USER", b"STLS"):
                        self.assertEqual(
                            keyword in words(situation), withheld(keyword, situation) is None
                        )

    def test_asksChannel(self) -> None:
        """Where what a handshake tells can make no difference, it makes none."""
        differ = set()
        for situation in situations():
            untold = replace(situation, certificateNames=(), bindings={})
            if words(situation) != words(untold):
                differ.add(situation.asksChannel)
        self.assertEqual(differ, {True})

    def test_linesFitFetchmail(self) -> None:
        """It reads them through a buffer of 64 octets."""
        for line in capabilities(Situation(startTLS=True), True, b"100.100.100").splitlines():
            self.assertLess(len(line), 62)

    def test_sasl(self) -> None:
        """The same line before and after login, as Thunderbird wants it."""
        for loggedIn in (False, True):
            for situation, line in (
                (Situation(), b"SASL PLAIN LOGIN\r\n"),
                (Situation(passwordsHere=False, digests=True), b"SASL CRAM-MD5\r\n"),
                (Situation(wanted=frozenset({b"LOGIN"})), b"SASL LOGIN\r\n"),
                (Situation(scramHashes=frozenset({"SHA-1"})), b"SASL SCRAM-SHA-1 PLAIN LOGIN\r\n"),
            ):
                self.assertIn(b"\r\n" + line, capabilities(situation, loggedIn, b"9"))
        for nothing in (Situation(passwordsHere=False), Situation(wanted=frozenset({b"USER"}))):
            self.assertNotIn(b"SASL", words(nothing))

    def test_saslSaidAndAcceptedAreOne(self) -> None:
        for situation in situations():
            said = set(mechanismNames(situation))
            taken = {name for name in MECHANISMS if mechanismWithheld(name, situation) is None}
            self.assertEqual(said, taken)
            self.assertEqual(b"SASL" in words(situation), bool(said))
            self.assertEqual(withheld(b"AUTH", situation) is None, bool(said))
            if not situation.passwordsHere:
                self.assertEqual(said & {b"PLAIN", b"LOGIN", b"XOAUTH2", b"OAUTHBEARER"}, set())

    def test_saslLineFitsFetchmail(self) -> None:
        """It reads 63 octets at a time: no name that it knows may be cut."""
        known = {b"EXTERNAL", b"OAUTHBEARER", b"XOAUTH2", b"CRAM-MD5"}
        for situation in situations():
            listing = capabilities(situation, False, b"9").splitlines()
            for line in (each for each in listing if each.startswith(b"SASL")):
                self.assertLessEqual(known & set(line.split()), set(line[:63].split()))

    def test_passwordsOutsideTLS(self) -> None:
        situation = Situation(startTLS=True, passwordsHere=False)
        self.assertEqual(
            withheld(b"USER", situation),
            b"-ERR [AUTH] passwords are taken inside TLS only: give STLS first\r\n",
        )
