"""
One secret for the life of a service, the same in all of its processes.

What is made with it looks the same whichever worker answers: were it not so, a client
could tell users that exist from others by what changes between two connections.
"""

from __future__ import annotations

import secrets
from hashlib import blake2b

_OCTETS = 32

_master = secrets.token_bytes(_OCTETS)


def serviceKey(purpose: str) -> bytes:
    """
    @param purpose: what it is for; each has a key of its own.
    @return: 32 octets.
    """
    return blake2b(purpose.encode(), key=_master, digest_size=_OCTETS).digest()


def masterKey() -> bytes:
    """For whoever starts another process of the same service."""
    return _master


def useMasterKey(key: bytes) -> None:
    """@param key: of whoever has started this process; before anything is made."""
    global _master
    _master = key
