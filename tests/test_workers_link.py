"""
L{pop3svc.workers.link}, L{pop3svc.workers.commands}, L{pop3svc.workers.asking} and
L{pop3svc.workers.duties}: both ends, without a process.
"""

from __future__ import annotations

from functools import partial
from typing import Any, cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionLost, ReactorNotRunning
from twisted.internet.task import Clock
from twisted.protocols.amp import Command
from twisted.test.iosim import FakeTransport, IOPump
from twisted.trial.unittest import SynchronousTestCase

from pop3svc.limits import Limits
from pop3svc.operations.audit import Subject
from pop3svc.operations.questions import Questions
from pop3svc.serving import POP3Service
from pop3svc.workers.asking import Answers, WorkersQuestions
from pop3svc.workers.commands import Drain, Json, Ping, Reload
from pop3svc.workers.duties import Duties, Faults
from pop3svc.workers.link import Link, Part

from .support import RecordingAudit


class Echo(Command):
    arguments = [(b"value", Json())]
    response = [(b"value", Json())]


class EchoPart(Part):
    """
    @ivar losses: how often it was told that nobody is there.
    @ivar heard: what it was told.
    """

    def __init__(self) -> None:
        super().__init__()
        self.losses = 0
        self.heard: list[object] = []

    @Echo.responder
    def echo(self, value: Any) -> dict[str, Any]:
        self.heard.append(value)
        return {"value": value}

    def lost(self) -> None:
        self.losses += 1


def connect(parent: Link, worker: Link) -> IOPump:
    ends = FakeTransport(parent, False), FakeTransport(worker, True)
    parent.makeConnection(ends[0])
    worker.makeConnection(ends[1])
    return IOPump(parent, worker, *ends, debug=False)


class LinkTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.closed: list[str] = []
        self.part = EchoPart()
        self.parent = Link([], lambda: self.closed.append("parent"))
        self.worker = Link([Part(), self.part], lambda: self.closed.append("worker"))
        self.pump = connect(self.parent, self.worker)

    def ask(self, value: object) -> object:
        asked = self.parent.ask(Echo, value=value)
        self.pump.flush()
        return self.successResultOf(asked)["value"]

    def test_anyLength(self) -> None:
        """One value of AMP has 65,535 octets at the most; answers of ours may have more."""
        for octets in (0, 65_532, 65_533, 65_534, 65_535, 131_068, 131_069, 1_000_000):
            self.assertEqual(self.ask("x" * octets), "x" * octets)
        whole = {"a": [1, 2.5, None, True], "ü": "\0"}
        self.assertEqual(self.ask(whole), whole)

    def test_nobodyThere(self) -> None:
        """Whatever waits fails, and all that is asked later; parts hear of it when told."""
        asked = self.parent.ask(Echo, value=1)
        self.worker.close()
        self.pump.flush()
        self.failureResultOf(asked)
        self.failureResultOf(self.parent.ask(Echo, value=1), ConnectionLost)
        self.assertEqual((sorted(self.closed), self.part.losses), (["parent", "worker"], 0))
        self.worker.tellLost()
        self.assertEqual(self.part.losses, 1)

    def test_heardTooLate(self) -> None:
        """
        What somebody has said who is gone by now: were a ticket made of it, nobody would
        ever give it back.
        """
        self.parent.ask(Echo, value=1)
        self.worker.close()
        self.worker.tellLost()
        self.pump.pump()
        self.assertEqual(self.part.heard, [])


class QuestionsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.serving: list[Link] = []
        self.pumps: list[IOPump] = []
        self.questions = WorkersQuestions(self.clock, lambda: self.serving)

    def worker(self) -> Questions:
        """One more, which serves."""
        questions = Questions()
        link = Link([], lambda: None)
        self.pumps.append(connect(link, Link([Answers(questions)], lambda: None)))
        self.serving.append(link)
        return questions

    def asked(self, name: str, argument: dict[str, Any] | None = None) -> Deferred[list[Any]]:
        asked = self.questions.askAll(name, argument)
        for each in self.pumps:
            each.flush()
        return asked

    def test_all(self) -> None:
        for number in (1, 2):
            self.worker().learn("n", partial(lambda number, argument: [number, argument], number))
        answers = self.successResultOf(self.asked("n", {"x": "y" * 100_000}))
        self.assertEqual(answers, [[number, {"x": "y" * 100_000}] for number in (1, 2)])

    def test_notKnown(self) -> None:
        self.worker()
        self.failureResultOf(self.asked("n"), LookupError)

    def test_nobody(self) -> None:
        self.assertEqual(self.successResultOf(self.asked("n")), [])

    def test_hung(self) -> None:
        """It is left out, and the others are not kept waiting for long."""
        self.worker().learn("n", lambda argument: Deferred())
        self.worker().learn("n", lambda argument: 2)
        asked = self.asked("n")
        self.assertNoResult(asked)
        self.clock.advance(5)
        self.assertEqual(self.successResultOf(asked), [2])

    def test_fault(self) -> None:
        """One question's, and the link goes on."""
        self.worker().learn("n", lambda argument: argument["missing"])
        self.assertEqual(self.successResultOf(self.asked("n")), [])
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        self.assertTrue(self.serving[0].up)


class FakeService:
    """What L{Duties} wants of a service."""

    def __init__(self, faults: Faults) -> None:
        self.limits = Limits()
        self.faults = faults
        self.reloader = self

    def useLimits(self, limits: Limits) -> None:
        self.limits = limits

    def reload(self) -> Deferred[None]:
        self.faults.reloaded()
        self.faults.reloadFailed("a key is bad")
        self.faults.certificateEnds("chain.pem", 3)
        return succeed(None)


class StoppedReactor(Clock):
    """@ivar stops: how often it was told."""

    stops = 0

    def stop(self) -> None:
        self.stops += 1
        if self.stops > 1:
            raise ReactorNotRunning


class DutiesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.audit, self.reactor = RecordingAudit(), StoppedReactor()
        faults = Faults(self.audit)
        self.service = FakeService(faults)
        self.duties = Duties(cast(POP3Service, self.service), faults, self.reactor)
        self.parent = Link([], lambda: None)
        self.pump = connect(self.parent, Link([self.duties], lambda: None))

    def ask(self, command: type[Command], **arguments: Any) -> Any:
        asked = self.parent.ask(command, **arguments)
        self.pump.flush()
        return self.successResultOf(asked)

    def test_ping(self) -> None:
        self.assertEqual(self.ask(Ping), {})

    def test_reload(self) -> None:
        """What is wrong goes to the parent, which writes it; each time anew."""
        for _ in range(2):
            answer = self.ask(Reload, limits=vars(Limits(idleSeconds=601)))
            self.assertEqual(answer, {"faults": ["a key is bad"]})
        self.assertEqual(self.service.limits, Limits(idleSeconds=601))
        self.assertEqual(self.audit.records, [])

    def test_faultsOfOursAreLogged(self) -> None:
        try:
            raise ZeroDivisionError
        except ZeroDivisionError:
            Faults(self.audit).fault(Subject("-", "-"), "reload")
        self.assertEqual(
            [(each["event"], each["during"]) for each in self.audit.records], [("fault", "reload")]
        )

    def test_drain(self) -> None:
        """The answer goes first; a link that ends then changes nothing."""
        self.assertEqual(self.ask(Drain), {})
        self.assertEqual(self.reactor.stops, 0)
        self.duties.lost()
        self.reactor.advance(0)
        self.assertEqual(self.reactor.stops, 1)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_parentGone(self) -> None:
        self.duties.lost()
        self.reactor.advance(0)
        self.assertEqual(self.reactor.stops, 1)

    def test_signalWasQuicker(self) -> None:
        self.reactor.stops = 1
        self.duties.lost()
        self.reactor.advance(0)
        self.assertEqual(self.reactor.stops, 2)
