"""
The table of measures: that it is what is measured, and what the documents and the
dashboard say; and that each limit is counted somewhere, once.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import fields
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

import pop3svc
from pop3svc.limits import Limits
from pop3svc.monitoring.measures import MEASURES, PREFIX, describe
from pop3svc.monitoring.reached import BY_EVENTS, BY_HITS, BY_POOLS, NEVER, reached
from pop3svc.operations.events import EVENTS
from pop3svc.pools import Pool

from .monitored import Monitored

PACKAGE = Path(pop3svc.__file__).parent
ROOT = PACKAGE.parent


def sources() -> str:
    """All of the program's text."""
    return "\n".join(each.read_text() for each in PACKAGE.rglob("*.py"))


class MeasuresTests(TestCase):
    def test_allAreTaken(self) -> None:
        """Each is shown by a service that has served, and nothing else is."""
        monitored = Monitored()
        monitored.serveSomebody()
        monitored.get(b"/")
        text = monitored.get(b"/metrics").decode()
        shown = set(re.findall(rf"^# TYPE {PREFIX}(\S+) ", text, re.MULTILINE))
        # Of a TLS handshake nothing is known in memory.
        self.assertEqual(shown | {"tls_handshakes_total"}, set(MEASURES))

    def test_names(self) -> None:
        """Conventions of Prometheus that its own promtool does not look at."""
        for name, each in MEASURES.items():
            self.assertEqual(name.endswith("_total"), each.kind == "counter", name)
            self.assertEqual(each.kind == "histogram", bool(each.bounds), name)
            self.assertTrue(each.text.endswith("."), name)
            self.assertTrue(set(each.labels).isdisjoint({"user", "peer", "network", "pid"}), name)

    def test_documents(self) -> None:
        self.assertTrue((ROOT / "docs/metrics.rst").read_text().endswith(describe() + "\n"))

    def test_dashboard(self) -> None:
        """Each metric that it asks for exists, each label of ours, and each panel asks."""
        dashboard = json.loads((ROOT / "etc/grafana/pop3svc.json").read_text())
        panels = [each for each in dashboard["panels"] if each["type"] != "row"]
        self.assertEqual(
            len({each["id"] for each in dashboard["panels"]}), len(dashboard["panels"])
        )
        asked = set()
        for panel in panels:
            self.assertTrue(panel["targets"], panel["title"])
            for target in panel["targets"]:
                names = re.findall(rf"\b{PREFIX}(\w+)", target["expr"])
                self.assertTrue(names, panel["title"])
                asked |= {re.sub("_(bucket|sum|count)$", "", name) for name in names}
                for labels in re.findall(r"by \(([^)]*)\)", target["expr"]):
                    known = {label for name in names for label in self.labelsOf(name)}
                    self.assertLessEqual(set(labels.split(", ")), known | {"le"}, panel["title"])
        self.assertLessEqual(asked, set(MEASURES))

    def labelsOf(self, name: str) -> tuple[str, ...]:
        return MEASURES[re.sub("_(bucket|sum|count)$", "", name)].labels

    def test_alerts(self) -> None:
        """Those of the document ask for metrics that exist."""
        text = (ROOT / "docs/monitoring.rst").read_text()
        names = set(re.findall(rf"\b{PREFIX}(\w+)", text))
        names = {re.sub("_(bucket|sum|count)$", "", name) for name in names}
        self.assertLessEqual(names, set(MEASURES))
        self.assertGreater(len(names), 8)


class ReachedTests(TestCase):
    def test_everyLimit(self) -> None:
        """Each stands in one table; only a queue may be full in two ways."""
        tables = Counter([*BY_EVENTS, *BY_POOLS, *BY_HITS, *NEVER])
        self.assertEqual(set(tables), {each.name for each in fields(Limits)})
        self.assertEqual([name for name, count in tables.items() if count > 1], ["checkerQueue"])

    def test_events(self) -> None:
        """The classes are those that the audit log has."""
        classes = {
            f"{name}/{reason}" for name, each in EVENTS.items() for reason in each.reasons
        } | set(EVENTS)
        for counted in BY_EVENTS.values():
            self.assertLessEqual(set(counted), classes)

    def test_hits(self) -> None:
        """Each is counted in the program, and nothing else is."""
        called = re.findall(r"\bhit\(\"(\w+)\"\)", sources())
        called += re.findall(r"_lineLimit = \"(\w+)\" if isCommand else \"(\w+)\"", sources())[0]
        self.assertEqual(set(called), BY_HITS)

    def test_pools(self) -> None:
        made = set(re.findall(r"\bPool\(\s*\"([^\"]+)\"", sources()))
        self.assertLessEqual({name for names in BY_POOLS.values() for name in names}, made)

    def test_sums(self) -> None:
        """Of events, of hits, and of pools, of which several have one name."""
        pools = [Pool("directory", 1, 0), Pool("directory", 1, 0), Pool("other", 1, 0)]
        for pool, count in zip(pools, (2, 3, 50), strict=True):
            pool.refused = count
        counts = {"connection-refused/connections": 5, "connection-refused/crowded-out": 6}
        found = reached(counts, {"checkerQueue": 100, "closeSeconds": 7}, pools)
        self.assertEqual(
            {name: count for name, count in found.items() if count},
            {"connections": 11, "checkerQueue": 105, "closeSeconds": 7},
        )

    def test_poolsCount(self) -> None:
        pool = Pool("full", 1, 0)
        pool.pending = 1
        self.failureResultOf(pool.run(Clock))
        self.assertEqual(pool.refused, 1)
