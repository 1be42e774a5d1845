"""
Which message of one server is which of another, by what is in them.

Never a guess: what has no header of its own is compared by size, then whole, and
what is left over then stays without a partner. Only messages that are the same
throughout are paired by their order, where it makes no difference.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from .fingerprints import headerDigest, identity, messageDigest

# Both messages are held in memory to be compared whole.
_MOST_OCTETS = 64 * 1024 * 1024


class Side(Protocol):
    """Messages, numbered from 0."""

    octets: Sequence[int]

    def header(self, index: int) -> Sequence[bytes] | None:
        """The lines of its header, perhaps with more; L{None} if it is gone."""

    def message(self, index: int) -> Sequence[bytes] | None:
        """All its lines; L{None} if it is gone."""


@dataclass
class Matching:
    """
    @ivar pairs: indexes of the new side by those of the old one.
    @ivar byIdentity: how many of them have headers that differ, and the same
        Message-ID and date.
    @ivar alike: how many of them have twins, the same throughout.
    @ivar ambiguous: indexes of the old side that could be several, or none.
    """

    pairs: dict[int, int] = field(default_factory=dict)
    byIdentity: int = 0
    alike: int = 0
    ambiguous: list[int] = field(default_factory=list)


class _Head(NamedTuple):
    """
    What the header of a message tells; its digest says it all if it has a Message-ID,
    and is of the whole message if there is no header.
    """

    digest: bytes
    identity: bytes | None
    certain: bool


# The same key on the old side and on the new side.
_Group = tuple[list[int], list[int]]


def match(old: Side, new: Side, show: Callable[[str, int, int], None]) -> Matching:
    """
    @param show: is told what is done, how much of it, and of how much.
    """
    matching = Matching()
    heads = [_heads(old, "reading headers there", show), _heads(new, "reading headers here", show)]
    contested: list[_Group] = []
    for olds, news in _grouped(*map(_digests, heads)):
        if len(olds) == len(news) == 1 and _isCertain(heads[0][olds[0]]):
            matching.pairs[olds[0]] = news[0]
        else:
            contested.append((olds, news))
    for done, group in enumerate(contested):
        show("comparing messages", done, len(contested))
        _compare(group, old, new, matching)
    paired = set(matching.pairs), set(matching.pairs.values())
    settled = set(matching.ambiguous)
    rest = [
        [(each, key) for each, key in _identities(side) if each not in known]
        for side, known in zip(heads, (paired[0] | settled, paired[1]), strict=True)
    ]
    for olds, news in _grouped(*rest):
        if len(olds) == len(news) == 1:
            matching.pairs[olds[0]] = news[0]
            matching.byIdentity += 1
        else:
            matching.ambiguous += olds
    return matching


def _compare(group: _Group, old: Side, new: Side, matching: Matching) -> None:
    """Pair messages that have the same header."""
    olds, news = group
    taken: set[int] = set()
    bySize = _grouped(
        [(each, old.octets[each]) for each in olds], [(each, new.octets[each]) for each in news]
    )
    for someOlds, someNews in bySize:
        if len(someOlds) == len(someNews) == 1:
            matching.pairs[someOlds[0]] = someNews[0]
            taken.add(someNews[0])
    olds = [each for each in olds if each not in matching.pairs]
    news = [each for each in news if each not in taken]
    if not olds or not news:
        return
    for someOlds, someNews in _grouped(_wholes(old, olds), _wholes(new, news)):
        pairs = list(zip(someOlds, someNews, strict=False))
        matching.pairs.update(pairs)
        taken.update(someNews[: len(pairs)])
        if len(someOlds) > 1 or len(someNews) > 1:
            matching.alike += len(pairs)
    if any(each not in taken for each in news):
        matching.ambiguous += [each for each in olds if each not in matching.pairs]


def _heads(side: Side, what: str, show: Callable[[str, int, int], None]) -> list[_Head | None]:
    heads: list[_Head | None] = []
    for index in range(len(side.octets)):
        show(what, index, len(side.octets))
        lines = side.header(index)
        if lines and not lines[0].strip():
            lines = side.message(index)
            heads.append(None if lines is None else _Head(messageDigest(lines), None, True))
        elif lines is None:
            heads.append(None)
        else:
            name = identity(lines)
            heads.append(_Head(headerDigest(lines), name, name is not None))
    return heads


def _isCertain(head: _Head | None) -> bool:
    return head is not None and head.certain


def _digests(heads: Iterable[_Head | None]) -> list[tuple[int, Hashable]]:
    return [(index, head.digest) for index, head in enumerate(heads) if head is not None]


def _identities(heads: Iterable[_Head | None]) -> list[tuple[int, Hashable]]:
    return [
        (index, head.identity)
        for index, head in enumerate(heads)
        if head is not None and head.identity is not None
    ]


def _wholes(side: Side, indexes: Iterable[int]) -> list[tuple[int, Hashable]]:
    keys: list[tuple[int, Hashable]] = []
    for index in indexes:
        if side.octets[index] > _MOST_OCTETS:
            continue
        lines = side.message(index)
        if lines is not None:
            keys.append((index, messageDigest(lines)))
    return keys


def _grouped(
    olds: Iterable[tuple[int, Hashable]], news: Iterable[tuple[int, Hashable]]
) -> list[_Group]:
    """What has a key that both sides have."""
    groups: dict[Hashable, _Group] = defaultdict(lambda: ([], []))
    for place, keyed in enumerate((olds, news)):
        for index, key in keyed:
            groups[key][place].append(index)
    return [group for group in groups.values() if all(group)]
