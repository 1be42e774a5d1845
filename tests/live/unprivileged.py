"""
Other users for the service, without a trace of them on the machine: in a mount
namespace it sees files of users and groups of its own, and no directory that
only root may enter stands before its program.
"""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import SkipTest

from tests.running import ROOT, TWISTD

from .harness import LOOPBACK, PASSWORD, USER
from .programs import findProgram

VMAIL, VMAIL_GROUP, CERTS_GROUP, ALICE, EXIM = range(59_901, 59_906)

_USERS = f"""\
root:x:0:0:root:/root:/bin/sh
vmail:x:{VMAIL}:{VMAIL_GROUP}::/:/bin/false
alice:x:{ALICE}:{ALICE}::/:/bin/false
Debian-exim:x:{EXIM}:{EXIM}::/:/bin/false
"""
_GROUPS = f"""\
root:x:0:
vmail:x:{VMAIL_GROUP}:
certs:x:{CERTS_GROUP}:vmail
alice:x:{ALICE}:
Debian-exim:x:{EXIM}:
"""


def needRoot() -> None:
    """@raise SkipTest: this is not root, or root in a container without namespaces."""
    if subprocess.run([findProgram("unshare"), "--mount", "true"], capture_output=True).returncode:
        raise SkipTest("this needs root, and its right to make namespaces")


def withUsers(directory: Path) -> list[str]:
    """
    @param directory: where the files are put, and all else that the service is to see.
    @return: what goes before a command, so that it knows the users vmail and alice, and
        they may run it.
    """
    users, groups = directory / "users", directory / "groups"
    users.write_text(_USERS)
    groups.write_text(_GROUPS)
    script = [
        *_opened({ROOT, directory, Path(sys.prefix), Path(sys.base_prefix)}),
        f"mount --bind {shlex.quote(str(users))} /etc/passwd",
        f"mount --bind {shlex.quote(str(groups))} /etc/group",
        # Again, because what was mounted meanwhile may cover it.
        f"cd {shlex.quote(str(ROOT))}",
        'exec "$@"',
    ]
    return [findProgram("unshare"), "--mount", "sh", "-ec", "\n".join(script), "sh"]


def _opened(needed: set[Path]) -> Iterator[str]:
    """
    Commands of a shell: instead of each directory that only root may enter stands
    another, with nothing in it but the way to what is needed.
    """
    kept = [shlex.quote(str(each)) for each in needed if _gates(each)]
    if not kept:
        return
    yield "mount -t tmpfs -o mode=755 none /mnt"
    for number, path in enumerate(kept):
        yield f"mkdir /mnt/{number}; mount --bind {path} /mnt/{number}"
    for gate in {_gates(each)[-1] for each in needed if _gates(each)}:
        yield f"mount -t tmpfs -o mode=755 none {shlex.quote(str(gate))}"
    for number, path in enumerate(kept):
        yield f"mkdir -p {path}; mount --bind /mnt/{number} {path}"


def _gates(path: Path) -> list[Path]:
    """Above a path, and closed to others; the outermost is the last."""
    return [each for each in path.parents if not each.stat().st_mode & 0o001]


def twistd(*options: str, subcommand: tuple[str, ...] = ("pop3svc",)) -> list[str]:
    """@param options: of twistd itself."""
    return [*TWISTD, "-n", "--pidfile=", *options, *subcommand]


def freePrivilegedPort() -> int:
    """A port that only root may listen on, and nobody does."""
    for port in range(1023, 512, -1):
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    raise AssertionError("no port below 1024 is free")


def simple(directory: Path, port: int) -> tuple[str, ...]:
    """
    Options of pop3svc: one user and one listener.

    @param directory: holds C{maildirs}.
    """
    return (
        *("--pop3", f"tcp:{port}:interface={LOOPBACK}"),
        *("--auth", f"memory:{USER}:{PASSWORD}"),
        *("--maildrop", f"maildir:{directory}/maildirs/{{user}}"),
    )


def give(path: Path, uid: int, gid: int) -> None:
    """A directory and all below it, to somebody alone."""
    for each in (path, *path.rglob("*")):
        os.chown(each, uid, gid)
        each.chmod(0o700 if each.is_dir() else 0o600)


class Status:
    """
    What the kernel lets a process do: C{/proc/PID}.
    """

    def __init__(self, pid: int) -> None:
        self._proc = Path(f"/proc/{pid}")

    def words(self, name: str) -> list[str]:
        """@param name: of a line of C{status}, of the first thread."""
        return self._line(self._proc / "status", name)

    def ofThreads(self, name: str) -> list[list[str]]:
        """As L{words}, once for each thread."""
        return [self._line(each / "status", name) for each in (self._proc / "task").iterdir()]

    def capabilities(self) -> dict[str, int]:
        """The sets that count, of all threads together."""
        names = ("CapInh", "CapPrm", "CapEff", "CapAmb")
        return {name: max(int(each[0], 16) for each in self.ofThreads(name)) for name in names}

    def catches(self, number: int) -> bool:
        """It has a handler for a signal."""
        [mask] = self.words("SigCgt")
        return bool(int(mask, 16) >> (number - 1) & 1)

    @property
    def dumpable(self) -> bool:
        """Files such as C{environ} belong to root, if the process may not be looked into."""
        return (self._proc / "environ").stat().st_uid != 0

    @property
    def coreLimit(self) -> list[str]:
        """Soft and hard."""
        text = (self._proc / "limits").read_text()
        [line] = [each for each in text.splitlines() if each.startswith("Max core file size")]
        return line.split()[4:6]

    @staticmethod
    def _line(path: Path, name: str) -> list[str]:
        for line in path.read_text().splitlines():
            if line.startswith(name + ":"):
                return line.split()[1:]
        raise AssertionError(f"{path} has no {name}")
