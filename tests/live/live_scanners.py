"""
What scanners say of the listeners as they are by default, and why not all of it
is ours to mend.
"""

from __future__ import annotations

import json
import re

from .harness import HOST, IMPLICIT, LOOPBACK, STLS, LiveTestCase
from .programs import findProgram, run

# Check of testssl.sh -> why its finding stays.
_TESTSSL_STAYS = {
    "engine_problem": "is about the OpenSSL that testssl.sh runs with",
    "cert_revocation": "is up to whoever issues certificates; here it is the tests",
    "DNS_CAArecord": "is up to whoever has the domain",
}
_TESTSSL_GOOD = ("OK", "INFO", "DEBUG")

# Finding of sslyze -> why it stays.
_CURVE = "'(X448|secp521r1)'"
_SSLYZE_STAYS = {
    rf"tls_curves: TLS curves {{{_CURVE}(, {_CURVE})?}} are supported.*": "both are good, if"
    " not in Mozilla's list; and pyOpenSSL has no way to choose",
    "certificate_path_validation: .*": "asks for an authority that is known to the public",
}


class ScannerTests(LiveTestCase):
    def setUp(self) -> None:
        super().setUp()
        # They knock more often at once than whoever wants to log in.
        self.service = self.serve("--limit", "logging-in-per-network=50")

    def test_nmap(self) -> None:
        """The grade is A on both ports."""
        ports = {self.service.port(each): each for each in (STLS, IMPLICIT)}
        names = {STLS: "pop3", IMPLICIT: "pop3s"}
        # From here nmap knows what to scan, and which of the two wants STLS.
        services = self.directory / "services"
        lines = [f"{names[way]}\t{port}/tcp\t0.5\n" for port, way in ports.items()]
        services.write_text("".join(lines))
        options = ("-n", "-Pn", "--servicedb", str(services), "--script", "ssl-enum-ciphers")
        said = run([findProgram("nmap"), *options, LOOPBACK], self.directory).decode("utf-8")
        self.assertEqual(re.findall(r"least strength: (.*)", said), ["A", "A"], said)
        self.assertEqual(set(re.findall(r"(TLSv.*|SSLv.*):", said)), {"TLSv1.2", "TLSv1.3"})

    def test_testssl(self) -> None:
        """
        Protocols, preferences, what comes with the handshake, and each weakness
        that has a name. The listener with STLS has the same settings.
        """
        found = self.directory / "testssl.json"
        run(
            [
                *(findProgram("testssl"), "-p", "-P", "-S", "-U"),
                *("--quiet", "--warnings", "off", "--color", "0"),
                *("--ip", LOOPBACK, "--nodns", "none"),
                *("--add-ca", str(self.service.authority), "--jsonfile", str(found)),
                f"{HOST}:{self.service.port(IMPLICIT)}",
            ],
            self.directory,
            # As many as there were problems of its own, such as that about OpenSSL.
            statuses=range(50),
        )
        checks = {each["id"]: each for each in json.loads(found.read_text())}
        for name in ("TLS1_3", "heartbleed", "LUCKY13"):
            self.assertEqual(checks[name]["severity"], "OK")
        bad = {
            name: (each["severity"], each["finding"])
            for name, each in checks.items()
            if each["severity"] not in _TESTSSL_GOOD and name not in _TESTSSL_STAYS
        }
        self.assertEqual(bad, {})

    def test_sslyze(self) -> None:
        """All that Mozilla asks for, and no weakness."""
        program = findProgram("sslyze")
        for way in (STLS, IMPLICIT):
            address = f"{HOST}:{self.service.port(way)}"
            options = ["--starttls", "pop3"] if way.stls else []
            said = run([program, *options, address], self.directory, statuses=(0, 1))
            _, _, judged = said.decode("utf-8").partition("COMPLIANCE AGAINST TLS CONFIGURATION")
            self.assertIn(f"{address}: ", judged)
            bad = [
                each
                for each in re.findall(r"\* (\w+: .*)", judged)
                if not any(re.fullmatch(known, each) for known in _SSLYZE_STAYS)
            ]
            self.assertEqual(bad, [], f"way {way.name}")
