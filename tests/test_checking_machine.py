"""L{pop3svc.checking.machine}: what there is, beside what the limits allow."""

from configparser import ConfigParser
from unittest import mock

from twisted.trial.unittest import TestCase

from pop3svc.checking import machine
from pop3svc.checking.findings import Section
from pop3svc.checking.machine import checkLibraries, checkLimits
from pop3svc.limits import Limits

from .checks import facts, warnings
from .running import ROOT


class MachineTests(TestCase):
    def check(self, limits: Limits, descriptors: int = 8192, memory: int = 1 << 40) -> Section:
        section = Section("What it may use")
        with (
            mock.patch.object(machine, "possibleDescriptors", lambda: descriptors),
            mock.patch.object(machine, "_memory", lambda: memory),
        ):
            checkLimits(section, limits)
        return section

    def test_enough(self) -> None:
        section = self.check(Limits(idleSeconds=900))
        self.assertEqual(
            facts(section)[:2],
            [
                "limits other than the default: idle-seconds=900",
                "8,192 file descriptors, which is enough for 2,000 connections",
            ],
        )
        self.assertEqual(warnings(section), [])
        self.assertEqual(facts(self.check(Limits()))[0], "limits other than the default: none")

    def test_tooFew(self) -> None:
        [sentence] = warnings(self.check(Limits(), descriptors=1024))
        self.assertIn("2000 connections need 6100 file descriptors, and 1024 are allowed", sentence)

    def test_memory(self) -> None:
        """2,000 times 256 KiB, twice argon2's 64 MiB, listings, and the rest."""
        section = self.check(Limits(), memory=720 << 20)
        self.assertIn(
            "at the very most 720 MiB of memory: 500 MiB if all of 2,000", facts(section)[2]
        )
        self.assertEqual(warnings(section), [])
        self.assertEqual(
            warnings(self.check(Limits(), memory=719 << 20)),
            ["there are 719 MiB of memory; have more, or set the limit connections lower"],
        )

    def test_memoryOfThisMachine(self) -> None:
        self.assertGreater(machine._memory(), 1 << 20)

    def test_allExtras(self) -> None:
        """Those of users, whoever adds one."""
        extras = ConfigParser(interpolation=None)
        extras.read(ROOT / "setup.cfg")
        users = set(extras["options.extras_require"]) - {"test", "lint", "docs"}
        self.assertEqual(
            set(machine._EXTRAS),
            users,
            "an extra was added or removed: change _EXTRAS of pop3svc/checking/machine.py",
        )

    def test_libraries(self) -> None:
        section = Section("What it may use")
        with mock.patch.object(
            machine, "find_spec", lambda name: None if name in ("ldap", "bcrypt") else name
        ):
            checkLibraries(section)
        installed, others = facts(section)
        self.assertIn("precis", installed)
        self.assertNotIn("passwd", installed)
        self.assertEqual(others, "not installed: passwd, ldap (pip install 'pop3svc[NAME]')")

    def test_workers(self) -> None:
        """They share out hashes, listings and connections; each is a process of its own."""
        section = Section("What it may use")
        with mock.patch("os.sched_getaffinity", lambda pid: {0, 1}):
            checkLimits(section, Limits(), 4)
            self.assertEqual(facts(section)[0], "4 processes share the work; there are 2 cores")
            self.assertIn("at the very most 960 MiB of memory: 500 MiB if all", facts(section)[3])
            checkLimits(section, Limits(), 5)
        self.assertEqual(
            warnings(section)[-1], "more processes than 4 only cost memory here; set workers lower"
        )
