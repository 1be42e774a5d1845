"""L{pop3svc.workers.crew}: who is replaced when, and how all end."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, cast

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pop3svc.limits import Limits
from pop3svc.workers.commands import Reload
from pop3svc.workers.crew import Crew
from pop3svc.workers.process import Worker

from .support import RecordingAudit


class FakeLink:
    """@ivar asked: what was said. @ivar answer: what comes back."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, dict[str, Any]]] = []
        self.answer: Deferred[Any] = succeed({"faults": []})

    def ask(self, command: Any, **arguments: Any) -> Deferred[Any]:
        self.asked.append((command, arguments))
        return self.answer


class FakeWorker:
    """A worker that does what the test says."""

    def __init__(self, number: int, pid: int) -> None:
        self.number, self.pid = number, pid
        self.serving = self.hung = False
        self.said = ""
        self.calls: list[str] = []
        self.link = FakeLink()

    def drain(self) -> None:
        self.calls.append("drain")

    def kill(self) -> None:
        self.calls.append("kill")


class Reactor(Clock):
    def callWhenRunning(self, call: Any, *arguments: Any) -> None:
        call(*arguments)


class CrewTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor, self.audit = Reactor(), RecordingAudit()
        self.started: list[FakeWorker] = []
        self.error: OSError | None = None
        self.sentences: list[str] = []
        self.crew = Crew(2, self.begin, self.audit, self.reactor, Limits, self.sentences.append)
        self.crew.startService()

    def begin(self, crew: Crew, number: int) -> Worker:
        if self.error is not None:
            raise self.error
        self.started.append(FakeWorker(number, 100 + len(self.started)))
        return cast(Worker, self.started[-1])

    def ready(self, *workers: FakeWorker) -> None:
        for each in workers:
            each.serving = True
            self.crew.ready(cast(Worker, each))

    def end(self, worker: FakeWorker, reason: str = "signal", status: int = 9) -> None:
        worker.serving = False
        self.crew.ended(cast(Worker, worker), reason, status)

    def events(self) -> list[object]:
        return [each["event"] for each in self.audit.records]

    def test_whenServing(self) -> None:
        """It is told when all serve, and not when only some do."""
        first, second = self.started
        self.assertEqual((first.number, second.number), (1, 2))
        self.ready(first)
        self.assertNoResult(self.crew.whenServing)
        self.ready(second)
        self.successResultOf(self.crew.whenServing)
        self.assertEqual(
            self.audit.records,
            [
                {"event": "worker-started", "worker": 1, "pid": 100},
                {"event": "worker-started", "worker": 2, "pid": 101},
            ],
        )

    def test_replacedAtOnce(self) -> None:
        """By one of the same number, without waiting."""
        self.ready(*self.started)
        self.reactor.advance(10)
        self.end(self.started[1])
        self.assertEqual([each.number for each in self.started], [1, 2, 2])
        self.assertEqual(
            self.audit.records[-1],
            {"event": "worker-ended", "worker": 2, "pid": 101, "reason": "signal", "status": 9},
        )
        self.assertEqual(self.crew.serving, [cast(Worker, self.started[0])])
        self.assertEqual(self.sentences, [])

    def test_dyingYoung(self) -> None:
        """Each time the next waits longer; who lives on is forgiven."""
        self.ready(*self.started)
        waited = []
        for _ in range(7):
            self.ready(self.started[-1])
            self.end(self.started[-1])
            before = self.reactor.seconds()
            count = len(self.started)
            while len(self.started) == count:
                self.reactor.advance(0.5)
            waited.append(self.reactor.seconds() - before)
        self.assertEqual(waited, [0.5, 1, 2, 4, 8, 16, 30])
        self.ready(self.started[-1])
        self.reactor.advance(10)
        count = len(self.started)
        self.end(self.started[-1])
        self.assertEqual(len(self.started), count + 1)
        self.ready(self.started[-1])
        self.end(self.started[-1])
        self.reactor.advance(0)
        self.assertEqual(len(self.started), count + 2)

    def test_cannotBeStarted(self) -> None:
        """What is wrong with the first is wrong with all: the service says it, and ends."""
        self.started[0].said = "cannot read /etc/key.pem: Permission denied"
        self.end(self.started[0], "exit", 1)
        self.assertEqual(
            self.sentences,
            ["no worker can be started: cannot read /etc/key.pem: Permission denied"],
        )

    def test_cannotBeStartedIsSaidOnce(self) -> None:
        """Until everything has ended, nobody else is tried."""
        self.end(self.started[0], "exit", 1)
        self.end(self.started[1], "exit", 1)
        self.reactor.advance(60)
        self.assertEqual((len(self.sentences), len(self.started)), (1, 2))

    def test_killedAtItsStart(self) -> None:
        """By a signal for all of a group, or for want of memory: that says nothing of the next."""
        self.end(self.started[0], "signal", 1)
        self.reactor.advance(0)
        self.assertEqual((self.sentences, len(self.started)), ([], 3))
        for _ in range(4):
            self.assertEqual(self.sentences, [])
            self.end(self.started[-1], "signal", 11)
            self.reactor.advance(60)
        self.assertEqual(
            self.sentences,
            [
                "no worker can be started: it died at once (signal 11); the log may have more",
            ],
        )

    def test_reloadWhileOneStarts(self) -> None:
        """It has been told what was true before."""
        self.ready(self.started[0])
        self.crew.reload(Limits(connections=7))
        limits = asdict(Limits(connections=7))
        for each in self.started:
            self.assertEqual(each.link.asked, [(Reload, {"limits": limits})])

    def test_cannotBeStartedAnyMore(self) -> None:
        """When all have served once, it is tried some times, as long as nobody serves."""
        self.ready(*self.started)
        self.end(self.started[0])
        self.end(self.started[1])
        for _ in range(5):
            self.assertEqual(self.sentences, [])
            self.reactor.advance(60)
            self.end(self.started[-1], "exit", 1)
        self.assertEqual(
            self.sentences,
            [
                "no worker can be started: it died at once (exit 1); the log may have more",
            ],
        )

    def test_noProcess(self) -> None:
        """The kernel has none for a moment: it is tried again."""
        self.ready(*self.started)
        self.error = OSError(11, "Resource temporarily unavailable")
        self.end(self.started[1])
        self.reactor.pump([0, 1, 2])
        self.assertEqual((len(self.started), self.sentences), (2, []))
        self.error = None
        self.reactor.advance(4)
        self.assertEqual(len(self.started), 3)

    def test_noProgram(self) -> None:
        self.crew = Crew(1, self.begin, self.audit, self.reactor, Limits, self.sentences.append)
        self.error = PermissionError(13, "Permission denied", "/root/bin/python")
        self.crew.startService()
        self.assertEqual(
            self.sentences, ["no worker can be started: /root/bin/python: Permission denied"]
        )

    def test_othersServe(self) -> None:
        """Then it is tried for ever."""
        self.ready(*self.started)
        self.end(self.started[1])
        for _ in range(20):
            self.reactor.advance(60)
            self.end(self.started[-1], "exit", 1)
        self.assertEqual(self.sentences, [])

    def test_hung(self) -> None:
        self.ready(*self.started)
        self.crew.hung(cast(Worker, self.started[0]))
        self.started[0].hung = True
        self.end(self.started[0])
        self.assertEqual(self.events()[-2:], ["worker-hung", "worker-ended"])
        self.assertEqual(self.audit.records[-1]["reason"], "hung")

    def test_drain(self) -> None:
        """All are told, their ends are no event, and nobody takes their places."""
        self.ready(*self.started)
        stopped = self.crew.stopService()
        self.assertEqual([each.calls for each in self.started], [["drain"], ["drain"]])
        self.end(self.started[0], "exit", 0)
        self.assertNoResult(stopped)
        self.end(self.started[1], "exit", 0)
        self.successResultOf(stopped)
        self.assertEqual(len(self.started), 2)
        self.assertEqual(self.events(), ["worker-started"] * 2)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_notWaitedForForEver(self) -> None:
        limits = Limits()
        self.ready(*self.started)
        stopped = self.crew.stopService()
        self.reactor.advance(limits.drainSeconds + limits.closeSeconds + 9.9)
        self.assertEqual(self.started[0].calls, ["drain"])
        self.reactor.advance(0.1)
        self.assertEqual(self.started[0].calls, ["drain", "kill"])
        self.end(self.started[0])
        self.end(self.started[1])
        self.successResultOf(stopped)

    def test_stoppedWhileOneIsMissing(self) -> None:
        """Nobody is started for that."""
        self.ready(*self.started)
        for _ in range(2):
            self.end(self.started[-1])
            self.reactor.advance(0)
        count = len(self.started)
        self.assertEqual(len(self.reactor.getDelayedCalls()), 1)
        stopped = self.crew.stopService()
        # All that is waited for now is the end of those who drain.
        self.assertEqual([each.getTime() > 30 for each in self.reactor.getDelayedCalls()], [True])
        self.reactor.advance(5)
        self.assertEqual(len(self.started), count)
        self.end(self.started[0], "exit", 0)
        self.successResultOf(stopped)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_reload(self) -> None:
        """All who serve; the same fault is told once, and one that dies tells none."""
        limits = Limits(idleSeconds=700)
        self.ready(*self.started)
        self.started[0].link.answer = succeed({"faults": ["one", "two"]})
        self.started[1].link.answer = succeed({"faults": ["two"]})
        self.assertEqual(self.successResultOf(self.crew.reload(limits)), ["one", "two"])
        self.assertEqual(self.started[0].link.asked, [(Reload, {"limits": asdict(limits)})])
        self.started[1].link.answer = fail(ConnectionLost())
        self.started[0].link.answer = succeed({"faults": []})
        self.assertEqual(self.successResultOf(self.crew.reload(limits)), [])
