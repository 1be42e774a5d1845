"""C{etc/pop3svc/pop3svc.toml}: complete, valid, and equal to the defaults."""

import tomllib
from pathlib import Path

from twisted.trial.unittest import TestCase

from pop3svc.options import Options
from pop3svc.parts import allListeners, missing

from .sampleconfig import SAMPLE, examples, inForce, limitsTable, tableIn

TEXT = SAMPLE.read_text("utf-8")
# What a configuration file has besides options.
TABLES = {"limits", "listener"}


def parsed(*words: str) -> Options:
    options = Options()
    options.parseOptions(words)
    return options


def optionNames() -> set[str]:
    """All long options that a configuration file may have."""
    names = {each.rstrip("=") for each in Options().longOpt}
    return {
        each
        for each in names
        if each not in ("config", "version", "limit") and not each.startswith("help")
    }


class SampleTests(TestCase):
    def withText(self, text: str) -> Options:
        path = self.mktemp()
        Path(path).write_text(text)
        return parsed("--config", path)

    def test_isTheDefault(self) -> None:
        """What it says is what holds without it."""
        options, default = self.withText(TEXT), parsed()
        options["config"] = None
        self.assertEqual(dict(options), dict(default))
        self.assertEqual(options.given | {"limit": []}, default.given)
        self.assertEqual(options.limits, default.limits)
        self.assertEqual(options.listeners, [])

    def test_limits(self) -> None:
        self.assertEqual(
            tableIn(TEXT),
            limitsTable(),
            "a limit was added or changed: run python -m tests.sampleconfig",
        )

    def test_complete(self) -> None:
        """Every option, in force if it has a default, and commented out if it has none."""
        live = set(tomllib.loads(TEXT)) - TABLES
        commented = [name for name, _ in examples(TEXT) if name not in TABLES]
        self.assertEqual(
            live | set(commented),
            optionNames(),
            "an option was added or removed: write it into etc/pop3svc/pop3svc.toml, with its"
            " default, or behind a # if there is none",
        )
        self.assertEqual(len(commented), len(set(commented)))
        default = parsed()
        having = {name for name in optionNames() if default.get(name) is not None}
        self.assertEqual(live, having)

    def test_examples(self) -> None:
        """Each can be put in force, alone and with all others."""
        default = parsed()
        for name, text in examples(TEXT):
            options = self.withText(text)
            if name == "listener":
                self.assertEqual(len(options.listeners), 1)
            elif name in options.given:
                self.assertNotEqual(options.given[name], default.given[name], name)
            else:
                self.assertNotEqual(options[name], default[name], name)
        everything = self.withText(inForce(TEXT))
        self.assertEqual(list(missing(everything)), [])
        self.assertEqual(
            [(each.endpoint, each.tls) for each in allListeners(everything)],
            [
                ("tcp:110", "stls"),
                ("tcp:995", "implicit"),
                ("tcp:1995:interface=192.0.2.1", "implicit"),
                ("tcp:1110:interface=127.0.0.1", "none"),
            ],
        )

    def test_readable(self) -> None:
        """In an editor of any kind."""
        self.assertTrue(TEXT.isascii())
        self.assertEqual([line for line in TEXT.splitlines() if len(line) > 88], [])
