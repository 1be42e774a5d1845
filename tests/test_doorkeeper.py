"""L{pop3svc.doorkeeper}: through the protocol, on a clock that stands still."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from itertools import pairwise
from typing import Any, cast

from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from pop3svc.auth.attempts import Verdict
from pop3svc.core.replies import Refusal, refused
from pop3svc.errors import CheckerUnavailable, MaildropInUse
from pop3svc.factory import POP3Factory
from pop3svc.limits import Limits
from pop3svc.protocol import POP3Protocol

from .kinds import EveryKind
from .support import FIRST, ControlledCred, ControlledMaildrop, RecordingAudit, Transport

HOME, ATTACKER = "192.0.2.7", "198.51.100.1"
OK = b"+OK"
_SEND_PASS = b"+OK send PASS\r\n"
WRONG, TEMPORARY = refused(Refusal.WRONG), refused(Refusal.TEMPORARY)
# A clock that counts in eighths has no errors of rounding.
LIMITS = Limits(answerGridMilliseconds=250)
GRID = 0.25


class SlowCred(ControlledCred):
    """
    @ivar slow: checks take so many seconds.
    @ivar asked: the names, in their order.
    """

    clock: Clock
    slow = 0.0
    down = False

    def __init__(self, maildrop: ControlledMaildrop, users: dict[bytes, bytes]) -> None:
        super().__init__(maildrop, users)
        self.asked: list[bytes] = []

    def requestAvatarId(self, credentials: Any) -> Deferred[bytes | tuple[()]]:
        self.asked.append(credentials.username)
        found: Deferred[Any] = Deferred()
        found.addCallback(lambda _: self._decide(credentials))
        if self.slow:
            self.clock.callLater(self.slow, found.callback, None)
        else:
            found.callback(None)
        return found

    def _decide(self, credentials: Any) -> Any:
        if self.down:
            raise CheckerUnavailable("it is down")
        return super().requestAvatarId(credentials)

    def requestAvatar(self, avatarId: Any, mind: Any, *interfaces: Any) -> Deferred[Any]:
        mind.loggedInAs(avatarId)
        return super().requestAvatar(avatarId, mind, *interfaces)


class Guest:
    """One connection to a factory that has others."""

    def __init__(self, factory: POP3Factory, clock: Clock, peer: str) -> None:
        self.clock = clock
        self.transport = Transport(peer)
        self.protocol = cast(POP3Protocol, factory.buildProtocol(self.transport.getPeer()))
        self.protocol.makeConnection(self.transport)
        self.received()

    def send(self, data: bytes) -> None:
        self.protocol.dataReceived(data)

    def received(self) -> bytes:
        data = self.transport.value()
        self.transport.clear()
        return data

    def tell(self, password: bytes, user: bytes = b"karl") -> None:
        self.send(b"USER %s\r\nPASS %s\r\n" % (user, password))

    def answered(self) -> tuple[float, bytes]:
        """@return: how many seconds the answer takes from now, and its last line."""
        began, data = self.clock.seconds(), self.received()
        while not data or data == _SEND_PASS:
            self.clock.advance(0.125)
            data += self.received()
            assert self.clock.seconds() - began < 100, "no answer"
        return self.clock.seconds() - began, data.removeprefix(_SEND_PASS)

    def login(self, password: bytes = b"secret", user: bytes = b"karl") -> tuple[float, bytes]:
        self.tell(password, user)
        return self.answered()

    def lose(self) -> None:
        from twisted.internet.error import ConnectionLost
        from twisted.python.failure import Failure

        self.protocol.connectionLost(Failure(ConnectionLost()))


class DoorTestCase(TestCase):
    def setUp(self) -> None:
        self.serve(LIMITS)

    def serve(self, limits: Limits, cred: Any = SlowCred) -> None:
        self.clock = Clock()
        self.audit = RecordingAudit()
        self.cred = cred(ControlledMaildrop([FIRST]), {b"karl": b"secret", b"joe": b"sesame"})
        self.cred.clock = self.clock
        self.factory = POP3Factory(
            Portal(self.cred, [self.cred]),
            replace(limits, loggingInPerNetwork=50),
            clearTextLogins="always",
            clock=self.clock,
            audit=self.audit,
        )

    def connect(self, peer: str = HOME) -> Guest:
        return Guest(self.factory, self.clock, peer)

    def owe(self, times: int, peer: str = HOME, user: bytes = b"walter") -> None:
        """So many wrong passwords of somebody there, just now."""
        debts, now = self.factory.doorkeeper.throttle, self.clock.seconds()
        for _ in range(times):
            debts.leave(now, debts.enter(now, peer, user, None), Verdict.WRONG)

    def debt(self, network: str = HOME) -> float:
        here = self.factory.doorkeeper.throttle.networks.get(network)
        return here.debt.owed(self.clock.seconds(), 120) if here else 0.0

    def delays(self) -> list[tuple[float, str]]:
        return [(each["delay"], each["reason"]) for each in self.audit.events("throttled")]


class GridTests(DoorTestCase):
    """When a refusal leaves."""

    def test_refusal(self) -> None:
        """On the next line, however long the check has taken."""
        for took, left in ((0, 1), (0.125, 1), (0.25, 2), (0.375, 2), (0.5, 3), (0.625, 3)):
            self.serve(LIMITS)
            self.cred.slow = took
            self.assertEqual(self.connect().login(b"wrong"), (left * GRID, WRONG))

    def test_anyRefusal(self) -> None:
        self.cred.down = True
        self.assertEqual(self.connect().login(), (GRID, TEMPORARY))
        self.cred.down, self.cred.error = False, MaildropInUse("it is in use")
        self.assertEqual(self.connect().login(), (GRID, refused(Refusal.IN_USE)))

    def test_success(self) -> None:
        """Whoever is in need not wait for a line."""
        self.cred.slow = 0.125
        seconds, answer = self.connect().login()
        self.assertEqual((seconds, answer[:3]), (0.125, OK))

    def test_fromTheAttempt(self) -> None:
        """Not from the connection, and not from another line that all can see."""
        guest = self.connect()
        self.clock.advance(0.125)
        self.assertEqual(guest.login(b"wrong"), (GRID, WRONG))

    def test_answerGridMilliseconds(self) -> None:
        for milliseconds, left in ((0, 0), (125, 0.125), (500, 0.5)):
            self.serve(replace(LIMITS, answerGridMilliseconds=milliseconds))
            self.assertEqual(self.connect().login(b"wrong"), (left, WRONG))

    def test_default(self) -> None:
        """A factory in somebody's own program has all this."""
        self.serve(Limits())
        guest = self.connect()
        guest.tell(b"wrong")
        guest.received()
        self.clock.advance(0.0499)
        self.assertEqual(guest.received(), b"")
        self.clock.advance(0.0001)
        self.assertEqual(guest.received(), WRONG)
        self.assertEqual(guest.login(b"wrong again")[0], 1)

    def test_scram(self) -> None:
        """What SCRAM shows of a user, and of nobody."""
        self.serve(LIMITS, EveryKind)
        for name in (b"karl", b"nobody"):
            guest = self.connect()
            guest.send(b"AUTH SCRAM-SHA-256 " + b64encode(b"n,,n=%s,r=abc" % name) + b"\r\n")
            self.assertEqual(guest.received(), b"")
            seconds, answer = guest.answered()
            self.assertEqual((seconds, answer[:2]), (GRID, b"+ "))


class DelayTests(DoorTestCase):
    """Before the password is even checked."""

    def test_growing(self) -> None:
        self.serve(replace(LIMITS, forgetSeconds=10**9))
        guest = self.connect()
        answers = [guest.login(b"wrong %d" % number) for number in range(5)]
        # Checked 0, 1, 3, 7 and 15 seconds after the first.
        lines = [0.0, 0.25, 1.25, 3.25, 7.25, 15.25]
        waited = [line - before for before, line in pairwise(lines)]
        self.assertEqual([seconds for seconds, _ in answers], waited)
        self.assertEqual({answer for _, answer in answers}, {WRONG})
        self.assertEqual([delay for delay, _ in self.delays()], [0.7, 1.7, 3.7, 7.7])

    def test_notAsked(self) -> None:
        """Guesses that wait cost nothing."""
        self.owe(4)
        guest = self.connect()
        guest.tell(b"wrong")
        self.clock.advance(7)
        self.assertEqual(self.cred.asked, [])
        self.clock.advance(2)
        self.assertEqual(self.cred.asked, [b"karl"])

    def test_elsewhere(self) -> None:
        self.owe(20, ATTACKER, b"karl")
        seconds, answer = self.connect(HOME).login()
        self.assertEqual((seconds, answer[:3]), (0, OK))
        self.assertEqual(self.delays(), [])

    def test_networkOfIPv6(self) -> None:
        """A customer has a /64 of addresses, all one."""
        self.serve(replace(LIMITS, forgetSeconds=10**9))
        self.connect("2001:db8::1").login(b"wrong")
        self.assertEqual(self.connect("2001:db8::2:7").login(b"other")[0], 1)
        self.assertEqual(self.connect("2001:db8:0:1::1").login(b"wrong")[0], GRID)

    def test_mailProgram(self) -> None:
        """Thunderbird: PLAIN, LOGIN, USER, the same wrong password: one mistake."""
        guest = self.connect()
        plain = b64encode(b"\0karl\0wrong")
        guest.send(b"AUTH PLAIN %s\r\n" % plain)
        guest.answered()
        guest.send(b"AUTH LOGIN\r\n%s\r\n" % b64encode(b"karl"))
        guest.received()
        guest.send(b64encode(b"wrong") + b"\r\n")
        guest.answered()
        guest.login(b"wrong")
        self.assertEqual(round(self.debt(), 2), 1)
        self.assertEqual(guest.login(b"secret")[1][:3], OK)
        self.assertEqual(round(self.debt(), 2), 0)

    def test_whatIsNoFailure(self) -> None:
        """The right password, whatever comes of it; and a checker that is down."""
        self.cred.error = MaildropInUse("it is in use")
        self.connect().login()
        self.cred.error = OSError("a disk is broken")
        self.connect().login()
        self.cred.error, self.cred.down = None, True
        self.connect().login(b"wrong")
        self.assertEqual(self.debt(), 0)
        self.assertTrue(self.factory.doorkeeper.throttle.trusted.get((b"karl", HOME)))

    def test_digestsCountEach(self) -> None:
        """Where no password is seen none is known again."""
        self.serve(LIMITS, EveryKind)
        guest = self.connect()
        for _ in range(2):
            guest.send(b"AUTH CRAM-MD5\r\n")
            guest.received()
            guest.send(b64encode(b"karl " + b"0" * 32) + b"\r\n")
            guest.answered()
        self.assertEqual(round(self.debt()), 2)

    def test_crowded(self) -> None:
        """Too many wait: the next is told to come back later, late, and is not checked."""
        self.owe(9)
        waiting = [self.connect() for _ in range(3)]
        for guest in waiting:
            guest.tell(b"wrong")
        self.assertEqual(self.connect().login(b"secret"), (15.25, TEMPORARY))
        self.assertEqual(len(self.cred.asked), 1)
        self.assertEqual(self.delays()[-1], (15.0, "crowded"))
        self.assertEqual(self.audit.counts["throttled/crowded"], 1)

    def test_slowStoreHoldsUpNobody(self) -> None:
        """A maildrop that opens slowly is behind the door."""
        self.cred.holdLogin = True
        for _ in range(10):
            self.connect().tell(b"secret")
        self.assertEqual(len(self.cred.waiting), 10)

    def test_manyReleasedAtOnce(self) -> None:
        """A thousand whose turn comes in one moment do not exhaust the stack."""
        self.serve(
            replace(LIMITS, connections=5000, connectionsPerNetwork=5000, spareDescriptors=1)
        )
        factory, clock = self.factory, self.clock
        factory.limits = replace(factory.limits, loggingInPerNetwork=5000)
        self.cred.slow = 1
        guests = [Guest(factory, clock, HOME) for _ in range(400)]
        for guest in guests:
            guest.tell(b"sesame", b"joe")
        self.cred.slow = 0
        clock.advance(1)
        # One maildrop for all: the others find it in use.
        self.assertEqual(len(self.cred.asked), 400)

    def test_useLimits(self) -> None:
        self.owe(9)
        self.factory.doorkeeper.useLimits(replace(LIMITS, penaltySecondsMost=2))
        self.assertEqual(self.connect().login(b"wrong")[0], 2.25)


class HangUpTests(DoorTestCase):
    """Whoever waits may go."""

    def setUp(self) -> None:
        super().setUp()
        self.owe(9)

    def test_lost(self) -> None:
        """The wait ends at once, and the place is given back."""
        guest, other = self.connect(), self.connect()
        guest.tell(b"wrong")
        other.tell(b"wrong", b"joe")
        guest.lose()
        self.assertNotIn(guest.protocol, self.factory.connections)
        self.clock.advance(15)
        self.assertEqual(self.cred.asked, [b"joe"])
        other.lose()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_lostOnTheGrid(self) -> None:
        guest = self.connect(ATTACKER)
        guest.tell(b"wrong")
        guest.lose()
        self.assertEqual(self.factory.connections, set())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_lostWhileRefused(self) -> None:
        for _ in range(3):
            self.connect().tell(b"wrong")
        guest = self.connect()
        guest.tell(b"wrong")
        guest.lose()
        self.assertNotIn(guest.protocol, self.factory.connections)

    def test_deadline(self) -> None:
        """The time for the login runs on."""
        guest = self.connect()
        self.clock.advance(55)
        guest.tell(b"wrong")
        self.factory.doorkeeper.throttle.enter(self.clock.seconds(), HOME, b"x", None)
        self.clock.advance(5)
        self.assertTrue(guest.transport.disconnecting)
        [record] = self.audit.events("abuse")
        self.assertEqual(record["reason"], "login-deadline")

    def test_heard(self) -> None:
        """While it waits the peer is read, or nobody would see it go; but not for ever."""
        guest = self.connect()
        guest.tell(b"wrong")
        self.assertEqual(guest.transport.producerState, "producing")
        guest.send(b"NOOP\r\n" * 200)
        self.assertEqual(guest.transport.producerState, "paused")

    def test_notHeardWhileChecked(self) -> None:
        """A script that ends its side behind QUIT still gets its answers."""
        self.cred.slow = 1
        guest = self.connect(ATTACKER)
        guest.tell(b"secret")
        self.assertEqual(guest.transport.producerState, "paused")

    def test_pipelined(self) -> None:
        """What came during the wait is answered behind it, in its order."""
        guest = self.connect()
        guest.send(b"USER karl\r\nPASS secret\r\nSTAT\r\n")
        guest.send(b"NOOP\r\nQUIT\r\n")
        guest.received()
        self.clock.advance(15)
        lines = guest.received().split(b"\r\n")
        self.assertEqual(
            [each[:5] for each in lines], [b"+OK m", b"+OK 1", b"+OK s", b"+OK p", b""]
        )


class TrustTests(DoorTestCase):
    """Where the user was lately."""

    def setUp(self) -> None:
        super().setUp()
        self.serve(replace(LIMITS, forgetSeconds=10**9))
        self.connect().login()

    def test_right(self) -> None:
        """At once, in the middle of an attack from the same address."""
        self.owe(9)
        self.cred.slow = 0.125
        for _ in range(5):
            seconds, answer = self.connect().login()
            self.assertEqual((seconds, answer[:3]), (0.125, OK))
        self.assertEqual(self.delays(), [])

    def test_wrongLooksLikeUnknown(self) -> None:
        """In time and text, however long checks take and whatever is owed."""
        for owed in (0, 1, 2, 9):
            for slow in (0, 0.125, 1, 2.5, 20):
                seen = []
                for user in (b"karl", b"nobody"):
                    self.setUp()
                    self.owe(owed)
                    self.cred.slow = slow
                    seen.append(self.connect().login(b"wrong", user))
                self.assertEqual(seen[0], seen[1], (owed, slow))

    def test_wrongInACrowd(self) -> None:
        seen = []
        for user in (b"karl", b"nobody"):
            self.setUp()
            self.owe(9)
            for _ in range(3):
                self.connect().tell(b"wrong", b"walter")
            seen.append(self.connect().login(b"wrong", user))
        self.assertEqual(seen, [(15.25, TEMPORARY)] * 2)

    def test_downLooksTheSame(self) -> None:
        """Only the right password is in a hurry."""
        self.owe(9)
        self.cred.down = True
        self.assertEqual(self.connect().login()[1], TEMPORARY)
        self.assertEqual(self.clock.seconds(), 15.25)

    def test_hangUp(self) -> None:
        """Who does not wait for the answer has three guesses."""
        self.owe(9)
        self.cred.asked.clear()
        for number in range(50):
            guest = self.connect()
            guest.tell(b"wrong %d" % number)
            guest.lose()
            self.assertNotIn(guest.protocol, self.factory.connections)
        self.assertEqual(self.cred.asked, [b"karl"] * 3)

    def test_hangUpWhileChecked(self) -> None:
        self.owe(9)
        self.cred.slow = 1
        guest = self.connect()
        guest.tell(b"wrong")
        guest.lose()
        self.assertEqual(round(self.debt(), 2), 9)
        self.clock.advance(1)
        self.assertEqual(round(self.debt(), 2), 10)
        self.assertNotIn(guest.protocol, self.factory.connections)

    def test_inUse(self) -> None:
        """The password is right: the answer need not wait."""
        self.owe(9)
        self.cred.error = MaildropInUse("it is in use")
        self.assertEqual(self.connect().login(), (GRID, refused(Refusal.IN_USE)))


class BanTests(DoorTestCase):
    def setUp(self) -> None:
        self.serve(replace(LIMITS, banFailures=2, banSeconds=100))

    def test_banned(self) -> None:
        """Nothing is checked, until it is over."""
        for password in (b"one", b"two"):
            self.connect().login(password)
        [record] = self.audit.events("banned")
        self.assertEqual((record["peer"], record["network"], record["seconds"]), (HOME, HOME, 100))
        self.cred.asked.clear()
        self.assertEqual(self.connect().login(), (1.25, TEMPORARY))
        self.assertEqual(self.cred.asked, [])
        self.assertEqual(self.delays()[-1], (1.0, "banned"))
        self.assertEqual(self.connect(ATTACKER).login()[0], 0)
        self.clock.advance(100)
        self.assertEqual(self.connect().login()[1][:3], OK)
        counts = self.audit.counts
        self.assertEqual((counts["banned"], counts["throttled/banned"]), (1, 1))

    def test_trusted(self) -> None:
        """Who was there before gets in; and a wrong password tells nothing about it."""
        self.connect().login()
        for password in (b"one", b"two"):
            self.connect().login(password, b"walter")
        self.assertEqual(self.connect().login()[0], 0)
        self.cred.slow = 0.5
        self.assertEqual(self.connect().login(b"wrong"), (1.25, TEMPORARY))
        self.assertEqual(self.connect().login(b"wrong", b"nobody"), (1.25, TEMPORARY))


class LogTests(DoorTestCase):
    def test_counts(self) -> None:
        """For whoever wants to show it."""
        for password in (b"wrong", b"other", b"secret"):
            self.connect().login(password)
        names = ("login", "login-refused/wrong", "throttled/network")
        self.assertEqual([self.audit.counts[each] for each in names], [1, 2, 2])

    def test_noSecretInTheLog(self) -> None:
        for password in (b"hunter2", b"hunter3"):
            self.connect().login(password)
        self.assertNotIn("hunter", str(self.audit.records))

    def test_otherRealms(self) -> None:
        """A realm of somebody else tells nobody who logs in: what comes of it does."""
        self.serve(LIMITS, ControlledCred)
        self.connect().login()
        self.connect().login(b"wrong")
        self.assertEqual(round(self.debt(), 2), 1)
        self.assertTrue(self.factory.doorkeeper.throttle.trusted.get((b"karl", HOME)))

    def test_faultOfTheChecker(self) -> None:
        """It is an answer, and gives the place back."""
        self.cred.users = None
        self.assertEqual(self.connect().login(), (GRID, TEMPORARY))
        here = self.factory.doorkeeper.throttle.networks.get(HOME)
        assert here is not None
        self.assertFalse(here.inUse)
        self.assertEqual([each["event"] for each in self.audit.events("fault")], ["fault"])


class UnauthorizedTests(DoorTestCase):
    def test_eachReason(self) -> None:
        """Unknown, wrong, kept from POP3: one text, one time."""
        seen = set()
        for user in (b"karl", b"nobody"):
            self.serve(LIMITS)
            seen.add(self.connect().login(b"wrong", user))
        self.serve(LIMITS)
        self.cred.error = UnauthorizedLogin("networks")
        seen.add(self.connect().login())
        self.assertEqual(seen, {(GRID, WRONG)})
