"""L{pop3svc.checking.logins}: who may log in, and how, as CAPA would say it."""

import os
from pathlib import Path

from twisted.trial.unittest import TestCase

from pop3svc.account import Account
from pop3svc.checking.findings import Section
from pop3svc.checking.logins import checkCheckers, checkListeners
from pop3svc.checking.pairs import checkCertificates
from pop3svc.parts import allListeners

from .checks import errors, facts, optionsOf, warnings
from .pki import Authority


class CheckersTests(TestCase):
    def setUp(self) -> None:
        self.path = os.path.abspath(self.mktemp())

    def check(self, user: bytes | None, *words: str) -> tuple[Section, Account | None]:
        section = Section("Who may log in")
        self.chain, account = checkCheckers(section, optionsOf(*words), user)
        return section, account

    def test_passwd(self) -> None:
        Path(self.path).write_text("karl:{PLAIN}secret:maildrop=/srv/karl\njoe:{PLAIN}x:nopop3\n")
        auth = ("--auth", f"passwd:{self.path}")
        section, account = self.check(b"karl", *auth)
        self.assertEqual(
            facts(section),
            [
                f"passwd:{self.path}",
                "takes passwords, SCRAM, digests of passwords (CRAM-MD5, APOP)",
                "2 users, 2 of them not locked",
                "karl is here, with 1 password",
            ],
        )
        assert account is not None
        self.assertEqual((bytes(account), account.maildrop), (b"karl", "/srv/karl"))
        section, _ = self.check(b"joe", *auth)
        self.assertEqual(errors(section), ["joe is kept out by nopop3; change the user's line"])
        section, account = self.check(b"jane", *auth)
        self.assertEqual(
            errors(section),
            [
                "jane is in none of the password files; add the user with pop3svc passwd set",
            ],
        )
        self.assertIsNone(account)
        # A later checker may know her.
        section, _ = self.check(b"jane", *auth, "--auth", "memory:jane:x")
        self.assertEqual(errors(section), [])

    def test_precis(self) -> None:
        Path(self.path).write_text("karl:{PLAIN}secret\n")
        section, _ = self.check(b"Karl", "--auth", f"passwd:{self.path}?names=precis")
        self.assertEqual(facts(section)[-1], "karl is here, with 1 password")

    def test_complaints(self) -> None:
        Path(self.path).write_text("karl:{PLAIN}secret\nnonsense\n")
        section, _ = self.check(None, "--auth", f"passwd:{self.path}")
        [sentence] = warnings(section)
        self.assertTrue(sentence.startswith(f"{self.path} line 2: "), sentence)

    def test_secretsAreNotShown(self) -> None:
        section, _ = self.check(b"karl", "--auth", "memory:karl:secret")
        self.assertEqual(
            facts(section),
            ["memory:...", "takes passwords, digests of passwords (CRAM-MD5, APOP)"],
        )
        self.assertIsNotNone(self.chain)

    def test_wrong(self) -> None:
        """Each is told, and there is no chain."""
        section, _ = self.check(None, "--auth", "passwd:/nowhere", "--auth", "memory:a:b")
        [sentence] = errors(section)
        self.assertIn("/nowhere", sentence)
        self.assertIsNone(self.chain)
        section, _ = self.check(None, "--auth", "anonymous")
        self.assertEqual(facts(section)[1], "takes nothing that POP3 has")
        self.assertIn("POP3 has nothing that --auth anonymous takes", errors(section)[0])


class ListenersTests(TestCase):
    def check(self, *words: str, config: str = "") -> Section:
        """What is said of listeners that need no port."""
        path = os.path.abspath(self.mktemp())
        Path(path).write_text(config)
        options = optionsOf("--config", path, "--auth", "memory:karl:secret", *words)
        sets = checkCertificates(Section("Certificates"), options)
        chain, _ = checkCheckers(Section("Who may log in"), options, None)
        section = Section("Listeners")
        checkListeners(section, options, allListeners(options), chain, sets, [])
        return section

    def certificate(self) -> tuple[str, str]:
        path = Authority().issue(os.path.abspath(self.mktemp()))
        return ("--certificate", path)

    def test_clear(self) -> None:
        section = self.check("--pop3", "tcp:0")
        self.assertEqual(
            facts(section),
            [
                "tcp:0: no TLS, for everybody",
                "the port is free",
                "in the clear, from this machine: USER CRAM-MD5 PLAIN LOGIN",
                "in the clear, from elsewhere: CRAM-MD5",
            ],
        )
        section = self.check("--pop3", "tcp:0", "--clear-text-logins", "never", "--apop")
        self.assertEqual(facts(section)[2:], ["in the clear: APOP CRAM-MD5"])
        self.assertEqual(warnings(section), [])

    def test_always(self) -> None:
        """A warning, but where nobody from elsewhere gets to."""
        always = ("--clear-text-logins", "always")
        section = self.check("--pop3", "tcp:0", *always)
        self.assertEqual(facts(section)[2:], ["in the clear: USER CRAM-MD5 PLAIN LOGIN"])
        [sentence] = warnings(section)
        self.assertIn("passwords are taken in the clear from everywhere", sentence)
        for endpoint in ("tcp:0:interface=127.0.0.1", "tcp6:0:interface=\\:\\:1"):
            self.assertEqual(warnings(self.check("--pop3", endpoint, *always)), [], endpoint)

    def test_alwaysForSome(self) -> None:
        """Networks keep others out, but not where it is the proxy that connects."""
        listener = '[[listener]]\ntls = "none"\nclear-text-logins = "always"\n'
        listener += 'networks = ["192.0.2.64/28"]\n'
        section = self.check(config=listener + 'endpoint = "tcp:0"\n')
        self.assertEqual(warnings(section), [])
        for endpoint in ("haproxy:tcp:0", "haproxy:tcp:0:interface=127.0.0.1"):
            section = self.check(config=f'{listener}endpoint = "{endpoint}"\n')
            [sentence] = warnings(section)
            self.assertIn("passwords are taken in the clear from everywhere", sentence)

    def test_tls(self) -> None:
        words = (*self.certificate(), "--mechanism", "PLAIN", "--mechanism", "USER")
        section = self.check("--pop3", "tcp:0", "--pop3s", "tcp:0", *words)
        self.assertEqual(
            facts(section),
            [
                "tcp:0: STLS, version 1.2 at the least, for everybody",
                "the port is free",
                "in the clear, from this machine: USER PLAIN",
                "in the clear, from elsewhere: nothing before STLS",
                "inside TLS: USER PLAIN",
                "tcp:0: TLS from the start, version 1.2 at the least, for everybody",
                "the port is free",
                "inside TLS: USER PLAIN",
            ],
        )

    def test_clientCertificates(self) -> None:
        authority = Authority().save(os.path.abspath(self.mktemp()))
        section = self.check(
            *("--pop3s", "tcp:0", *self.certificate(), "--client-ca", authority),
            *("--mechanism", "EXTERNAL"),
        )
        self.assertEqual(
            facts(section)[2:],
            ["inside TLS: nothing", "inside TLS, with a certificate: EXTERNAL"],
        )

    def test_nobody(self) -> None:
        section = self.check(
            "--pop3", "tcp:0", "--mechanism", "PLAIN", "--clear-text-logins", "never"
        )
        [sentence] = errors(section)
        self.assertIn("nobody can log in here", sentence)

    def test_noCertificate(self) -> None:
        [sentence] = errors(self.check("--pop3s", "tcp:0"))
        self.assertEqual(sentence, "TLS on tcp:0 needs a certificate; add --certificate FILE")

    def test_oldTLS(self) -> None:
        listener = '[[listener]]\nendpoint = "tcp:0"\nminimum-tls = "1.0"\n'
        [sentence] = warnings(self.check(*self.certificate(), config=listener))
        self.assertIn("TLS 1.0 is weak, and spoken with everybody here", sentence)
        listener += 'networks = ["192.0.2.0/24", "::1"]\n'
        section = self.check(*self.certificate(), config=listener)
        self.assertEqual(
            facts(section)[0],
            "tcp:0: STLS, version 1.0 at the least, for 192.0.2.0/24, ::1/128",
        )
        self.assertEqual(warnings(section), [])

    def test_wrongEndpoint(self) -> None:
        [sentence] = errors(self.check("--pop3", "tcp:pop-3000"))
        self.assertIn("'tcp:pop-3000' is no server endpoint", sentence)
