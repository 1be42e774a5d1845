"""
A bare machine, made of this one: the same programs, a file system that forgets all changes,
a network that is loopback alone, and systemd as process 1.
"""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import time
from pathlib import Path

from .programs import findProgram, unavailable
from .systemd import ENTER, children, removeCgroup
from .unprivileged import needRoot

_SYSTEMD = Path("/usr/lib/systemd/systemd")
_SECONDS = 240.0
_PATH = "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
_ASKS = re.compile(rb"[Pp]assword[^\r\n]*: ?\Z|Again: \Z")

# Of Debian's own units only what is asked for is started: these stand for the rest.
_TARGETS = (
    *("sysinit", "basic", "shutdown", "sockets", "network", "network-online"),
    *("nss-user-lookup", "nss-lookup"),
)
_JOURNAL = (
    "systemd-journald.socket",
    "systemd-journald-dev-log.socket",
    "systemd-journald.service",
)
_START = f"[Unit]\nDefaultDependencies=no\nWants={' '.join(_JOURNAL)}\n"
# $1 is put on top of everything.
_BOOT = """
mount -t tmpfs -o mode=755 none /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work none /mnt/root
cd /mnt/root
rm -rf etc/systemd/system/*.wants lib/systemd/system/*.wants
cp -r --preserve=mode "$1/." .
mount -t proc proc proc
mount -t sysfs -o ro none sys
mount -t cgroup2 none sys/fs/cgroup
mount -t tmpfs -o mode=755 none dev
mkdir dev/pts dev/shm
for each in null zero full random urandom tty; do
    touch "dev/$each"
    mount --bind "/dev/$each" "dev/$each"
done
mount -t devpts -o newinstance,ptmxmode=666,mode=620 none dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o mode=755 none run
mkdir run/systemd run/lock
mount -t tmpfs -o mode=1777 none tmp
ip link set lo up
pivot_root . mnt
umount -l mnt
exec "$SYSTEMD" --system --unit=start.target --log-target=console
"""


class Machine:
    """
    It runs until it is ended.
    """

    def __init__(self, directory: Path, brought: Path) -> None:
        """
        @param directory: for what it prints.
        @param brought: files that it has besides, by their paths.
        @raise SkipTest: there is no systemd, or nothing like this is allowed here.
        """
        needRoot()
        findProgram("ip")
        if not _SYSTEMD.exists():
            unavailable("systemd is not installed")
        units = brought / "etc" / "systemd" / "system"
        units.mkdir(parents=True)
        for name in _TARGETS:
            (units / f"{name}.target").write_text("[Unit]\nDefaultDependencies=no\n")
        (units / "start.target").write_text(_START)
        self._said = directory / "machine.log"
        self._cgroup = f"pop3svc-machine-{os.getpid()}"
        with self._said.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *("sh", "-ec", ENTER, "sh", self._cgroup),
                    *("unshare", "--net", "--uts", "--ipc"),
                    *("sh", "-ec", _BOOT, "sh", str(brought)),
                ],
                env={"PATH": os.environ["PATH"], "container": "tests", "SYSTEMD": str(_SYSTEMD)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def type(self, commands: str, password: str) -> str:
        """
        As somebody at a terminal, until a command fails.

        @param commands: of a shell.
        @param password: the answer to whatever asks for one.
        @return: what the terminal shows.
        @raise AssertionError: a command has failed.
        """
        enter = self._entering("bash", "-exc", commands)
        child, terminal = pty.fork()
        if child == 0:
            os.execvp(enter[0], enter)
        shown = b""
        giveUp = time.monotonic() + _SECONDS
        try:
            while octets := _read(terminal):
                shown += octets
                if _ASKS.search(shown):
                    # What is typed before a program asks, it throws away.
                    time.sleep(0.2)
                    os.write(terminal, password.encode() + b"\n")
                if time.monotonic() > giveUp:
                    os.kill(child, signal.SIGKILL)
        finally:
            os.close(terminal)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        text = shown.decode("utf-8", "replace").replace("\r\n", "\n")
        if status:
            raise AssertionError(f"status {status}:\n{text[-6000:]}\n{self._journal()}")
        return text

    def _journal(self) -> str:
        words = self._entering("journalctl", "--no-pager", "--lines=60")
        return subprocess.run(words, capture_output=True, text=True).stdout

    def _entering(self, *words: str) -> list[str]:
        """A command inside."""
        enter = ["nsenter", "--target", str(self._pid()), "--all"]
        return [*enter, "env", "-i", "HOME=/root", "TERM=dumb", f"PATH={_PATH}", *words]

    def end(self) -> None:
        """Process 1 takes all others with it, and the file system."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        removeCgroup(self._cgroup)

    def _pid(self) -> int:
        """Of systemd, once it takes orders."""
        giveUp = time.monotonic() + _SECONDS
        while self._process.poll() is None and time.monotonic() < giveUp:
            for pid in children(self._process.pid):
                root = Path(f"/proc/{pid}/root")
                if (root / "run/systemd/private").exists():
                    return pid
            time.sleep(0.05)
        raise AssertionError(f"the machine does not start:\n{self._said.read_text()}")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:
        # So ends a terminal that nobody has open any more.
        return b""
