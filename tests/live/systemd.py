"""
The real systemd with the real units, where it has not booted: as process 1 of a
namespace that has nothing but these units, and can change nothing of the machine.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.running import ROOT

from .programs import findProgram, unavailable
from .unprivileged import withUsers

UNITS = ROOT / "etc" / "systemd"

_SYSTEMD = Path("/usr/lib/systemd/systemd")
_SECONDS = 30.0

# What the units name, without anything behind it.
_TARGETS = ("sysinit", "basic", "shutdown", "sockets", "network-online", "nss-user-lookup")

# A cgroup of its own, which must be made before the namespace of cgroups.
ENTER = """
mount -t cgroup2 none /mnt
mkdir "/mnt/$1"
echo $$ > "/mnt/$1/cgroup.procs"
umount /mnt
shift
exec unshare --cgroup --mount --pid --fork --kill-child "$@"
"""
_BOOT = """
mount -t proc proc /proc
mount --bind -o ro /proc/sys /proc/sys
mount -o remount,bind,ro /sys
umount -R /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
mount -t tmpfs -o mode=755 none /run
mkdir -p /run/systemd
exec "$@"
"""


class Systemd:
    """
    It runs, with units that it has been given and nothing else.

    @ivar log: what services print.
    """

    def __init__(self, directory: Path, dropIns: dict[str, str], start: str) -> None:
        """
        @param directory: with what the service needs; it stands where it stands, whatever
            the sandbox hides.
        @param dropIns: unit -> what a drop-in adds to it.
        @param start: the unit to start.
        @raise SkipTest: there is no systemd, or nothing like this is allowed here.
        """
        self._directory = directory
        self.log = directory / "log"
        self._cgroup = f"pop3svc-tests-{os.getpid()}"
        units = directory / "units"
        fitted = self._fitting() + dropIns.get("pop3svc.service", "")
        self._writeUnits(units, {**dropIns, "pop3svc.service": fitted}, start)
        findProgram("unshare")
        if not _SYSTEMD.exists():
            unavailable("systemd is not installed")
        environment = {
            "PATH": os.environ["PATH"],
            # Less is touched then, such as the console and the clock.
            "container": "tests",
            "SYSTEMD_UNIT_PATH": str(units),
        }
        with (directory / "systemd.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *withUsers(directory),
                    *("sh", "-ec", ENTER, "sh", self._cgroup, "sh", "-ec", _BOOT, "sh"),
                    *(str(_SYSTEMD), "--system", "--unit=start.target", "--log-target=console"),
                ],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def awaitLog(self, text: str, count: int = 1) -> None:
        """@raise AssertionError: no service prints it so often."""
        giveUp = time.monotonic() + _SECONDS
        while not self.log.exists() or self.log.read_text().count(text) < count:
            if time.monotonic() > giveUp:
                raise AssertionError(f"no {text!r} in the log: {self.said()}")
            time.sleep(0.05)

    def said(self) -> str:
        """By services and by systemd."""
        logs = (self.log, self._directory / "systemd.log")
        return "".join(each.read_text("utf-8", "replace") for each in logs if each.exists())

    def control(self, *words: str) -> str:
        """@return: what C{systemctl} prints."""
        enter = ("nsenter", "--target", str(self._pid()), "--mount", "--pid", "systemctl")
        done = subprocess.run((*enter, *words), capture_output=True, text=True, timeout=_SECONDS)
        if done.returncode:
            raise AssertionError(f"systemctl {' '.join(words)}: {done.stderr}\n{self.said()}")
        return done.stdout

    def mainPid(self) -> int:
        """@return: that of pop3svc.service, outside of the namespace."""
        for each in children(self._pid()):
            if b"pop3svc" in Path(f"/proc/{each}/cmdline").read_bytes():
                return each
        raise AssertionError(f"pop3svc.service does not run: {self.said()}")

    def end(self) -> None:
        """Process 1 takes all others with it."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        removeCgroup(self._cgroup)

    def _pid(self) -> int:
        """Of systemd, which is the only child of unshare."""
        [pid] = children(self._process.pid)
        return pid

    def _fitting(self) -> str:
        """
        What makes the unit run from here: another place of the program, of its
        configuration and of the mail, which may lie in a home.
        """
        needed = {str(each) for each in (ROOT, sys.prefix, sys.base_prefix)}
        program = Path(sys.prefix) / "bin" / "twistd"
        unit = (UNITS / "pop3svc.service").read_text()
        [start] = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
        start = start.replace("/opt/pop3svc/bin/twistd", str(program))
        start = start.replace("/etc/pop3svc", str(self._directory))
        return (
            f"ProtectHome=tmpfs\nBindReadOnlyPaths={' '.join(sorted(needed))}\n"
            f"BindPaths={self._directory}\nReadWritePaths={self._directory}\n"
            f"Environment=PYTHONPATH={ROOT}\nExecStart=\nExecStart={start}\n"
            # There is no journal here.
            f"StandardOutput=append:{self.log}\n"
        )

    def _writeUnits(self, units: Path, dropIns: dict[str, str], start: str) -> None:
        units.mkdir()
        for each in UNITS.iterdir():
            (units / each.name).write_bytes(each.read_bytes())
        for name in _TARGETS:
            (units / f"{name}.target").write_text("[Unit]\nDefaultDependencies=no\n")
        (units / "start.target").write_text(f"[Unit]\nDefaultDependencies=no\nWants={start}\n")
        for unit, text in dropIns.items():
            folder = units / f"{unit}.d"
            folder.mkdir()
            section = unit.rpartition(".")[2].capitalize()
            (folder / "tests.conf").write_text(f"[{section}]\n{text}")


def removeCgroup(name: str) -> None:
    """@param name: as it was given to L{ENTER}."""
    script = f'mount -t cgroup2 none /mnt; find "/mnt/{name}" -depth -type d -delete'
    giveUp = time.monotonic() + _SECONDS
    while subprocess.run(
        ["unshare", "--mount", "sh", "-ec", script], capture_output=True
    ).returncode:
        # Who was killed is gone a moment later.
        if time.monotonic() > giveUp:
            raise AssertionError(f"the cgroup {name} is still in use")
        time.sleep(0.1)


def children(pid: int) -> list[int]:
    """@return: the processes that a process has started."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
