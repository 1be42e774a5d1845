"""
What mail programs would notice of a move from one server to another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

# How the two are called in sentences.
_A, _B = "the first", "the second"


class Seen:
    """What one of the two shows."""

    def __init__(self, uniqueIds: Sequence[bytes], octets: Sequence[int]) -> None:
        """
        @param uniqueIds: of all messages, in their order.
        @param octets: their sizes.
        """
        self.order = list(uniqueIds)
        self.octets = dict(zip(self.order, octets, strict=True))


def differences(old: Seen, new: Seen) -> list[str]:
    """@return: a sentence each; none if no mail program would notice anything."""
    sentences = []
    for name, seen in ((_A, old), (_B, new)):
        twice = [each for each, count in Counter(seen.order).items() if count > 1]
        if twice:
            sentences.append(f"{len(twice)} unique-ids stand twice in {name}{_among(twice)}")
    onlyOld = [each for each in old.octets if each not in new.octets]
    onlyNew = [each for each in new.octets if each not in old.octets]
    if onlyNew:
        sentences.append(
            f"{len(onlyNew)} unique-ids are in {_B} alone{_among(onlyNew)}: mail programs download"
            " these"
        )
    if onlyOld:
        sentences.append(f"{len(onlyOld)} unique-ids are in {_A} alone{_among(onlyOld)}")
    sizes = Counter(old.octets[each] for each in onlyOld)
    changed = (sizes & Counter(new.octets[each] for each in onlyNew)).total()
    if changed:
        sentences.append(
            f"{changed} of them have the size of one there, so their unique-ids may have changed"
        )
    common = [each for each in old.octets if each in new.octets]
    if common != [each for each in new.octets if each in old.octets]:
        sentences.append("the order is another one, which programs notice that go by numbers")
    resized = [each for each in common if old.octets[each] != new.octets[each]]
    if resized:
        example = resized[0]
        sentences.append(
            f"{len(resized)} messages have another size, {_shown(example)} with"
            f" {old.octets[example]} and {new.octets[example]} octets among them"
        )
    return sentences


def _among(ids: Sequence[bytes]) -> str:
    return f", {_shown(ids[0])} among them"


def _shown(identity: bytes) -> str:
    return repr(identity[:80])
