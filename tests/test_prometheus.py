"""What Prometheus reads, read by its own library."""

from __future__ import annotations

from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as readOpenMetrics,
)
from prometheus_client.parser import text_string_to_metric_families as readText
from twisted.trial.unittest import TestCase

from pop3svc.monitoring.measures import MEASURES, PREFIX

from .monitored import Monitored

LABEL = 'tcp:110:interface="\\\n'


class ExpositionTests(TestCase):
    def setUp(self) -> None:
        self.web = Monitored()
        self.web.mail.factory.name = LABEL
        self.web.serveSomebody()

    def samples(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """Name and labels -> value."""
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in readText(self.web.get(b"/metrics").decode())
            for sample in family.samples
        }

    def test_values(self) -> None:
        """Those of one session with one message, one refusal, and one who is still there."""
        samples = self.samples()

        def value(name: str, **labels: str) -> float:
            return samples[PREFIX + name, frozenset(labels.items())]

        self.assertEqual(value("logins_total", mechanism="USER", tls="none"), 1)
        self.assertEqual(value("logins_refused_total", reason="wrong"), 1)
        self.assertEqual(value("connections", listener=LABEL), 1)
        self.assertEqual(value("connections_accepted_total", listener=LABEL), 2)
        self.assertEqual(value("sessions"), 0)
        self.assertEqual(value("sessions_ended_total", end="quit"), 1)
        self.assertEqual(value("retrieved_messages_total"), 1)
        self.assertEqual(value("retrieved_octets_total"), 120)
        self.assertEqual(value("deleted_messages_total"), 1)
        self.assertEqual(value("limit_used", limit="connections"), 1)
        self.assertEqual(value("limit_used", limit="logging-in-per-network"), 1)
        self.assertEqual(value("limit", limit="connections"), 2000)
        self.assertEqual(value("healthy"), 1)
        self.assertEqual(value("workers"), 1)

    def test_buckets(self) -> None:
        """Each holds those of the smaller ones, too."""
        buckets = sorted(
            (float(dict(labels)["le"]), value)
            for (name, labels), value in self.samples().items()
            if name == "pop3svc_login_duration_seconds_bucket"
        )
        self.assertEqual(len(buckets), 12)
        self.assertEqual([value for _, value in buckets], sorted(value for _, value in buckets))
        self.assertEqual(buckets[-1], (float("inf"), 2))

    def test_openMetrics(self) -> None:
        text = self.web.get(b"/metrics", b"Accept: application/openmetrics-text; version=1.0.0")
        self.assertTrue(self.web.headers["content-type"].startswith("application/openmetrics-text"))
        names = {family.name for family in readOpenMetrics(text.decode())}
        ours = {PREFIX + name.removesuffix("_total") for name in MEASURES}
        self.assertLessEqual(
            {each for each in names if each.startswith(PREFIX)} - {PREFIX + "build"}, ours
        )
        self.assertGreater(len(names & ours), 30)

    def test_oddAccept(self) -> None:
        """What the library cannot compare is no fault of ours, of which /healthz would tell."""
        openMetrics = b"application/openmetrics-text; version="
        for accept in (
            openMetrics + b"abc",
            openMetrics + b"2.x",
            b"text/plain;version=1..0",
            b"\xff",
        ):
            self.web.get(b"/metrics", b"Accept: " + accept)
            self.assertEqual((self.web.status, self.web.faults), (200, []), accept)

    def test_noUTF8(self) -> None:
        """A file's name may be any octets; they are shown, on the status page, too."""
        (pair,) = self.web.certificates.pairs
        pair.certificate = "caf\udce9.pem"
        labels = frozenset({("certificate", r"caf\udce9.pem")})
        self.assertIn((PREFIX + "certificate_expiry_timestamp_seconds", labels), self.samples())
        self.assertIn(rb">caf\udce9.pem<", self.web.get(b"/"))
        self.assertEqual((self.web.status, self.web.faults), (200, []))

    def test_process(self) -> None:
        self.assertGreater(self.samples()["process_resident_memory_bytes", frozenset()], 1e6)
