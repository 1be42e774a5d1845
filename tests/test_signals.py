"""
L{pop3svc.operations.signals}, with the real command.
"""

import poplib
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from twisted.internet.error import ReactorNotRunning
from twisted.trial.unittest import SynchronousTestCase

from pop3svc.operations import signals

from .running import RunningService, freePort


class EndingReactor:
    """@ivar stops: how often it was told."""

    stops = 0

    def callFromThread(self, call: Callable[..., object], *arguments: object) -> None:
        call(*arguments)

    def stop(self) -> None:
        self.stops += 1
        raise ReactorNotRunning


class SignalTests(SynchronousTestCase):
    def start(self) -> RunningService:
        self.port = freePort()
        service = RunningService(
            Path(self.mktemp()),
            *("--pop3", f"tcp:{self.port}:interface=127.0.0.1"),
            *("--auth", "memory:karl:secret", "--maildrop", "memory:"),
        )
        self.addCleanup(service.process.wait)
        self.addCleanup(service.process.kill)
        service.waitFor("event=listening")
        # A greeting says that the reactor runs, and thus that signals are handled.
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as probe:
            probe.recv(100)
        return service

    def test_drainByAnyOrder(self) -> None:
        """The second signal changes nothing for whoever is in, and is no fault."""
        for first, second in (
            (signal.SIGINT, signal.SIGTERM),
            (signal.SIGTERM, signal.SIGINT),
            (signal.SIGINT, signal.SIGINT),
        ):
            service = self.start()
            client = poplib.POP3("127.0.0.1", self.port, timeout=20)
            client.user("karl")
            client.pass_("secret")
            service.process.send_signal(first)
            service.waitFor("Closed)")
            service.process.send_signal(second)
            self.assertEqual(client.stat(), (0, 0))
            client.quit()
            self.assertEqual(service.process.wait(20), 0)
            self.assertIn("reason=quit", service.output())
            self.assertNotIn("Traceback", service.output())

    def test_endingAlready(self) -> None:
        """A worker, because its parent has said so; that is no fault."""
        for each in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            self.addCleanup(signal.signal, each, signal.getsignal(each))
        ending = EndingReactor()
        signals.handleSignals(ending, lambda: None)
        signal.raise_signal(signal.SIGTERM)
        self.assertEqual(ending.stops, 1)

    def test_hangupWhileStarting(self) -> None:
        before = signal.getsignal(signal.SIGHUP)
        self.addCleanup(signal.signal, signal.SIGHUP, before)
        signals.ignoreHangup()
        self.assertEqual(signal.getsignal(signal.SIGHUP), signal.SIG_IGN)
