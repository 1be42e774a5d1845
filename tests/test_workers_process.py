"""L{pop3svc.workers.process}: one worker, with a process that is none."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from pop3svc.limits import Limits
from pop3svc.listeners import ListenerSettings
from pop3svc.startfiles import Kept, Stamp, memoryFile
from pop3svc.workers.link import Link, Part
from pop3svc.workers.orders import FIRST_OTHER, LINK, LOG, ORDERS, Orders
from pop3svc.workers.process import Worker, environment


class FakeProcess:
    """@ivar signals: those that it was sent."""

    pid = 4711

    def __init__(self) -> None:
        self.signals: list[str] = []
        self.gone = False

    def signalProcess(self, name: str) -> None:
        if self.gone:
            raise ProcessExitedAlready
        self.signals.append(name)


class FakeReactor(Clock):
    """
    @ivar spawned: how the process was started.
    @ivar orders: what it was told.
    @ivar error: why there is none.
    """

    error: OSError | None = None

    def __init__(self) -> None:
        super().__init__()
        self.process = FakeProcess()
        self.hasSpawned: Callable[[], None] = lambda: None

    def spawnProcess(
        self, protocol: Any, program: str, words: Any, environ: Any, childFDs: Any
    ) -> Any:
        if self.error is not None:
            raise self.error
        self.spawned = (words, environ, childFDs)
        self.orders = Orders.read(childFDs[ORDERS])
        self.isSocket = socket.socket(fileno=os.dup(childFDs[LINK]))
        self.hasSpawned()
        return self.process

    def adoptStreamConnection(self, descriptor: int, family: int, factory: Any) -> None:
        self.link: Link = factory.buildProtocol(None)
        self.link.makeConnection(StringTransport())


class LossPart(Part):
    losses = 0

    def lost(self) -> None:
        self.losses += 1


class WorkerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor, self.part = FakeReactor(), LossPart()
        self.limits = Limits(heartbeatSeconds=5, hungSeconds=30)
        self.happened: list[object] = []
        self.worker = Worker(
            1,
            [self.part],
            self.reactor,
            lambda: self.limits,
            lambda worker: self.happened.append("ready"),
            lambda worker, *reason: self.happened.append(reason),
            lambda worker: self.happened.append("hung"),
        )
        self.orders = Orders(
            1, 2, None, os.open(".", os.O_PATH), {}, {}, self.limits, [], b"salt", key=b"key"
        )
        self.addCleanup(os.close, self.orders.directory)
        self.worker.start(self.orders, {"PATH": "/bin"})
        self.addCleanup(self.reactor.isSocket.close)

    def exit(self, reason: Exception) -> None:
        self.reactor.process.gone = True
        self.worker.processExited(Failure(reason))
        self.worker.childConnectionLost(LOG)
        self.reactor.advance(0)

    def asked(self) -> int:
        """How many pings went out."""
        transport: Any = self.worker.link.transport
        return transport.value().count(b"\x04Ping")

    def answer(self) -> None:
        transport: Any = self.worker.link.transport
        number = transport.value().rpartition(b"\x04_ask\x00")[2]
        tag = number[1 : 1 + number[0]]
        self.worker.link.dataReceived(b"\0\x07_answer\0" + bytes([len(tag)]) + tag + b"\0\0")

    def test_start(self) -> None:
        """Nothing of ours but what it needs; no two descriptors are confused."""
        words, environ, descriptors = self.reactor.spawned
        self.assertEqual(words[1:], ["-P", "-m", "pop3svc.workers.worker", "1"])
        self.assertEqual(environ, {"PATH": "/bin"})
        self.assertEqual(sorted(descriptors), [0, 1, 2, LINK, LOG, ORDERS, FIRST_OTHER])
        self.assertEqual([descriptors[each] for each in (1, 2, LOG)], ["r", "r", "r"])
        self.assertEqual(self.reactor.isSocket.family, socket.AF_UNIX)
        self.assertEqual(self.worker.pid, 4711)
        self.assertEqual((self.reactor.orders.number, self.reactor.orders.key), (1, b"key"))

    def test_alive(self) -> None:
        """One ping at a time, and none before it serves."""
        self.reactor.pump([5] * 3)
        self.assertEqual(self.asked(), 0)
        self.worker.ready()
        self.assertEqual((self.happened, self.worker.serving), (["ready"], True))
        for number in range(1, 20):
            self.reactor.advance(5)
            self.assertEqual(self.asked(), number)
            self.answer()
        self.assertEqual(self.happened, ["ready"])

    def test_hung(self) -> None:
        """After hung-seconds without an answer, and not before; once."""
        self.worker.ready()
        self.reactor.pump([5] * 5 + [4.9])
        self.assertEqual((self.asked(), self.reactor.process.signals), (1, []))
        self.reactor.pump([5.1, 5, 5])
        self.assertEqual(self.reactor.process.signals, ["KILL"])
        self.assertEqual(self.happened, ["ready", "hung"])
        self.assertTrue(self.worker.hung)

    def test_noProcess(self) -> None:
        """Where none can be had, nothing is left of it: no descriptor, no link, no timer."""
        reactor = FakeReactor()
        reactor.error = OSError(errno.EAGAIN, "Resource temporarily unavailable")
        self.worker = Worker(
            *(2, [], reactor, lambda: self.limits),
            self.happened.append,
            lambda worker, *reason: self.happened.append(reason),
            self.happened.append,
        )
        before = os.listdir("/proc/self/fd")
        with self.assertRaises(OSError):
            self.worker.start(self.orders, {})
        self.assertEqual(os.listdir("/proc/self/fd"), before)
        transport: Any = reactor.link.transport
        self.assertTrue(transport.disconnecting)
        self.assertEqual((reactor.getDelayedCalls(), self.happened), ([], []))

    def test_endedBeforeItHasBegun(self) -> None:
        """The host was so busy: its end is told once, and nobody waits for an answer of it."""
        reactor = FakeReactor()
        worker = Worker(
            *(2, [], reactor, lambda: self.limits),
            self.happened.append,
            lambda worker, *reason: self.happened.append(reason),
            lambda worker: self.happened.append("hung"),
        )
        reactor.hasSpawned = lambda: worker.processExited(Failure(ProcessTerminated(signal=9)))
        worker.start(self.orders, {})
        self.addCleanup(reactor.isSocket.close)
        reactor.pump([1] * 200)
        self.assertEqual(self.happened, [("signal", 9)])
        self.assertEqual(reactor.getDelayedCalls(), [])

    def test_parentHung(self) -> None:
        """While nobody could hear an answer, its want says nothing."""
        self.worker.ready()
        self.reactor.advance(5)
        self.reactor.advance(3600)
        self.reactor.pump([5] * 3)
        self.assertEqual(self.happened, ["ready"])
        self.reactor.advance(5)
        self.assertEqual(self.happened, ["ready", "hung"])

    def test_seldomAsked(self) -> None:
        """Whoever has answered all that was asked does not hang."""
        self.limits = Limits(heartbeatSeconds=60, hungSeconds=30)
        self.worker.ready()
        for _ in range(3):
            self.reactor.pump([60])
            self.answer()
        self.assertEqual(self.happened, ["ready"])
        self.reactor.pump([60, 60])
        self.assertEqual(self.happened, ["ready", "hung"])

    def test_neverReady(self) -> None:
        """A start may take longer, and not for ever."""
        self.reactor.pump([5] * 23)
        self.assertEqual(self.happened, [])
        self.reactor.pump([5])
        self.assertEqual((self.happened, self.reactor.process.signals), (["hung"], ["KILL"]))

    def test_ends(self) -> None:
        """Parts hear of it first, and nothing goes on."""
        for reason, told in (
            (ProcessDone(0), ("exit", 0)),
            (ProcessTerminated(exitCode=3), ("exit", 3)),
            (ProcessTerminated(signal=11), ("signal", 11)),
        ):
            self.setUp()
            self.worker.ready()
            self.exit(reason)
            self.assertEqual(self.happened, ["ready", told])
            self.assertEqual((self.part.losses, self.worker.serving), (1, False))
            self.assertEqual(self.reactor.getDelayedCalls(), [])
            self.worker.kill()
            self.assertEqual(self.reactor.process.signals, [])

    def test_logOutlivesIt(self) -> None:
        """Its end is told when all is read of what it logged last, whichever comes first."""
        self.worker.ready()
        self.worker.processExited(Failure(ProcessDone(0)))
        self.worker.childConnectionLost(1)
        self.reactor.advance(0.9)
        self.assertEqual(self.happened, ["ready"])
        self.worker.childConnectionLost(LOG)
        self.reactor.advance(0)
        self.assertEqual(self.happened, ["ready", ("exit", 0)])
        self.setUp()
        self.worker.childConnectionLost(LOG)
        self.worker.processExited(Failure(ProcessDone(0)))
        self.reactor.advance(0)
        self.assertEqual(self.happened, [("exit", 0)])

    def test_logIsHeldOpen(self) -> None:
        """By whoever: it is not waited for."""
        self.worker.processExited(Failure(ProcessDone(0)))
        self.reactor.advance(1)
        self.assertEqual(self.happened, [("exit", 0)])

    def test_linkIsLost(self) -> None:
        """It is ending, or it is of no use."""
        self.worker.ready()
        self.worker.link.connectionLost(Failure(ProcessDone(0)))
        self.assertFalse(self.worker.serving)
        self.reactor.advance(4.9)
        self.assertEqual((self.reactor.process.signals, self.part.losses), ([], 0))
        self.reactor.advance(0.1)
        self.assertEqual(self.reactor.process.signals, ["KILL"])

    def test_drain(self) -> None:
        """One that serves nobody yet is just killed."""
        self.worker.drain()
        self.assertEqual(self.reactor.process.signals, ["KILL"])
        self.setUp()
        self.worker.ready()
        self.worker.drain()
        transport: Any = self.worker.link.transport
        self.assertIn(b"\x05Drain", transport.value())
        self.assertEqual(self.reactor.process.signals, [])

    def test_printed(self) -> None:
        """Whatever libraries print is in the log, in whole lines; the last is kept."""
        self.worker.childDataReceived(2, b"one\ntw")
        self.worker.childDataReceived(2, b"o \xff\n" + b"x" * 10_000)
        self.assertEqual(self.worker.said, "two \\xff")
        self.worker.childDataReceived(2, b"\n")
        self.assertEqual(len(self.worker.said), 4096)


class EnvironmentTests(SynchronousTestCase):
    def test_environment(self) -> None:
        """A worker finds the same modules, and speaks to nobody for the service."""
        before = {"NOTIFY_SOCKET": "/run/x", "LANG": "C", "PYTHONPATH": "/old"}
        before |= {"LISTEN_FDS": "2", "LISTEN_PID": "70", "LISTEN_FDNAMES": "pop3:pop3s"}
        self.assertEqual(
            environment(["/a", "b"], before),
            {"LANG": "C", "PYTHONPATH": f"/a:{os.path.abspath('b')}"},
        )


class OrdersTests(SynchronousTestCase):
    def test_directoryIsGone(self) -> None:
        """A worker may come when somebody has removed where the service was started."""
        orders = Orders(1, 2, None, 70, {"demo": 0}, {"auth": []}, Limits(), [], b"", key=b"")
        here, gone = os.getcwd(), self.mktemp()
        os.mkdir(gone)
        os.chdir(gone)
        self.addCleanup(os.chdir, here)
        os.rmdir(os.path.join(here, gone))
        self.assertRaises(FileNotFoundError, os.getcwd)
        self.assertEqual(orders.madeOptions().given, {"auth": []})

    def test_roundTrip(self) -> None:
        """What is read is what was written, with the descriptors of the one who reads."""
        kept = Kept(memoryFile(b"key"), Stamp(1, 2, 3, 4, 5, 6))
        settings = ListenerSettings("tcp:110", "stls", "never", "1.3")
        orders = Orders(
            2,
            3,
            "asyncio",
            70,
            {"secret": None, "demo": 0},
            {"auth": ["passwd:/x"]},
            Limits(idleSeconds=700),
            [(settings, 71), (settings, 72)],
            b"\0salt",
            key=b"\xffkey",
            auditLog=73,
            files={"/key.pem": kept},
            shared={"places": 74},
        )
        descriptor, inherited = orders.write()
        self.addCleanup(os.close, descriptor)
        self.addCleanup(os.close, kept.descriptor)
        ours = {there: here for here, there in inherited.items()}
        self.assertEqual(list(inherited), list(range(FIRST_OTHER, FIRST_OTHER + 6)))
        read = Orders.read(descriptor)
        self.assertEqual(read.limits, Limits(idleSeconds=700))
        self.assertEqual(read.listeners, [(settings, ours[71]), (settings, ours[72])])
        self.assertEqual((read.key, read.scramKey), (b"\xffkey", b"\0salt"))
        self.assertEqual((read.auditLog, read.directory), (ours[73], ours[70]))
        self.assertEqual(read.files, {"/key.pem": Kept(ours[kept.descriptor], kept.stamp)})
        self.assertEqual(read.shared, {"places": ours[74]})
        self.assertEqual((read.number, read.workers, read.reactor), (2, 3, "asyncio"))
        options = read.madeOptions()
        self.assertEqual((options["secret"], options.given), (None, {"auth": ["passwd:/x"]}))
        self.assertEqual(options.limits, Limits(idleSeconds=700))
