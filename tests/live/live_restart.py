"""
A restart, and reloads, under load. With sockets that somebody else holds nobody is
refused, and no session breaks.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.load import Load, Plan, build
from tests.running import ROOT

from .harness import IMPLICIT, PASSWORD, PLAIN, STLS, LiveTestCase, Served, Way
from .manager import Manager
from .messages import Maildir, canonical
from .programs import findProgram, unavailable
from .wire import Wire

_MAIL = b"Subject: restart\n\nOne line.\n"
_WAYS = (PLAIN, STLS, IMPLICIT)
_HELD, _CONNECTIONS = 24, 5
# How long a session that is open when the service is told to stop still goes on.
_HELD_SECONDS = 1.5
_ROUNDS, _LOAD_SECONDS = 4, 14
_RELOADS, _RELOAD_SECONDS = 40, 0.2
_LEAST_A_SECOND = 100
_BY_INDEX = ("systemd:domain=INET:index=0", "systemd:domain=INET:index=1")
_BY_NAME = ("systemd:domain=INET:name=pop3", "systemd:domain=INET:name=pop3s")


class LoadTestCase(LiveTestCase):
    """
    @ivar users: has a maildrop with one message for each user of the load.
    """

    def setUp(self) -> None:
        super().setUp()
        findProgram("make")
        self.programs = ROOT / "build" / "benchmarks"
        try:
            build(self.programs)
        except subprocess.CalledProcessError as error:
            unavailable(f"the load generator cannot be built: {error.stderr}")
        self.maildirs = self.directory / "maildirs"
        held = [f"held{number}" for number in range(_HELD)]
        loaded = [f"{kind}{number}" for kind in ("clear", "tls") for number in range(20)]
        users = [*held, *loaded, "poller"]
        for each in users:
            Maildir(self.maildirs / each).deliver(_MAIL)
        passwords = self.directory / "passwords"
        passwords.write_text("".join(f"{each}:{{PLAIN}}{PASSWORD}\n" for each in users), "ascii")
        self.words = (
            *("--auth", f"passwd:{passwords}"),
            *("--maildrop", f"maildir:{self.maildirs}/{{user}}"),
            # All come from one machine.
            *("--limit", "connections-per-network=1000"),
            *("--limit", "logging-in-per-network=1000"),
        )

    def load(self, stack: ExitStack, served: Served, way: Way, seconds: float) -> Load:
        """Sessions from now on, each answer of which is verified."""
        plan = Plan(
            user="tls" if way.implicit else "clear",
            script="user,pass,stat,list,retr,quit",
            users=20,
            connections=_CONNECTIONS,
            messages=1,
            tls="resumed" if way.implicit else "",
        )
        words = ("--seconds", str(seconds), "--patience", "60")
        load = Load(self.programs, served.port(way), plan, (0, 1), *words)
        stack.enter_context(load)
        load.waitFor("ready")
        load.go()
        return load


class RestartTests(LoadTestCase):
    def test_whenTheOldHasEnded(self) -> None:
        """As systemd does it: who comes meanwhile waits in the queue."""
        self.restartUnderLoad(_BY_INDEX, False)

    def test_atOnce(self) -> None:
        """The old process finishes its sessions beside the new one."""
        self.restartUnderLoad(_BY_NAME, True)

    def test_workers(self) -> None:
        """Those of the old process finish their sessions, too."""
        self.restartUnderLoad(_BY_NAME, True, "--workers", "2")

    def restartUnderLoad(self, endpoints: tuple[str, str], atOnce: bool, *words: str) -> None:
        manager = Manager(self.directory, endpoints, *self.words, *words)
        self.addCleanup(manager.end)
        manager.start()
        manager.awaitWord("READY=1")
        with ExitStack() as stack:
            loads = [self.load(stack, manager, way, _LOAD_SECONDS) for way in (PLAIN, IMPLICIT)]
            poller = Poller(manager)
            poller.start()
            for number in range(_ROUNDS):
                self.restart(manager, number, atOnce)
            outcomes = [each.outcome() for each in loads]
            poller.end()
        self.assertEqual(poller.faults, [])
        for each in outcomes:
            self.assertGreater(each.sessions, 100)
        self.assertGreater(poller.sessions, 10)
        manager.terminate()
        self.assertEqual(manager.wait(_ROUNDS), 0)
        # Each session is there, and ended as it should.
        log = manager.logs()
        sessions = sum(each.sessions for each in outcomes) + poller.sessions + _ROUNDS * _HELD
        self.assertEqual(log.count("event=login "), sessions)
        self.assertEqual(log.count("reason=quit"), sessions)
        self.assertNotIn("Traceback", log)

    def restart(self, manager: Manager, number: int, atOnce: bool) -> None:
        """Once, while sessions are open that go on for a while and remove their mail."""
        held = [Held(manager, self.maildirs, each) for each in range(_HELD)]
        manager.terminate()
        for each in held:
            each.start()
        self.assertTrue(
            manager.awaitWord("STOPPING=1")[1].startswith("EXTEND_TIMEOUT_USEC="),
        )
        if not atOnce:
            self.assertEqual(manager.wait(number), 0)
        manager.start()
        manager.awaitWord("READY=1")
        self.assertEqual(manager.wait(number), 0)
        for each in held:
            each.join()
        self.assertEqual([each.fault for each in held if each.fault], [])

    def test_strangers(self) -> None:
        """Who was accepted before the end may still log in, if that is soon."""
        manager = Manager(
            self.directory, _BY_INDEX, *self.words, "--limit", "drain-login-seconds=3"
        )
        self.addCleanup(manager.end)
        manager.start()
        manager.awaitWord("READY=1")
        slow, silent = Wire(manager, IMPLICIT), Wire(manager)
        manager.terminate()
        manager.awaitWord("STOPPING=1")
        slow.login("held0")
        self.assertEqual(slow.retrieve(1), canonical(_MAIL))
        self.assertTrue(silent.ended())
        silent.close()
        slow.quit()
        self.assertEqual(manager.wait(0), 0)

    def test_told(self) -> None:
        """What systemctl shows, and that the reactor lives."""
        manager = Manager(self.directory, _BY_NAME, *self.words)
        self.addCleanup(manager.end)
        manager.start()
        serving = "STATUS=serving; sessions: {}, not logged in: {}"
        self.assertEqual(manager.awaitWord("READY=1"), ["READY=1", serving.format(0, 0)])
        wire, stranger = Wire(manager), Wire(manager)
        wire.login("held0")
        self.assertIn(serving.format(1, 1), manager.awaitWord("STATUS=serving; sessions: 1"))
        self.assertEqual(manager.awaitWord("WATCHDOG=1"), ["WATCHDOG=1"])
        manager.hangUp()
        self.assertTrue(manager.awaitWord("RELOADING=1")[1].startswith("MONOTONIC_USEC="))
        self.assertEqual(manager.awaitWord("READY=1")[1], serving.format(1, 1))
        stranger.close()
        manager.terminate()
        self.assertIn("STATUS=draining", manager.awaitWord("STOPPING=1")[2])
        wire.quit()
        self.assertEqual(manager.wait(0), 0)


class ReloadTests(LoadTestCase):
    def test_underLoad(self) -> None:
        """SIGHUP, again and again, during more than a hundred sessions a second."""
        self.reloadUnderLoad()

    def test_workersUnderLoad(self) -> None:
        """The same, where several processes serve."""
        self.reloadUnderLoad("--workers", "2")

    def reloadUnderLoad(self, *words: str) -> None:
        service = self.serve(*self.words, *words)
        seconds = _RELOADS * _RELOAD_SECONDS
        with ExitStack() as stack:
            held = [Held(service, self.maildirs, each, seconds) for each in range(_HELD)]
            loads = [self.load(stack, service, way, seconds) for way in (PLAIN, IMPLICIT)]
            for each in held:
                each.start()
            for _ in range(_RELOADS):
                time.sleep(_RELOAD_SECONDS)
                service.reload()
            outcomes = [each.outcome() for each in loads]
            for each in held:
                each.join()
        self.assertEqual([each.fault for each in held if each.fault], [])
        sessions = sum(each.sessions for each in outcomes)
        self.assertGreater(sessions / max(each.seconds for each in outcomes), _LEAST_A_SECOND)
        # Signals that come together are one.
        self.assertGreater(len(service.events("reloaded")), _RELOADS / 2)
        self.assertEqual(service.log().count("reason=quit"), sessions + _HELD)


class Held(threading.Thread):
    """
    A session that is open, works, removes its message, and ends properly.

    @ivar fault: what went wrong, if anything did.
    """

    def __init__(
        self, served: Served, maildirs: Path, number: int, seconds: float = _HELD_SECONDS
    ) -> None:
        super().__init__()
        self.fault = ""
        user = f"held{number}"
        self._seconds = seconds
        self._maildir = Maildir(maildirs / user)
        if not self._maildir.stored():
            self._maildir.deliver(_MAIL)
        self._wire = Wire(served, _WAYS[number % len(_WAYS)])
        self._wire.login(user)

    def run(self) -> None:
        try:
            self._work()
        except (OSError, AssertionError) as error:
            self.fault = repr(error)

    def _work(self) -> None:
        end = time.monotonic() + self._seconds
        while time.monotonic() < end:
            if self._wire.retrieve(1) != canonical(_MAIL):
                raise AssertionError("this is another message")
            time.sleep(0.1)
        self._wire.expect(b"DELE 1", b"+OK")
        self._wire.quit()
        if self._maildir.stored():
            raise AssertionError("the message was not removed")


class Poller(threading.Thread):
    """
    Session after session by STLS, which the load generator cannot.

    @ivar sessions: how many came to their end.
    """

    def __init__(self, served: Served) -> None:
        super().__init__()
        self.sessions = 0
        self.faults: Sequence[str] = []
        self._served = served
        self._ending = threading.Event()

    def end(self) -> None:
        """After the session that it has begun."""
        self._ending.set()
        self.join()

    def run(self) -> None:
        try:
            while not self._ending.is_set():
                wire = Wire(self._served, STLS)
                wire.login("poller")
                wire.quit()
                self.sessions += 1
        except (OSError, AssertionError) as error:
            self.faults = [repr(error)]
