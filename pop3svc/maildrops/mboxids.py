"""
Unique-ids for the messages of an mbox, which has none of its own.

The digest of a message is its unique-id. Of messages that are the same octet for
octet, separator included, the second one gets C{.2} behind the digest, and so on.
That number must stay when the first one is removed, and must not be given to
another one that comes later; so what cannot be told from the file alone is kept
in a small file: only for such twins, and for a while for each message that we
have removed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_HEADING = b"pop3svc-mbox-ids 1\n"
_LINE = re.compile(rb"([0-9a-f]{32}) ([0-9]{1,12}) ([0-9]{1,9}) ([0-9,]*)\n")
# A separator tells the second in which a message was delivered, in local time: the
# same one can come again within that second, or in the hour that clocks repeat in
# autumn. Later it is a copy that somebody has put back, and may have its old id.
_SECONDS = 2 * 60 * 60


@dataclass
class Twins:
    """
    What is known of messages with one digest.

    @ivar seconds: when one of them was removed last, of the wall clock.
    @ivar following: the number of the next one that comes.
    @ivar numbers: those of the messages that are there, in their order.
    """

    seconds: int
    following: int
    numbers: list[int]


Known = dict[bytes, Twins]


def uniqueIds(digests: Iterable[bytes], known: Known) -> list[bytes]:
    """
    @param digests: of all messages of the file, in its order.
    """
    seen: Counter[bytes] = Counter()
    ids = []
    for each in digests:
        seen[each] += 1
        number = seen[each]
        if each in known:
            numbers = known[each].numbers
            late = number - len(numbers)
            number = numbers[number - 1] if late <= 0 else known[each].following + late - 1
        ids.append(each if number == 1 else b"%s.%d" % (each, number))
    return ids


def digestOf(uniqueId: bytes) -> bytes:
    """The digest in a unique-id."""
    return uniqueId.partition(b".")[0]


def removed(known: Known, ids: Sequence[bytes], rows: Iterable[int], seconds: int) -> Known:
    """
    What to remember when these messages have been removed.

    @param ids: of all messages of the file before.
    @param rows: the removed ones.
    @param seconds: the wall clock.
    """
    gone = set(rows)
    touched = {digestOf(ids[row]) for row in gone}
    # What somebody else has removed takes its twins along when it is old.
    kept = {
        digest: twins
        for digest, twins in known.items()
        if digest not in touched and (seconds - twins.seconds < _SECONDS or twins.numbers)
    }
    for digest in touched:
        following = known[digest].following if digest in known else 1
        kept[digest] = Twins(seconds, following, [])
    for row, uniqueId in enumerate(ids):
        digest, _, text = uniqueId.partition(b".")
        if digest in touched:
            number = int(text or b"1")
            kept[digest].following = max(kept[digest].following, number + 1)
            if row not in gone:
                kept[digest].numbers.append(number)
    return kept


def written(known: Known) -> bytes:
    """The small file."""
    lines = (
        b"%s %d %d %s\n"
        % (digest, each.seconds, each.following, b",".join(b"%d" % n for n in each.numbers))
        for digest, each in known.items()
    )
    return _HEADING + b"".join(lines)


def read(octets: bytes | None) -> Known:
    """
    @param octets: the small file, or L{None} where there is none. Of one that is
        not ours nothing is believed: then twins are numbered as they lie.
    """
    if octets is None or not octets.startswith(_HEADING):
        return {}
    return {
        digest: Twins(int(seconds), int(following), [int(n) for n in numbers.split(b",") if n])
        for digest, seconds, following, numbers in _LINE.findall(octets)
    }
