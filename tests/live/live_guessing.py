"""
Passwords guessed with the tools of those who do: how far they get, and what the owner
notices.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

from .guesser import Guesser, login, most
from .harness import LOOPBACK, USER, LiveService, LiveTestCase, environment
from .messages import Maildir
from .programs import findProgram

_ATTACKER, _OTHER_ATTACKER, _OWNER = "127.0.0.7", "127.0.0.8", "127.0.0.2"
# By default one network has ten connections that have not logged in.
_MANY_CONNECTIONS = ("--limit", "logging-in-per-network=50")
_NO_DELAYS = ("--limit", "penalty-seconds-most=0")
# The password is the 301st of the list.
_GUESSES = [f"password{number}" for number in range(1, 401)]
_PASSWORD = _GUESSES[300]
_ATTACK_SECONDS = 60.0
_OWNER_SECONDS = 1.0


class Attack:
    """A tool of an attacker, with all processes that it starts."""

    def __init__(self, command: list[str], directory: Path) -> None:
        self._output = directory / "attack.log"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                cwd=directory,
                env=environment(directory),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def said(self) -> str:
        return self._output.read_text("utf-8", "replace")

    def end(self) -> None:
        """However far it is."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class GuessingTestCase(LiveTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.list = self.directory / "passwords"
        self.list.write_text("".join(f"{each}\n" for each in _GUESSES))
        self.users = self.directory / "users"
        self.users.write_text(f"{USER}\n")

    def attackable(self, *arguments: str) -> LiveService:
        """A service whose user has a password from the list."""
        passwd = self.directory / "passwd"
        passwd.write_text(f"{USER}:{{PLAIN}}{_PASSWORD}\n")
        service = self.serve("--auth", f"passwd:{passwd}", *arguments)
        Maildir(service.maildirs / USER).deliver(b"Subject: one\n\n")
        return service

    def hydra(self, service: LiveService, tasks: int) -> Attack:
        options = ("-I", "-l", USER, "-P", str(self.list), "-t", str(tasks), "-f")
        command = [findProgram("hydra"), *options, "-s", str(service.port()), LOOPBACK, "pop3"]
        return self.start(command)

    def nmap(self, service: LiveService) -> Attack:
        port = str(service.port())
        script = f"userdb={self.users},passdb={self.list},unpwdb.timelimit={_ATTACK_SECONDS:.0f}s"
        options = ("-n", "-Pn", "--script", "+pop3-brute", "--script-args", script, "-p", port)
        return self.start([findProgram("nmap"), *options, LOOPBACK])

    def start(self, command: list[str]) -> Attack:
        attack = Attack(command, self.directory)
        self.addCleanup(attack.end)
        return attack

    def checkOwner(self, service: LiveService) -> None:
        took = login(service.port(), _OWNER, _PASSWORD)
        self.assertLess(took, _OWNER_SECONDS)


class CountTests(GuessingTestCase):
    def test_count(self) -> None:
        """One after the other, and from another address on thirty connections."""
        service = self.attackable(*_MANY_CONNECTIONS)
        one = Guesser(service.port(), _ATTACKER, 1, 30)
        thirty = Guesser(service.port(), _OTHER_ATTACKER, 30, 30)
        for _ in range(10):
            time.sleep(2)
            self.checkOwner(service)
        one.wait()
        thirty.wait()
        self.assertGreaterEqual(len(one.answered), 5)
        self.assertLessEqual(most(one.answered, 20), 6)
        self.assertGreaterEqual(len(thirty.answered), 5)
        self.assertLessEqual(most(thirty.answered, 20), 30)
        reasons = {each["reason"] for each in service.events("throttled")}
        self.assertEqual(reasons, {"network", "crowded"})

    def test_restart(self) -> None:
        """To the attacker a restart is no gift."""
        service = self.attackable("--throttle-state", str(self.directory / "throttle"))
        Guesser(service.port(), _ATTACKER, 4, 5).wait()
        self.checkOwner(service)
        service.terminate()
        self.assertEqual(service.wait(), 0)
        before = len(service.events("throttled"))
        service.start()
        again = Guesser(service.port(), _ATTACKER, 1, 3)
        self.checkOwner(service)
        again.wait()
        # Elsewhere the first is checked at once.
        self.assertGreater(float(service.events("throttled")[before]["delay"]), 2)
        self.assertEqual(service.events("throttle-state-failed"), [])


class ToolTests(GuessingTestCase):
    def test_tools(self) -> None:
        """
        hydra and nmap do not come to the 301st password within a minute, with as many
        connections as they like, and the owner does not notice them.
        """
        services = [self.attackable()]
        attacks = [self.hydra(services[0], 16)]
        for attack in (lambda each: self.hydra(each, 30), self.nmap):
            self.directory = self.directory / "next"
            self.directory.mkdir()
            services.append(self.attackable(*_MANY_CONNECTIONS))
            attacks.append(attack(services[-1]))
        end = time.monotonic() + _ATTACK_SECONDS
        while time.monotonic() < end:
            for service in services:
                self.checkOwner(service)
            time.sleep(2)
        for service, each in zip(services, attacks, strict=True):
            each.end()
            said = each.said()
            self.assertNotIn(_PASSWORD, said)
            peers = {record["peer"] for record in service.events("login")}
            self.assertEqual(peers, {_OWNER})
            # It has tried, and was kept waiting.
            self.assertTrue(service.events("login-refused"), said)
            self.assertTrue(service.events("throttled"), said)

    def test_withoutThrottle(self) -> None:
        """They find it where nobody is delayed: so they are the right tools."""
        service = self.attackable(*_MANY_CONNECTIONS, *_NO_DELAYS)
        attack = self.hydra(service, 16)
        attack.process.wait(_ATTACK_SECONDS)
        self.assertIn(f"password: {_PASSWORD}", attack.said())
