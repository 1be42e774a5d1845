"""
What has changed in a Maildir since its columns were made.

A hundred thousand names are compared as sets, in calls into C that are short
enough for other threads, and only names that differ become objects of ours.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import compress
from typing import NamedTuple

from .columns import PIECE_ROWS, Columns
from .names import split
from .survey import Place, Survey

# For each directory what makes its rows true in a column of indexes.
_SELECTORS = (bytes((1, 0)) + bytes(254), bytes((0, 1)) + bytes(254))


class Changes(NamedTuple):
    """
    @ivar gone: the rows whose names are not there now, ascending.
    @ivar fresh: where a base name lies under a name that no row has.
    @ivar again: further such places, for the few base names that have any.
    """

    gone: list[int]
    fresh: dict[bytes, Place]
    again: dict[bytes, list[Place]]


def compare(columns: Columns, found: Survey) -> Changes:
    """@param found: its names are used up, to hold each only once."""
    gone: list[int] = []
    unknown: list[set[str]] = []
    for names, selector in zip(found.names, _SELECTORS, strict=True):
        left: set[str] = set()
        if names is not None:
            left.update(names)
            gone += _takeAway(left, columns, selector, names)
            names.clear()
        unknown.append(left)
    return Changes(sorted(gone), *_fresh(unknown))


def _takeAway(left: set[str], columns: Columns, selector: bytes, names: list[str]) -> list[int]:
    """
    Take known names out of C{left}.

    @param names: what was in it.
    @return: the rows whose names were not.
    """
    suspect: list[tuple[list[int], list[str]]] = []
    for rows in columns.pieces():
        selected = columns.directories[rows.start : rows.stop].translate(selector)
        known = list(compress(columns.fullNames(rows.start, rows.stop), selected))
        before = len(left)
        left.difference_update(known)
        if before - len(left) != len(known):
            suspect.append((list(compress(rows, selected)), known))
    if not suspect:
        return []
    # Most often there is none, and one look at each name is enough.
    present = set(names)
    return [
        row
        for numbers, known in suspect
        for row, name in zip(numbers, known, strict=True)
        if name not in present
    ]


def _fresh(unknown: list[set[str]]) -> tuple[dict[bytes, Place], dict[bytes, list[Place]]]:
    fresh: dict[bytes, Place] = {}
    again: dict[bytes, list[Place]] = {}
    for index, names in enumerate(unknown):
        # Most names have one of a few ends: one tuple serves all with the same.
        places: dict[bytes, Place] = {}
        for name in _usedUp(names):
            base, rest = split(name)
            place = places.get(rest)
            if place is None:
                place = places[rest] = index, rest
            if fresh.setdefault(base, place) is not place:
                again.setdefault(base, []).append(place)
    return fresh, again


def _usedUp(names: set[str]) -> Iterator[bytes]:
    """The names but for hidden ones; each is held no longer than it must."""
    while names:
        piece = [names.pop() for _ in range(min(PIECE_ROWS, len(names)))]
        for name in os.fsencode("\0".join(piece)).split(b"\0"):
            if not name.startswith(b"."):
                yield name
    # An empty set keeps the room that it once took.
    names.clear()
