"""
What of a limit is one worker's: memory, threads and queues are the whole service's, and
each worker gets its part. Whatever counts connections or failures is counted over all
workers, and stays as it is.
"""

from __future__ import annotations

from dataclasses import fields, replace

from ..limits import Limits

DIVIDED = (
    *("hashThreads", "hashQueue", "checkerThreads", "checkerQueue", "storeThreads", "storeQueue"),
    *("rememberedLogins", "rememberedOctets", "rememberedMessages"),
    *("refusedAtOnce", "logNetworks"),
)

_LEAST = {each.name: each.metadata["least"] for each in fields(Limits)}


def shareOf(limits: Limits, workers: int) -> Limits:
    """
    @param limits: of the service.
    @return: those that each of its workers keeps to.
    """
    shares = {name: -(-getattr(limits, name) // workers) for name in DIVIDED}
    return replace(limits, **{name: max(_LEAST[name], each) for name, each in shares.items()})
