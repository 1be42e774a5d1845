"""
L{pop3svc.tracing.control} and L{pop3svc.tracing.asker}: the socket, and who asks through it.
"""

from __future__ import annotations

import json
import os
import socket
import stat
from pathlib import Path
from typing import Any
from unittest import mock

from twisted.internet import reactor
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock, deferLater
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase, TestCase

from pop3svc.limits import Limits
from pop3svc.operations.questions import Questions
from pop3svc.tracing.asker import Asker, AskerFactory
from pop3svc.tracing.control import Control

from .support import RecordingAudit

LINES = [["t2", "ab", "C", "STAT"], ["t2", "ab", "S", "+OK 0 0"]]


class Answers(Questions):
    """
    Two workers.

    @ivar asked: what was asked.
    @ivar answers: what each says to C{trace}, once.
    @ivar none: none of them answers.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answers: list[dict[str, Any]] = []
        self.error: Exception | None = None
        self.none = False

    def askAll(self, name: str, argument: dict[str, Any] | None = None) -> Deferred[list[Any]]:
        self.asked.append((name, argument or {}))
        if self.error is not None:
            return fail(self.error)
        if self.none:
            return succeed([])
        answers, self.answers = self.answers or [{"lines": [], "lost": 0}], []
        return succeed(answers)


class Transport(StringTransport):
    """@ivar uid: who is at the other end."""

    uid = 0
    aborted = False

    @property
    def socket(self) -> Any:
        return self

    def getsockopt(self, level: int, option: int, octets: int) -> bytes:
        assert (level, option, octets) == (socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return b"".join(each.to_bytes(4, "little") for each in (4711, self.uid, 100))

    def loseConnection(self) -> None:
        self.disconnecting = True

    def abortConnection(self) -> None:
        self.aborted = True


class AskerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.answers = Answers()
        self.audit = RecordingAudit()
        self.limits = Limits()
        self.factory = AskerFactory(self.answers, self.audit, lambda: self.limits, self.clock)
        self.transport = Transport()
        self.asker = self.factory.buildProtocol(None)
        assert self.asker is not None

    def connect(self) -> None:
        assert self.asker is not None
        self.asker.makeConnection(self.transport)

    def ask(self, **question: Any) -> None:
        assert self.asker is not None
        words = {"do": "trace", "user": "karl", "seconds": 60, **question}
        self.asker.dataReceived(json.dumps(words).encode() + b"\n")

    def told(self) -> list[dict[str, Any]]:
        lines = self.transport.value().splitlines()
        self.transport.clear()
        return [json.loads(each) for each in lines]

    def assertOver(self) -> None:
        """All is let go of."""
        assert self.asker is not None
        self.asker.connectionLost()
        self.assertEqual(self.factory.connections, set())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_trace(self) -> None:
        """Each half second, by time, and to the end."""
        self.connect()
        self.answers.answers = [
            {"lines": LINES, "lost": 0},
            {"lines": [["t1", "cd", "C", "QUIT"]], "lost": 2},
        ]
        self.ask()
        began, lines = self.told()
        trace = began["began"]
        self.assertEqual(began, {"began": trace, "of": "user karl", "seconds": 60})
        self.assertEqual(lines, {"lines": [["t1", "cd", "C", "QUIT"], *LINES], "lost": 2})
        target = {"id": trace, "user": "karl", "network": "", "session": ""}
        self.assertEqual(self.answers.asked, [("trace", {**target, "most": 500})])
        self.clock.pump([0.5] * 119)
        self.assertEqual(len(self.answers.asked), 120)
        self.assertEqual(self.told(), [])
        self.answers.answers = [{"lines": LINES, "lost": 0}]
        self.clock.advance(0.5)
        self.assertEqual(
            self.told()[-2:],
            [{"lines": LINES, "lost": 0}, {"ended": "over", "lines": 5, "lost": 2}],
        )
        self.assertEqual(self.answers.asked[-1], ("trace-end", {"id": trace}))
        self.assertTrue(self.transport.disconnecting)
        self.assertEqual(
            self.audit.records,
            [
                {
                    "event": "trace-began",
                    "trace": trace,
                    "of": "user karl",
                    "uid": 0,
                    "seconds": 60,
                },
                {
                    "event": "trace-ended",
                    "trace": trace,
                    "of": "user karl",
                    "lines": 5,
                    "lost": 2,
                    "reason": "over",
                },
            ],
        )
        self.assertOver()

    def test_toLog(self) -> None:
        self.connect()
        self.answers.answers = [{"lines": LINES, "lost": 0}]
        self.ask(toLog=True)
        self.assertEqual(len(self.told()), 1)
        record = self.audit.events("trace")[1]
        self.assertEqual(
            [record[each] for each in ("session", "from", "text")], ["ab", "S", "+OK 0 0"]
        )
        self.assertOver()

    def test_notYet(self) -> None:
        """Workers that are only starting: it is said to have begun when one knows of it."""
        self.connect()
        self.answers.none = True
        self.ask()
        self.assertEqual(self.told(), [])
        self.answers.none = False
        self.clock.advance(0.5)
        self.clock.advance(0.5)
        self.assertEqual([next(iter(each)) for each in self.told()], ["began"])
        self.assertOver()

    def test_hungUp(self) -> None:
        """The trace ends with whoever asked for it."""
        self.connect()
        self.ask()
        self.assertOver()
        self.assertEqual(self.answers.asked[-1][0], "trace-end")
        self.assertEqual(self.audit.records[-1]["reason"], "stopped")

    def test_slowTerminal(self) -> None:
        """What it cannot take waits in the service, or is lost there."""
        self.connect()
        self.ask()
        assert self.asker is not None
        self.asker.pauseProducing()
        self.clock.advance(0.5)
        self.asker.resumeProducing()
        self.clock.advance(0.5)
        self.assertEqual([each["most"] for _, each in self.answers.asked], [500, 0, 500])
        self.assertOver()

    def test_slowEnd(self) -> None:
        """A transport never closes while it waits for a producer that it has paused."""
        self.connect()
        self.ask()
        assert self.asker is not None
        self.asker.pauseProducing()
        self.clock.pump([0.5] * 120)
        self.assertEqual((self.transport.disconnecting, self.transport.producer), (True, None))
        self.assertOver()

    def test_users(self) -> None:
        """Root and the service's own user, and nobody else."""
        for uid, fits in ((0, True), (os.geteuid(), True), (4711, False)):
            self.setUp()
            self.transport.uid = uid
            self.connect()
            self.ask()
            self.assertEqual(bool(self.answers.asked), fits)
            self.assertEqual(self.transport.disconnecting, not fits)
            if not fits:
                self.assertEqual(
                    self.told(),
                    [{"refused": "only root, and the user that the service runs as, may ask"}],
                )
            self.assertOver()

    def test_wrong(self) -> None:
        update = "the question is none of this version; update pop3svc"
        lasts = "a trace lasts from 1 s to 3600 s, the limit trace-seconds"
        for question, sentence in (
            ({"do": "stop"}, update),
            ({"user": "karl", "session": "ab"}, "name one user, one network or one session"),
            ({"seconds": 0}, lasts),
            ({"seconds": 3601}, lasts),
            ({"seconds": True}, lasts),
            ({"seconds": "60"}, lasts),
        ):
            self.setUp()
            self.connect()
            self.ask(**question)
            self.assertEqual(self.told(), [{"refused": sentence}])
            self.assertEqual((self.answers.asked, self.audit.records), ([], []))
            self.assertOver()
        for octets in (b"[]\n", b"x\n", b"\xff\n", b"[" * 4000 + b"\n"):
            self.setUp()
            self.connect()
            assert self.asker is not None
            self.asker.dataReceived(octets)
            self.assertEqual(list(self.told()[0]), ["refused"])
            self.assertTrue(self.transport.disconnecting)
            self.assertOver()

    def test_longest(self) -> None:
        self.connect()
        self.ask(seconds=3600)
        self.assertEqual(self.told()[0]["seconds"], 3600)
        self.assertOver()

    def test_tooLong(self) -> None:
        self.connect()
        assert self.asker is not None
        self.asker.dataReceived(b"x" * 5000)
        self.assertTrue(self.transport.disconnecting)
        self.assertOver()

    def test_silent(self) -> None:
        self.connect()
        self.clock.advance(9.9)
        self.assertFalse(self.transport.aborted)
        self.clock.advance(0.1)
        self.assertTrue(self.transport.aborted)
        self.assertOver()

    def test_secondQuestion(self) -> None:
        """One connection, one trace."""
        self.connect()
        self.ask()
        self.ask(user="joe")
        self.assertEqual(len(self.audit.events("trace-began")), 1)
        self.assertOver()

    def test_refusedByTheService(self) -> None:
        self.connect()
        self.answers.answers = [{"lines": [], "lost": 0}, {"refused": "there are 4 traces"}]
        self.ask()
        self.assertEqual(self.told()[-1], {"refused": "there are 4 traces"})
        self.assertEqual(self.answers.asked[-1][0], "trace-end")
        self.assertOver()

    def test_nobodyAnswers(self) -> None:
        self.connect()
        self.answers.error = OSError("no worker")
        self.ask()
        self.assertEqual(self.told()[-1], {"refused": "the service could not be asked: no worker"})
        self.assertOver()

    def test_limit(self) -> None:
        self.limits = Limits(controlConnections=1)
        self.connect()
        self.assertIsNone(self.factory.buildProtocol(None))
        self.limits = Limits(controlConnections=2)
        self.assertIsNotNone(self.factory.buildProtocol(None))
        self.assertOver()


class ControlTests(TestCase):
    """The socket itself."""

    def setUp(self) -> None:
        # The path of a socket may have some hundred octets only.
        self.path = Path(os.path.relpath(self.mktemp()))
        self.sentences: list[str] = []

    def make(self) -> Control:
        return Control(
            *(str(self.path), reactor, Answers(), RecordingAudit(), Limits),
            self.sentences.append,
        )

    async def test_socket(self) -> None:
        """For its own user alone; it goes with the service."""
        control = self.make()
        before = os.umask(0)
        try:
            control.startService()
            self.assertEqual(os.umask(0), 0)
        finally:
            os.umask(before)
        status = self.path.lstat()
        self.assertTrue(stat.S_ISSOCK(status.st_mode))
        self.assertEqual((stat.S_IMODE(status.st_mode), status.st_uid), (0o600, os.geteuid()))
        await self.maybe(control.stopService())
        self.assertFalse(self.path.exists())
        self.assertEqual(self.sentences, [])

    async def test_neverOpen(self) -> None:
        """Not even in the moment before its mode is set."""
        control = self.make()
        before = os.umask(0)
        try:
            with mock.patch("os.chmod"):
                control.startService()
        finally:
            os.umask(before)
        self.assertEqual(stat.S_IMODE(self.path.lstat().st_mode) & 0o177, 0)
        await self.maybe(control.stopService())

    async def test_whoAsks(self) -> None:
        """The kernel tells; a trace ends with the service."""
        control = self.make()
        control.startService()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self.path))
            client.sendall(b'{"do": "trace", "user": "karl", "seconds": 9}\n')
            client.setblocking(False)
            octets = b""
            while b"\n" not in octets:
                await deferLater(reactor, 0.01)
                try:
                    octets += client.recv(1000)
                except BlockingIOError:
                    continue
            asker: Asker = next(iter(control._factory.connections))
            self.assertEqual(asker._uid, os.geteuid())
            self.assertEqual(json.loads(octets)["of"], "user karl")
            await self.maybe(control.stopService())
            self.assertEqual(control._factory.audit.records[-1]["reason"], "stopped")  # type: ignore[attr-defined]
            while control._factory.connections:
                await deferLater(reactor, 0.01)

    async def test_stale(self) -> None:
        """What a killed service left is replaced."""
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(self.path))
        control = self.make()
        control.startService()
        self.assertEqual(self.sentences, [])
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self.path))
        await self.maybe(control.stopService())

    async def test_live(self) -> None:
        """That of a service which answers is not."""
        first, second = self.make(), self.make()
        first.startService()
        second.startService()
        self.assertEqual(
            self.sentences,
            [
                f"another service answers at {self.path}; stop it, or name another --control for"
                " this one"
            ],
        )
        await self.maybe(second.stopService())
        self.assertTrue(self.path.exists())
        await self.maybe(first.stopService())

    async def test_noSocket(self) -> None:
        """Nothing else is removed."""
        self.path.write_text("mail")
        self.make().startService()
        self.assertEqual(self.sentences, [f"{self.path} is no socket; name another --control"])
        self.assertEqual(self.path.read_text(), "mail")

    async def test_noDirectory(self) -> None:
        self.path = self.path / "control"
        self.make().startService()
        self.assertEqual(
            self.sentences,
            [
                f"cannot make the control socket {self.path}: No such file or directory; let the"
                " service's user write into its directory, or name another --control"
            ],
        )

    async def maybe(self, done: Deferred[None] | None) -> None:
        if done is not None:
            await done
