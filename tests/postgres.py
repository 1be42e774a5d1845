"""
A PostgreSQL of the tests' own, on a socket in a directory of its own.
"""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from functools import cache
from glob import glob
from pathlib import Path
from typing import Any
from unittest import SkipTest

PASSWORD = "hush-hush"

_START_SECONDS = 30.0


class Postgres:
    """
    The server, while it runs; it refuses to be root.

    @ivar url: for its superuser, with the password.
    """

    def __init__(self, directory: Path, programs: Path) -> None:
        self._programs = programs
        self._data = directory / "data"
        self._directory = directory
        self.url = f"postgresql+psycopg://tests:{PASSWORD}@/postgres?host={directory}"
        secret = directory / "secret"
        secret.write_text(PASSWORD)
        if os.geteuid() == 0:
            for path in (directory, secret):
                shutil.chown(path, "nobody")
        made = self._start(
            *("initdb", "--pgdata", str(self._data), "--username=tests", "--auth=scram-sha-256"),
            *(f"--pwfile={secret}", "--no-sync", "--encoding=UTF8", "--locale=C"),
        )
        assert made.wait(_START_SECONDS) == 0
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = self._start(
            *("postgres", "-D", str(self._data), "-k", str(self._directory)),
            *("-c", "listen_addresses=", "-c", "fsync=off"),
        )
        end = time.monotonic() + _START_SECONDS
        while not self._answers():
            assert self._process.poll() is None and time.monotonic() < end
            time.sleep(0.05)

    def stop(self) -> None:
        """End it with all its connections."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait()

    def freeze(self) -> None:
        """It accepts connections, and says nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        self._process.send_signal(signal.SIGCONT)

    def execute(self, *statements: str) -> None:
        """Do what no checker does."""
        import psycopg

        url = self.url.replace("+psycopg", "")
        with psycopg.connect(url, autocommit=True) as connection:
            for each in statements:
                connection.execute(each.encode())

    def _answers(self) -> bool:
        import psycopg

        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _start(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        nobody: Any = {}
        if os.geteuid() == 0:
            entry = pwd.getpwnam("nobody")
            nobody = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        return subprocess.Popen(
            [str(self._programs / program), *arguments],
            cwd=self._directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **nobody,
        )


@cache
def sharedPostgres() -> Postgres:
    """
    One for all tests, which ends with this process.

    @raise SkipTest: it is not installed.
    """
    found = shutil.which("initdb")
    places = [*([found] if found else []), *sorted(glob("/usr/lib/postgresql/*/bin/initdb"))]
    if not places:
        if os.environ.get("CI") == "true":
            raise AssertionError("postgresql is not installed")
        raise SkipTest("postgresql is not installed")
    # Not below the directory of the tests: the path of a socket has 107 octets.
    directory = tempfile.TemporaryDirectory(prefix="postgres-")
    atexit.register(directory.cleanup)
    server = Postgres(Path(directory.name), Path(os.path.realpath(places[-1])).parent)
    atexit.register(server.stop)
    return server
