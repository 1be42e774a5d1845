"""
The directions of imports (the three sentences of the house), read from the source.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import TestCase

import pop3svc

ROOT = Path(pop3svc.__file__).parent

COMMON = {"account", "interfaces", "errors", "limits", "canonical", "snapshot", "pools", "hits"}
COMMON |= {"atonce", "startfiles", "servicekey"}

# Which rooms of ours a room may import; the longest name that fits decides.
RULES: dict[str, set[str]] = {
    "account": set(),
    "atonce": set(),
    "interfaces": {"limits", "snapshot"},
    "errors": set(),
    "limits": set(),
    "hits": set(),
    "canonical": set(),
    "snapshot": set(),
    "pools": set(),
    "admission": {"limits"},
    "refused": {"prompt"},
    "printable": set(),
    "startfiles": set(),
    "servicekey": set(),
    "accepting": {"operations.audit"},
    "draining": {"limits"},
    "keylines": set(),
    "config": {"errors", "factory", "keylines", "limits", "listeners", "tls"},
    # It sees what the service is made of, and never the service.
    "checking": COMMON
    | {"checking", "auth", "maildrops", "operations", "parts", "options", "listeners"}
    | {"certificates", "monitoring.access", "printable", "workers.parent"},
    # It makes nothing of the options: the service does, in each process.
    "workers": COMMON
    | {"workers", "auth", "operations", "options", "listeners", "tls"}
    | {"admission", "factory", "peers", "serving"},
    # Limits of the whole service know nothing of processes.
    "workers.places": {"admission", "limits"},
    "workers.rooms": {"workers.link", "workers.places"},
    **dict.fromkeys(
        ("workers.attempts", "workers.doorcommands", "workers.turns"),
        {"workers.commands", "workers.doorcommands", "workers.link"}
        | {"auth.attempts", "auth.throttle", "auth.turnstile", "interfaces", "limits"},
    ),
    # The program itself, as twistd's plugin is for the parent.
    "workers.worker": {"workers", "operations", "errors", "service"},
    "core": {"core", "limits", "canonical"},
    "maildrops": COMMON | {"maildrops"},
    "migration": COMMON | {"migration", "maildrops"},
    "auth": COMMON | {"auth", "core.effects"},
    "certificates": {"errors", "startfiles"},
    "tls": {"certificates", "errors", "startfiles"},
    "operations": {"operations", "errors", "limits", "certificates", "tls", "peers"},
    "operations.floods": {"hits"},
    # What is shown knows nothing of the service, but for what takes the numbers in it.
    "monitoring": {"monitoring", "errors", "limits", "operations", "hits"},
    "monitoring.access": {"monitoring", "errors", "startfiles"},
    "monitoring.monitor": {"monitoring", "limits", "operations", "auth.shared"},
    "monitoring.page": {"monitoring", "certificates"},
    "monitoring.pages": {"monitoring", "listeners", "operations"},
    "monitoring.reached": {"pools"},
    **dict.fromkeys(
        ("monitoring.learning", "monitoring.sessions", "monitoring.taking"),
        COMMON | {"monitoring", "operations", "factory", "peers", "tls", "auth.throttle"},
    ),
    "tracing": {"tracing", "core", "errors", "limits", "operations", "hits"},
    # Those of others are for types alone.
    "tracing.traces": {
        "tracing",
        "errors",
        "limits",
        "operations",
        "connection",
        "factory",
        "hits",
    },
    "explaining": {"explaining", "errors", "operations.events", "operations.schema", "printable"},
}


def room(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported(path: Path) -> Iterator[str]:
    """Each room of ours, or outside package, that a file imports."""
    package = ["pop3svc", *path.relative_to(ROOT).parent.parts]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                whole = f"{module}.{alias.name}"
                isModule = (ROOT.parent / (whole.replace(".", "/") + ".py")).exists()
                yield whole if isModule else module


class ImportTests(TestCase):
    def test_directions(self) -> None:
        broken = []
        for path in ROOT.rglob("*.py"):
            here = room(path)
            fits = [name for name in RULES if here == name or here.startswith(name + ".")]
            if not fits:
                continue
            allowed = RULES[max(fits, key=len)]
            for name in imported(path):
                if not name.startswith("pop3svc."):
                    continue
                there = name.removeprefix("pop3svc.")
                if not any(there == each or there.startswith(each + ".") for each in allowed):
                    broken.append(f"{here} imports {there}; it may import {sorted(allowed)}")
        self.assertEqual(broken, [])

    def test_coreNeverLooksOut(self) -> None:
        """No Twisted, no clock, no file, no socket, no chance."""
        banned = {"twisted", "zope", "time", "datetime", "os", "io", "pathlib", "socket", "random"}
        banned |= {"secrets", "OpenSSL", "cryptography", "threading"}
        for path in (ROOT / "core").rglob("*.py"):
            outside = {name.partition(".")[0] for name in imported(path)}
            self.assertEqual(outside & banned, set(), path.name)

    def test_theThrottleIsPure(self) -> None:
        """Time is an argument there: hours are tested in no time."""
        for name in ("debts", "attempts", "throttle", "throttlememory"):
            outside = {each.partition(".")[0] for each in imported(ROOT / f"auth/{name}.py")}
            self.assertEqual(outside & {"twisted", "time", "os", "secrets"}, set(), name)

    def test_onlyTheServiceSeesEverybody(self) -> None:
        for path in ROOT.rglob("*.py"):
            if room(path) not in ("service", "workers.worker"):
                self.assertNotIn("pop3svc.service", set(imported(path)), path.name)

    def test_noPackageShadowsTwisted(self) -> None:
        for folder in ("twisted", "twisted/plugins"):
            self.assertFalse((ROOT.parent / folder / "__init__.py").exists())
