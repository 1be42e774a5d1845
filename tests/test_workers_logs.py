"""L{pop3svc.workers.logs}: a worker's log is the parent's, line by line."""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import Thread
from typing import cast
from unittest import mock

from twisted.internet.task import Clock
from twisted.logger import (
    ILogObserver,
    LogEvent,
    Logger,
    LogPublisher,
    eventAsText,
    globalLogPublisher,
)
from twisted.trial.unittest import SynchronousTestCase

from pop3svc.workers.logs import LogReader, LogWriter


class Reactor(Clock):
    """@ivar fromThreads: calls that threads, or anybody, have left for its own thread."""

    def __init__(self) -> None:
        super().__init__()
        self.fromThreads: list[Callable[[], object]] = []

    def callFromThread(self, call: Callable[..., object], *arguments: object) -> None:
        self.fromThreads.append(lambda: call(*arguments))

    def advance(self, amount: float) -> None:
        calls, self.fromThreads = self.fromThreads, []
        for each in calls:
            each()
        super().advance(amount)


class LogTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Reactor()
        self.ours, self.theirs = os.pipe()
        self.addCleanup(os.close, self.ours)
        os.set_blocking(self.ours, False)
        self.writer = LogWriter(self.theirs, self.clock)
        self.reader = LogReader()
        self.heard: list[LogEvent] = []
        self.log = Logger(namespace="pop3svc.audit", observer=LogPublisher(self.writer))
        hear = cast(ILogObserver, self.heard.append)
        globalLogPublisher.addObserver(hear)
        self.addCleanup(globalLogPublisher.removeObserver, hear)

    def arrive(self, octets: int = 1 << 20) -> None:
        """What is in the pipe, a few octets at a time."""
        try:
            while piece := os.read(self.ours, octets):
                self.reader.received(piece)
        except BlockingIOError:
            return

    def texts(self) -> list[str]:
        return [eventAsText(each, includeTimestamp=False) for each in self.heard]

    def test_sameLines(self) -> None:
        """As the worker would have written it; braces are no format, and a line stays one."""
        self.log.info("{line}", line='event=login user="{x}\\n" a=1')
        self.log.error("disk {n}", n=3)
        self.arrive(octets=7)
        os.close(self.theirs)
        self.assertEqual(
            self.texts(),
            [
                '[pop3svc.audit#info] event=login user="{x}\\n" a=1',
                "[pop3svc.audit#error] disk 3",
            ],
        )

    def test_traceback(self) -> None:
        try:
            raise ZeroDivisionError("of ours")
        except ZeroDivisionError:
            self.log.failure("while {what}", what="reading")
        self.arrive()
        os.close(self.theirs)
        [text] = self.texts()
        self.assertIn("[pop3svc.audit#critical] while reading\nTraceback", text)
        self.assertIn("ZeroDivisionError: of ours", text)
        # Trial takes it for one of its own.
        self.flushLoggedErrors(ZeroDivisionError)

    def test_system(self) -> None:
        """What old ways of logging call the system."""
        self.log.info("Closed", log_system="-")
        self.arrive()
        os.close(self.theirs)
        self.assertEqual(self.texts(), ["[-] Closed"])

    def test_parentHangs(self) -> None:
        """What does not fit into the pipe waits, up to a bound, in its order."""
        for number in range(3000):
            self.log.info("{number} {filling}", number=number, filling="x" * 500)
        # It has not touched the timers of the reactor: this might have been a thread.
        self.assertEqual((self.clock.getDelayedCalls(), len(self.clock.fromThreads)), ([], 1))
        for _ in range(100):
            self.arrive()
            self.clock.advance(0.1)
        self.arrive()
        os.close(self.theirs)
        numbers = [int(each.split()[1]) for each in self.texts()]
        self.assertEqual(numbers, list(range(len(numbers))))
        # A pipe of 64 KiB, and a MiB.
        self.assertGreater(len(numbers), 1500)
        self.assertLess(len(numbers), 2500)

    def test_parentIsBehindAtTheEnd(self) -> None:
        """What a busy parent has not read when the process ends is not lost."""
        for number in range(1000):
            self.log.info("{number} {filling}", number=number, filling="x" * 500)
        os.set_blocking(self.ours, True)

        def end() -> None:
            self.writer.flush()
            os.close(self.theirs)

        ending = Thread(target=end)
        ending.start()
        while piece := os.read(self.ours, 8192):
            self.reader.received(piece)
        ending.join()
        numbers = [int(each.split()[1]) for each in self.texts()]
        self.assertEqual(numbers, list(range(1000)))

    def test_inTheMidst(self) -> None:
        """The collector of garbage finds a failure to tell while a line is written."""
        write, toTell = os.write, ["second"]

        def interrupted(descriptor: int, octets: bytes) -> int:
            while toTell:
                self.log.error("{text}", text=toTell.pop())
            return write(descriptor, octets)

        with mock.patch.object(os, "write", interrupted):
            telling = Thread(target=self.log.info, args=("first",), daemon=True)
            telling.start()
            telling.join(5)
        self.assertFalse(telling.is_alive(), "it waits for itself")
        self.arrive()
        os.close(self.theirs)
        self.assertEqual([each.split()[-1] for each in self.texts()], ["first", "second"])

    def test_malformed(self) -> None:
        """Whoever has broken into a worker can neither end the parent nor fill its memory."""
        for _ in range(20):
            self.reader.received(b"x" * (1 << 17))
            self.assertLessEqual(len(self.reader._begun), 1 << 20)
        self.reader.received(b'\n[]\n["n", null, "loud", "text"]\n\xff\n')
        self.reader.received(b"[" * 100_000 + b"\n")
        self.log.info("after")
        self.arrive()
        os.close(self.theirs)
        self.assertEqual(
            self.texts(),
            [
                *["[pop3svc.workers.logs#warn] a worker's log holds what no worker writes"] * 5,
                "[pop3svc.audit#info] after",
            ],
        )

    def test_parentGone(self) -> None:
        """Then there is no log, and no fault."""
        gone, end = os.pipe()
        os.close(gone)
        writer = LogWriter(end, self.clock)
        log = Logger(namespace="x", observer=LogPublisher(writer))
        log.info("one")
        log.info("two")
        writer.flush()
        os.close(end)
        os.close(self.theirs)
        self.assertEqual(self.clock.getDelayedCalls(), [])
