"""L{pop3svc.core.capabilities}: what is said and what is accepted are one."""

from twisted.trial.unittest import TestCase

from pop3svc.core.capabilities import Situation, capabilities, withheld


def words(situation: Situation, loggedIn: bool = False) -> list[bytes]:
    return [line.split()[0] for line in capabilities(situation, loggedIn, b"9.9").splitlines()]


class CapabilitiesTests(TestCase):
    def test_all(self) -> None:
        self.assertEqual(
            capabilities(Situation(startTLS=True), False, b"9.9"),
            b"TOP\r\nUIDL\r\nUSER\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\n"
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

    def test_linesFitFetchmail(self) -> None:
        """It reads them through a buffer of 64 octets."""
        for line in capabilities(Situation(startTLS=True), True, b"100.100.100").splitlines():
            self.assertLess(len(line), 62)

    def test_passwordsOutsideTLS(self) -> None:
        situation = Situation(startTLS=True, passwordsHere=False)
        self.assertEqual(
            withheld(b"USER", situation),
            b"-ERR [AUTH] passwords are taken inside TLS only: give STLS first\r\n",
        )
