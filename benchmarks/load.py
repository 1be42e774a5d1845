"""
The load generator, as seen from Python: C{benchmarks/load}, in C.

It must cost less than the floor of what a server can cost. A generator in Python
takes as long for a session as our own server does, so it would be the limit
itself; this one takes 0.03 ms.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("load")
PASSWORD = "secret"


class LoadFailed(Exception):
    """
    An answer was not right.

    @ivar kind: a word: C{refused}, C{octets}, C{content}, C{count}, C{malformed},
        C{closed}, C{timeout} or C{setup}.
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


@dataclass(frozen=True)
class Plan:
    """
    What each session does.

    @ivar user: users are this with a number behind it.
    @ivar script: words with commas between, as C{user,pass,stat,quit}.
    @ivar users: how many there are.
    @ivar connections: how many sessions at once.
    @ivar messages: in each maildrop.
    @ivar content: the XOR of the SHA-256 of a maildrop's messages, in hexadecimal;
        sessions that warm up compare it.
    @ivar tls: C{full} or C{resumed} handshakes, or nothing.
    @ivar pipelined: what follows LIST leaves in one write.
    """

    user: str
    script: str
    users: int
    connections: int
    messages: int
    content: str = ""
    tls: str = ""
    pipelined: bool = False

    def words(self) -> list[str]:
        """As the generator takes them."""
        words = [
            *("--user", self.user, "--script", self.script, "--users", str(self.users)),
            *("--connections", str(self.connections), "--messages", str(self.messages)),
        ]
        words += ["--content", self.content] if self.content else []
        words += ["--tls", self.tls] if self.tls else []
        return words + (["--pipelined"] if self.pipelined else [])


@dataclass(frozen=True)
class Outcome:
    """
    @ivar sessions: how many came to their end.
    @ivar seconds: how long that took.
    @ivar processor: what the generator used itself, in seconds.
    @ivar octets: of messages.
    @ivar resumed: handshakes of TLS.
    @ivar p50: milliseconds from the connection to the reply to QUIT; the median.
    @ivar p99: the same, what one in a hundred exceeds.
    """

    sessions: int
    seconds: float
    processor: float
    octets: int
    resumed: int
    p50: float
    p99: float


def build(directory: Path) -> None:
    """
    Make C{pop3load} and C{floor} there.

    @raise subprocess.CalledProcessError: there is no compiler, or no OpenSSL.
    """
    subprocess.run(
        ["make", "--quiet", "-C", str(SOURCE), f"BUILD={directory}"],
        check=True,
        capture_output=True,
        text=True,
    )


class Load:
    """One run; within C{with}, so that it never outlives whoever wanted it."""

    def __init__(
        self, programs: Path, port: int, plan: Plan, cores: Iterable[int], *words: str
    ) -> None:
        """
        @param programs: where L{build} has put them.
        @param cores: where the generator runs.
        @param words: how long: C{--seconds}, C{--sessions}, C{--warm-up}, C{--hold}.
        """
        self._process = subprocess.Popen(
            [str(programs / "pop3load"), "--port", str(port), *plan.words(), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *raised: object) -> None:
        self._process.kill()
        self._process.communicate()

    def waitFor(self, word: str) -> None:
        """
        @param word: C{ready} or C{held}.
        @raise LoadFailed: an answer was wrong before.
        """
        line = self._line()
        if line.strip() != word:
            self._outcome(line)
            raise LoadFailed("setup", f"{line!r} instead of {word}")

    def go(self) -> None:
        """What it waits for after each word."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")

    def outcome(self) -> Outcome:
        """@raise LoadFailed: an answer was wrong."""
        return self._outcome(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def _outcome(self, line: str) -> Outcome:
        if not line.startswith("{"):
            raise LoadFailed("setup", f"the generator ended: {line!r}")
        values = json.loads(line)
        if "error" in values:
            raise LoadFailed(values["error"], f"{values['user']}: {values['text']}")
        return Outcome(**values)
