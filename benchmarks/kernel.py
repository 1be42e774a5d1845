"""
What the kernel says a server used: processor, memory, and whether its core was idle.
"""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


class Account:
    """
    All processes of one server. In a control group of its own where that can be
    made, which counts to the microsecond; else by the times of the processes, their
    children included, in ticks of 10 ms.
    """

    def __init__(self, name: str) -> None:
        self._group = _makeGroup(f"pop3svc-bench-{os.getpid()}-{name}")
        self._first = 0

    @property
    def exact(self) -> bool:
        """By the control group."""
        return self._group is not None

    def entering(self, cores: Iterable[int]) -> Callable[[], None]:
        """@return: what a new process calls to be counted here and stay on these cores."""

        def enter() -> None:
            os.setsid()
            if self._group is not None:
                (self._group / "cgroup.procs").write_text(str(os.getpid()))
            os.sched_setaffinity(0, cores)
            _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

        return enter

    def follow(self, process: int) -> None:
        """@param process: the id of the server's first process."""
        self._first = process

    def processorSeconds(self) -> float:
        """User and system time of all processes, also of those that have ended."""
        if self._group is None:
            return sum(map(_processSeconds, self.processes()))
        for line in (self._group / "cpu.stat").read_text().splitlines():
            name, value = line.split()
            if name == "usage_usec":
                return int(value) / 1e6
        raise OSError("cpu.stat has no usage_usec")

    def processes(self) -> list[int]:
        """The ids of those that run."""
        if self._group is not None:
            return [int(each) for each in (self._group / "cgroup.procs").read_text().split()]
        children: dict[int, list[int]] = {}
        for each in Path("/proc").glob("[0-9]*/stat"):
            if fields := _stat(each):
                children.setdefault(int(fields[1]), []).append(int(each.parent.name))
        found = [self._first]
        for process in found:
            found.extend(children.get(process, ()))
        return found

    def memoryKiB(self) -> int:
        """The proportional share (PSS) of all processes: shared pages count once in all."""
        total = 0
        for process in self.processes():
            try:
                text = Path(f"/proc/{process}/smaps_rollup").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            total += int(text.split("\nPss:", 1)[1].split(None, 1)[0])
        return total

    def clear(self) -> None:
        """Kill what is still in it: a server's children may outlive their parent."""
        end = time.monotonic() + 10
        while self._group and (left := self.processes()) and time.monotonic() < end:
            for process in left:
                _kill(process)
            time.sleep(0.05)

    def end(self) -> None:
        """Take the group away, with all that is in it."""
        self.clear()
        if self._group is not None:
            self._group.rmdir()


def coreIdle(cores: Iterable[int]) -> float:
    """Seconds that these cores have been idle, since the machine started."""
    wanted = {f"cpu{core}" for core in cores}
    total = 0.0
    for line in Path("/proc/stat").read_text().splitlines():
        name, *values = line.split()
        if name in wanted:
            total += (int(values[3]) + int(values[4])) / _TICKS
    return total


def _makeGroup(name: str) -> Path | None:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if not after.startswith("cgroup2 "):
            continue
        own = [
            each.removeprefix("0::")
            for each in Path("/proc/self/cgroup").read_text().splitlines()
            if each.startswith("0::")
        ]
        group = Path(before.split()[4] + own[0].rstrip("/"), name)
        try:
            group.mkdir()
        except OSError:
            return None
        return group
    return None


def _stat(path: Path) -> list[str]:
    """The fields behind the name, which may hold anything; none if it has ended."""
    try:
        return path.read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _processSeconds(process: int) -> float:
    fields = _stat(Path(f"/proc/{process}/stat"))
    # utime, stime and those of the children that were waited for.
    return sum(map(int, fields[11:15])) / _TICKS


def _kill(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return
