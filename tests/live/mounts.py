"""
File systems of a test's own: small ones, full ones, ones that cannot be written to.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from .programs import findProgram, unavailable
from .unprivileged import needRoot


class Mount:
    """
    A file system that is mounted until L{unmount}.

    @ivar path: where.
    """

    def __init__(self, path: Path, kind: str, source: str, options: str) -> None:
        """
        @param path: a directory.
        @raise SkipTest: this user, or this kernel, mounts nothing.
        """
        needRoot()
        self.path = path
        self._mount = findProgram("mount")
        command = [self._mount, "-t", kind, "-o", options, source, str(path)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            unavailable(f"{kind} cannot be mounted: {done.stderr.strip()}")

    @classmethod
    def memory(cls, path: Path, octets: int, inodes: int = 1000) -> Mount:
        """A small one in memory."""
        return cls(path, "tmpfs", "tmpfs", f"size={octets},nr_inodes={inodes}")

    @classmethod
    def ext4(cls, path: Path, image: Path, options: str = "") -> Mount:
        """A file system of 8 MiB as disks have it, in a file."""
        with image.open("wb") as file:
            file.truncate(8 << 20)
        subprocess.run([findProgram("mkfs.ext4"), "-q", "-F", str(image)], check=True)
        return cls(path, "ext4", str(image), "loop" + (f",{options}" if options else ""))

    def fill(self) -> None:
        """Until not one more octet finds room."""
        with (self.path / "filler").open("ab", buffering=0) as file:
            for octets in (1 << 16, 1 << 12, 1):
                try:
                    while True:
                        file.write(b"\0" * octets)
                except OSError:
                    continue

    def fillInodes(self) -> None:
        """Until nothing has a name that has none yet."""
        (self.path / "names").mkdir()
        try:
            for number in range(100_000):
                (self.path / "names" / str(number)).touch()
        except OSError:
            return

    def setWritable(self, writable: bool) -> None:
        option = "remount," + ("rw" if writable else "ro")
        subprocess.run([self._mount, "-o", option, str(self.path)], check=True)

    def unmount(self) -> None:
        os.sync()
        subprocess.run([findProgram("umount"), str(self.path)], check=True)
