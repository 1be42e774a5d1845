"""L{pop3svc.checking.pairs}: certificates, with those that openssl has made."""

import os
import shutil
import subprocess
from pathlib import Path

from twisted.trial.unittest import TestCase

from pop3svc.checking.findings import Section
from pop3svc.checking.pairs import checkCertificates
from pop3svc.parts import CertificateSets

from .checks import errors, facts, optionsOf, warnings
from .pki import Authority


class CertificateTests(TestCase):
    def setUp(self) -> None:
        self.authority = Authority("Example CA")
        self.root = self.authority.save(os.path.abspath(self.mktemp()))

    def check(self, *words: str) -> tuple[Section, CertificateSets | None]:
        section = Section("Certificates")
        return section, checkCertificates(section, optionsOf(*words))

    def issue(self, name: str = "pop.example.org", days: float = 90.5) -> str:
        path = self.authority.issue(os.path.abspath(self.mktemp()), name, days)
        os.chmod(path, 0o640)
        return path

    def test_good(self) -> None:
        path = self.issue()
        section, sets = self.check("--certificate", path)
        self.assertIsNotNone(sets)
        said = facts(section)
        self.assertEqual(said[:2], [path, "for pop.example.org; issued by Example CA"])
        self.assertIn("(90 days left); its key is in " + path, said[2])
        self.assertEqual(
            said[3:], ["1 certificate in the file; mail programs must know Example CA"]
        )
        self.assertEqual(len(section.findings), 4)

    def test_dates(self) -> None:
        section, _ = self.check("--certificate", self.issue(days=10))
        [sentence] = warnings(section)
        self.assertIn("it ends in less than 14 days; renew it", sentence)
        self.assertEqual(errors(section), [])
        section, _ = self.check("--certificate", self.issue(days=-2))
        self.assertEqual(
            errors(section), ["it has expired, and mail programs will refuse it; renew it"]
        )

    def test_noName(self) -> None:
        section, _ = self.check("--certificate", self.issue("karl@example.org"))
        [sentence] = warnings(section)
        self.assertIn("no DNS name is in it", sentence)

    def test_chain(self) -> None:
        path = self.issue()
        own, root = Path(path).read_bytes(), Path(self.root).read_bytes()
        Path(path).write_bytes(own + root)
        section, _ = self.check("--certificate", path)
        self.assertEqual(
            facts(section)[3],
            "2 certificates in the file; up to the root, which need not be sent",
        )
        other = Path(Authority("Another").save(self.mktemp())).read_bytes()
        Path(path).write_bytes(own + other)
        section, _ = self.check("--certificate", path)
        [sentence] = warnings(section)
        self.assertIn("certificate 2 in the file is not the issuer of certificate 1", sentence)

    def test_wrong(self) -> None:
        path, other = self.issue(), self.issue()
        section, sets = self.check("--certificate", path, "--private-key", other)
        self.assertIsNone(sets)
        self.assertEqual(errors(section), [f"the key in {other} is not that of {path}"])
        section, sets = self.check("--private-key", other)
        self.assertIsNone(sets)
        self.assertEqual(errors(section), ["each --private-key needs its --certificate"])

    def test_keyForAll(self) -> None:
        path = self.issue()
        os.chmod(path, 0o644)
        section, _ = self.check("--certificate", path)
        self.assertEqual(
            warnings(section), [f"everybody on this machine can read the key; chmod o= {path}"]
        )

    def test_none(self) -> None:
        section, sets = self.check()
        self.assertIsNotNone(sets)
        self.assertEqual(
            facts(section), ["none: there is no TLS, and passwords are not safe on their way"]
        )

    def test_authorities(self) -> None:
        path = self.issue()
        section, sets = self.check("--certificate", path, "--client-ca", self.root)
        self.assertIsNotNone(sets)
        self.assertRegex(facts(section)[5], r"^Example CA, to 20\d\d-\d\d-\d\d$")
        nothing = os.path.abspath(self.mktemp())
        Path(nothing).write_text("nothing")
        section, sets = self.check("--certificate", path, "--client-ca", nothing)
        self.assertIsNone(sets)
        self.assertEqual(
            errors(section), [f"{nothing} holds no PEM certificates of authorities; correct it"]
        )

    def test_openssl(self) -> None:
        """As an administrator makes them, with a file for each."""
        if shutil.which("openssl") is None:
            self.skipTest("there is no openssl")
        folder = os.path.abspath(self.mktemp())
        os.mkdir(folder)
        for words in (
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key"
            " -out ca.pem -days 99 -subj /CN=Example",
            "req -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj /CN=x"
            " -addext subjectAltName=DNS:pop.example.org",
            "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -days 5 -out chain.pem"
            " -copy_extensions copy",
        ):
            subprocess.run(["openssl", *words.split()], cwd=folder, check=True, capture_output=True)
        section, sets = self.check(
            "--certificate", f"{folder}/chain.pem", "--private-key", f"{folder}/key.pem"
        )
        self.assertIsNotNone(sets)
        self.assertEqual(facts(section)[1], "for pop.example.org; issued by Example")
        self.assertEqual((len(warnings(section)), errors(section)), (1, []))
