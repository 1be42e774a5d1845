"""L{pop3svc.auth.throttle}: who waits how long, for hours, in no time."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import TestCase

from pop3svc.auth.attempts import Ticket, Verdict
from pop3svc.auth.throttle import Throttle
from pop3svc.limits import Limits

RIGHT, WRONG, UNKNOWN = Verdict
HOME, ATTACKER = "192.0.2.7", "198.51.100.1"


class Door:
    """
    A throttle with a clock of its own, and people who wait as they are told.

    @ivar checks: when a password was checked, and from where; early ones too.
    """

    def __init__(self, **limits: int) -> None:
        self.now = 1000.0
        self.throttle = Throttle(Limits(**limits))
        self.checks: list[tuple[float, str]] = []
        self._secrets = 0

    def secret(self) -> bytes:
        """One that was never tried."""
        self._secrets += 1
        return b"secret %d" % self._secrets

    def knock(self, network: str, name: bytes = b"karl", secret: bytes | None = None) -> Ticket:
        ticket = self.throttle.enter(self.now, network, name, secret or self.secret())
        if ticket.early:
            self.checks.append((self.now, network))
        return ticket

    def ready(self, network: str) -> list[Ticket]:
        """Those whose turn is now; their passwords are being checked."""
        begun = []
        while (following := self.throttle.next(self.now, network)) and not following[0]:
            ticket = following[1]
            self.throttle.begin(self.now, ticket)
            if not ticket.early:
                self.checks.append((self.now, network))
            begun.append(ticket)
        return begun

    def leave(self, ticket: Ticket, verdict: Verdict, hurried: bool = False) -> bool:
        return self.throttle.leave(self.now, ticket, verdict, hurried)

    def tryOne(
        self,
        network: str,
        name: bytes = b"karl",
        verdict: Verdict = WRONG,
        secret: bytes | None = None,
    ) -> float:
        """
        One attempt from its beginning to its end.

        @return: how long it waited.
        """
        ticket, came = self.knock(network, name, secret), self.now
        if ticket.refused is None and not (ticket.early and verdict is RIGHT):
            while ticket not in self.ready(network):
                following = self.throttle.next(self.now, network)
                assert following is not None
                self.now += following[0]
        self.leave(ticket, verdict)
        return self.now - came

    def fail(self, network: str, times: int, name: bytes = b"karl") -> None:
        """So many wrong passwords at the same moment, as far as that goes."""
        tickets = [self.knock(network, name) for _ in range(times)]
        for ticket in tickets:
            self.leave(ticket, WRONG)

    def login(self, network: str, name: bytes = b"karl") -> float:
        """The right password."""
        return self.tryOne(network, name, RIGHT)


def rounded(seconds: Iterable[float]) -> list[float]:
    return [round(each, 1) for each in seconds]


class SequenceTests(TestCase):
    """One guess after the other."""

    def test_growing(self) -> None:
        """Nothing for a first slip, then longer and longer; 15 seconds at most."""
        door = Door()
        waited = [door.tryOne(ATTACKER) for _ in range(9)]
        self.assertEqual(rounded(waited), [0, 1, 2, 3.9, 7.5, 13.4, 15, 15, 15])

    def test_goal(self) -> None:
        """Six at most in the first twenty seconds, and in any others."""
        door = Door()
        for _ in range(30):
            door.tryOne(ATTACKER)
        times = [time for time, _ in door.checks]
        most = max(sum(begin <= time < begin + 20 for time in times) for begin in times)
        self.assertEqual(most, 5)

    def test_slow(self) -> None:
        """Who types for ten seconds between two tries is not held up for a slip or two."""
        door = Door()
        waited = []
        for _ in range(3):
            waited.append(door.tryOne(HOME))
            door.now += 10
        self.assertEqual(waited, [0, 0, 0])

    def test_forgetting(self) -> None:
        """After ten minutes of peace it is as if nothing had been."""
        door = Door()
        door.fail(ATTACKER, 10)
        door.now += 600
        self.assertEqual([door.tryOne(ATTACKER), round(door.tryOne(ATTACKER))], [0, 1])

    def test_forgetSeconds(self) -> None:
        """Half is forgotten in this time."""
        for seconds in (60, 120):
            door = Door(forgetSeconds=seconds)
            door.fail(ATTACKER, 4)
            debt = door.throttle.networks.touch(ATTACKER, 9).debt
            self.assertEqual(debt.owed(door.now + seconds, seconds), 2)

    def test_penaltySecondsMost(self) -> None:
        """No longer than this; with 0 not at all."""
        for most, waited in ((0, [0, 0, 0, 0]), (2, [0, 1, 2, 2])):
            door = Door(penaltySecondsMost=most)
            self.assertEqual(rounded(door.tryOne(HOME) for _ in range(4)), waited)

    def test_clockSetBack(self) -> None:
        """An hour back costs nobody an hour, and leaves nobody unpunished."""
        door = Door()
        door.fail(ATTACKER, 5)
        door.now -= 3600
        self.assertEqual(rounded([door.tryOne(ATTACKER), door.tryOne(ATTACKER)]), [15, 15])


class SameSecretTests(TestCase):
    """The same wrong password again is the same mistake."""

    def owed(self, door: Door) -> float:
        return round(door.throttle.networks.touch(HOME, 9).debt.owed(door.now, 120), 2)

    def test_once(self) -> None:
        """A mail program tries PLAIN, LOGIN and USER, and again, and again."""
        door = Door()
        for _ in range(9):
            door.tryOne(HOME, secret=b"old")
        self.assertEqual(self.owed(door), 1)

    def test_renewed(self) -> None:
        """It is not forgotten while it goes on, so that it is never free."""
        door = Door()
        for _ in range(9):
            door.tryOne(HOME, secret=b"old")
            door.now += 600
        door.tryOne(HOME, secret=b"old")
        self.assertEqual(self.owed(door), 1)
        self.assertEqual(round(door.tryOne(HOME, secret=b"old"), 1), 1)

    def test_several(self) -> None:
        """Four of them are known, no more: cycling through many does not help."""
        for secrets, owed in ((4, 4), (5, 25)):
            door = Door(forgetSeconds=10**9)
            for _ in range(5):
                for secret in range(secrets):
                    door.tryOne(HOME, secret=b"%d" % secret)
            self.assertEqual(self.owed(door), owed)

    def test_others(self) -> None:
        """For another user it is another guess, and so it is without a visible password."""
        door = Door(forgetSeconds=10**9)
        for name in (b"karl", b"joe", b"karl", b"joe"):
            door.tryOne(HOME, name, secret=b"old")
        self.assertEqual(self.owed(door), 2)
        for _ in range(3):
            door.leave(door.throttle.enter(door.now, HOME, b"karl", None), WRONG)
        self.assertEqual(self.owed(door), 5)

    def test_smallLetters(self) -> None:
        """Karl may be karl for a checker, or a neighbour who guesses and then logs in."""
        door = Door(forgetSeconds=10**9)
        for _ in range(3):
            door.tryOne(HOME, b"karl")
            door.login(HOME, b"KARL")
        self.assertEqual(self.owed(door), 3)
        self.assertFalse(door.knock(HOME, b"karl").early)
        names, debts = door.throttle.users.snapshot()
        self.assertEqual((names, round(debts[0].owed(door.now, 120))), ([b"karl"], 3))


class ParallelTests(TestCase):
    """Many at once have one budget."""

    def guess(self, door: Door, connections: int, seconds: float) -> int:
        """
        All connections try, and whoever is answered tries again at once.

        @return: how many passwords were checked.
        """
        end = door.now + seconds
        again: list[tuple[float, int]] = [(door.now, number) for number in range(connections)]
        while again and door.now < end:
            again.sort()
            door.now = max(door.now, again[0][0])
            while again and again[0][0] <= door.now:
                _, number = again.pop(0)
                ticket = door.knock(ATTACKER)
                if ticket.refused is not None:
                    again.append((door.now + ticket.delay, number))
                    door.leave(ticket, UNKNOWN)
            begun = door.ready(ATTACKER)
            door.now += 0.05
            for ticket in begun:
                door.leave(ticket, WRONG)
                again.append((door.now, connections))
            following = door.throttle.next(door.now, ATTACKER)
            if following is not None:
                again.append((door.now + following[0], connections))
        return len(door.checks)

    def test_goal(self) -> None:
        """Thirty at most in 20 seconds; and 300 are far away after a minute."""
        self.assertLessEqual(self.guess(Door(), 30, 20), 10)
        self.assertLessEqual(self.guess(Door(), 16, 60), 12)

    def test_attemptsAtOnce(self) -> None:
        """Who owes nothing may try so many at once; the next when one of them is done."""
        door = Door(attemptsAtOnce=3)
        for _ in range(5):
            door.knock(HOME)
        begun = door.ready(HOME)
        self.assertEqual(len(begun), 3)
        self.assertEqual(door.throttle.next(door.now, HOME)[0], math.inf)  # type: ignore[index]
        door.leave(begun[0], RIGHT)
        self.assertEqual(len(door.ready(HOME)), 1)

    def test_office(self) -> None:
        """Fifty colleagues behind one address, all with the right password: nobody waits."""
        door = Door()
        tickets = [door.knock(HOME, b"user%d" % number) for number in range(50)]
        self.assertEqual([each.refused for each in tickets], [None] * 50)
        left = 0
        while begun := door.ready(HOME):
            for ticket in begun:
                door.leave(ticket, RIGHT)
                left += 1
        self.assertEqual((left, door.now), (50, 1000))

    def test_attemptsWaiting(self) -> None:
        """Where somebody failed so many wait, and the next is refused, after the longest time."""
        door = Door(attemptsWaiting=2, penaltySecondsMost=9)
        door.fail(ATTACKER, 1)
        tickets = [door.knock(ATTACKER) for _ in range(3)]
        self.assertEqual([each.refused for each in tickets], [None, None, "crowded"])
        self.assertEqual([round(each.delay, 1) for each in tickets], [1, 3, 9])

    def test_presumption(self) -> None:
        """What is being checked counts as wrong until it is known to be right."""
        door = Door()
        door.fail(ATTACKER, 1)
        first = door.knock(ATTACKER)
        door.now += 1
        self.assertEqual(door.ready(ATTACKER), [first])
        second = door.knock(ATTACKER)
        self.assertEqual(round(second.delay, 1), 2)
        door.leave(first, RIGHT)
        self.assertEqual(door.ready(ATTACKER), [second])

    def test_placeGivenBack(self) -> None:
        """Who hangs up while waiting leaves the turn to the next."""
        door = Door()
        door.fail(ATTACKER, 3)
        first, second = door.knock(ATTACKER), door.knock(ATTACKER)
        door.leave(first, UNKNOWN)
        door.now += 4
        self.assertEqual(door.ready(ATTACKER), [second])

    def test_noVerdict(self) -> None:
        """A checker that is down: no failure, but the turn is used up."""
        door = Door()
        door.fail(ATTACKER, 1)
        self.assertEqual(round(door.tryOne(ATTACKER, verdict=UNKNOWN), 1), 1)
        self.assertEqual(round(door.tryOne(ATTACKER, verdict=UNKNOWN), 1), 1)
        self.assertEqual(round(door.tryOne(HOME, verdict=UNKNOWN), 1), 0)
        self.assertEqual(round(door.tryOne(HOME, verdict=UNKNOWN), 1), 0)


class TrustTests(TestCase):
    """Where a user has logged in lately, others' failures are nothing to that user."""

    def attacked(self, **limits: int) -> Door:
        door = Door(**limits)
        door.login(HOME)
        door.fail(HOME, 10, b"joe")
        return door

    def test_atOnce(self) -> None:
        door = self.attacked()
        self.assertEqual(door.login(HOME), 0)
        self.assertEqual(round(door.tryOne(HOME, b"walter", RIGHT)), 15)

    def test_wrongIsDelayed(self) -> None:
        """As long as it would be without trust, to the eye of whoever waits."""
        door = self.attacked()
        ticket, other = door.knock(HOME), door.throttle.enter(door.now, HOME, b"walter", b"x")
        self.assertTrue(ticket.early)
        self.assertFalse(other.early)
        self.assertEqual((ticket.delay, other.delay), (15, 30))

    def test_elsewhere(self) -> None:
        """Trust is for a user and a network, both."""
        door = self.attacked()
        self.assertFalse(door.knock(ATTACKER).early)
        self.assertFalse(door.knock(HOME, b"joe").early)

    def test_trustedSeconds(self) -> None:
        for passed, early in ((99, True), (100, False)):
            door = self.attacked(trustedSeconds=100)
            door.now += passed
            self.assertEqual(door.knock(HOME).early, early)
        self.assertFalse(self.attacked(trustedSeconds=0).knock(HOME).early)

    def test_abuse(self) -> None:
        """A neighbour who does not wait for the answer has three guesses, not thousands."""
        door = self.attacked()
        door.checks.clear()
        for _ in range(1000):
            door.now += 0.1
            ticket = door.knock(HOME)
            door.leave(ticket, WRONG if ticket.early else UNKNOWN, hurried=True)
        self.assertLessEqual(len(door.checks), 5)

    def test_abuseAtOnce(self) -> None:
        """Nor has one who tries a thousand at the same moment."""
        door = self.attacked()
        self.assertEqual(sum(door.knock(HOME).early for _ in range(1000)), 3)

    def test_abuseOfSameSecret(self) -> None:
        """One wrong password in a hurry, again and again, is to cost us hashes."""
        door = self.attacked()
        for _ in range(1000):
            ticket = door.knock(HOME, secret=b"old")
            door.leave(ticket, WRONG if ticket.early else UNKNOWN, hurried=True)
        self.assertEqual(len(door.checks), 4)

    def test_spraying(self) -> None:
        """A neighbour of a hundred users has twenty early guesses for all of them."""
        door = Door()
        names = [b"user%d" % number for number in range(100)]
        for name in names:
            door.login(HOME, name)
        tickets = [door.knock(HOME, name) for name in names]
        self.assertEqual(sum(each.early for each in tickets), 20)
        for ticket in tickets:
            door.leave(ticket, WRONG if ticket.early else UNKNOWN)
        self.assertEqual(sum(door.knock(HOME, name).early for name in names), 0)

    def test_userComesFirst(self) -> None:
        """The user's own good logins are early as often as they come."""
        door = self.attacked()
        self.assertEqual([door.login(HOME) for _ in range(50)], [0] * 50)


class ForgivenessTests(TestCase):
    """The right password pays for the user's own mistakes, and for no others."""

    def test_own(self) -> None:
        door = Door()
        for _ in range(3):
            door.tryOne(HOME)
        door.login(HOME)
        self.assertEqual(door.tryOne(HOME, b"joe"), 0)
        self.assertEqual(door.throttle.users.touch(b"karl", 9).owed(door.now, 120), 0)

    def test_goodAccount(self) -> None:
        """
        An attacker who logs in to an account of his own after each guess does not
        guess faster. (His first login waits the second that his next guess does not.)
        """
        door = Door()
        waited = []
        for _ in range(6):
            waited.append(door.tryOne(ATTACKER, b"joe"))
            door.login(ATTACKER, b"attacker")
        self.assertEqual(rounded(waited), [0, 0, 2, 3.9, 7.5, 13.4])

    def test_shareAfterALongTime(self) -> None:
        """What is forgiven is what is left of the user's share, not more."""
        door = Door()
        door.fail(ATTACKER, 8, b"attacker")
        door.now += 240
        door.fail(ATTACKER, 2, b"joe")
        here = door.throttle.networks.touch(ATTACKER, 9)
        self.assertEqual(here.debt.owed(door.now, 120), 4)
        door.leave(door.knock(ATTACKER, b"attacker"), RIGHT)
        self.assertEqual(here.debt.owed(door.now, 120), 2)


class UserTests(TestCase):
    """Failures from all over the world for one user."""

    def attack(self, door: Door, name: bytes = b"karl") -> None:
        for number in range(100):
            door.fail(f"203.0.113.{number}", 1, name)

    def test_ownerElsewhere(self) -> None:
        """The owner is not locked out, and not even delayed."""
        door = Door()
        self.attack(door)
        self.assertEqual(door.login(HOME), 0)

    def test_ownerElsewhereInAnOffice(self) -> None:
        """Whoever else is logging in there, too."""
        door = Door()
        self.attack(door)
        others = [door.knock(HOME, b"user%d" % number) for number in range(3)]
        self.assertEqual(door.ready(HOME), others)
        mine = door.knock(HOME)
        self.assertEqual(door.ready(HOME), [])
        for other in others:
            door.leave(other, RIGHT)
        self.assertEqual(door.ready(HOME), [mine])

    def test_stricter(self) -> None:
        """An unknown network has one guess at first, not four, and then longer to wait."""
        quiet, loud = Door(), Door()
        self.attack(loud)
        for door, count in ((quiet, 4), (loud, 1)):
            for _ in range(6):
                door.knock(ATTACKER)
            self.assertEqual(len(door.ready(ATTACKER)), count)
        self.assertEqual(rounded(loud.tryOne(HOME) for _ in range(3)), [0, 2, 4])
        self.assertEqual(loud.knock(ATTACKER).why, "user")

    def test_othersInTheNetwork(self) -> None:
        """Only that user: colleagues do not stand behind."""
        door = Door()
        self.attack(door)
        door.tryOne(HOME)
        door.login(HOME)
        for name in (b"joe", b"walter"):
            door.knock(HOME, name)
        self.assertEqual(len(door.ready(HOME)), 2)

    def test_noName(self) -> None:
        """Tokens may come without a name: nobody is attacked then."""
        door = Door()
        self.attack(door, b"")
        self.assertEqual(len(door.throttle.users), 0)


class BanTests(TestCase):
    def test_off(self) -> None:
        door = Door()
        for _ in range(200):
            self.assertFalse(door.leave(door.knock(ATTACKER), WRONG))

    def test_banFailures(self) -> None:
        """So many wrong ones: then nothing is checked, until the time is over."""
        door = Door(banFailures=5, banSeconds=100)
        banned = [door.leave(door.knock(ATTACKER), WRONG) for _ in range(5)]
        self.assertEqual(banned, [False] * 4 + [True])
        ticket = door.knock(ATTACKER)
        self.assertEqual((ticket.refused, ticket.delay), ("banned", 1))
        self.assertIsNone(door.knock(HOME).refused)
        door.now += 99
        self.assertEqual(door.knock(ATTACKER).refused, "banned")
        door.now += 1
        self.assertIsNone(door.knock(ATTACKER).refused)

    def test_banSeconds(self) -> None:
        """It is also the time within which they count."""
        door = Door(banFailures=3, banSeconds=100)
        banned = []
        for _ in range(6):
            banned.append(door.leave(door.knock(ATTACKER), WRONG))
            door.now += 50
        self.assertEqual(banned, [False] * 6)

    def test_sameSecret(self) -> None:
        """A forgotten phone with an old password bans nobody."""
        door = Door(banFailures=3)
        banned = [door.leave(door.knock(HOME, secret=b"old"), WRONG) for _ in range(9)]
        self.assertEqual(banned, [False] * 9)

    def test_trusted(self) -> None:
        """Users who have been there get in, the neighbour notwithstanding."""
        door = Door(banFailures=2)
        door.login(HOME)
        door.fail(HOME, 2, b"joe")
        ticket = door.knock(HOME)
        self.assertEqual((ticket.refused, ticket.early), ("banned", True))
        self.assertEqual(door.login(HOME), 0)

    def test_turnedOff(self) -> None:
        """Without bans there are none, not even old ones."""
        door = Door(banFailures=2)
        door.fail(ATTACKER, 2)
        door.throttle.limits = replace(door.throttle.limits, banFailures=0)
        self.assertNotEqual(door.knock(ATTACKER).refused, "banned")


class BoundTests(TestCase):
    """The oldest is forgotten, and nothing else grows."""

    def sizes(self, throttle: Throttle) -> list[int]:
        tables = (throttle.networks, throttle.users, throttle.trusted, throttle._pairs)
        return [len(each) for each in tables]

    def test_throttleEntries(self) -> None:
        door = Door(throttleEntries=10)
        for number in range(100):
            door.fail(f"network {number}", 1, b"user%d" % number)
            door.login(f"network {number}", b"other%d" % number)
        self.assertEqual(self.sizes(door.throttle), [10] * 4)
        self.assertIsNotNone(door.throttle.networks.get("network 90"))
        self.assertIsNone(door.throttle.networks.get("network 89"))

    def test_failuresForgetNoTrust(self) -> None:
        door = Door(throttleEntries=10)
        door.login(HOME)
        for number in range(1000):
            door.fail(f"network {number}", 1, b"user%d" % number)
        self.assertTrue(door.knock(HOME).early)

    def test_inUse(self) -> None:
        """Who waits is not forgotten, or flooding the table would give new budgets."""
        door = Door(throttleEntries=10)
        door.fail(ATTACKER, 5)
        ticket = door.knock(ATTACKER)
        for number in range(1000):
            door.fail(f"network {number}", 1)
        self.assertEqual(len(door.throttle.networks), 11)
        door.leave(ticket, UNKNOWN)
        door.fail(HOME, 1)
        self.assertEqual(len(door.throttle.networks), 10)

    def test_longLine(self) -> None:
        """A thousand may come at once where nobody is counted: each is looked at a few times."""
        door, looks = Door(), 0
        pace = door.throttle._pace

        def counted(*arguments: Any) -> float:
            nonlocal looks
            looks += 1
            return pace(*arguments)

        self.patch(door.throttle, "_pace", counted)
        tickets = [door.knock("unix", b"user %d" % number) for number in range(1000)]
        begun: list[Ticket] = []
        for ticket in tickets:
            begun += door.ready("unix")
            self.assertIn(ticket, begun)
            door.leave(ticket, RIGHT)
        self.assertLess(looks, 5000)

    def test_longNames(self) -> None:
        """Anybody may send long names; they are told apart, and not kept."""
        door = Door()
        for end in (b"a", b"b"):
            door.fail(HOME, 1, b"x" * 1000 + end)
        self.assertEqual([len(name) for name in door.throttle.users.snapshot()[0]], [32, 32])


@dataclass(frozen=True)
class Step:
    """One thing that happens; numbers choose among what there is then."""

    what: str
    number: int
    seconds: float


STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from(["knock", "knock", "knock", "begin", "begin", "wrong", "right", "hang up"]),
        st.integers(0, 7),
        st.sampled_from([0.0, 0.0, 0.01, 0.3, 1.0, 5.0]),
    ),
    max_size=200,
)


class PropertyTests(TestCase):
    @settings(max_examples=150, deadline=None)
    @given(STEPS)
    def test_budget(self, steps: list[Step]) -> None:
        """
        Whatever is tried in whatever order from one network, with one good account
        among those that are guessed at: in no 20 seconds more passwords of others
        are checked than four at once and five one after the other.
        """
        door = Door(throttleEntries=2)
        tickets: list[Ticket] = []
        guesses: list[float] = []
        for step in steps:
            door.now += step.seconds
            begun = [each for each in tickets if each not in self.waiting(door)]
            if step.what == "knock":
                name = b"attacker" if step.number == 7 else b"user%d" % (step.number % 3)
                ticket = door.knock(ATTACKER, name)
                if ticket.refused is None:
                    tickets.append(ticket)
                else:
                    door.leave(ticket, UNKNOWN)
            elif step.what == "begin":
                guesses += [door.now for each in door.ready(ATTACKER) if each.user != b"attacker"]
            elif step.what == "hang up" and tickets:
                gone = tickets.pop(step.number % len(tickets))
                door.leave(gone, WRONG if gone in begun else UNKNOWN, hurried=True)
            elif begun:
                ticket = begun[step.number % len(begun)]
                tickets.remove(ticket)
                good = step.what == "right" and ticket.user == b"attacker"
                door.leave(ticket, RIGHT if good else WRONG)
        for begin in guesses:
            self.assertLessEqual(sum(begin <= each < begin + 20 for each in guesses), 9)

    def waiting(self, door: Door) -> Iterable[Ticket]:
        here = door.throttle.networks.get(ATTACKER)
        return here.waiting if here else ()

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.tuples(st.integers(), st.integers(0, 50), st.sampled_from(Verdict))))
    def test_memory(self, attempts: list[tuple[int, int, Verdict]]) -> None:
        """Whoever tries whatever from wherever: the tables stay as small as they may be."""
        door = Door(throttleEntries=5)
        for network, user, verdict in attempts:
            ticket = door.knock(str(network), b"%d" % user)
            door.leave(ticket, verdict)
            throttle = door.throttle
            for table in (throttle.networks, throttle.users, throttle.trusted, throttle._pairs):
                self.assertLessEqual(len(table), 5)
