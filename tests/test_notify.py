"""
L{pop3svc.operations.notify}: datagrams, as a service manager gets them.
"""

import os
import socket
import time
from pathlib import Path

from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from pop3svc.errors import SettingError
from pop3svc.operations.notify import Notifier


class NotifierTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.sessions = 0
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.manager.close)
        self.manager.setblocking(False)

    def notifier(self, **environ: str) -> Notifier:
        """One that finds a socket with a path."""
        # Such a path is short.
        path = f"/tmp/pop3svc-notify-{os.getpid()}"
        self.manager.bind(path)
        self.addCleanup(os.unlink, path)
        return self.made({"NOTIFY_SOCKET": path, **environ})

    def made(self, environ: dict[str, str]) -> Notifier:
        notifier = Notifier.fromEnvironment(environ, self.clock)
        self.addCleanup(notifier.close)
        self.assertEqual(environ, {})
        return notifier

    def told(self) -> list[str]:
        """All datagrams since the last call."""
        texts = []
        while True:
            try:
                texts.append(self.manager.recv(4096).decode())
            except BlockingIOError:
                return texts

    def status(self) -> str:
        return f"sessions: {self.sessions}"

    def test_life(self) -> None:
        notifier = self.notifier()
        self.assertEqual(self.told(), [])
        notifier.ready(self.status)
        self.assertEqual(self.told(), ["READY=1\nSTATUS=sessions: 0"])
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        notifier.reloading()
        [text] = self.told()
        begin, _, rest = text.partition("\nMONOTONIC_USEC=")
        self.assertEqual(begin, "RELOADING=1")
        usec, _, status = rest.partition("\n")
        self.assertTrue(before <= int(usec) <= before + 5_000_000)
        self.assertEqual(status, "STATUS=reading files again")
        notifier.ready(self.status)
        self.assertEqual(self.told(), ["READY=1\nSTATUS=sessions: 0"])
        notifier.stopping(45, lambda: "draining")
        self.assertEqual(self.told(), ["STOPPING=1\nEXTEND_TIMEOUT_USEC=45000000\nSTATUS=draining"])
        notifier.close()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_abstract(self) -> None:
        name = f"pop3svc-notify-{os.getpid()}"
        self.manager.bind(f"\0{name}")
        self.made({"NOTIFY_SOCKET": f"@{name}"}).ready(self.status)
        self.assertEqual(self.told(), ["READY=1\nSTATUS=sessions: 0"])

    def test_status(self) -> None:
        """Told when it is another, every ten seconds at the most."""
        notifier = self.notifier()
        notifier.ready(self.status)
        self.told()
        self.clock.pump([1] * 60)
        self.assertEqual(self.told(), [])
        self.sessions = 7
        self.clock.pump([1] * 20)
        self.assertEqual(self.told(), ["STATUS=sessions: 7"])

    def test_statusAfterReload(self) -> None:
        """A sentence about what is over does not stay."""
        notifier = self.notifier()
        notifier.ready(self.status)
        notifier.reloading()
        self.told()
        self.clock.advance(10)
        self.assertEqual(self.told(), ["STATUS=sessions: 0"])

    def test_watchdog(self) -> None:
        notifier = self.notifier(WATCHDOG_USEC="4000000", WATCHDOG_PID=str(os.getpid()))
        self.clock.pump([1] * 10)
        self.assertEqual(self.told(), [])
        notifier.ready(self.status)
        self.told()
        self.clock.advance(1.9)
        self.assertEqual(self.told(), [])
        self.clock.advance(0.1)
        self.assertEqual(self.told(), ["WATCHDOG=1"])
        self.clock.pump([1] * 10)
        self.assertEqual(self.told(), ["WATCHDOG=1"] * 5)

    def test_watchdogOfAnother(self) -> None:
        """A process in front of us, such as a shell, is watched."""
        notifier = self.notifier(WATCHDOG_USEC="4000000", WATCHDOG_PID=str(os.getpid() + 1))
        notifier.ready(self.status)
        self.told()
        self.clock.pump([1] * 10)
        self.assertEqual(self.told(), [])

    def test_watchdogWithoutSense(self) -> None:
        for value in ("", "0", "x", "-1", "\u0664"):
            manager, self.manager = self.manager, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            manager.close()
            self.addCleanup(self.manager.close)
            self.manager.setblocking(False)
            name = f"pop3svc-notify-{os.getpid()}-{value}"
            self.manager.bind(f"\0{name}")
            self.made({"NOTIFY_SOCKET": f"@{name}", "WATCHDOG_USEC": value}).ready(self.status)
            self.clock.pump([1] * 20)
            self.assertEqual(self.told(), ["READY=1\nSTATUS=sessions: 0"], value)

    def test_nobody(self) -> None:
        notifier = self.made({"WATCHDOG_USEC": "4000000"})
        notifier.ready(self.status)
        notifier.reloading()
        notifier.stopping(30, self.status)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_noSuchSocket(self) -> None:
        with self.assertRaises(SettingError) as caught:
            Notifier.fromEnvironment({"NOTIFY_SOCKET": "vsock:2:1234"}, self.clock)
        self.assertEqual(
            str(caught.exception),
            "NOTIFY_SOCKET is 'vsock:2:1234', which is no UNIX socket; unset it",
        )

    def test_slowManager(self) -> None:
        """READY is not lost when the manager's queue is full, and comes in its order."""
        notifier = self.notifier()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            other.setblocking(False)
            other.connect(self.manager.getsockname())
            with self.assertRaises(BlockingIOError):
                while True:
                    other.send(b"x")
        notifier.reloading()
        notifier.ready(self.status)
        # Nothing is added to what waits.
        self.sessions = 1
        self.clock.pump([0.1] * 300)
        self.assertEqual(set(self.told()), {"x"})
        self.clock.advance(0.1)
        reloading, ready = self.told()
        self.assertTrue(reloading.startswith("RELOADING=1\n"))
        self.assertEqual(ready, "READY=1\nSTATUS=sessions: 0")
        self.clock.advance(10)
        self.assertEqual(self.told(), ["STATUS=sessions: 1"])

    def test_managerGone(self) -> None:
        """One line about it, and the service goes on."""
        notifier = self.made({"NOTIFY_SOCKET": str(Path(self.mktemp()).absolute())})
        with capturedLogs() as events:
            notifier.ready(self.status)
            notifier.reloading()
        [event] = events
        self.assertIn("cannot be told how it is (No such file or directory)", formatEvent(event))
        self.assertEqual(self.clock.getDelayedCalls()[0].getTime(), 10)
