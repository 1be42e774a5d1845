"""
Unique-ids out of a table of one's own: CSV with a unique-id and a file name a line.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from io import StringIO
from pathlib import PurePath

from .found import damaged


def parseTable(octets: bytes, path: str) -> Iterator[tuple[bytes, bytes]]:
    """
    @param octets: the whole file; the names may be whole paths, with flags or
        without. A first line C{unique-id,...} is a heading.
    @param path: of it, for messages.
    @return: names with their unique-ids.
    @raise pop3svc.errors.SettingError: a line is no such thing.
    """
    # Names are octets; so they come out as they went in.
    text = StringIO(os.fsdecode(octets).removeprefix("\ufeff"), newline="")
    rows = csv.reader(text, strict=True)
    number = 0
    try:
        for number, row in enumerate(rows, 1):
            if not row or (number == 1 and row[0] == "unique-id"):
                continue
            if len(row) != 2 or not PurePath(row[1]).name:
                raise damaged(path, number, "not a unique-id, a comma and a file name")
            yield os.fsencode(PurePath(row[1]).name), os.fsencode(row[0])
    except csv.Error as error:
        raise damaged(path, number + 1, f"no CSV ({error})") from error
