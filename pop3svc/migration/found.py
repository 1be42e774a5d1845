"""
What a source says about the messages of one Maildir.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from ..errors import SettingError
from ..maildrops.names import isUniqueId, split


@dataclass
class Found:
    """
    @ivar ids: unique-ids by base name, of messages that are there.
    @ivar gone: how many others the old server had.
    @ivar doubts: sentences about messages that nobody can be sure of.
    @ivar notes: sentences that need no attention.
    """

    ids: dict[bytes, bytes] = field(default_factory=dict)
    gone: int = 0
    doubts: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def choose(entries: Iterable[tuple[bytes, bytes]], bases: Collection[bytes]) -> Found:
    """
    @param entries: base names, or whole names, each with its unique-id.
    @param bases: the messages that are there.
    """
    found = Found()
    taken: set[bytes] = set()
    refused: list[bytes] = []
    repeated: list[bytes] = []
    for name, identity in entries:
        base = split(name)[0]
        if base not in bases:
            found.gone += 1
        elif not isUniqueId(identity):
            refused.append(identity)
        elif found.ids.get(base) == identity:
            continue
        elif base in found.ids or identity in taken:
            repeated.append(identity)
        else:
            found.ids[base] = identity
            taken.add(identity)
    if refused:
        found.doubts.append(
            f"{len(refused)} unique-ids are none, {refused[0][:80]!r} among them: RFC 1939 allows 1"
            " to 70 printable ASCII octets without a space; they are left out"
        )
    if repeated:
        found.doubts.append(
            f"{len(repeated)} times a message has two unique-ids, or a unique-id two messages,"
            f" {repeated[0][:80]!r} among them; only the first counts"
        )
    return found


def damaged(path: str, number: int, what: str) -> SettingError:
    """
    A line of an old server's file is wrong; its text is not shown, as the file may
    be another than it seems.
    """
    return SettingError(f"{path} line {number} is {what}; is it the right file, and whole?")
