"""
L{pop3svc.workers.attempts} and L{pop3svc.workers.turns}: several workers, one door.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from pop3svc.auth.attempts import Ticket, Verdict
from pop3svc.auth.throttle import Throttle
from pop3svc.auth.turnstile import AnyTurnstile, Turnstile
from pop3svc.core.effects import PasswordClaim
from pop3svc.doorkeeper import Doorkeeper
from pop3svc.limits import Limits
from pop3svc.operations.audit import Subject
from pop3svc.workers import attempts, turns
from pop3svc.workers.attempts import Published, SharedTurnstile

from .sharing import Crew
from .support import RecordingAudit

HOME, ATTACKER = "192.0.2.7", "198.51.100.1"
RIGHT, WRONG, UNKNOWN = Verdict.RIGHT, Verdict.WRONG, Verdict.UNKNOWN
HOUR = 3600.0


class CrewTestCase(TestCase):
    def setUp(self) -> None:
        self.hire(Limits())

    def hire(self, limits: Limits, workers: int = 3) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.crew = Crew(self.clock, limits, workers)
        self.doors = self.crew.doors

    def enter(
        self, door: int, network: str = HOME, name: bytes = b"karl", secret: bytes | None = None
    ) -> Ticket:
        entered = self.doors[door].enter(network, name, secret)
        self.crew.links.settle()
        return self.successResultOf(entered)

    def leave(self, door: int, ticket: Ticket, verdict: Verdict, hurried: bool = False) -> bool:
        left = self.doors[door].leave(ticket, verdict, hurried)
        self.crew.links.settle()
        return self.successResultOf(left)

    def attempt(self, door: int, verdict: Verdict, *who: Any) -> Ticket:
        """Nobody waits for its turn."""
        ticket = self.enter(door, *who)
        self.leave(door, ticket, verdict)
        self.crew.advance(0.1)
        return ticket

    def asked(self) -> list[int]:
        return [each.asked for each in self.doors]

    def debt(self, network: str = HOME) -> float:
        here = self.crew.throttle.networks.get(network)
        return round(here.debt.owed(self.clock.seconds(), 120), 1) if here else 0.0


class PassingTests(CrewTestCase):
    """An ordinary login asks nobody."""

    def test_asksNobody(self) -> None:
        for number in range(30):
            ticket = self.enter(number % 3, HOME, b"user%d" % number)
            self.assertEqual((ticket.early, ticket.refused, ticket.delay), (False, None, 0.0))
            self.assertEqual(self.successResultOf(self.doors[number % 3].turn(ticket)), True)
            self.leave(number % 3, ticket, RIGHT)
        self.assertEqual(self.asked(), [0, 0, 0])
        self.assertEqual([each.passed for each in self.doors], [10, 10, 10])

    def test_attemptsAtOnce(self) -> None:
        """All workers together as many as one process; one is the least."""
        for workers, most in ((1, 4), (2, 2), (3, 1), (4, 1), (9, 1)):
            self.hire(Limits(), workers)
            tickets = [self.enter(0, HOME) for _ in range(most)]
            self.assertEqual(self.doors[0].asked, 0)
            self.enter(0, ATTACKER)
            self.enter(0, HOME)
            self.assertEqual(self.doors[0].asked, 1, workers)
            self.leave(0, tickets[0], UNKNOWN)
            self.enter(0, HOME)
            self.assertEqual(self.doors[0].asked, 1)

    def test_beyond(self) -> None:
        """The parent lets pass as many again, and the others wait there."""
        tickets = [self.enter(0) for _ in range(6)]
        waiting = [self.doors[0].turn(each) for each in tickets]
        self.assertEqual([each.called for each in waiting], [True] * 5 + [False])
        self.leave(0, tickets[3], RIGHT)
        self.assertEqual(self.successResultOf(waiting[5]), True)

    def test_report(self) -> None:
        """The parent knows within a tenth of a second who is in."""
        for _ in range(3):
            self.leave(0, self.enter(0), RIGHT)
        self.leave(0, self.enter(0, HOME, b"\xff\r\0"), RIGHT)
        trusted = self.crew.throttle.trusted
        self.crew.advance(0.09)
        self.assertEqual(len(trusted), 0)
        self.crew.advance(0.01)
        self.assertTrue(trusted.get((b"karl", HOME)) and trusted.get((b"\xff\r\0", HOME)))
        self.assertEqual((len(trusted), self.crew.throttle.changes), (2, 2))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_reportNow(self) -> None:
        """Before the worker ends, and before anything that hangs on it."""
        self.leave(0, self.enter(0), RIGHT)
        reported = self.doors[0].report()
        self.assertNoResult(reported)
        self.crew.links.settle()
        self.successResultOf(reported)
        self.assertEqual(len(self.crew.throttle.trusted), 1)
        self.successResultOf(self.doors[0].report())
        self.attempt(1, WRONG, ATTACKER, b"joe")
        self.leave(0, self.enter(0, ATTACKER + "1"), RIGHT)
        self.enter(0, ATTACKER)
        self.assertEqual(len(self.crew.throttle.trusted), 2)

    def test_order(self) -> None:
        """What was wrong after a success is not taken back by it."""
        self.leave(0, self.enter(0), RIGHT)
        self.attempt(0, WRONG)
        self.assertEqual(self.debt(), 1.0)


class GuessingTests(CrewTestCase):
    def test_knownEverywhere(self) -> None:
        """Before the guesser is told, the others have been."""
        ticket = self.enter(0)
        left = self.doors[0].leave(ticket, WRONG)
        self.assertNoResult(left)
        # The worker itself knows at once.
        self.doors[0].enter(HOME, b"karl", None)
        self.assertEqual(self.asked(), [1, 0, 0])
        self.crew.links.settle()
        self.assertEqual(self.successResultOf(left), False)
        for door in (1, 2):
            self.assertEqual(self.enter(door).delay > 0, True)
            self.enter(door, ATTACKER)
        self.assertEqual(self.asked(), [1, 1, 1])

    def test_turn(self) -> None:
        """One line for all workers."""
        self.attempt(0, WRONG)
        tickets = [self.enter(door, HOME, b"%d" % door) for door in range(3)]
        waiting = [door.turn(each) for door, each in zip(self.doors, tickets, strict=True)]
        self.assertEqual([round(each.delay, 1) for each in tickets], [0.9, 2.9, 6.9])
        came: list[tuple[int, float]] = []

        def note(_: bool, door: int) -> None:
            came.append((door, self.clock.seconds()))

        for door, each in enumerate(waiting):
            each.addCallback(note, door)
        began = self.clock.seconds() - 0.1
        for door in range(3):
            while len(came) <= door:
                self.crew.advance(0.125)
            self.leave(door, tickets[door], WRONG)
        self.assertEqual([door for door, _ in came], [0, 1, 2])
        self.assertEqual([round(when - began) for _, when in came], [1, 3, 7])

    def test_forgotten(self) -> None:
        """After that time the worker asks nobody, and the parent would say the same."""
        self.attempt(0, WRONG)
        self.crew.advance(119.8)
        self.leave(1, self.enter(1), UNKNOWN)
        self.crew.advance(0.2)
        self.leave(1, self.enter(1), UNKNOWN)
        self.assertEqual(self.asked(), [0, 1, 0])
        self.assertEqual(len(self.doors[1]._networks), 0)
        self.assertEqual(self.crew.throttle.enter(self.clock.seconds(), HOME, b"", None).delay, 0)

    def test_forgiven(self) -> None:
        """The right password takes it back in all workers."""
        self.attempt(0, WRONG)
        self.attempt(1, RIGHT)
        self.attempt(2, RIGHT)
        self.attempt(0, RIGHT)
        self.assertEqual(self.asked(), [0, 1, 0])

    def test_sameSecret(self) -> None:
        """The same mistake in several workers is one."""
        audit = RecordingAudit()
        keepers = [Doorkeeper(Limits(), self.clock, audit, door) for door in self.doors]
        claim = PasswordClaim("PLAIN", b"karl", b"wrong")
        for door, keeper in enumerate(keepers):
            self.attempt(door, WRONG, HOME, b"karl", keeper.digest(claim))
        self.assertEqual(self.debt(), 1.0)
        self.attempt(0, WRONG, HOME, b"karl", keepers[0].digest(replace(claim, password=b"2")))
        self.assertEqual(self.debt(), 2.0)

    def test_hurried(self) -> None:
        """Whoever hangs up before the turn gains nothing by the same password."""
        self.attempt(0, WRONG, HOME, b"karl", b"secret")
        ticket = self.enter(1, HOME, b"karl", b"secret")
        turn = self.doors[1].turn(ticket)
        self.leave(1, ticket, WRONG, hurried=True)
        self.assertEqual(self.successResultOf(turn), False)
        self.assertEqual(self.debt(), 2.0)

    def test_owner(self) -> None:
        """Trusted in one worker, trusted in all; and elsewhere not delayed at all."""
        self.attempt(0, RIGHT)
        for number in range(9):
            self.attempt(number % 3, WRONG, HOME, b"walter%d" % number)
        for door in range(3):
            ticket = self.enter(door)
            self.assertEqual(ticket.early, True)
            self.leave(door, ticket, RIGHT)
            self.assertEqual(self.enter(door, ATTACKER).delay, 0)

    def test_attacked(self) -> None:
        """From everywhere; other users of a clean network are let pass."""
        for number in range(9):
            self.attempt(number % 3, WRONG, f"198.51.100.{number}", b"Karl")
        asked = self.asked()
        self.enter(0, HOME, b"walter")
        self.assertEqual(self.asked(), asked)
        first, second = self.enter(1, HOME, b"karl"), self.enter(1, HOME, b"KARL")
        self.assertEqual(self.asked()[1], asked[1] + 2)
        self.doors[1].turn(first)
        self.assertEqual([first.why, second.why, second.delay], ["user", "user", 2.0])

    def test_banned(self) -> None:
        self.hire(Limits(banFailures=3, forgetSeconds=1))
        banned = []
        for door in range(3):
            ticket = self.enter(door, HOME, b"%d" % door)
            banned.append(self.leave(door, ticket, WRONG))
            self.crew.advance(10)
        self.assertEqual(banned, [False, False, True])
        self.crew.advance(HOUR - 11)
        for door in range(3):
            ticket = self.enter(door)
            self.assertEqual((ticket.refused, ticket.why, ticket.delay), ("banned", "banned", 1))
            self.leave(door, ticket, UNKNOWN)
        self.crew.advance(1)
        asked = self.asked()
        self.assertEqual(self.enter(0).refused, None)
        self.assertEqual(self.asked(), asked)

    def test_crowded(self) -> None:
        self.attempt(0, WRONG)
        tickets = [self.enter(door % 3, HOME, b"%d" % door) for door in range(4)]
        self.assertEqual([each.refused for each in tickets], [None, None, None, "crowded"])

    def test_hungUpWhileAsking(self) -> None:
        """The peer goes before the parent has answered: it has no place in the line."""
        self.attempt(0, WRONG)
        keeper = Doorkeeper(Limits(), self.clock, RecordingAudit(), self.doors[1])
        knock = keeper.knock(Subject("1", HOME))
        login: Deferred[Any] = Deferred.fromCoroutine(
            knock.login(PasswordClaim("PLAIN", b"karl", b"secret"), self.fail)
        )
        knock.hangUp()
        self.assertNoResult(login)
        self.crew.links.settle()
        self.successResultOf(login)
        here = self.crew.throttle.networks.get(HOME)
        assert here is not None
        self.assertFalse(here.inUse)

    def test_longName(self) -> None:
        """A SASL line may be longer than anything that AMP takes."""
        for size in (255, 256, 80_000):
            name = b"K" * size
            network = str(size)
            self.attempt(0, WRONG, network, name)
            self.attempt(1, RIGHT, network, name)
            self.assertEqual(self.debt(network), 0)


class Guessers:
    """Many who guess side by side at a door, each next password when the last is refused."""

    def __init__(self, clock: Clock, door: AnyTurnstile, many: int, took: float) -> None:
        """@param took: how long a check takes."""
        self.checked: list[float] = []
        self._clock = clock
        self._door = door
        self._took = took
        self._number = 0
        for _ in range(many):
            Deferred.fromCoroutine(self._guess())

    async def _guess(self) -> None:
        while True:
            self._number += 1
            secret = b"%d %d" % (id(self), self._number)
            ticket = await self._door.enter(HOME, b"karl", secret)
            if ticket.refused:
                await self._sleep(ticket.delay)
                await self._door.leave(ticket, UNKNOWN)
                continue
            assert await self._door.turn(ticket)
            self.checked.append(self._clock.seconds())
            await self._sleep(self._took)
            await self._door.leave(ticket, WRONG)

    def _sleep(self, seconds: float) -> Deferred[None]:
        sleeping: Deferred[None] = Deferred()
        self._clock.callLater(seconds, sleeping.callback, None)
        return sleeping


class BudgetTests(CrewTestCase):
    def guesses(self, workers: int, took: float) -> tuple[int, int]:
        """@return: how many were checked in an hour by one process, and by workers."""
        clock = Clock()
        alone = Guessers(clock, Turnstile(Throttle(Limits()), clock), 12, took)
        while clock.seconds() < HOUR:
            clock.advance(0.5)
        self.hire(Limits(), workers)
        several = [Guessers(self.clock, door, 12 // workers, took) for door in self.doors]
        while self.clock.seconds() < 1000 + HOUR:
            self.crew.advance(0.5)
        return len(alone.checked), sum(len(each.checked) for each in several)

    def test_hour(self) -> None:
        """
        Not more than one process lets check, and C{attemptsAtOnce} besides, or one for each
        worker; those are the ones that go while nothing is known.
        """
        for workers, took in ((2, 4.0), (6, 0.5)):
            alone, several = self.guesses(workers, took)
            self.assertGreater(alone, 200)
            self.assertLessEqual(several, alone + max(4, workers))


class LossTests(CrewTestCase):
    """Processes that are gone, new, or hang."""

    def test_worker(self) -> None:
        """Its tickets go with it, and the line goes on."""
        self.attempt(0, WRONG)
        first, other = self.enter(0), self.enter(1)
        gone, waiting = self.doors[0].turn(first), self.doors[1].turn(other)
        self.crew.kill(0)
        self.assertEqual(self.successResultOf(gone), False)
        here = self.crew.throttle.networks.get(HOME)
        assert here is not None
        self.assertEqual(len(here.waiting), 1)
        self.crew.advance(1)
        self.assertEqual(self.successResultOf(waiting), True)
        self.leave(1, other, RIGHT)
        self.assertFalse(here.inUse)

    def test_whileChecking(self) -> None:
        """What it was about to check is taken for wrong for a while."""
        self.attempt(0, WRONG)
        self.enter(0)
        self.crew.advance(1)
        self.crew.kill(0)
        self.assertEqual(round(self.enter(1).delay, 1), 0.9)

    def test_replaced(self) -> None:
        """Whoever comes later knows what all know."""
        self.attempt(0, WRONG)
        for number in range(9):
            self.attempt(1, WRONG, f"198.51.100.{number}", b"walter")
        self.crew.kill(0)
        self.doors[0] = self.crew.hire(3)
        self.enter(0)
        self.enter(0, "203.0.113.7", b"walter")
        self.enter(0, "203.0.113.7")
        self.assertEqual(self.doors[0].asked, 2)

    def test_notJoined(self) -> None:
        """Before it knows that nobody passes."""
        door = SharedTurnstile(Limits(), self.clock, 3)
        pump = self.crew.links.make([self.crew.turns.part()], [door])
        self.assertEqual(self.successResultOf(door.enter(HOME, b"", None)).refused, "crowded")
        joined = door.join()
        self.assertEqual(self.successResultOf(door.enter(HOME, b"", None)).refused, "crowded")
        pump.flush()
        self.successResultOf(joined)
        self.assertEqual(self.successResultOf(door.enter(HOME, b"", None)).refused, None)

    def test_parent(self) -> None:
        """Without a parent nobody passes, and nobody waits for ever."""
        self.attempt(0, WRONG)
        door = self.doors[1]
        passing, waiting = self.enter(1, ATTACKER), self.enter(1)
        self.leave(1, self.enter(1, "203.0.113.7"), RIGHT)
        turn, entering = door.turn(waiting), door.enter(HOME, b"joe", None)
        self.crew.kill(1)
        self.assertEqual(self.successResultOf(turn), False)
        for each in (entering, door.enter(ATTACKER, b"", None)):
            ticket = self.successResultOf(each)
            self.assertEqual((ticket.refused, ticket.delay), ("crowded", 0))
            self.assertEqual(self.successResultOf(door.leave(ticket, UNKNOWN)), False)
        for ticket, verdict in ((passing, WRONG), (waiting, RIGHT)):
            self.assertEqual(self.successResultOf(door.leave(ticket, verdict)), False)
        self.successResultOf(door.report())
        self.assertEqual((door._passing, door._tickets, door._byNumber), ({}, {}, {}))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_parentHangs(self) -> None:
        """What it is asked does not pile up; when it goes on all goes on."""
        self.patch(attempts, "_UNANSWERED_MOST", 3)
        self.attempt(0, WRONG)
        door = self.doors[0]
        pending = [door.enter(HOME, b"", None) for _ in range(3)]
        self.assertEqual([each.called for each in pending], [False] * 3)
        for network in (HOME, ATTACKER):
            ticket = self.successResultOf(door.enter(network, b"", None))
            self.assertEqual(ticket.refused, "crowded")
        self.crew.links.settle()
        self.assertEqual([each.called for each in pending], [True] * 3)
        self.assertEqual(self.enter(0, ATTACKER).refused, None)

    def test_workerHangs(self) -> None:
        """What it is told does not pile up; when it goes on it is told all."""
        self.patch(turns, "_UNANSWERED_MOST", 2)
        hanging = self.crew.pumps[2]
        self.crew.links._pumps.remove(hanging)
        for number in range(5):
            self.attempt(0, WRONG, f"198.51.100.{number}", b"%d" % number)
        hanging.pump()
        self.assertEqual(len(self.doors[2]._networks), 2)
        hanging.flush()
        self.assertEqual(len(self.doors[2]._networks), 5)

    def test_leftOnTheWay(self) -> None:
        """Its turn comes while it leaves."""
        self.attempt(0, WRONG)
        ticket = self.enter(0)
        turn = self.doors[0].turn(ticket)
        left = self.doors[0].leave(ticket, UNKNOWN, hurried=True)
        self.clock.advance(1)
        self.crew.links.settle()
        self.assertEqual(self.successResultOf(turn), False)
        self.successResultOf(left)


class LimitTests(CrewTestCase):
    def test_useLimits(self) -> None:
        """New ones hold in the parent and in the workers."""
        self.attempt(0, WRONG)
        longer = Limits(forgetSeconds=240, attemptsAtOnce=6)
        self.crew.turns.useLimits(longer)
        self.crew.links.settle()
        self.assertIs(self.crew.throttle.limits, longer)
        self.crew.advance(230)
        self.enter(1)
        self.assertEqual(self.doors[1].asked, 1)
        self.doors[2].useLimits(longer)
        for _ in range(2):
            self.enter(2, ATTACKER)
        self.assertEqual(self.doors[2].asked, 0)

    def test_penaltySecondsMost(self) -> None:
        """Where nobody is delayed nobody is asked."""
        self.hire(Limits(penaltySecondsMost=0))
        for number in range(9):
            self.attempt(number % 3, WRONG)
        self.leave(0, self.enter(0), UNKNOWN)
        self.assertEqual(self.asked(), [0, 0, 0])

    def test_throttleEntries(self) -> None:
        """The oldest are forgotten first, on both sides."""
        published: Published[str] = Published()
        for number in range(5):
            published.tell(str(number), 10, 0, 3)
        published.tell("2", 11, 0, 3)
        published.tell("5", 10, 0, 3)
        held = [each for each in "012345" if published.holds(each, 9)]
        self.assertEqual((held, len(published)), (["2", "4", "5"], 3))
        self.assertEqual((published.holds("2", 11), len(published)), (False, 2))
        published.tell("4", 9, 9, 3)
        self.assertEqual(len(published), 1)
        self.hire(Limits(throttleEntries=3))
        for number in range(9):
            self.attempt(0, WRONG, f"198.51.100.{number}", b"%d" % number)
        self.assertEqual([len(each._networks) for each in self.doors], [3, 3, 3])
        self.assertLessEqual(len(self.crew.throttle.networks), 3)
