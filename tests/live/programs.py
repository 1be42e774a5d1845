"""
Mail programs of other people, run as their users run them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn
from unittest import SkipTest

from .harness import environment

# No program may hold up the tests longer than this.
_SECONDS = 60.0


def findProgram(name: str) -> str:
    """
    @return: the program's path.
    @raise SkipTest: it is not installed. C{.ci/run} installs all of them, so
        there it is a failure.
    """
    path = shutil.which(name, path=environment(Path.cwd())["PATH"])
    if path is None:
        unavailable(f"{name} is not installed")
    return path


def findPerlModules(*names: str) -> str:
    """
    @return: the path of a Perl that has them.
    @raise SkipTest: as L{findProgram}.
    """
    perl = findProgram("perl")
    for name in names:
        found = subprocess.run(
            [perl, f"-M{name}", "-e", "1"],
            env=environment(Path.cwd()),
            stderr=subprocess.DEVNULL,
        )
        if found.returncode:
            unavailable(f"{name} is not installed")
    return perl


def unavailable(reason: str) -> NoReturn:
    """
    @param reason: names what is missing outside of this repository.
    @raise SkipTest: always, but where everything has to be there.
    """
    if os.environ.get("CI") == "true":
        raise AssertionError(reason)
    raise SkipTest(reason)


def run(
    command: Sequence[str], home: Path, statuses: Sequence[int] = (0,), stdin: bytes = b""
) -> bytes:
    """
    Run a program to its end.

    @param home: its home directory, and where it runs.
    @param statuses: the exit statuses that are good.
    @return: its standard output.
    @raise AssertionError: another exit status; with all that it said.
    """
    done = subprocess.run(
        command, cwd=home, env=environment(home), input=stdin, capture_output=True, timeout=_SECONDS
    )
    if done.returncode not in statuses:
        said = (done.stdout + done.stderr)[-4000:].decode("utf-8", "replace")
        raise AssertionError(f"{command[0]} ended with status {done.returncode}:\n{said}")
    return done.stdout


class DeliveryProgram:
    """
    What mail programs hand their messages to: it keeps each as it gets it.

    @ivar command: its path.
    """

    def __init__(self, directory: Path) -> None:
        """@param directory: where it may put things."""
        self._taken = directory / "taken"
        self._taken.mkdir()
        self.command = directory / "deliver"
        # One after the other, so that counting gives a name that is free.
        self.command.write_text(
            f"""\
#!/bin/sh
cd '{self._taken}' && exec cat > "$(printf %06d "$(ls | wc -l)")"
"""
        )
        self.command.chmod(0o755)

    def taken(self) -> list[bytes]:
        """@return: the messages since the last call, in order."""
        files = sorted(self._taken.iterdir())
        messages = [each.read_bytes() for each in files]
        for each in files:
            each.unlink()
        return messages
