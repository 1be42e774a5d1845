"""L{pop3svc.throttlestate}, L{pop3svc.auth.throttlememory}: over a restart."""

from __future__ import annotations

import json
import os
import stat
import time
from pathlib import Path
from typing import Any, cast

from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from pop3svc.auth.attempts import Verdict
from pop3svc.auth.throttle import Throttle
from pop3svc.auth.throttlememory import Memory, remember
from pop3svc.limits import Limits
from pop3svc.options import Options
from pop3svc.service import makeService
from pop3svc.serving import POP3Service
from pop3svc.throttlestate import ThrottleState

from .support import RecordingAudit

HOME, ATTACKER = "192.0.2.7", "2001:db8::/64"
WALL = 1_800_000_000.0
LIMITS = Limits(banFailures=9, throttleEntries=50)


def attempt(
    throttle: Throttle,
    network: str,
    verdict: Verdict,
    now: float = 1000.0,
    times: int = 1,
    user: bytes = b"k\xe4rl",
) -> None:
    for _ in range(times):
        throttle.leave(now, throttle.enter(now, network, user, None), verdict)


def known(limits: Limits = LIMITS) -> Throttle:
    """One that has seen something by the second 1000."""
    throttle = Throttle(limits)
    attempt(throttle, HOME, Verdict.RIGHT)
    attempt(throttle, HOME, Verdict.WRONG, times=4, user=b"joe")
    attempt(throttle, ATTACKER, Verdict.WRONG, times=9)
    return throttle


def restarted(throttle: Throttle, after: float, limits: Limits = LIMITS) -> Throttle:
    """In a process whose clock begins anew."""
    octets = Memory(throttle, 1000.0, WALL).octets()
    fresh = Throttle(limits)
    remember(fresh, octets, 5.0, WALL + after)
    return fresh


class MemoryTests(TestCase):
    def test_kept(self) -> None:
        """Debts, which have halved meanwhile; trust; bans."""
        fresh = restarted(known(), 120)
        debt = fresh.networks.touch(HOME, 9).debt
        self.assertAlmostEqual(debt.owed(5.0, 120), 2)
        self.assertAlmostEqual(fresh.users.touch(b"k\xe4rl", 9).owed(5.0, 120), 4.5)
        self.assertEqual(fresh.enter(5.0, ATTACKER, b"x", None).refused, "banned")
        self.assertTrue(fresh.enter(5.0, HOME, b"k\xe4rl", None).early)
        self.assertFalse(fresh.enter(5.0, HOME, b"joe", None).early)

    def test_end(self) -> None:
        """What has ended while the service was down is over."""
        fresh = restarted(known(), LIMITS.banSeconds)
        self.assertIsNone(fresh.enter(5.0, ATTACKER, b"x", None).refused)
        fresh = restarted(known(), LIMITS.trustedSeconds)
        self.assertFalse(fresh.enter(5.0, HOME, b"k\xe4rl", None).early)

    def test_strikes(self) -> None:
        """They go on counting."""
        throttle = Throttle(LIMITS)
        attempt(throttle, ATTACKER, Verdict.WRONG, times=8)
        fresh = restarted(throttle, 60)
        ticket = fresh.enter(5.0, ATTACKER, b"x", None)
        self.assertTrue(fresh.leave(5.0, ticket, Verdict.WRONG))

    def test_clockSetBack(self) -> None:
        fresh = restarted(known(), -3600)
        debt = fresh.networks.touch(HOME, 9).debt
        self.assertAlmostEqual(debt.owed(5.0, 120), 4)

    def test_onlyWhatCounts(self) -> None:
        """The file does not grow with what is forgotten."""
        throttle = known()
        octets = Memory(throttle, 1000.0 + 10**6, WALL).octets()
        self.assertEqual(octets, b"[1, 1800000000.0]\n")

    def test_noSecret(self) -> None:
        """Nothing made of a password is in it."""
        throttle = Throttle(LIMITS)
        ticket = throttle.enter(1.0, HOME, b"karl", b"digest of a password")
        throttle.leave(1.0, ticket, Verdict.WRONG)
        self.assertNotIn(b"digest", Memory(throttle, 1.0, WALL).octets())

    def test_bounded(self) -> None:
        """The youngest are kept, as many as may be now."""
        throttle = Throttle(LIMITS)
        for number in range(40):
            attempt(throttle, f"network {number}", Verdict.WRONG, user=b"user%d" % number)
        fresh = restarted(throttle, 1, Limits(throttleEntries=10))
        self.assertEqual((len(fresh.networks), len(fresh.users)), (10, 10))
        self.assertIsNotNone(fresh.networks.get("network 39"))

    def test_broken(self) -> None:
        """Whatever stands in the file, it is refused whole."""
        good = Memory(known(), 1000.0, WALL).octets()
        lines: list[Any] = [None, 7, "x", {}, [], ["network"], ["network", "x", 1]]
        values: list[Any] = ["y", None, True, -1, []]
        lines += [["network", "x", 1, 1, 1, value] for value in values]
        lines += [["network", 1, 1, 1, 1, 1], ["user", "x"], ["user", "x", -1]]
        lines += [["user", "\u20ac", 1], ["user", "x", float("inf")], ["user", "x", float("nan")]]
        lines += [["trusted", "x", 1, 1], ["trusted", "x", "y"], ["trusted", "x", "y", []]]
        broken = [good + json.dumps(each).encode() for each in lines]
        broken += [good + b"\n\n", good + b"\xff", good[:-3], good + b"[" * 100_000]
        firsts: list[Any] = [[], [0, 1], [2, 1], [1], [1, "x"], [1, None], [1, -1], {}, None, 7]
        broken += [json.dumps(each).encode() + b"\n" for each in firsts]
        broken += [b"", b"{", b"\xff", b"\n"]
        for octets in broken:
            throttle = Throttle(LIMITS)
            self.assertRaises(ValueError, remember, throttle, octets, 5.0, WALL)
            tables = (throttle.networks, throttle.users, throttle.trusted)
            self.assertEqual([len(each) for each in tables], [0, 0, 0], octets[:200])


class StateTests(TestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.path = self.directory / "throttle"
        self.clock = Clock()
        self.audit = RecordingAudit()

    def state(self, throttle: Throttle) -> ThrottleState:
        return ThrottleState(str(self.path), throttle, self.audit, self.clock, lambda: WALL)

    def failures(self) -> list[str]:
        return [each["text"] for each in self.audit.events("throttle-state-failed")]

    async def test_restart(self) -> None:
        """A first start without a file is nothing to tell."""
        throttle = Throttle(LIMITS)
        state = self.state(throttle)
        attempt(throttle, HOME, Verdict.WRONG, times=4)
        await state.save()
        again = Throttle(LIMITS)
        self.state(again)
        self.assertIsNotNone(again.networks.get(HOME))
        self.assertEqual(self.failures(), [])

    async def test_mode(self) -> None:
        """For nobody else, whatever the umask; and nothing is left beside it."""
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        throttle = Throttle(LIMITS)
        state = self.state(throttle)
        attempt(throttle, HOME, Verdict.WRONG)
        # Somebody was killed while writing.
        (self.directory / "throttle.new").write_bytes(b"half of it")
        await state.save()
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
        self.assertEqual([each.name for each in self.directory.iterdir()], ["throttle"])

    async def test_onlyNews(self) -> None:
        """Nothing is written when nothing has happened."""
        throttle = Throttle(LIMITS)
        state = self.state(throttle)
        await state.save()
        self.assertFalse(self.path.exists())

    async def test_broken(self) -> None:
        """One line, and a fresh start; the next write mends it."""
        for contents in (b"", b"nonsense"):
            self.audit.records.clear()
            self.path.write_bytes(contents)
            throttle = Throttle(LIMITS)
            state = self.state(throttle)
            self.assertEqual(len(self.failures()), 1)
            self.assertIn(str(self.path), self.failures()[0])
            attempt(throttle, HOME, Verdict.WRONG)
            await state.save()
            self.assertTrue(self.path.read_bytes().startswith(b"[1, 1800000000.0]\n"))

    def test_noFile(self) -> None:
        """A directory, a FIFO, a link to a file of others."""
        os.mkdir(self.path)
        self.state(Throttle(LIMITS))
        os.rmdir(self.path)
        os.mkfifo(self.path)
        self.state(Throttle(LIMITS))
        os.unlink(self.path)
        os.symlink("/etc/passwd", self.path)
        self.state(Throttle(LIMITS))
        self.assertEqual(len(self.failures()), 3)

    async def test_cannotWrite(self) -> None:
        """One line, however often; and all is written when it can be again."""
        throttle = Throttle(LIMITS)
        state = self.state(throttle)
        self.directory.rename(self.directory.with_name("elsewhere"))
        for _ in range(3):
            attempt(throttle, HOME, Verdict.WRONG)
            await state.save()
        text = f"cannot write {self.path}: No such file or directory"
        self.assertEqual(self.failures(), [text])
        self.directory.with_name("elsewhere").rename(self.directory)
        await state.save()
        self.assertTrue(self.path.exists())

    def test_throttleSaveSeconds(self) -> None:
        """So often, while the service runs."""
        saves: list[float] = []
        state = self.state(Throttle(Limits(throttleSaveSeconds=7)))
        self.patch(state, "save", lambda: saves.append(self.clock.seconds()))
        state.startService()
        self.clock.pump([1] * 15)
        self.assertEqual(saves, [7, 14])
        state.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class ServiceTests(TestCase):
    """The options, and who shares what."""

    def service(self, *words: str) -> POP3Service:
        options = Options()
        options.parseOptions(
            [
                *("--pop3", "tcp:0:interface=127.0.0.1", "--pop3", "tcp:0"),
                *("--auth", "memory:karl:secret", "--maildrop", "memory:", *words),
            ]
        )
        return cast(POP3Service, makeService(options))

    def test_shared(self) -> None:
        """Another listener is no new budget; and a reload reaches it."""
        service = self.service("--limit", "penalty-seconds-most=7")
        first, second = (each.doorkeeper for each in service.factories)
        self.assertIs(first, second)
        self.assertEqual(first.throttle.limits.penaltySecondsMost, 7)
        service.useLimits(Limits(penaltySecondsMost=3))
        self.assertEqual(first.throttle.limits.penaltySecondsMost, 3)
        self.assertIsNone(service.throttleState)

    async def test_restart(self) -> None:
        """The last is written when the service has ended."""
        path = self.mktemp()
        service = self.service("--throttle-state", path)
        attempt(service.factories[0].doorkeeper.throttle, HOME, Verdict.WRONG, time.time(), 4)
        await service.stopService()
        again = self.service("--throttle-state", path).factories[0].doorkeeper
        self.assertGreater(again.throttle.enter(time.time(), HOME, b"x", None).delay, 1)

    def test_broken(self) -> None:
        """No reason not to start."""
        path = Path(self.mktemp())
        path.write_bytes(b"nonsense")
        service = self.service("--throttle-state", str(path))
        self.assertEqual(len(service.factories[0].doorkeeper.throttle.networks), 0)
