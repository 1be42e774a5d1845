"""
The files of a log, from the oldest line to the newest: also those that were rotated.
"""

from __future__ import annotations

import gzip
import os
import re
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO

from ..errors import SettingError

# logrotate's numbers and dates, and those of twistd's own log.
_ROTATED = re.compile(r"[.-][0-9][0-9_-]*(?:\.gz)?\Z")
# No line of ours is longer; what is in it would look like a line where it is cut.
_LINE_OCTETS = 64 * 1024
_MEBI = 1024 * 1024
# How often it is told how far this has gone.
_TOLD_LINES = 4096


def filesOf(path: str) -> list[Path]:
    """
    @return: a log, behind what was cut off it; the oldest first.
    @raise SettingError: there is no such file.
    """
    log = Path(path)
    if not log.is_file():
        raise SettingError(f"there is no log {path}; name the file of --audit-log, or twistd's log")
    older = [
        each
        for each in log.parent.iterdir()
        if each.name.startswith(log.name)
        and _ROTATED.match(each.name, len(log.name))
        and each.is_file()
    ]
    return [*sorted(older, key=lambda each: each.stat().st_mtime), log]


def linesOf(paths: Sequence[str], show: Callable[[str, int, int], None]) -> Iterator[bytes]:
    """
    @param paths: of logs; C{-} is standard input.
    @param show: called now and then with what is done, how many MiB, and of how many
        (0 if nobody knows).
    @raise OSError: one cannot be read.
    """
    files = [(path, [] if path == "-" else filesOf(path)) for path in paths]
    octets = sum(each.stat().st_size for _, some in files for each in some)
    before = 0
    for path, some in files:
        if path == "-":
            yield from _lines(sys.stdin.buffer, lambda: show("reading standard input", 0, 0))
        for each in some:
            with each.open("rb") as raw, _unpacked(each, raw) as opened:

                def tell(done: int = before, raw: IO[bytes] = raw, name: str = each.name) -> None:
                    show(f"reading {name}", (done + raw.tell()) // _MEBI, octets // _MEBI)

                try:
                    yield from _lines(opened, tell)
                except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                    raise SettingError(f"{each} is no whole gzip file: {error}") from error
                before += os.fstat(raw.fileno()).st_size


def _unpacked(path: Path, raw: IO[bytes]) -> AbstractContextManager[IO[bytes]]:
    return gzip.open(raw) if path.suffix == ".gz" else nullcontext(raw)  # type: ignore[return-value]


def _lines(file: IO[bytes], tell: Callable[[], None]) -> Iterator[bytes]:
    count, isWhole = 0, True
    while line := file.readline(_LINE_OCTETS):
        count += 1
        if count % _TOLD_LINES == 0:
            tell()
        begins, isWhole = isWhole, line.endswith(b"\n")
        if begins and len(line) < _LINE_OCTETS:
            yield line
